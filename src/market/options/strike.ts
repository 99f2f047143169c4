/**
 * One strike of a chain: what is known of its two options in a minute, and what is computed of them.
 * `null` means not known; 0 and NaN never do.
 */
import type { OptionType } from '../instrument.ts'
import type { IvStatus } from './implied-volatility.ts'

/** What one option is known to have done up to the end of a minute. Prices in rupees. */
export interface LegInput {
  /** Close of the minute; where nothing was traded in it, the last traded price. */
  readonly lastPrice: number | null
  readonly tradedInMinute: boolean
  /** Best quotes seen in the minute; null where that side of the book was empty or not sent. */
  readonly bid: number | null
  readonly ask: number | null
  /** Units traded this day. */
  readonly volume: number | null
  /** Open interest in units. */
  readonly oi: number | null
}

export interface StrikeInput {
  /** Rupees. */
  readonly strike: number
  /** null where that option is not listed or nothing at all is known of it. */
  readonly call: LegInput | null
  readonly put: LegInput | null
}

/**
 * Why an option has no implied volatility: a price that has none, or `stale` (neither traded nor
 * quoted in the minute) or `settled` (the series has closed).
 */
export type IvReason = Exclude<IvStatus, 'ok'> | 'stale' | 'settled'

/** Greeks in the units of `Greeks` in black76.ts, all of `iv`. */
export interface LegAnalytics {
  /** Of the strike's out-of-the-money leg where it has one, else `ivRaw`; decimal per year. */
  readonly iv: number | null
  /** Of this leg's own price. */
  readonly ivRaw: number | null
  /** Why `iv` is null; null where it is not. */
  readonly ivReason: IvReason | null
  readonly delta: number | null
  readonly gamma: number | null
  readonly theta: number | null
  readonly vega: number | null
}

export interface StrikeAnalytics {
  readonly strike: number
  readonly call: LegAnalytics | null
  readonly put: LegAnalytics | null
}

/** A quote wider than both of these is no evidence of a price. */
const WIDEST_SPREAD_RUPEES = 1
const WIDEST_SPREAD_SHARE = 0.1

/** The out-of-the-money option of a strike; at the forward it is the call. */
export function otmType(strike: number, forward: number): OptionType {
  return strike >= forward ? 'CE' : 'PE'
}

/**
 * The price that stands for a leg in a minute: the close where it traded, else the middle of its
 * quotes, else null.
 */
export function legPrice(leg: LegInput): number | null {
  if (leg.tradedInMinute && leg.lastPrice !== null) return leg.lastPrice
  return quoteMiddle(leg)
}

/**
 * The price to set against the other leg of its strike. Two last trades may be most of a minute
 * apart, two quotes are of one moment, so a close quote comes first here.
 */
export function parityPrice(leg: LegInput): number | null {
  const middle = quoteMiddle(leg)
  if (middle !== null && isNarrow(leg, middle)) return middle
  return leg.tradedInMinute && leg.lastPrice !== null && leg.lastPrice > 0 ? leg.lastPrice : null
}

/** Why `legPrice` gave null. */
export function whyNoPrice(leg: LegInput): 'stale' | 'no_price' {
  return leg.lastPrice === null ? 'no_price' : 'stale'
}

function quoteMiddle(leg: LegInput): number | null {
  if (leg.bid === null || leg.ask === null) return null
  return leg.bid > 0 && leg.ask >= leg.bid ? (leg.bid + leg.ask) / 2 : null
}

function isNarrow(leg: LegInput, middle: number): boolean {
  const spread = (leg.ask ?? 0) - (leg.bid ?? 0)
  return spread <= Math.max(WIDEST_SPREAD_RUPEES, WIDEST_SPREAD_SHARE * middle)
}
