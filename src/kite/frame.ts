/**
 * Bytes of one WebSocket message to ticks: u16 number of packets, then u16 length and packet, each.
 *
 * Whatever the bytes are, nothing throws and nothing is read beyond them. What was whole is kept;
 * the rest is reported, so that a frame's packets can be counted one by one: each call of the sink
 * is one packet, good or not.
 */
import { isPacketLength, KiteTick } from './packet.ts'

export type FrameFaultCode =
  /** A message without a byte. */
  | 'empty'
  /** The frame ends inside a packet, or before the last one that it announces. */
  | 'truncated'
  /** A whole packet of a length that no kind has; the next one is decoded. */
  | 'bad_length'
  /** Bytes behind the last announced packet. */
  | 'trailing_bytes'

/** What could not be decoded: `byteLength` bytes of the frame from `offset` on. */
export interface FrameFault {
  readonly code: FrameFaultCode
  readonly offset: number
  readonly byteLength: number
  readonly message: string
}

/** Is told of every packet in the order of the wire. */
export interface FrameSink {
  onTick(tick: KiteTick): void
  onFault(fault: FrameFault): void
}

/** `heartbeat`: one byte, which says only that the connection lives. */
export type FrameKind = 'heartbeat' | 'data'

const COUNT_BYTES = 2
const LENGTH_BYTES = 2

/** Decodes one binary message. Ticks refer to `bytes`, which must not be changed after. */
export function decodeFrame(bytes: Uint8Array, sink: FrameSink): FrameKind {
  const end = bytes.byteLength
  if (end === 1) return 'heartbeat'
  if (end === 0) {
    sink.onFault(fault('empty', 0, 0, 'message without a byte'))
    return 'data'
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, end)
  const count = view.getUint16(0)
  let at = COUNT_BYTES
  for (let i = 0; i < count; i++) {
    const start = at + LENGTH_BYTES
    const byteLength = start <= end ? view.getUint16(at) : 0
    if (start + byteLength > end) {
      sink.onFault(truncated(at, end, i, count))
      return 'data'
    }
    if (isPacketLength(byteLength)) sink.onTick(new KiteTick(view, start, byteLength))
    else sink.onFault(badLength(at, byteLength))
    at = start + byteLength
  }
  if (at < end) sink.onFault(trailing(at, end, count))
  return 'data'
}

function truncated(at: number, end: number, index: number, count: number): FrameFault {
  return fault(
    'truncated',
    at,
    end - at,
    `frame of ${end} bytes ends in packet ${index + 1} of ${count}`,
  )
}

function badLength(at: number, byteLength: number): FrameFault {
  return fault('bad_length', at, LENGTH_BYTES + byteLength, `no packet has ${byteLength} bytes`)
}

function trailing(at: number, end: number, count: number): FrameFault {
  return fault(
    'trailing_bytes',
    at,
    end - at,
    `${end - at} bytes behind the last of ${count} packets`,
  )
}

function fault(
  code: FrameFaultCode,
  offset: number,
  byteLength: number,
  message: string,
): FrameFault {
  return { code, offset, byteLength, message }
}
