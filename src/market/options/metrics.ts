/**
 * The figures of a whole expiry in one minute, as `fo_expiry_metrics` keeps them. They speak for
 * the strikes they are given: PCR, totals, max pain and gamma exposure of a window of strikes differ
 * from those of the whole chain, so the caller passes every listed strike.
 */
import type { Forward, ForwardSource } from './forward.ts'
import { computeMaxPain } from './max-pain.ts'
import { nearestIndex } from './moneyness.ts'
import { putCallRatio, sideTotals } from './open-interest.ts'
import { atmVolatility, butterfly, riskReversal, smileOf, wingVolatility } from './smile.ts'
import {
  type LegAnalytics,
  type LegInput,
  legPrice,
  type StrikeAnalytics,
  type StrikeInput,
} from './strike.ts'

/** null where a figure is not known. */
export interface ExpiryMetrics {
  readonly spot: number | null
  readonly future: number | null
  readonly forward: number | null
  readonly forwardSource: ForwardSource | null
  /** Strikes that a parity forward was taken over. */
  readonly forwardPairs: number
  /** Listed strike nearest the forward, else the future, else spot. */
  readonly atmStrike: number | null
  /** At the forward, decimal per year. */
  readonly atmIv: number | null
  /** Call + put of `atmStrike`, rupees. */
  readonly straddle: number | null
  /** forward · atmIv · √T: one standard deviation to expiry, rupees. */
  readonly expectedMove: number | null
  /** Decimal volatility, call − put. */
  readonly rr25: number | null
  readonly bf25: number | null
  /** Rupees of delta-hedging per 1 % move of the index; calls +, puts −. */
  readonly gex: number | null
  readonly totalCallOi: number | null
  readonly totalPutOi: number | null
  /** Units traded this day. */
  readonly totalCallVolume: number | null
  readonly totalPutVolume: number | null
  readonly pcrOi: number | null
  readonly pcrVolume: number | null
  readonly maxPain: number | null
  readonly maxPainHigh: number | null
  /** Strikes of which any figure is known. */
  readonly strikesPresent: number
}

export interface MetricsInput {
  /** Ascending, as long as `analytics` and of the same strikes. */
  readonly strikes: readonly StrikeInput[]
  readonly analytics: readonly StrikeAnalytics[]
  readonly spot: number | null
  readonly future: number | null
  /** undefined where not known or the series is settled. */
  readonly forward: Forward | undefined
  readonly timeYears: number
}

/** A move of one percent. */
const ONE_PERCENT = 0.01

export function computeExpiryMetrics(input: MetricsInput): ExpiryMetrics {
  const { strikes, spot, future, forward } = input
  return {
    spot,
    future,
    forward: forward?.forward ?? null,
    forwardSource: forward?.source ?? null,
    forwardPairs: forward?.pairs ?? 0,
    ...atTheMoney(strikes, forward?.forward ?? future ?? spot),
    ...volatilityMetrics(input),
    gex: gammaExposure(strikes, input.analytics, spot ?? forward?.forward ?? null),
    ...openInterestMetrics(strikes),
    strikesPresent: strikes.filter(isPresent).length,
  }
}

/**
 * Σ ± γ · OI · S² · 0.01 in rupees, calls counted positive and puts negative; OI is in units, so no
 * lot enters. null where no option has both a gamma and OI.
 */
export function gammaExposure(
  strikes: readonly StrikeInput[],
  analytics: readonly StrikeAnalytics[],
  spot: number | null,
): number | null {
  if (spot === null) return null
  let sum: number | null = null
  for (const [i, { call, put }] of strikes.entries()) {
    const calls = gammaUnits(call, analytics[i]?.call)
    const puts = gammaUnits(put, analytics[i]?.put)
    if (calls !== null || puts !== null) sum = (sum ?? 0) + (calls ?? 0) - (puts ?? 0)
  }
  return sum === null ? null : sum * spot * spot * ONE_PERCENT
}

function gammaUnits(
  leg: LegInput | null,
  analytics: LegAnalytics | null | undefined,
): number | null {
  const gamma = analytics?.gamma ?? null
  const oi = leg?.oi ?? null
  return gamma === null || oi === null ? null : gamma * oi
}

function atTheMoney(strikes: readonly StrikeInput[], anchor: number | null) {
  if (anchor === null) return { atmStrike: null, straddle: null }
  const atm =
    strikes[
      nearestIndex(
        strikes.map((strike) => strike.strike),
        anchor,
      )
    ]
  if (atm === undefined) return { atmStrike: null, straddle: null }
  const call = atm.call === null ? null : legPrice(atm.call)
  const put = atm.put === null ? null : legPrice(atm.put)
  return { atmStrike: atm.strike, straddle: call === null || put === null ? null : call + put }
}

function volatilityMetrics({ analytics, forward, timeYears }: MetricsInput) {
  if (forward === undefined) return { atmIv: null, expectedMove: null, rr25: null, bf25: null }
  const smile = smileOf(analytics, forward.forward, timeYears)
  const atmIv = atmVolatility(smile)
  const call = wingVolatility(smile.calls)
  const put = wingVolatility(smile.puts)
  return {
    atmIv,
    expectedMove: atmIv === null ? null : forward.forward * atmIv * Math.sqrt(timeYears),
    rr25: riskReversal(call, put),
    bf25: butterfly(call, put, atmIv),
  }
}

function openInterestMetrics(strikes: readonly StrikeInput[]) {
  const oi = sideTotals(strikes, 'oi')
  const volume = sideTotals(strikes, 'volume')
  const maxPain = computeMaxPain(
    strikes.map(({ strike, call, put }) => ({
      strike,
      callOi: call?.oi ?? 0,
      putOi: put?.oi ?? 0,
    })),
  )
  return {
    totalCallOi: oi.call,
    totalPutOi: oi.put,
    totalCallVolume: volume.call,
    totalPutVolume: volume.put,
    pcrOi: putCallRatio(oi),
    pcrVolume: putCallRatio(volume),
    maxPain: maxPain?.low ?? null,
    maxPainHigh: maxPain?.high ?? null,
  }
}

function isPresent({ call, put }: StrikeInput): boolean {
  return hasFigure(call) || hasFigure(put)
}

function hasFigure(leg: LegInput | null): boolean {
  return leg !== null && (leg.lastPrice ?? leg.bid ?? leg.ask ?? leg.volume ?? leg.oi) !== null
}
