/**
 * Long answers beside a live feed: one is worked on at a time, and each lets go of the processor
 * every few milliseconds.
 */
import type { Clock } from '../kit/clock.ts'
import { runInSlices } from '../kit/slices.ts'
import { EXCHANGE_ANSWER_SLICE_MS, EXCHANGE_ANSWERS_WAITING } from '../limits.ts'

export class Slices {
  private readonly clock: Clock
  private last: Promise<unknown> = Promise.resolve()
  private waiting = 0

  constructor(clock: Clock) {
    this.clock = clock
  }

  get isFull(): boolean {
    return this.waiting >= EXCHANGE_ANSWERS_WAITING
  }

  /** Goes through `steps`, pausing now and then, after all that was asked for before. */
  run(steps: Iterable<unknown, void>): Promise<void> {
    this.waiting++
    const running = this.last
      .then(() => runInSlices(steps[Symbol.iterator](), this.clock, EXCHANGE_ANSWER_SLICE_MS))
      .finally(() => this.waiting--)
    // Whoever waits for its turn is not concerned by how this one ends; whoever asked for it is.
    this.last = Promise.allSettled([running])
    return running
  }
}
