/**
 * What has become of subscriptions, noted a moment later and in order: 500 of them tell of their first
 * tick in one frame, and no tick waits for the books.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../kit/clock.ts'
import { runInSlices } from '../../kit/slices.ts'
import { SUBSCRIPTION_SLICE_MS } from '../../limits.ts'

export class LaterNotes {
  readonly #clock: Clock
  #waiting: (() => void)[] = []
  #running: Promise<void> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(note: () => void): void {
    this.#waiting.push(note)
    this.#running ??= this.#run()
  }

  /** Resolves when everything up to now is noted. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await nextTurn()
      const notes = this.#waiting
      this.#waiting = []
      await runInSlices(inSteps(notes), this.#clock, SUBSCRIPTION_SLICE_MS)
    }
    this.#running = undefined
  }
}

function* inSteps(notes: readonly (() => void)[]): Generator<undefined, void> {
  for (const note of notes) {
    note()
    yield
  }
}
