/**
 * Open interest and what is derived from it. OI is in units (contracts × lot), never interpolated:
 * the exchange sends it in steps of minutes.
 */
import type { LegInput, StrikeInput } from './strike.ts'

export interface SideTotals {
  /** Sum over the options of which the figure is known; null where it is known of none. */
  readonly call: number | null
  readonly put: number | null
}

/** Price and OI against a base: who seems to enter and who to leave. Not a forecast. */
export type Buildup =
  | 'long_buildup'
  | 'short_buildup'
  | 'short_covering'
  | 'long_unwinding'
  | 'neutral'

/** An OI change below this share of the base is noise. */
const OI_DEAD_BAND = 0.005

/** Total of OI or of the day's volume over a chain, by side. */
export function sideTotals(strikes: readonly StrikeInput[], figure: 'oi' | 'volume'): SideTotals {
  return {
    call: total(
      strikes.map((strike) => strike.call),
      figure,
    ),
    put: total(
      strikes.map((strike) => strike.put),
      figure,
    ),
  }
}

/** Put over call, of OI or volume; null where either is not known or the call side is 0. */
export function putCallRatio(totals: SideTotals): number | null {
  if (totals.call === null || totals.put === null || totals.call === 0) return null
  return totals.put / totals.call
}

/** Units gained or lost since the base (mostly the previous day's close). */
export function openInterestChange(oi: number | null, baseOi: number | null): number | null {
  return oi === null || baseOi === null ? null : oi - baseOi
}

/**
 * The quadrant of an option's own price and OI against the same base; `neutral` where the price
 * moved by less than a tick or OI by less than 0.5 %, null where something is not known.
 */
export function buildupOf(
  price: number | null,
  basePrice: number | null,
  oi: number | null,
  baseOi: number | null,
  tickSize: number,
): Buildup | null {
  const change = openInterestChange(oi, baseOi)
  if (price === null || basePrice === null || baseOi === null || change === null) return null
  const move = price - basePrice
  const isQuiet = Math.abs(move) < tickSize * (1 - 1e-6)
  if (isQuiet || change === 0 || Math.abs(change) < OI_DEAD_BAND * baseOi) return 'neutral'
  if (change > 0) return move > 0 ? 'long_buildup' : 'short_buildup'
  return move > 0 ? 'short_covering' : 'long_unwinding'
}

function total(legs: readonly (LegInput | null)[], figure: 'oi' | 'volume'): number | null {
  let sum: number | null = null
  for (const leg of legs) {
    const value = leg?.[figure] ?? null
    if (value !== null) sum = (sum ?? 0) + value
  }
  return sum
}
