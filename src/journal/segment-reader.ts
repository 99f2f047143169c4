/**
 * Reads the batches of one segment file, checked, from an offset on. Damage is passed over to the
 * next good batch and said so; bytes behind the last good batch are a torn tail.
 */
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  type BatchFault,
  isBatchFault,
  readHeader,
} from '../contract/journal-batch.ts'
import type { BatchHeader } from '../contract/journal-record.ts'
import { JOURNAL_READ_CHUNK_BYTES } from '../limits.ts'
import type { JournalFile, JournalFiles } from './files.ts'
import { JournalError } from './journal-error.ts'
import type { Segment } from './segment.ts'

export interface BatchItem {
  readonly kind: 'batch'
  readonly header: BatchHeader
  /** Views into the reader's buffer; to be read, not written. */
  readonly bytes: Uint8Array
  /** Where in the file the next batch begins. */
  readonly endOffset: number
}

export interface DamageItem {
  /** `damage` has a good batch behind it in the file, `torn` has none. */
  readonly kind: 'damage' | 'torn'
  readonly offset: number
  readonly byteLength: number
  /** The last sequence before it and, where known, the first one after it. */
  readonly lastGoodSequence: number
  readonly nextGoodSequence: number | undefined
}

export type SegmentItem = BatchItem | DamageItem

const EMPTY = new Uint8Array(0)

export class SegmentReader {
  readonly segment: Segment
  readonly #file: JournalFile
  #chunk: Uint8Array = EMPTY
  #chunkOffset: number
  #offset: number
  #lastSequence: number

  private constructor(segment: Segment, file: JournalFile, offset: number) {
    this.segment = segment
    this.#file = file
    this.#offset = offset
    this.#chunkOffset = offset
    this.#lastSequence = segment.firstSequence - 1
  }

  static async open(files: JournalFiles, segment: Segment, offset = 0): Promise<SegmentReader> {
    return new SegmentReader(segment, await files.open(segment.path, 'read'), offset)
  }

  /** Where the next batch begins. */
  get offset(): number {
    return this.#offset
  }

  /** True where every byte that the segment has by now was read. */
  get isAtEnd(): boolean {
    return this.#offset >= this.segment.bytes
  }

  /** The next batch or damage; undefined at the end, which may move on. Throws `unknown_version`. */
  async next(): Promise<SegmentItem | undefined> {
    for (;;) {
      const found = readHeader(this.#chunk, this.#offset - this.#chunkOffset)
      if (!isBatchFault(found)) return this.#take(found)
      refuseOtherVersion(found, this.segment)
      if (found.fault === 'short' && (await this.#read(found.neededBytes))) continue
      if (this.isAtEnd) return undefined
      return this.#passDamage()
    }
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  #take(header: BatchHeader): BatchItem {
    const start = this.#offset - this.#chunkOffset
    const bytes = this.#chunk.subarray(start, start + header.byteLength)
    this.#offset += header.byteLength
    this.#lastSequence = header.firstSequence + header.recordCount - 1
    return { kind: 'batch', header, bytes, endOffset: this.#offset }
  }

  /** Gets `neededBytes` from the offset on into the buffer; false where the file has not so many. */
  async #read(neededBytes: number): Promise<boolean> {
    const available = this.segment.bytes - this.#offset
    if (available < neededBytes) return false
    await this.#fill(Math.min(available, Math.max(neededBytes, JOURNAL_READ_CHUNK_BYTES)))
    return this.#chunk.length >= neededBytes
  }

  /** A fresh buffer each time: batches that were handed out are views into the old one. */
  async #fill(byteLength: number): Promise<void> {
    const chunk = new Uint8Array(byteLength)
    const bytesRead = await this.#file.read(chunk, this.#offset)
    this.#chunk = chunk.subarray(0, bytesRead)
    this.#chunkOffset = this.#offset
  }

  async #passDamage(): Promise<DamageItem | undefined> {
    const offset = this.#offset
    await this.#fill(this.segment.bytes - offset)
    // A writer that takes over from this segment may have shortened it meanwhile.
    if (this.isAtEnd) return undefined
    const next = this.#nextGoodBatch()
    const byteLength = next?.at ?? this.segment.bytes - offset
    this.#offset = offset + byteLength
    return {
      kind: next === undefined ? 'torn' : 'damage',
      offset,
      byteLength,
      lastGoodSequence: this.#lastSequence,
      nextGoodSequence: next?.header.firstSequence,
    }
  }

  #nextGoodBatch(): { at: number; header: BatchHeader } | undefined {
    const bytes = Buffer.from(this.#chunk.buffer, this.#chunk.byteOffset, this.#chunk.length)
    const end = bytes.length - BATCH_HEADER_BYTES
    for (let at = bytes.indexOf(BATCH_MAGIC, 1); at >= 0 && at <= end; ) {
      const found = readHeader(bytes, at)
      if (!isBatchFault(found)) return { at, header: found }
      refuseOtherVersion(found, this.segment)
      at = bytes.indexOf(BATCH_MAGIC, at + 1)
    }
    return undefined
  }
}

/** What a newer program wrote is neither damage nor a torn tail; it must not be touched. */
function refuseOtherVersion(found: BatchFault, segment: Segment): void {
  if (found.fault !== 'unknown_version') return
  throw new JournalError('unknown_version', `${found.message} (${segment.path})`)
}
