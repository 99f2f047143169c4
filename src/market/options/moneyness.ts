/**
 * Where a strike stands: buckets by rank among the listed strikes of one expiry. ATM is the listed
 * strike nearest the anchor (the lower of two equally near); OTM3 of a call is the third listed
 * strike above it, OTM3 of a put the third below, and ITM is the mirror. A bucket rolls to another
 * contract as the market moves, so every point of a bucket's series must carry its strike.
 *
 * All functions take strikes ascending and without repeats.
 */
import type { OptionType } from '../instrument.ts'

export type Bucket = 'ATM' | `OTM${number}` | `ITM${number}`

/** The listed strike nearest `anchor`; undefined without strikes. */
export function atmStrike(strikes: readonly number[], anchor: number): number | undefined {
  return strikes[nearestIndex(strikes, anchor)]
}

/** The index of the strike nearest `anchor`, the lower one on a tie; -1 without strikes. */
export function nearestIndex(strikes: readonly number[], anchor: number): number {
  const above = firstAtOrAbove(strikes, anchor)
  const upper = strikes[above]
  const lower = strikes[above - 1]
  if (lower === undefined) return upper === undefined ? -1 : 0
  return upper !== undefined && upper - anchor < anchor - lower ? above : above - 1
}

/** The bucket of a listed strike; undefined where it or `atm` is not listed. */
export function bucketOf(
  strikes: readonly number[],
  atm: number,
  strike: number,
  optionType: OptionType,
): Bucket | undefined {
  const atmIndex = indexOf(strikes, atm)
  const index = indexOf(strikes, strike)
  if (atmIndex < 0 || index < 0) return undefined
  if (index === atmIndex) return 'ATM'
  const outward = optionType === 'CE' ? index - atmIndex : atmIndex - index
  return outward > 0 ? `OTM${outward}` : `ITM${-outward}`
}

/** The strike that a bucket stands for; undefined where it lies beyond the listed strikes. */
export function strikeOf(
  strikes: readonly number[],
  atm: number,
  bucket: Bucket,
  optionType: OptionType,
): number | undefined {
  const atmIndex = indexOf(strikes, atm)
  if (atmIndex < 0) return undefined
  if (bucket === 'ATM') return atm
  const distance = Number(bucket.slice(3))
  const outward = bucket.startsWith('OTM') ? distance : -distance
  return strikes[atmIndex + (optionType === 'CE' ? outward : -outward)]
}

/** `ATM`, `OTM1`, `ITM12`, …; undefined for anything else. */
export function parseBucket(text: string): Bucket | undefined {
  return /^(?:ATM|(?:OTM|ITM)[1-9]\d{0,2})$/.test(text) ? (text as Bucket) : undefined
}

/** The strikes up to `eachSide` ranks either side of the one nearest `anchor`. */
export function strikeWindow(
  strikes: readonly number[],
  anchor: number,
  eachSide: number,
): readonly number[] {
  const centre = nearestIndex(strikes, anchor)
  if (centre < 0) return []
  return strikes.slice(Math.max(0, centre - eachSide), centre + eachSide + 1)
}

/**
 * The distance between neighbours that occurs most often, the smaller one on a tie; undefined with
 * fewer than two strikes. Steps differ by expiry and change by circular, so they are never assumed.
 */
export function strikeStep(strikes: readonly number[]): number | undefined {
  const counts = new Map<number, number>()
  for (let i = 1; i < strikes.length; i++) {
    const step = (strikes[i] as number) - (strikes[i - 1] as number)
    counts.set(step, (counts.get(step) ?? 0) + 1)
  }
  return [...counts].sort(([stepA, a], [stepB, b]) => b - a || stepA - stepB)[0]?.[0]
}

function indexOf(strikes: readonly number[], strike: number): number {
  const index = firstAtOrAbove(strikes, strike)
  return strikes[index] === strike ? index : -1
}

function firstAtOrAbove(strikes: readonly number[], value: number): number {
  let low = 0
  let high = strikes.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((strikes[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}
