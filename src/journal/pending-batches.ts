/**
 * Batches that wait for their turn to be written. Bounded by bytes: what comes on top is refused.
 */
import { controlCount } from '../contract/journal-batch.ts'
import type { BatchHeader } from '../contract/journal-record.ts'
import { JOURNAL_WRITE_MAX_BATCHES, JOURNAL_WRITE_MAX_BYTES } from '../limits.ts'
import type { JournalError } from './journal-error.ts'

export interface PendingBatch {
  readonly bytes: Uint8Array
  readonly header: BatchHeader
  readonly resolve: (header: BatchHeader) => void
  readonly reject: (error: JournalError) => void
}

export function hasTicks({ header, bytes }: PendingBatch): boolean {
  return header.recordCount > controlCount(bytes)
}

export class PendingBatches {
  readonly #maxBytes: number
  #batches: PendingBatch[] = []
  #bytes = 0
  #highWaterBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get length(): number {
    return this.#batches.length
  }

  get bytes(): number {
    return this.#bytes
  }

  get highWaterBytes(): number {
    return this.#highWaterBytes
  }

  /** False where the batch would be too much; it is not kept then. */
  offer(batch: PendingBatch): boolean {
    const bytes = this.#bytes + batch.bytes.length
    if (bytes > this.#maxBytes) return false
    this.#batches.push(batch)
    this.#bytes = bytes
    this.#highWaterBytes = Math.max(this.#highWaterBytes, bytes)
    return true
  }

  /** The oldest batches that are written in one go: at least one, where there is one. */
  takeGroup(): PendingBatch[] {
    let bytes = 0
    const end = this.#batches.findIndex((batch, index) => {
      bytes += batch.bytes.length
      const isFull = index >= JOURNAL_WRITE_MAX_BATCHES || bytes > JOURNAL_WRITE_MAX_BYTES
      return isFull && index > 0
    })
    return this.#take(end < 0 ? this.#batches.length : end)
  }

  takeAll(): PendingBatch[] {
    return this.#take(this.#batches.length)
  }

  /** Gives back what was taken last and not written. */
  putBack(batches: readonly PendingBatch[]): void {
    this.#batches = [...batches, ...this.#batches]
    this.#bytes += byteLengthOf(batches)
  }

  #take(count: number): PendingBatch[] {
    const taken = this.#batches.slice(0, count)
    this.#batches = this.#batches.slice(count)
    this.#bytes -= byteLengthOf(taken)
    return taken
  }
}

function byteLengthOf(batches: readonly PendingBatch[]): number {
  return batches.reduce((sum, batch) => sum + batch.bytes.length, 0)
}
