/** A clock that stands until the test moves it; what is due happens in order. */
import type { Clock } from '../../../src/kit/clock.ts'

interface Timer {
  dueMs: number
  readonly periodMs: number | null
  readonly task: () => void
}

export class SteppedClock implements Clock {
  readonly #startMs: number
  readonly #timers = new Set<Timer>()
  #elapsedMs = 0

  constructor(startMs: number) {
    this.#startMs = startMs
  }

  get timers(): number {
    return this.#timers.size
  }

  nowMs(): number {
    return this.#startMs + this.#elapsedMs
  }

  elapsedMs(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, task: () => void): () => void {
    return this.#add(delayMs, null, task)
  }

  every(periodMs: number, task: () => void): () => void {
    return this.#add(periodMs, periodMs, task)
  }

  advance(ms: number): void {
    const untilMs = this.#elapsedMs + ms
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#elapsedMs = next.dueMs
      if (next.periodMs === null) this.#timers.delete(next)
      else next.dueMs += next.periodMs
      next.task()
    }
    this.#elapsedMs = untilMs
  }

  #add(delayMs: number, periodMs: number | null, task: () => void): () => void {
    const timer = { dueMs: this.#elapsedMs + delayMs, periodMs, task }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  #next(untilMs: number): Timer | undefined {
    return [...this.#timers]
      .filter(({ dueMs }) => dueMs <= untilMs)
      .sort((a, b) => a.dueMs - b.dueMs)[0]
  }
}
