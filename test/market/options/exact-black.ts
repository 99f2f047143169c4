/**
 * Black-76 with some seventy digits: the truth that the product's double arithmetic is measured
 * against. It shares no function with the product. Numbers are fixed-point integers with 256
 * fractional bits; arguments enter as the exact doubles they are.
 */

/** A number times 2^256. */
export type Fixed = bigint

export interface ExactValues {
  readonly iv: number
  readonly delta: number
  readonly gamma: number
  readonly theta: number
  readonly vega: number
  readonly rho: number
}

const BITS = 256n
const ONE = 1n << BITS
const HALF = ONE >> 1n
const LN_2 = naturalLog2()
const SQRT_TWO_PI = squareRoot(2n * pi())
/** Newton's steps end when they are this small, about 1e-45. */
const SETTLED = 1n << 106n
const MAX_STEPS = 400

/** The exact value of a double. */
export function fixed(value: number): Fixed {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  const bits = view.getBigUint64(0)
  const exponent = (bits >> 52n) & 0x7ffn
  const fraction = bits & 0xfffffffffffffn
  const mantissa = exponent === 0n ? fraction : fraction | (1n << 52n)
  const shift = BITS + (exponent === 0n ? 1n : exponent) - 1075n
  const magnitude = shift >= 0n ? mantissa << shift : mantissa >> -shift
  return value < 0 ? -magnitude : magnitude
}

/** The nearest double. */
export function toDouble(value: Fixed): number {
  return Number(value) * 2 ** -256
}

export function exactExp(x: Fixed): Fixed {
  const halvings = divideRounded(x, LN_2)
  const rest = (x - halvings * LN_2) >> 12n
  let power = ONE
  let sum = ONE
  for (let k = 1n; power !== 0n && k < 200n; k++) {
    power = times(power, rest) / k
    sum += power
  }
  for (let i = 0; i < 12; i++) sum = times(sum, sum)
  return halvings >= 0n ? sum << halvings : sum >> -halvings
}

/** By Newton (Halley) on the exponential, from the double's logarithm. */
export function exactLog(x: Fixed): Fixed {
  let y = fixed(Math.log(toDouble(x)))
  for (let i = 0; i < 4; i++) {
    const e = exactExp(y)
    y += 2n * over(x - e, x + e)
  }
  return y
}

/** N(x), by a series of positive terms; relative digits are lost slowly out to x = −14. */
export function exactNormalCdf(x: Fixed): Fixed {
  const square = times(x, x)
  let term = x < 0n ? -x : x
  let sum = 0n
  for (let k = 1n; term !== 0n; k += 2n) {
    sum += term
    term = times(term, square) / (k + 2n)
  }
  const area = times(exactNormalPdf(x), sum)
  return x < 0n ? HALF - area : HALF + area
}

export function exactNormalPdf(x: Fixed): Fixed {
  return over(exactExp(-times(x, x) >> 1n), SQRT_TWO_PI)
}

/** The discounted price of an option. */
export function exactPrice(
  isCall: boolean,
  forward: number,
  strike: number,
  timeYears: number,
  rate: number,
  volatility: number,
): number {
  const f = fixed(forward)
  const k = fixed(strike)
  const deviation = times(fixed(volatility), squareRoot(fixed(timeYears)))
  const price = undiscounted(isCall, f, k, exactLog(over(f, k)), deviation)
  return toDouble(times(exactExp(-times(fixed(rate), fixed(timeYears))), price))
}

/**
 * Implied volatility and Greeks of a price above intrinsic value: Newton on the out-of-the-money
 * price from its inflexion, which converges from there for every price (Manaster and Koehler, 1982).
 */
