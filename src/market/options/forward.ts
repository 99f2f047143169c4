/**
 * The forward of one expiry in one minute, from the best evidence there is:
 *
 *   parity   median of K + e^{rT}(C − P) over the strikes nearest the money
 *   future   the future of the same expiry
 *   carry    ln(F/S)/T, interpolated between the expiries whose forward is known
 *   spot     S·e^{rT}
 *
 * Weekly expiries have no future, and spot with a fixed rate splits call and put volatility by
 * points, hence put–call parity first.
 */
import { parityPrice, type StrikeInput } from './strike.ts'

export type ForwardSource = 'parity' | 'future' | 'carry' | 'spot'

export interface Forward {
  /** Rupees. */
  readonly forward: number
  readonly source: ForwardSource
  /** Strikes that the median was taken over; 0 for every other source. */
  readonly pairs: number
}

/** A forward of another expiry of the same underlying, itself from parity or a future. */
export interface ForwardPoint {
  readonly timeYears: number
  readonly forward: number
}

export interface ForwardInput {
  /** Ascending. */
  readonly strikes: readonly StrikeInput[]
  /** To the expiry's close; positive. */
  readonly timeYears: number
  /** Continuous, decimal per year. */
  readonly rate: number
  readonly spot: number | null
  /** Of this very expiry. */
  readonly future: number | null
  readonly otherForwards: readonly ForwardPoint[]
}

/** A pair of legs of one strike, both fresh. */
interface Pair {
  readonly strike: number
  readonly callMinusPut: number
}

const MAX_PAIRS = 5

/** The forward; undefined where neither pairs, future nor spot are known. */
export function computeForward(input: ForwardInput): Forward | undefined {
  return (
    parityForward(input) ??
    (isPositive(input.future)
      ? { forward: input.future, source: 'future', pairs: 0 }
      : undefined) ??
    carryForward(input) ??
    spotForward(input)
  )
}

function parityForward(input: ForwardInput): Forward | undefined {
  const pairs = nearestPairs(input)
  const growth = Math.exp(input.rate * input.timeYears)
  const forward = median(pairs.map((pair) => pair.strike + growth * pair.callMinusPut))
  return isPositive(forward) ? { forward, source: 'parity', pairs: pairs.length } : undefined
}

/** The future of the same expiry is a nearer anchor than spot, which stands still in the auction. */
function nearestPairs(input: ForwardInput): readonly Pair[] {
  const pairs = freshPairs(input.strikes)
  const anchor = input.future ?? input.spot ?? strikeOfLeastDifference(pairs)
  if (anchor === undefined) return []
  const distance = (pair: Pair) => Math.abs(pair.strike - anchor)
  return pairs.sort((a, b) => distance(a) - distance(b)).slice(0, MAX_PAIRS)
}

function freshPairs(strikes: readonly StrikeInput[]): Pair[] {
  const pairs: Pair[] = []
  for (const { strike, call, put } of strikes) {
    if (call === null || put === null) continue
    const callPrice = parityPrice(call)
    const putPrice = parityPrice(put)
    if (callPrice !== null && putPrice !== null) {
      pairs.push({ strike, callMinusPut: callPrice - putPrice })
    }
  }
  return pairs
}

function strikeOfLeastDifference(pairs: readonly Pair[]): number | undefined {
  let least: Pair | undefined
  for (const pair of pairs) {
    if (least === undefined || Math.abs(pair.callMinusPut) < Math.abs(least.callMinusPut)) {
      least = pair
    }
  }
  return least?.strike
}

/** The mean of the middle two where the count is even; null of nothing. */
function median(values: number[]): number | null {
  if (values.length === 0) return null
  values.sort((a, b) => a - b)
  const upper = values[values.length >> 1] as number
  const lower = values[(values.length - 1) >> 1] as number
  return (lower + upper) / 2
}

function carryForward({ spot, timeYears, otherForwards }: ForwardInput): Forward | undefined {
  if (!isPositive(spot)) return undefined
  const carry = interpolateCarry(spot, timeYears, otherForwards)
  if (carry === undefined) return undefined
  return { forward: spot * Math.exp(carry * timeYears), source: 'carry', pairs: 0 }
}

/** Linear in T between the two expiries around it, flat beyond the first and the last. */
function interpolateCarry(
  spot: number,
  timeYears: number,
  others: readonly ForwardPoint[],
): number | undefined {
  const known = others
    .filter((other) => other.timeYears > 0 && other.forward > 0)
    .map((other) => ({
      at: other.timeYears,
      carry: Math.log(other.forward / spot) / other.timeYears,
    }))
    .sort((a, b) => a.at - b.at)
  const before = known.findLast((point) => point.at <= timeYears)
  const after = known.find((point) => point.at >= timeYears)
  if (before === undefined || after === undefined) return (before ?? after)?.carry
  if (after.at === before.at) return before.carry
  const share = (timeYears - before.at) / (after.at - before.at)
  return before.carry + share * (after.carry - before.carry)
}

function spotForward({ spot, rate, timeYears }: ForwardInput): Forward | undefined {
  if (!isPositive(spot)) return undefined
  return { forward: spot * Math.exp(rate * timeYears), source: 'spot', pairs: 0 }
}

function isPositive(value: number | null): value is number {
  return value !== null && value > 0 && Number.isFinite(value)
}
