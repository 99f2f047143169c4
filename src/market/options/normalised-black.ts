/**
 * The Black formula without units, on the out-of-the-money side, and its inverse.
 *
 *   x = −|ln(F/K)| ≤ 0     s = σ√T > 0     h = x/s     t = s/2     d1 = h + t
 *   b(x, s) = e^{x/2} N(h + t) − e^{−x/2} N(h − t) = time value / √(F·K), undiscounted
 *   b_max = e^{x/2}, approached as s grows;  ∂b/∂s = e^{−(h² + t²)/2} / √(2π)
 *
 * Dividing b by its vega leaves a difference of two Mills ratios without any exponential. For the
 * small s that options near expiry have, that difference cancels badly; there it is summed as a
 * Taylor series in t, which is exact to the last digit and needs one Mills ratio instead of two.
 * The mapping and the Householder step are those of P. Jäckel, "Let's Be Rational" (2015).
 */
import { millsRatio } from './normal.ts'

const INVERSE_SQRT_TWO_PI = 0.3989422804014327
const SQRT_TWO_PI = 2.5066282746310007
const SQRT_HALF_PI = 1.2533141373155003

/** Below this t six terms of the series leave less than 1e-17. */
const SERIES_END = 0.1
/** A fourth-order step of this relative size leaves an error below rounding. */
const CONVERGED = 5e-5
/** The bracketed iteration halves at worst, so this many steps always suffice for a double. */
const MAX_STEPS = 64

/** ∂b/∂s. */
export function normalisedVega(h: number, t: number): number {
  return INVERSE_SQRT_TWO_PI * Math.exp(-0.5 * (h * h + t * t))
}

/** b(x, s) for x ≤ 0 and s > 0. */
export function normalisedBlack(x: number, s: number): number {
  const h = x / s
  const t = 0.5 * s
  const vega = normalisedVega(h, t)
  return isSeries(t) || h + t <= 0
    ? vega * valueOverVega(h, t)
    : Math.exp(0.5 * x) - vega * complementOverVega(h, t)
}

/**
 * The s at which b(x, s) is `value`, for x ≤ 0 and 0 < value < e^{x/2}.
 *
 * Householder's third method from a start that is right to about 1e-6 for s < 0.2, so that one
 * step usually does it; on ln b below the inflexion, on ln(b_max − b) in the upper half, else on b.
 */
export function impliedDeviation(x: number, value: number): number {
  const maximum = Math.exp(0.5 * x)
  let low = 0
  let high = Number.POSITIVE_INFINITY
  let s = startingDeviation(x, value)
  for (let step = 0; step < MAX_STEPS; step++) {
    const h = x / s
    const t = 0.5 * s
    const vega = normalisedVega(h, t)
    let newton: number
    let logSlope = 0
    if (value > 0.5 * maximum) {
      const ratio = complementOverVega(h, t)
      newton = Math.log((vega * ratio) / (maximum - value)) * ratio
      logSlope = -1 / ratio
    } else if (h < -t) {
      const ratio = valueOverVega(h, t)
      newton = -Math.log((vega * ratio) / value) * ratio
      logSlope = 1 / ratio
    } else {
      const ratio = isSeries(t) ? valueOverVega(h, t) : maximum / vega - complementOverVega(h, t)
      newton = value / vega - ratio
    }
    if (newton > 0) low = s
    else high = s
    const next = s + householderStep(newton, h, s, logSlope)
    if (Math.abs(next - s) <= CONVERGED * s) return next
    if (next > low && next < high) s = next
    else s = high === Number.POSITIVE_INFINITY ? 2 * s : 0.5 * (low + high)
  }
  return s
}

/**
 * The step of Householder's third method, from b''/b' = h²/s − s/4 and
 * b'''/b' = (b''/b')² − 3h²/s² − 1/4. With a logarithm as the objective, `logSlope` is its first
 * derivative; else it is 0.
 */
function householderStep(newton: number, h: number, s: number, logSlope: number): number {
  const hOverS = h / s
  const second = h * hOverS - 0.25 * s
  const third = second * second - 3 * hOverS * hOverS - 0.25
  const two = second - logSlope
  const three = third - 3 * second * logSlope + 2 * logSlope * logSlope
  return (newton * (1 + 0.5 * two * newton)) / (1 + newton * (two + (three * newton) / 6))
}

function isSeries(t: number): boolean {
  return t < SERIES_END
}

/** b / vega for h ≤ −t, or any h ≤ 0 where t is small. */
function valueOverVega(h: number, t: number): number {
  return isSeries(t) ? valueOverVegaSeries(h, t) : millsRatio(-h - t) - millsRatio(t - h)
}

/** (b_max − b) / vega, for h > −t. */
function complementOverVega(h: number, t: number): number {
  const sum = h + t
  const upper =
    sum > 0 ? millsRatio(sum) : SQRT_TWO_PI * Math.exp(0.5 * sum * sum) - millsRatio(-sum)
  return upper + millsRatio(t - h)
}

/**
 * Y(h + t) − Y(h − t) = 2 Σ t^{2k+1} Y^{(2k+1)}(h) / (2k+1)! with Y(z) = N(z)/φ(z), whose
 * derivatives follow from Y' = 1 + zY by Y^{(n+1)} = nY^{(n−1)} + zY^{(n)}. The odd ones are
 * `odd…`, the even ones times h are `even…`.
 */
function valueOverVegaSeries(h: number, t: number): number {
  const hh = h * h
  const tt = t * t
  const odd0 = 1 + h * millsRatio(-h)
  const even1 = odd0 - 1 + hh * odd0
  const odd1 = 2 * odd0 + even1
  const even2 = 3 * even1 + hh * odd1
  const odd2 = 4 * odd1 + even2
  const even3 = 5 * even2 + hh * odd2
  const odd3 = 6 * odd2 + even3
  const even4 = 7 * even3 + hh * odd3
  const odd4 = 8 * odd3 + even4
  const odd5 = 10 * odd4 + 9 * even4 + hh * odd4
  const sum =
    odd0 +
    tt *
      (odd1 / 6 +
        tt * (odd2 / 120 + tt * (odd3 / 5040 + tt * (odd4 / 362880 + (tt * odd5) / 39916800))))
  return 2 * t * sum
}

/**
 * A first s. In normal (Bachelier) terms the ratio of moneyness to straddle determines s in one
 * variable; the rational function below was fitted to it (relative error 1.3e-6 to 14 deviations
 * out of the money). The two factors after it carry a normal deviation over to a lognormal one.
 */
function startingDeviation(x: number, value: number): number {
  if (x === 0) return lognormalDeviation(SQRT_TWO_PI * value)
  const moneyness = x > -0.5 ? -x * (1 + (x * x) / 24) : 2 * Math.sinh(-0.5 * x)
  const straddle = 2 * value + moneyness
  const eta = (2 * moneyness) / (straddle * Math.log1p(moneyness / value))
  const above =
    0.399618314 +
    eta *
      (16.6961332 + eta * (25.4283 + eta * (131.233045 + eta * (384.884586 + eta * 39.9321419))))
  const below = 1 + eta * (39.1661813 + eta * (-6.82228684 + eta * (358.270511 + eta * 206.960206)))
  const normal = SQRT_HALF_PI * straddle * Math.sqrt(eta) * (above / below)
  return lognormalDeviation((normal * -x) / moneyness)
}

function lognormalDeviation(s: number): number {
  return s * (1 + (s * s) / 24)
}
