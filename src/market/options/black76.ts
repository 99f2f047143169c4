/**
 * Black's 1976 formula for a European option on a forward, and its Greeks.
 *
 * Prices are in rupees per unit and discounted; volatility is a decimal per year, the rate is
 * continuous and a decimal per year, time is in years of 365 calendar days.
 */
import type { OptionType } from '../instrument.ts'
import { normalCdf } from './normal.ts'
import { normalisedBlack, normalisedVega } from './normalised-black.ts'

const DAYS_PER_YEAR = 365
/** Vega and rho are given for a change of one percentage point. */
const PERCENT = 0.01

/** Sensitivities of one unit. */
export interface Greeks {
  /** Rupees per 1.00 of the forward, discounted: e^{−rT} N(d1) of a call. */
  delta: number
  /** Change of delta per index point. */
  gamma: number
  /** Rupees per calendar day; at the forward held still. */
  theta: number
  /** Rupees per vol point (0.01 of volatility). */
  vega: number
  /** Rupees per percentage point of the rate; at the forward held still. */
  rho: number
}

/** The price of an option; `forward`, `strike`, `timeYears` and `volatility` must be positive. */
export function black76Price(
  optionType: OptionType,
  forward: number,
  strike: number,
  timeYears: number,
  rate: number,
  volatility: number,
): number {
  const deviation = volatility * Math.sqrt(timeYears)
  const timeValue =
    Math.sqrt(forward * strike) * normalisedBlack(otmLogMoneyness(forward, strike), deviation)
  const intrinsic = Math.max(0, optionType === 'CE' ? forward - strike : strike - forward)
  return Math.exp(-rate * timeYears) * (intrinsic + timeValue)
}

/** The Greeks of an option; the same arguments as `black76Price`. */
export function black76Greeks(
  optionType: OptionType,
  forward: number,
  strike: number,
  timeYears: number,
  rate: number,
  volatility: number,
): Greeks {
  const unset = Number.NaN
  const greeks = { delta: unset, gamma: unset, theta: unset, vega: unset, rho: unset }
  const price = black76Price(optionType, forward, strike, timeYears, rate, volatility)
  const deviation = volatility * Math.sqrt(timeYears)
  writeGreeks(optionType, price, forward, strike, timeYears, rate, deviation, greeks)
  return greeks
}

/**
 * Writes the Greeks of an option whose price and deviation σ√T are already known; the hot path,
 * which allocates nothing.
 */
export function writeGreeks(
  optionType: OptionType,
  price: number,
  forward: number,
  strike: number,
  timeYears: number,
  rate: number,
  deviation: number,
  out: Greeks,
): void {
  const x = otmLogMoneyness(forward, strike)
  const h = (forward < strike ? x : -x) / deviation
  const t = 0.5 * deviation
  const discount = Math.exp(-rate * timeYears)
  const d1 = h + t
  // F φ(d1) = √(F·K) φ-of-both: the symmetric form is the vega of the normalised price.
  const density = discount * Math.sqrt(forward * strike) * normalisedVega(h, t)
  out.delta = optionType === 'CE' ? discount * normalCdf(d1) : -discount * normalCdf(-d1)
  out.gamma = density / (forward * forward * deviation)
  out.theta = (rate * price - (density * deviation) / (2 * timeYears)) / DAYS_PER_YEAR
  out.vega = density * Math.sqrt(timeYears) * PERCENT
  out.rho = -timeYears * price * PERCENT
}

/** −|ln(F/K)|, to the last digit also where F and K nearly meet. */
export function otmLogMoneyness(forward: number, strike: number): number {
  return Math.log1p(-Math.abs(forward - strike) / Math.max(forward, strike))
}
