/**
 * The one source of time and timers. Everything that needs either is handed a `Clock`, so that a
 * test can own time; only the composition root uses `systemClock`.
 */
export interface Clock {
  /** Wall clock, epoch milliseconds. May step. */
  nowMs(): number
  /** Monotonic milliseconds since an arbitrary start, fractional. Never steps. */
  elapsedMs(): number
  /** Runs `task` once after `delayMs`; returns a function that cancels it. */
  after(delayMs: number, task: () => void): () => void
  /** Runs `task` every `periodMs`; returns a function that ends it. */
  every(periodMs: number, task: () => void): () => void
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
  every(periodMs, task) {
    const timer = setInterval(task, periodMs)
    return () => clearInterval(timer)
  },
}
