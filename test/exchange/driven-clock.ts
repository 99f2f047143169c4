/** A clock that the test drives; tasks that fall due run in order, each at its own moment. */
import type { Clock } from '../../src/kit/clock.ts'
import { msOfIst } from '../../src/market/ist.ts'

interface Timer {
  dueMs: number
  readonly periodMs: number | undefined
  readonly task: () => void
}

/** Monday noon in India, when November's contracts expire later in the day. */
export const NOON_MS = msOfIst('2026-11-23', '12:00')

export class DrivenClock implements Clock {
  private elapsed = 0
  private readonly startMs: number
  private readonly timers = new Set<Timer>()

  constructor(startMs = NOON_MS) {
    this.startMs = startMs
  }

  nowMs(): number {
    return this.startMs + this.elapsed
  }

  elapsedMs(): number {
    return this.elapsed
  }

  after(delayMs: number, task: () => void): () => void {
    return this.add({ dueMs: this.elapsed + delayMs, periodMs: undefined, task })
  }

  every(periodMs: number, task: () => void): () => void {
    return this.add({ dueMs: this.elapsed + periodMs, periodMs, task })
  }

  advance(ms: number): void {
    const endMs = this.elapsed + ms
    for (let next = this.next(endMs); next !== undefined; next = this.next(endMs)) {
      this.elapsed = next.dueMs
      if (next.periodMs === undefined) this.timers.delete(next)
      else next.dueMs += next.periodMs
      next.task()
    }
    this.elapsed = endMs
  }

  private next(endMs: number): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.timers) {
      if (timer.dueMs <= endMs && timer.dueMs < (first?.dueMs ?? Infinity)) first = timer
    }
    return first
  }

  private add(timer: Timer): () => void {
    this.timers.add(timer)
    return () => this.timers.delete(timer)
  }
}

/** Runs as the system's clock does, but begins at a chosen moment. */
export function shiftedClock(clock: Clock, startMs = NOON_MS): Clock {
  const startedMs = clock.elapsedMs()
  return { ...clock, nowMs: () => Math.floor(startMs + clock.elapsedMs() - startedMs) }
}
