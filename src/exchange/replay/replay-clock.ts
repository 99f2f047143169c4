/**
 * Market time of a replay. It stands until somebody asks for the time over the controls, as a ticker
 * does right before it connects, and then runs without ever standing still again: a ticker takes
 * market time and its speed once, at its start.
 */
import type { Clock } from '../../kit/clock.ts'

export interface ReplayClockOptions {
  readonly clock: Clock
  readonly startMs: number
  /** Market seconds in one second. */
  readonly speed: number
}

export class ReplayClock {
  readonly speed: number
  private readonly clock: Clock
  private readonly startMs: number
  private startedElapsedMs: number | undefined

  constructor({ clock, startMs, speed }: ReplayClockOptions) {
    this.clock = clock
    this.startMs = startMs
    this.speed = speed
  }

  get isRunning(): boolean {
    return this.startedElapsedMs !== undefined
  }

  /** Lets it run; once is enough. */
  run(): void {
    this.startedElapsedMs ??= this.clock.elapsedMs()
  }

  /** Epoch milliseconds of the market. */
  nowMs(): number {
    if (this.startedElapsedMs === undefined) return this.startMs
    const elapsedMs = this.clock.elapsedMs() - this.startedElapsedMs
    return Math.floor(this.startMs + elapsedMs * this.speed)
  }
}
