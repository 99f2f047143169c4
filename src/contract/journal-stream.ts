/**
 * The bytes of `GET /journal/{partition}`: the tail of one partition as a stream of frames.
 *
 *    0  u32 magic          12  u32 CRC-32 of the payload; of a batch 0, since it checks itself
 *    4  u32 kind           16  u32 CRC-32 of the 16 bytes before
 *    8  u32 payload bytes  20  payload
 *
 * All numbers are little-endian. The head checks itself, so that a flipped bit is never taken for a
 * length. `alive` comes whenever nothing else has for a second: a reader that hears nothing knows
 * that the connection is dead. A stream that ends without `end` or `failed` was cut.
 */
import { crc32 } from 'node:zlib'
import { JOURNAL_BATCH_MAX_BYTES, JOURNAL_STREAM_NOTE_MAX_BYTES } from '../limits.ts'
import { isBatchFault, readHeader } from './journal-batch.ts'
import type { BatchHeader, TailItem } from './journal-record.ts'

const MAGIC = 0x4a534f46
const HEAD_BYTES = 20
const KINDS = ['opened', 'batch', 'alive', 'end', 'failed'] as const
type FrameKind = (typeof KINDS)[number]

export type JournalFrame =
  | TailItem
  | { readonly kind: 'alive' }
  /** Nothing more comes: the reader has what it asked for, or the journal stops. */
  | { readonly kind: 'end' }
  /** The journal cannot be read on, by this program. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

/** The bytes are not a journal's stream, or were changed on their way. */
export class JournalStreamError extends Error {
  override readonly name = 'JournalStreamError'
}

/** The parts of one frame, to be written one after another; a batch's bytes are not copied. */
export function encodeFrame(frame: JournalFrame): readonly Uint8Array[] {
  switch (frame.kind) {
    case 'batch':
      return [head('batch', frame.bytes.length, 0), frame.bytes]
    case 'alive':
    case 'end':
      return [head(frame.kind, 0, 0)]
    case 'opened':
    case 'failed': {
      const payload = Buffer.from(JSON.stringify(frame))
      return [head(frame.kind, payload.length, crc32(payload)), payload]
    }
  }
}

function head(kind: FrameKind, payloadBytes: number, payloadChecksum: number): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, KINDS.indexOf(kind), true)
  view.setUint32(8, payloadBytes, true)
  view.setUint32(12, payloadChecksum, true)
  view.setUint32(16, crc32(bytes.subarray(0, 16)), true)
  return bytes
}

/** Takes the stream in pieces of any size and gives its frames. Throws `JournalStreamError`. */
export class FrameDecoder {
  #pieces: Uint8Array[] = []
  #bytes = 0
  #needed = HEAD_BYTES

  /** The frames that `piece` completes. Batches may share its memory. */
  push(piece: Uint8Array): JournalFrame[] {
    const frames: JournalFrame[] = []
    this.#pieces.push(piece)
    this.#bytes += piece.length
    while (this.#bytes >= this.#needed) {
      const whole = this.#joined()
      const { kind, payloadBytes, checksum } = readHead(whole)
      const end = HEAD_BYTES + payloadBytes
      if (whole.length < end) {
        this.#needed = end
        break
      }
      this.#pieces = whole.length === end ? [] : [whole.subarray(end)]
      this.#bytes = whole.length - end
      this.#needed = HEAD_BYTES
      frames.push(decodeFrame(kind, whole.subarray(HEAD_BYTES, end), checksum))
    }
    return frames
  }

  #joined(): Uint8Array {
    const [first] = this.#pieces
    const whole = this.#pieces.length === 1 && first ? first : Buffer.concat(this.#pieces)
    this.#pieces = [whole]
    return whole
  }
}

interface Head {
  readonly kind: FrameKind
  readonly payloadBytes: number
  readonly checksum: number
}

function readHead(bytes: Uint8Array): Head {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES)
  if (view.getUint32(0, true) !== MAGIC) {
    throw new JournalStreamError('what came is not the stream of a journal')
  }
  if (crc32(bytes.subarray(0, 16)) !== view.getUint32(16, true)) {
    throw new JournalStreamError('a frame was damaged on its way')
  }
  const kind = KINDS[view.getUint32(4, true)]
  if (kind === undefined) throw new JournalStreamError('a frame is of a kind not known here')
  const payloadBytes = view.getUint32(8, true)
  const limit = kind === 'batch' ? JOURNAL_BATCH_MAX_BYTES : JOURNAL_STREAM_NOTE_MAX_BYTES
  if (payloadBytes > limit) throw new JournalStreamError(`a frame claims ${payloadBytes} bytes`)
  return { kind, payloadBytes, checksum: view.getUint32(12, true) }
}

function decodeFrame(kind: FrameKind, payload: Uint8Array, checksum: number): JournalFrame {
  if (kind === 'alive' || kind === 'end') return { kind }
  if (kind === 'batch') return { kind, header: batchHeader(payload), bytes: payload }
  if (crc32(payload) !== checksum) throw new JournalStreamError('a frame was damaged on its way')
  return JSON.parse(Buffer.from(payload).toString()) as JournalFrame
}

/** A batch of another format version is an end, not damage. */
function batchHeader(bytes: Uint8Array): BatchHeader {
  const header = readHeader(bytes)
  if (!isBatchFault(header)) return header
  if (header.fault === 'unknown_version') throw new UnknownBatchVersion(header.message)
  throw new JournalStreamError(
    header.fault === 'short' ? 'a batch is shorter than it says' : header.message,
  )
}

/** The other side writes batches that this program cannot read: nothing to try again. */
export class UnknownBatchVersion extends Error {
  override readonly name = 'UnknownBatchVersion'
  readonly code = 'unknown_version'
}
