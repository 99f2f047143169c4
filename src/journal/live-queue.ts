/**
 * Freshly written batches on their way to one live reader. Bounded by bytes: a reader that lets it
 * run full loses the queue, not the batches, and goes back to reading files.
 */

import type { Segment } from './segment.ts'
import type { BatchItem } from './segment-reader.ts'

/** A batch and where it stands. */
export interface WrittenBatch extends BatchItem {
  readonly segment: Segment
}

export class LiveQueue {
  readonly #maxBytes: number
  #items: WrittenBatch[] = []
  #bytes = 0
  #highWaterBytes = 0
  #isOver = false
  #wake: (() => void) | undefined

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get highWaterBytes(): number {
    return this.#highWaterBytes
  }

  /** Takes the batch, or gives up the queue where it would grow beyond its limit. */
  push(batch: WrittenBatch): void {
    if (this.#isOver) return
    if (this.#bytes + batch.bytes.length > this.#maxBytes) this.#giveUp()
    else this.#add(batch)
  }

  /** No more will come; what is held can still be taken. */
  close(): void {
    this.#isOver = true
    this.#wakeTaker()
  }

  /** Everything that is held, once there is something; empty when nothing will come any more. */
  async takeAll(): Promise<readonly WrittenBatch[]> {
    while (this.#items.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const taken = this.#items
    this.#items = []
    this.#bytes = 0
    return taken
  }

  #add(batch: WrittenBatch): void {
    this.#items.push(batch)
    this.#bytes += batch.bytes.length
    this.#highWaterBytes = Math.max(this.#highWaterBytes, this.#bytes)
    this.#wakeTaker()
  }

  #giveUp(): void {
    this.#items = []
    this.#bytes = 0
    this.close()
  }

  #wakeTaker(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}
