/**
 * Changes of many instruments beside a live feed: each lets ticks pass every few milliseconds, and one
 * begins when the one before it has ended, so that it meets all or nothing of what that has decided.
 */
import type { Clock } from '../../kit/clock.ts'
import { runInSlices } from '../../kit/slices.ts'
import { SUBSCRIPTION_SLICE_MS } from '../../limits.ts'

export class ChangeTurns {
  readonly #clock: Clock
  #last: Promise<unknown> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Its first slice runs at once where no other change is under way. Rejects with what a step throws. */
  run<Result>(steps: () => Iterator<unknown, Result>): Promise<Result> {
    const start = () => runInSlices(steps(), this.#clock, SUBSCRIPTION_SLICE_MS)
    const running = this.#last === undefined ? start() : this.#last.then(start)
    // Its failure is its caller's; the next change goes on all the same.
    const ended: Promise<void> = running.then(
      () => this.#end(ended),
      () => this.#end(ended),
    )
    this.#last = ended
    return running
  }

  #end(ended: Promise<unknown>): void {
    if (this.#last === ended) this.#last = undefined
  }
}
