/**
 * Numbers as India writes them: lakh and crore, grouped 1,14,70,117. What is not known is a dash,
 * never 0. Minus is the real minus sign, as wide as a plus in tabular figures.
 */

export const UNKNOWN = '–'

const LAKH = 100_000
const CRORE = 10_000_000

const price = new Intl.NumberFormat('en-IN', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const whole = new Intl.NumberFormat('en-IN', { maximumFractionDigits: 0 })
const upToTwo = new Intl.NumberFormat('en-IN', { maximumFractionDigits: 2 })

type Figure = number | null | undefined

/** ₹ with paise: 26,012.35. */
export const formatPrice = (value: Figure) => known(value, (n) => price.format(n))

/** ₹ with a sign: +12.35. */
export const formatChange = (value: Figure) => known(value, (n) => signed(n, price.format(n)))

/** A strike, whole where it is whole: 26,000. */
export const formatStrike = (value: Figure) => known(value, (n) => upToTwo.format(n))

/** Every digit: 1,14,70,117. */
export const formatWhole = (value: Figure) => known(value, (n) => whole.format(n))

/** A ratio: 0.92. */
export const formatRatio = (value: Figure) => known(value, (n) => n.toFixed(2))

/** Delta, gamma and the like with fixed digits. */
export const formatFixed = (value: Figure, digits: number) => known(value, (n) => n.toFixed(digits))

/** A decimal as percent without the sign: 0.1234 → 12.34. */
export const formatPercent = (value: Figure, digits = 1) =>
  known(value, (n) => (n * 100).toFixed(digits))

/** Percent with its sign: +1.25 %. The figure is in percent already. */
export const formatChangePercent = (value: Figure) =>
  known(value, (n) => `${signed(n, n.toFixed(2))} %`)

/** Units, short: 75,250 · 4.25 L · 1.15 Cr. */
export const formatUnits = (value: Figure) => known(value, compact)

/** Units with a sign: +4.25 L. */
export const formatUnitsChange = (value: Figure) => known(value, (n) => signed(n, compact(n)))

function known(value: Figure, format: (value: number) => string): string {
  return value === null || value === undefined ? UNKNOWN : format(value).replace('-', '−')
}

function signed(value: number, text: string): string {
  return value > 0 ? `+${text}` : text
}

function compact(value: number): string {
  const size = Math.abs(value)
  // Rounding must not give 100.00 L where 1.00 Cr is meant.
  if (size >= CRORE - LAKH / 200) return `${price.format(value / CRORE)} Cr`
  if (size >= LAKH) return `${price.format(value / LAKH)} L`
  return whole.format(value)
}