export function exactValues(
  isCall: boolean,
  price: number,
  forward: number,
  strike: number,
  timeYears: number,
  rate: number,
): ExactValues {
  const f = fixed(forward)
  const k = fixed(strike)
  const t = fixed(timeYears)
  const logMoneyness = exactLog(over(f, k))
  const growth = exactExp(times(fixed(rate), t))
  const intrinsic = isCall ? f - k : k - f
  const timeValue = times(fixed(price), growth) - (intrinsic > 0n ? intrinsic : 0n)
  const deviation = exactDeviation(f, k, logMoneyness, timeValue)
  return greeksOf(isCall, fixed(price), f, k, t, fixed(rate), over(ONE, growth), deviation)
}

function exactDeviation(f: Fixed, k: Fixed, logMoneyness: Fixed, timeValue: Fixed): Fixed {
  const isCallOtm = f <= k
  const absolute = logMoneyness < 0n ? -logMoneyness : logMoneyness
  let s = absolute === 0n ? over(timeValue, f) : squareRoot(2n * absolute)
  for (let i = 0; i < MAX_STEPS; i++) {
    const miss = undiscounted(isCallOtm, f, k, logMoneyness, s) - timeValue
    const d1 = over(logMoneyness, s) + (s >> 1n)
    const step = over(miss, times(f, exactNormalPdf(d1)))
    s -= step
    if (step < SETTLED && step > -SETTLED) return s
  }
  throw new Error('the exact volatility did not settle')
}

function undiscounted(
  isCall: boolean,
  f: Fixed,
  k: Fixed,
  logMoneyness: Fixed,
  deviation: Fixed,
): Fixed {
  const d1 = over(logMoneyness, deviation) + (deviation >> 1n)
  const d2 = d1 - deviation
  return isCall
    ? times(f, exactNormalCdf(d1)) - times(k, exactNormalCdf(d2))
    : times(k, exactNormalCdf(-d2)) - times(f, exactNormalCdf(-d1))
}

function greeksOf(
  isCall: boolean,
  price: Fixed,
  f: Fixed,
  k: Fixed,
  t: Fixed,
  rate: Fixed,
  discount: Fixed,
  deviation: Fixed,
): ExactValues {
  const rootTime = squareRoot(t)
  const iv = over(deviation, rootTime)
  const d1 = over(exactLog(over(f, k)), deviation) + (deviation >> 1n)
  const density = times(discount, times(f, exactNormalPdf(d1)))
  const delta = times(discount, exactNormalCdf(isCall ? d1 : -d1))
  const decay = over(times(density, iv), 2n * rootTime)
  return {
    iv: toDouble(iv),
    delta: toDouble(isCall ? delta : -delta),
    gamma: toDouble(over(over(density, f), times(f, deviation))),
    theta: toDouble((times(rate, price) - decay) / 365n),
    vega: toDouble(times(density, rootTime) / 100n),
    rho: toDouble(-times(t, price) / 100n),
  }
}

function times(a: Fixed, b: Fixed): Fixed {
  return (a * b) >> BITS
}

function over(a: Fixed, b: Fixed): Fixed {
  return (a << BITS) / b
}

function divideRounded(a: Fixed, b: Fixed): bigint {
  const quotient = a / b
  return a < 0n ? quotient - 1n : quotient
}

function squareRoot(x: Fixed): Fixed {
  const target = x << BITS
  let root = 1n << (BigInt(target.toString(2).length + 1) / 2n)
  for (;;) {
    const next = (root + target / root) >> 1n
    if (next >= root) return root
    root = next
  }
}

/** ln 2 = 2 artanh(1/3). */
function naturalLog2(): Fixed {
  let power = ONE / 3n
  let sum = 0n
  for (let k = 1n; power !== 0n; k += 2n) {
    sum += power / k
    power /= 9n
  }
  return 2n * sum
}

/** Machin: π = 16 arctan(1/5) − 4 arctan(1/239). */
function pi(): Fixed {
  return 16n * arctanInverse(5n) - 4n * arctanInverse(239n)
}

function arctanInverse(n: bigint): Fixed {
  let power = ONE / n
  let sum = 0n
  for (let k = 1n, sign = 1n; power !== 0n; k += 2n, sign = -sign) {
    sum += (sign * power) / k
    power /= n * n
  }
  return sum
}
