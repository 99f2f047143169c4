/**
 * A clock that runs as the system's does and can leap ahead: what fell due meanwhile runs once, as
 * after a machine that slept, except that wall and monotonic time leap together.
 */
import type { Clock } from '../../../src/kit/clock.ts'

interface Timer {
  dueMs: number
  readonly periodMs: number | undefined
  readonly task: () => void
}

const LOOK_MS = 5

export class SteppedClock implements Clock {
  readonly #startMs: number
  readonly #startedMs = performance.now()
  readonly #timers = new Set<Timer>()
  readonly #look: NodeJS.Timeout
  #leaptMs = 0

  constructor(startMs: number) {
    this.#startMs = startMs
    this.#look = setInterval(() => this.#run(), LOOK_MS)
  }

  nowMs(): number {
    return Math.floor(this.#startMs + this.elapsedMs())
  }

  elapsedMs(): number {
    return performance.now() - this.#startedMs + this.#leaptMs
  }

  after(delayMs: number, task: () => void): () => void {
    return this.#add({ dueMs: this.elapsedMs() + delayMs, periodMs: undefined, task })
  }

  every(periodMs: number, task: () => void): () => void {
    return this.#add({ dueMs: this.elapsedMs() + periodMs, periodMs, task })
  }

  /** What is due by then has run when it returns. */
  leapTo(wallMs: number): void {
    this.#leaptMs += Math.max(0, wallMs - this.nowMs())
    this.#run()
  }

  stop(): void {
    clearInterval(this.#look)
  }

  #add(timer: Timer): () => void {
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  #run(): void {
    const nowMs = this.elapsedMs()
    for (const timer of [...this.#timers].filter(({ dueMs }) => dueMs <= nowMs)) {
      if (!this.#timers.has(timer)) continue
      if (timer.periodMs === undefined) this.#timers.delete(timer)
      else timer.dueMs = nowMs + timer.periodMs
      timer.task()
    }
  }
}
