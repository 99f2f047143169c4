/**
 * The numbers of contracts at the exchange. Each is written down in its number, so a contract keeps
 * it for life without any register, no two that are listed together share one, and after some ten
 * years it is given to another, as real exchanges do much sooner. A token stays below 2³¹, since the
 * official JavaScript client reads it as signed.
 *
 *   option  0 | week 9 bits | type 1 | underlying 2 | strike 10
 *   future  1 | 0 …         | underlying 3 | week 9
 */
const WEEKS = 512
const STRIKES = 1_024
const UNDERLYINGS = 4
const FUTURES_BEGIN = WEEKS * 2 * UNDERLYINGS * STRIKES
const SEGMENT_SIZE = 256

/** Segment numbers in a token's low byte. */
export const SEGMENT_NUMBERS = { NFO: 2, BFO: 5, MCX: 7 } as const

export interface OptionNumber {
  /** Day number of the date on which it would expire, were that no holiday. */
  readonly nominalDay: number
  readonly isPut: boolean
  /** Place of the underlying among those of its exchange, 0 … 3. */
  readonly underlying: number
  /** Strike in steps. */
  readonly strikeSteps: number
}

export function optionExchangeToken(option: OptionNumber): number {
  const week = weekOf(option.nominalDay)
  const type = week * 2 + (option.isPut ? 1 : 0)
  return (type * UNDERLYINGS + option.underlying) * STRIKES + (option.strikeSteps % STRIKES)
}

/** `underlying` is its place among those of its exchange. */
export function futureExchangeToken(nominalDay: number, underlying: number): number {
  return FUTURES_BEGIN + underlying * WEEKS + weekOf(nominalDay)
}

export function tokenOf(exchangeToken: number, segment: number): number {
  return exchangeToken * SEGMENT_SIZE + segment
}

/** Weeks begin on Monday, so that no two expiries of an underlying fall into one. */
function weekOf(day: number): number {
  return Math.floor((day + 3) / 7) % WEEKS
}
