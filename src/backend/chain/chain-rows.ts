/** A computed chain as rows of `fo_expiry_metrics` and `fo_strike_distribution`. */
import type { Instrument } from '../../market/instrument.ts'
import type { Series } from '../../market/instrument-master.ts'
import type { ChainAnalytics } from '../../market/options/chain.ts'
import type { LegAnalytics, LegInput, StrikeInput } from '../../market/options/strike.ts'
import type { DistributionRow, DistributionSide, ExpiryMetricsRow } from '../ports.ts'

export interface ComputedChain {
  readonly series: Series
  readonly minuteMs: number
  /** One a listed strike, in the series' order. */
  readonly input: readonly StrikeInput[]
  readonly analytics: ChainAnalytics
  readonly strikesStreamed: number
}

export function metricsRow(
  { series, minuteMs, analytics, strikesStreamed }: ComputedChain,
  complete: boolean | null,
): ExpiryMetricsRow {
  const { forwardPairs: _, ...metrics } = analytics.metrics
  return {
    ...metrics,
    symbol: series.symbol,
    expiry: series.expiry,
    minuteMs,
    strikesListed: series.strikes.length,
    strikesStreamed,
    complete,
  }
}

/** The previous close of open interest, by exchange:tradingsymbol. */
export type PreviousOi = (instrument: Instrument) => number | null

/** A row for every strike of which anything is known. */
export function distributionRows(chain: ComputedChain, previousOi: PreviousOi): DistributionRow[] {
  const { series, minuteMs, input, analytics } = chain
  return series.strikes.flatMap(({ strike, call, put }, i) => {
    const legs = input[i]
    const computed = analytics.strikes[i]
    const callSide = side(call, legs?.call ?? null, computed?.call ?? null, previousOi)
    const putSide = side(put, legs?.put ?? null, computed?.put ?? null, previousOi)
    if (callSide === null && putSide === null) return []
    const { symbol, expiry } = series
    return [{ symbol, expiry, strike, minuteMs, call: callSide, put: putSide }]
  })
}

function side(
  instrument: Instrument | null,
  leg: LegInput | null,
  analytics: LegAnalytics | null,
  previousOi: PreviousOi,
): DistributionSide | null {
  if (instrument === null || leg === null) return null
  const before = previousOi(instrument)
  return {
    tradingsymbol: instrument.tradingsymbol,
    ltp: leg.lastPrice,
    oi: leg.oi,
    oiChange: leg.oi === null || before === null ? null : leg.oi - before,
    volume: leg.volume,
    iv: analytics?.iv ?? null,
    delta: analytics?.delta ?? null,
    gamma: analytics?.gamma ?? null,
    theta: analytics?.theta ?? null,
    vega: analytics?.vega ?? null,
  }
}
