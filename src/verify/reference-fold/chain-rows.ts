/**
 * The chain of one series in one closed minute, from the final rows of that minute: the option bars
 * with their Greeks, the metrics of the expiry and its distribution over the strikes.
 */
import type { MarketCalendar } from '../../market/calendar.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import type { InstrumentMaster, Series } from '../../market/instrument-master.ts'
import { MINUTE_MS } from '../../market/ist.ts'
import { type ChainAnalytics, computeChain, timeToExpiryYears } from '../../market/options/chain.ts'
import type { ForwardPoint } from '../../market/options/forward.ts'
import type { LegAnalytics, LegInput } from '../../market/options/strike.ts'
import { oiChange, optionBar } from './bar-rows.ts'
import type { InstrumentFacts } from './instrument-facts.ts'
import { touchesMinute } from './live-coverage.ts'
import type { MinuteRow } from './minute-rows.ts'
import type { ExpiryMetricsRow, OptionBarRow, StrikeDistributionRow } from './reference-rows.ts'

/** All that a chain is computed from. */
export interface Market {
  readonly master: InstrumentMaster
  readonly calendar: MarketCalendar
  readonly riskFreeRate: number
  /** What the log says of an instrument, by `instrumentKey`. */
  factsOf(key: string): InstrumentFacts | undefined
  row(instrument: Instrument | null | undefined, minuteMs: number): MinuteRow | undefined
}

export interface ChainRows {
  readonly optionBars: readonly OptionBarRow[]
  readonly metrics: ExpiryMetricsRow
  readonly distribution: readonly StrikeDistributionRow[]
}

/** One listed option with its row and what was computed of it. */
interface Leg {
  readonly instrument: Instrument | null
  readonly row: MinuteRow | undefined
  readonly analytics: LegAnalytics | null
}

interface Strike {
  readonly strike: number
  readonly call: Leg
  readonly put: Leg
}

export function chainRows(series: Series, minuteMs: number, market: Market): ChainRows {
  const chain = analyse(series, minuteMs, market)
  const strikes = series.strikes.map(({ strike, call, put }, i): Strike => {
    const found = chain.strikes[i]
    return {
      strike,
      call: {
        instrument: call,
        row: market.row(call, minuteMs),
        analytics: found?.call ?? null,
      },
      put: { instrument: put, row: market.row(put, minuteMs), analytics: found?.put ?? null },
    }
  })
  return {
    optionBars: strikes.flatMap(({ call, put }) => [...barOf(call, chain), ...barOf(put, chain)]),
    metrics: metricsRow(series, minuteMs, strikes, chain, market),
    distribution: strikes.map((strike) => distributionRow(series, minuteMs, strike)),
  }
}

function analyse(series: Series, minuteMs: number, market: Market): ChainAnalytics {
  const { master, calendar, riskFreeRate } = market
  const closeOf = (instrument: Instrument | undefined) =>
    market.row(instrument, minuteMs)?.close ?? null
  return computeChain({
    expiryCloseMs: calendar.expiryCloseMs(series.segment, series.expiry),
    barEndMs: minuteMs + MINUTE_MS,
    rate: riskFreeRate,
    strikes: series.strikes.map(({ strike, call, put }) => ({
      strike,
      call: legInput(market.row(call, minuteMs)),
      put: legInput(market.row(put, minuteMs)),
    })),
    spot: closeOf(master.index(series.symbol)),
    future: closeOf(master.future(series.symbol, series.expiry)),
    otherForwards: otherForwards(series, minuteMs, market),
  })
}

function legInput(row: MinuteRow | undefined): LegInput | null {
  if (row === undefined) return null
  const { close, isTraded, bid, ask, dayVolume, oi } = row
  return { lastPrice: close, tradedInMinute: isTraded, bid, ask, volume: dayVolume, oi }
}

