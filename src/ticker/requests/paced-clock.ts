/**
 * Monotonic time as the broker's limits count it: they run in market time, which a simulated exchange
 * may let run faster than ours.
 */
import type { Clock } from '../../kit/clock.ts'

export interface PacedClock {
  /** Market milliseconds in one of ours; 1 with a real broker. */
  readonly speed: number
  /** Monotonic milliseconds of market time since an arbitrary start. */
  elapsedMs(): number
  /** Runs `task` once after so many milliseconds of market time; returns how to cancel it. */
  after(delayMs: number, task: () => void): () => void
}

export function pacedClock(clock: Clock, speed: number): PacedClock {
  return {
    speed,
    elapsedMs: () => clock.elapsedMs() * speed,
    after: (delayMs, task) => clock.after(Math.ceil(delayMs / speed), task),
  }
}
