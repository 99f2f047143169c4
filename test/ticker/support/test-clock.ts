/** A clock that stands until the test moves it; wall and monotonic time can be parted. */
import type { Clock } from '../../../src/kit/clock.ts'

interface Timer {
  dueMs: number
  readonly periodMs: number | undefined
  readonly task: () => void
}

/** Monday 23 Nov 2026, 10:00 IST: in session. */
export const START_MS = Date.UTC(2026, 10, 23, 4, 30, 0)

export class TestClock implements Clock {
  #elapsed = 0
  #wallMs = START_MS
  readonly #timers = new Set<Timer>()

  get pendingTimers(): number {
    return this.#timers.size
  }

  nowMs(): number {
    return this.#wallMs
  }

  elapsedMs(): number {
    return this.#elapsed
  }

  after(delayMs: number, task: () => void): () => void {
    return this.#add({ dueMs: this.#elapsed + delayMs, periodMs: undefined, task })
  }

  every(periodMs: number, task: () => void): () => void {
    return this.#add({ dueMs: this.#elapsed + periodMs, periodMs, task })
  }

  /** The wall clock alone is set. */
  stepWall(ms: number): void {
    this.#wallMs += ms
  }

  /** Runs what becomes due, in order. */
  advance(ms: number): void {
    const endMs = this.#elapsed + ms
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#moveTo(next.dueMs)
      if (next.periodMs === undefined) this.#timers.delete(next)
      else next.dueMs += next.periodMs
      next.task()
    }
    this.#moveTo(endMs)
  }

  /** Time passes and nothing runs: what became due meanwhile runs late, with the next `advance`, once. */
  holdUp(ms: number): void {
    this.#moveTo(this.#elapsed + ms)
    for (const timer of this.#timers) timer.dueMs = Math.max(timer.dueMs, this.#elapsed)
  }

  #add(timer: Timer): () => void {
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  #next(endMs: number): Timer | undefined {
    const due = [...this.#timers].filter(({ dueMs }) => dueMs <= endMs)
    return due.sort((a, b) => a.dueMs - b.dueMs)[0]
  }

  #moveTo(elapsedMs: number): void {
    this.#wallMs += elapsedMs - this.#elapsed
    this.#elapsed = elapsedMs
  }
}