/** The futures of the other expiries. */
function otherForwards(series: Series, minuteMs: number, market: Market): ForwardPoint[] {
  const points: ForwardPoint[] = []
  for (const future of market.master.futures(series.symbol)) {
    const forward = market.row(future, minuteMs)?.close ?? null
    if (forward === null || future.expiry === null || future.expiry === series.expiry) continue
    const expiryCloseMs = market.calendar.expiryCloseMs(future.segment, future.expiry)
    const timeYears = timeToExpiryYears(minuteMs + MINUTE_MS, expiryCloseMs)
    if (timeYears !== null) points.push({ timeYears, forward })
  }
  return points
}

function barOf({ instrument, row, analytics }: Leg, chain: ChainAnalytics): OptionBarRow[] {
  return instrument === null || row === undefined
    ? []
    : [optionBar(instrument, row, analytics, chain)]
}

function metricsRow(
  { symbol, expiry }: Series,
  minuteMs: number,
  strikes: readonly Strike[],
  { metrics }: ChainAnalytics,
  { factsOf }: Market,
): ExpiryMetricsRow {
  const rows = strikes.flatMap(({ call, put }) => [call.row, put.row])
  const isWhole = rows.every((row) => row === undefined || row.complete === true)
  return {
    symbol,
    expiry,
    bucket_time: minuteMs,
    spot: metrics.spot,
    future: metrics.future,
    forward: metrics.forward,
    forward_source: metrics.forwardSource,
    atm_strike: metrics.atmStrike,
    atm_iv: metrics.atmIv,
    straddle: metrics.straddle,
    expected_move: metrics.expectedMove,
    rr25: metrics.rr25,
    bf25: metrics.bf25,
    gex: metrics.gex,
    total_call_oi: metrics.totalCallOi,
    total_put_oi: metrics.totalPutOi,
    total_call_volume: metrics.totalCallVolume,
    total_put_volume: metrics.totalPutVolume,
    pcr_oi: metrics.pcrOi,
    pcr_volume: metrics.pcrVolume,
    max_pain: metrics.maxPain,
    max_pain_high: metrics.maxPainHigh,
    strikes_listed: strikes.length,
    strikes_streamed: strikes.filter((strike) => isStreamed(strike, minuteMs, factsOf)).length,
    strikes_present: metrics.strikesPresent,
    complete: metrics.strikesPresent === strikes.length && isWhole,
  }
}

function isStreamed({ call, put }: Strike, minuteMs: number, factsOf: Market['factsOf']): boolean {
  return [call, put].some(({ instrument }) => {
    if (instrument === null) return false
    const known = factsOf(instrumentKey(instrument.exchange, instrument.tradingsymbol))
    return known !== undefined && touchesMinute(known.stretches, minuteMs)
  })
}

function distributionRow(
  { symbol, expiry }: Series,
  minuteMs: number,
  { strike, call, put }: Strike,
): StrikeDistributionRow {
  return {
    symbol,
    expiry,
    strike,
    bucket_time: minuteMs,
    call_tradingsymbol: call.instrument?.tradingsymbol ?? null,
    call_ltp: call.row?.close ?? null,
    call_oi: call.row?.oi ?? null,
    call_oi_change: call.row === undefined ? null : oiChange(call.row),
    call_volume: call.row?.dayVolume ?? null,
    call_iv: call.analytics?.iv ?? null,
    call_delta: call.analytics?.delta ?? null,
    call_gamma: call.analytics?.gamma ?? null,
    call_theta: call.analytics?.theta ?? null,
    call_vega: call.analytics?.vega ?? null,
    put_tradingsymbol: put.instrument?.tradingsymbol ?? null,
    put_ltp: put.row?.close ?? null,
    put_oi: put.row?.oi ?? null,
    put_oi_change: put.row === undefined ? null : oiChange(put.row),
    put_volume: put.row?.dayVolume ?? null,
    put_iv: put.analytics?.iv ?? null,
    put_delta: put.analytics?.delta ?? null,
    put_gamma: put.analytics?.gamma ?? null,
    put_theta: put.analytics?.theta ?? null,
    put_vega: put.analytics?.vega ?? null,
  }
}
