/**
 * Max pain: the settlement at which all outstanding options of one expiry together pay out least.
 *
 * The payout is convex and linear between strikes, with slope (call OI at or below) − (put OI
 * above) to the right of a strike, so the least value is found in one pass. It is a whole interval
 * where that slope is exactly 0.
 */

/** Open interest of one strike; an option that is not listed or not known counts as 0. */
export interface StrikeOpenInterest {
  readonly strike: number
  readonly callOi: number
  readonly putOi: number
}

export interface MaxPain {
  /** The lowest and the highest strike of least payout, equal unless there is a tie. Rupees. */
  readonly low: number
  readonly high: number
  /** What is paid out there, in rupees where OI is in units. */
  readonly payout: number
}

/** Strikes ascending, OI ≥ 0; null where there is no open interest at all. */
export function computeMaxPain(strikes: readonly StrikeOpenInterest[]): MaxPain | null {
  let slope = 0
  let total = 0
  for (const { callOi, putOi } of strikes) {
    slope -= putOi
    total += callOi + putOi
  }
  if (total === 0) return null

  let low: number | undefined
  for (const { strike, callOi, putOi } of strikes) {
    slope += callOi + putOi
    if (slope >= 0) low ??= strike
    if (slope > 0 || strike === strikes.at(-1)?.strike) {
      const at = low ?? strike
      return { low: at, high: strike, payout: payoutAt(strikes, at) }
    }
  }
  return null
}

/** What all options pay out at a settlement. */
function payoutAt(strikes: readonly StrikeOpenInterest[], settlement: number): number {
  let payout = 0
  for (const { strike, callOi, putOi } of strikes) {
    payout += callOi * Math.max(settlement - strike, 0) + putOi * Math.max(strike - settlement, 0)
  }
  return payout
}
