/**
 * The volatility at which Black-76 gives a price back, or the reason why there is none.
 *
 * A price is first turned into the time value of the out-of-the-money option of the same strike,
 * so that a deep in-the-money price loses no digit of the little it has, and then inverted by
 * `impliedDeviation`. The answer is within 1e-13 of the exact root of the given doubles.
 */
import type { OptionType } from '../instrument.ts'
import { type Greeks, otmLogMoneyness, writeGreeks } from './black76.ts'
import { impliedDeviation } from './normalised-black.ts'

/** The smallest price step of index options, in rupees. */
export const DEFAULT_TICK_SIZE = 0.05

/** A time value below this part of the forward is rounding of the forward itself. */
const ROUNDING = 1e-14

/**
 * `ok` · `low_confidence`: solved, but the time value is less than a tick, or one vol point moves
 * the price by less than half a tick, so that the number means little · `zero_price`: 0 or less ·
 * `below_intrinsic`, `above_max`: outside the no-arbitrage bounds · `at_intrinsic`: no time value
 * at all · `expired`: no time left · `no_forward` · `no_price`.
 */
export type IvStatus =
  | 'ok'
  | 'low_confidence'
  | 'zero_price'
  | 'below_intrinsic'
  | 'at_intrinsic'
  | 'above_max'
  | 'expired'
  | 'no_forward'
  | 'no_price'

export interface ImpliedVolatility {
  readonly status: IvStatus
  /** Decimal per year; a number for `ok` and `low_confidence`, else null. */
  readonly iv: number | null
}

/** Room for `solveIvAndGreeks` to write into. */
export interface IvAndGreeks extends Greeks {
  /** Decimal per year. */
  iv: number
}

export function unknownIvAndGreeks(): IvAndGreeks {
  const unset = Number.NaN
  return { iv: unset, delta: unset, gamma: unset, theta: unset, vega: unset, rho: unset }
}

/**
 * Implied volatility of one price in rupees. Time is in years of 365 days, the rate continuous.
 * Throws a RangeError where the strike is not positive or the rate not finite.
 */
export function impliedVolatility(
  optionType: OptionType,
  price: number | null,
  forward: number | null,
  strike: number,
  timeYears: number,
  rate: number,
  tickSize: number = DEFAULT_TICK_SIZE,
): ImpliedVolatility {
  const room = unknownIvAndGreeks()
  const status = solveIvAndGreeks(
    optionType,
    price ?? Number.NaN,
    forward ?? Number.NaN,
    strike,
    timeYears,
    rate,
    tickSize,
    room,
  )
  return { status, iv: isSolved(status) ? room.iv : null }
}

/** Whether there is a number for this status. */
export function isSolved(status: IvStatus): boolean {
  return status === 'ok' || status === 'low_confidence'
}

/**
 * Implied volatility and the five Greeks in one go, written into `out`; allocates nothing. A price
 * or forward that is not known is NaN here. Where the status has no number, `out` is left as it was.
 */
export function solveIvAndGreeks(
  optionType: OptionType,
  price: number,
  forward: number,
  strike: number,
  timeYears: number,
  rate: number,
  tickSize: number,
  out: IvAndGreeks,
): IvStatus {
  if (!(strike > 0)) throw new RangeError(`strike ${strike} is not positive`)
  if (!Number.isFinite(rate)) throw new RangeError(`rate ${rate} is not a number`)
  if (Number.isNaN(price)) return 'no_price'
  if (price <= 0) return 'zero_price'
  if (!(timeYears > 0)) return 'expired'
  if (!(forward > 0)) return 'no_forward'

  const moneyness = optionType === 'CE' ? forward - strike : strike - forward
  const timeValue = undiscountedTimeValue(price, moneyness, rate * timeYears)
  if (timeValue >= Math.min(forward, strike)) return 'above_max'
  if (Math.abs(timeValue) <= ROUNDING * forward && moneyness > 0) return 'at_intrinsic'
  if (timeValue < 0) return 'below_intrinsic'

  const normalised = timeValue / Math.sqrt(forward * strike)
  const deviation = impliedDeviation(otmLogMoneyness(forward, strike), normalised)
  out.iv = deviation / Math.sqrt(timeYears)
  writeGreeks(optionType, price, forward, strike, timeYears, rate, deviation, out)
  return isMeaningful(timeValue, out.vega, tickSize) ? 'ok' : 'low_confidence'
}

/**
 * p·e^{rT} − max(±(F − K), 0). Near-equal numbers are subtracted first, which is exact, and the
 * small growth added after.
 */
function undiscountedTimeValue(price: number, moneyness: number, rateTime: number): number {
  return price - Math.max(moneyness, 0) + price * Math.expm1(rateTime)
}

function isMeaningful(timeValue: number, vegaPerPoint: number, tickSize: number): boolean {
  const oneTick = tickSize * (1 - 1e-9)
  return timeValue >= oneTick && vegaPerPoint >= 0.5 * tickSize
}
