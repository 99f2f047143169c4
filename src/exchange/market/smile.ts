/**
 * Implied volatility of the simulated market: a level per underlying that wanders (`level` is its
 * log), more at short terms than at long ones, times a skewed smile with bounded wings.
 */
import { DAY_S, YEAR_S } from './market-time.ts'
import type { UnderlyingModel } from './underlying-models.ts'

/** At a quarter of a year only half of what moves the shortest term is left. */
const DAMPING_PER_YEAR = 4
const SKEW = -0.055
const CURVATURE = 0.022
/** Deviations of log-moneyness beyond which the wings flatten. */
const WING = 3.5
/** Keeps the last hours' smile from becoming infinitely steep. */
const SHORTEST_TERM_YEARS = (2 * DAY_S) / YEAR_S

/** At-the-money volatility a year; rises with `level`, and is monotone in `years` between any two. */
export function atTheMoney(model: UnderlyingModel, level: number, years: number): number {
  return model.impliedVolatility * Math.exp(level / (1 + DAMPING_PER_YEAR * years))
}

/** How many deviations the strike lies above the forward, on the smile's scale. */
export function deviationsAbove(
  strike: number,
  forward: number,
  atm: number,
  years: number,
): number {
  return Math.log(strike / forward) / (atm * Math.sqrt(years + SHORTEST_TERM_YEARS))
}

/** The strike's volatility as a multiple of the at-the-money one. */
export function smileFactor(deviations: number): number {
  const bounded = deviations / Math.sqrt(1 + (deviations / WING) ** 2)
  return 1 + SKEW * bounded + CURVATURE * bounded * bounded
}
