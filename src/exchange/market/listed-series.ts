/**
 * What the simulated exchange lists per underlying: how many expiries, which strikes, at what lots
 * and ticks, as in the instrument dump of August 2026.
 */
export interface OptionListing {
  readonly symbol: string
  readonly exchange: 'NFO' | 'BFO'
  readonly lotSize: number
  readonly optionTick: number
  readonly futureTick: number
  /** Rupees between strikes of the near expiries, and of the quarterly ones. */
  readonly strikeStep: number
  readonly quarterlyStep: number
  /** Strikes on each side of the spot. */
  readonly strikesEachSide: number
  readonly quarterlyStrikesEachSide: number
}

export const OPTION_LISTINGS: readonly OptionListing[] = [
  nfo('NIFTY50', 65, 0.1, [50, 500], [54, 10]),
  nfo('BANKNIFTY', 30, 0.2, [100, 1_000], [48, 8]),
  nfo('FINNIFTY', 60, 0.1, [50, 500], [42, 6]),
  nfo('MIDCPNIFTY', 120, 0.05, [25, 250], [54, 6]),
  { ...nfo('SENSEX', 20, 0.05, [100, 1_000], [68, 8]), exchange: 'BFO' },
]

function nfo(
  symbol: string,
  lotSize: number,
  futureTick: number,
  steps: readonly [near: number, quarterly: number],
  strikes: readonly [near: number, quarterly: number],
): OptionListing {
  return {
    symbol,
    exchange: 'NFO',
    lotSize,
    optionTick: 0.05,
    futureTick,
    strikeStep: steps[0],
    quarterlyStep: steps[1],
    strikesEachSide: strikes[0],
    quarterlyStrikesEachSide: strikes[1],
  }
}

/** Expiries that are listed at a time. */
export const NEAR_EXPIRIES = 5
export const MONTHLY_EXPIRIES = 3
export const QUARTERLY_EXPIRIES = 4

export interface CommodityListing {
  readonly name: string
  readonly lotSize: number
  readonly tick: number
  /** Months with an expiry, and its nominal day. */
  readonly months: readonly number[]
  readonly day: number
}

export const COMMODITY_LISTINGS: readonly CommodityListing[] = [
  {
    name: 'CRUDEOIL',
    lotSize: 100,
    tick: 1,
    months: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    day: 19,
  },
  { name: 'GOLD', lotSize: 100, tick: 1, months: [2, 4, 6, 8, 10, 12], day: 5 },
]
export const COMMODITY_EXPIRIES = 2

/** Indices with a price of their own; INDIA VIX comes from NIFTY's options. */
export const LISTED_INDICES = [
  'NIFTY50',
  'BANKNIFTY',
  'FINNIFTY',
  'MIDCPNIFTY',
  'SENSEX',
  'INDIAVIX',
] as const
