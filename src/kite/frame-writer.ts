/**
 * Builds the frames that the simulated exchange sends: packets are appended one after another into
 * one reused buffer, and `take` copies the frame out, since a WebSocket may still be sending it.
 */
import { KITE_MAX_FRAME_BYTES } from '../limits.ts'
import {
  encodeFull,
  encodeIndexFull,
  encodeIndexQuote,
  encodeLtp,
  encodeQuote,
  type FullFields,
  type IndexFullFields,
  type IndexQuoteFields,
  type LtpFields,
  type QuoteFields,
} from './encode-packet.ts'
import { PACKET_BYTES } from './packet-layout.ts'

const COUNT_BYTES = 2
const LENGTH_BYTES = 2
const MAX_PACKETS = 0xffff
const FIRST_CAPACITY_BYTES = 16 * 1024

/** The one-byte message that Kite sends every couple of seconds when there is nothing else to say. */
export const HEARTBEAT: Buffer = Buffer.from([0])

export class FrameWriter {
  private buffer = Buffer.allocUnsafe(FIRST_CAPACITY_BYTES)
  private end = COUNT_BYTES
  private count = 0

  get packetCount(): number {
    return this.count
  }

  /** Bytes of the frame so far, its packet count included. */
  get byteLength(): number {
    return this.end
  }

  /** Whether one more packet of any kind may be appended; if not, take the frame first. */
  get hasRoom(): boolean {
    const largest = this.end + LENGTH_BYTES + PACKET_BYTES.full
    return this.count < MAX_PACKETS && largest <= KITE_MAX_FRAME_BYTES
  }

  ltp(fields: LtpFields): void {
    const start = this.open(PACKET_BYTES.ltp)
    encodeLtp(this.buffer, start, fields)
    this.close(PACKET_BYTES.ltp)
  }

  quote(fields: QuoteFields): void {
    const start = this.open(PACKET_BYTES.quote)
    encodeQuote(this.buffer, start, fields)
    this.close(PACKET_BYTES.quote)
  }

  full(fields: FullFields): void {
    const start = this.open(PACKET_BYTES.full)
    encodeFull(this.buffer, start, fields)
    this.close(PACKET_BYTES.full)
  }

  indexQuote(fields: IndexQuoteFields): void {
    const start = this.open(PACKET_BYTES.indexQuote)
    encodeIndexQuote(this.buffer, start, fields)
    this.close(PACKET_BYTES.indexQuote)
  }

  indexFull(fields: IndexFullFields): void {
    const start = this.open(PACKET_BYTES.indexFull)
    encodeIndexFull(this.buffer, start, fields)
    this.close(PACKET_BYTES.indexFull)
  }

  /** Appends a packet that is encoded already, or deliberately malformed; at most 65,535 bytes. */
  packet(bytes: Uint8Array): void {
    const start = this.open(bytes.byteLength)
    this.buffer.set(bytes, start)
    this.close(bytes.byteLength)
  }

  /** A copy of the frame; the writer is empty after. */
  take(): Buffer {
    this.buffer.writeUInt16BE(this.count, 0)
    const frame = Buffer.from(this.buffer.subarray(0, this.end))
    this.clear()
    return frame
  }

  clear(): void {
    this.end = COUNT_BYTES
    this.count = 0
  }

  /**
   * Makes room for a packet, in a new buffer perhaps, and answers where it begins; the packet counts
   * only once it is closed.
   */
  private open(byteLength: number): number {
    const start = this.end + LENGTH_BYTES
    if (this.count === MAX_PACKETS || start + byteLength > KITE_MAX_FRAME_BYTES) {
      throw new RangeError(`frame of ${this.count} packets, ${this.end} bytes is full`)
    }
    this.reserve(start + byteLength)
    return start
  }

  private close(byteLength: number): void {
    this.buffer.writeUInt16BE(byteLength, this.end)
    this.end += LENGTH_BYTES + byteLength
    this.count++
  }

  private reserve(byteLength: number): void {
    if (byteLength <= this.buffer.byteLength) return
    const wanted = Math.max(byteLength, this.buffer.byteLength * 2)
    const grown = Buffer.allocUnsafe(Math.min(wanted, KITE_MAX_FRAME_BYTES))
    grown.set(this.buffer.subarray(0, this.end))
    this.buffer = grown
  }
}
