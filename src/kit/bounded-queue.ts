/**
 * A first-in, first-out queue with a cap, between somebody who cannot wait (a socket) and somebody who
 * works in batches (a journal, a store).
 *
 *   offer ──▶ [ … resumeAt … pauseAt … capacity ] ──▶ take
 *                    ▼ onResume  ▲ onPause    ▲ refused
 *
 * Its policy is: ask the source to pause, and refuse only what still comes when it is full. What is
 * refused is the caller's to count.
 */
import { invariant } from './invariant.ts'

export interface BoundedQueueOptions {
  /** Items held at most. */
  readonly capacity: number
  /** The source is paused when this many are held; the rest is room for what is on its way. */
  readonly pauseAt: number
  /** A paused source is resumed when no more than this many are left. */
  readonly resumeAt: number
  readonly onPause: () => void
  readonly onResume: () => void
}

export class BoundedQueue<T> {
  readonly #options: BoundedQueueOptions
  #items: T[] = []
  /** Items before this index are taken; the array is cut when they are the larger part. */
  #head = 0
  #highWater = 0
  #isPaused = false
  #isClosed = false
  #wake: (() => void) | undefined

  constructor(options: BoundedQueueOptions) {
    const { capacity, pauseAt, resumeAt } = options
    invariant(resumeAt < pauseAt && pauseAt <= capacity, 'need resumeAt < pauseAt <= capacity')
    this.#options = options
  }

  get length(): number {
    return this.#items.length - this.#head
  }

  /** The most that was ever held. */
  get highWater(): number {
    return this.#highWater
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Appends `item`; false when the queue is full or closed and does not hold it. */
  offer(item: T): boolean {
    if (this.#isClosed || this.length >= this.#options.capacity) return false
    this.#items.push(item)
    const { length } = this
    if (length > this.#highWater) this.#highWater = length
    if (length >= this.#options.pauseAt && !this.#isPaused) {
      this.#isPaused = true
      this.#options.onPause()
    }
    if (this.#wake !== undefined) this.#wakeTaker()
    return true
  }

  /** Takes up to `limit` items at once, oldest first; an empty array where there is none. */
  take(limit: number): T[] {
    const end = Math.min(this.#items.length, this.#head + limit)
    const taken = this.#items.slice(this.#head, end)
    this.#head = end
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    this.#resumeWhenLow()
    return taken
  }

  /** Waits for at least one item, then takes up to `limit`; an empty array says closed and drained. */
  async takeWhenAvailable(limit: number): Promise<T[]> {
    while (this.length === 0 && !this.#isClosed) {
      invariant(this.#wake === undefined, 'a queue has one taker')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.take(limit)
  }

  /** Refuses what comes from now on; what is held can still be taken. */
  close(): void {
    this.#isClosed = true
    this.#wakeTaker()
  }

  #wakeTaker(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  #resumeWhenLow(): void {
    if (!this.#isPaused || this.length > this.#options.resumeAt) return
    this.#isPaused = false
    this.#options.onResume()
  }
}
