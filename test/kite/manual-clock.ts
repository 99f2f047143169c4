/** A clock that stands until the test moves it; network time goes on by itself. */
import type { Clock } from '../../src/kit/clock.ts'

interface Timer {
  dueMs: number
  task: () => void
}

export class ManualClock implements Clock {
  private elapsed = 0
  private readonly timers = new Set<Timer>()
  private readonly startedAtMs: number

  constructor(startedAtMs = Date.UTC(2026, 10, 23, 4, 0, 0)) {
    this.startedAtMs = startedAtMs
  }

  get pendingTimers(): number {
    return this.timers.size
  }

  nowMs(): number {
    return this.startedAtMs + this.elapsed
  }

  elapsedMs(): number {
    return this.elapsed
  }

  after(delayMs: number, task: () => void): () => void {
    const timer = { dueMs: this.elapsed + delayMs, task }
    this.timers.add(timer)
    return () => this.timers.delete(timer)
  }

  every(): () => void {
    throw new Error('nothing in kite/ is periodic')
  }

  advance(ms: number): void {
    this.elapsed += ms
    for (const timer of [...this.timers]) {
      if (timer.dueMs > this.elapsed) continue
      this.timers.delete(timer)
      timer.task()
    }
  }
}
