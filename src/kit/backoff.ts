/**
 * How long to wait before the next attempt: doubling from the first wait up to a cap, with jitter, so
 * that many clients cut off together do not come back together.
 */
export interface Backoff {
  /** The wait after the first failure, before jitter, ms. */
  readonly firstMs: number
  /** The longest wait, ms. */
  readonly capMs: number
}

/**
 * The wait in ms before attempt `attempt` (0 = the first one after a failure): somewhere in the upper
 * half of min(cap, first × 2^attempt). `random` gives numbers in [0, 1).
 */
export function backoffDelayMs(backoff: Backoff, attempt: number, random: () => number): number {
  const { firstMs, capMs } = backoff
  const fullMs = Math.min(capMs, firstMs * 2 ** Math.max(0, attempt))
  return (fullMs / 2) * (1 + random())
}
