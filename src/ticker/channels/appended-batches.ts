/** Batches that are in the journal and wait to be published, up to a number of bytes; the oldest first. */
import { forEachRecord, type RecordVisitor } from '../../contract/journal-batch.ts'
import type { BatchHeader } from '../../contract/journal-record.ts'
import { CHANNEL_WAITING_MAX_BYTES } from '../../limits.ts'

interface Appended {
  readonly header: BatchHeader
  readonly bytes: Uint8Array
  nextSequence: number
}

export class AppendedBatches {
  #batches: Appended[] = []
  #bytes = 0
  #highWaterBytes = 0

  /** The most that ever waited. */
  get highWaterBytes(): number {
    return this.#highWaterBytes
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0
  }

  /** Keeps the batch; false where there is no room for it. Its bytes must not change. */
  offer(header: BatchHeader, bytes: Uint8Array): boolean {
    if (this.#bytes + bytes.length > CHANNEL_WAITING_MAX_BYTES) return false
    this.#batches.push({ header, bytes, nextSequence: header.firstSequence })
    this.#bytes += bytes.length
    this.#highWaterBytes = Math.max(this.#highWaterBytes, this.#bytes)
    return true
  }

  /** Hands over the next records, at most `limit`, all of one batch; returns how many. */
  read(limit: number, visitor: RecordVisitor): number {
    const batch = this.#batches[0]
    if (batch === undefined) return 0
    const { header, bytes, nextSequence } = batch
    const end = header.firstSequence + header.recordCount
    batch.nextSequence = Math.min(end, nextSequence + limit)
    forEachRecord(header, bytes, nextSequence, visitor, limit)
    if (batch.nextSequence === end) this.#drop()
    return batch.nextSequence - nextSequence
  }

  clear(): void {
    this.#batches = []
    this.#bytes = 0
  }

  #drop(): void {
    this.#bytes -= this.#batches.shift()?.bytes.length ?? 0
  }
}
