/** One instrument's minutes as rows of the bar tables. */
import type { Instrument } from '../../market/instrument.ts'
import type { ChainAnalytics } from '../../market/options/chain.ts'
import type { LegAnalytics } from '../../market/options/strike.ts'
import type { MinuteRow } from './minute-rows.ts'
import type { FuturesBarRow, MinuteBarRow, OptionBarRow } from './reference-rows.ts'

export function minuteBar({ exchange, tradingsymbol }: Instrument, row: MinuteRow): MinuteBarRow {
  return { exchange, symbol: tradingsymbol, time: row.minuteMs, ...common(row) }
}

/** `spot` is the index's close of the same minute. */
export function futuresBar(
  instrument: Instrument,
  row: MinuteRow,
  spot: number | null,
): FuturesBarRow {
  const basis = row.close === null || spot === null ? null : row.close - spot
  return { time: row.minuteMs, ...derivative(instrument, row), ...common(row), basis }
}

/** Without analytics (the minute is open) what is computed at its close is null. */
export function optionBar(
  instrument: Instrument,
  row: MinuteRow,
  analytics: LegAnalytics | null,
  chain: ChainAnalytics | null,
): OptionBarRow {
  return {
    bucket_time: row.minuteMs,
    strike: instrument.strike,
    option_type: instrument.optionType,
    ...derivative(instrument, row),
    ...common(row),
    iv: analytics?.iv ?? null,
    iv_raw: analytics?.ivRaw ?? null,
    delta: analytics?.delta ?? null,
    gamma: analytics?.gamma ?? null,
    theta: analytics?.theta ?? null,
    vega: analytics?.vega ?? null,
    iv_reason: analytics?.ivReason ?? null,
    underlying_price: chain?.metrics.spot ?? null,
    forward: chain?.forward?.forward ?? null,
    forward_source: chain?.forward?.source ?? null,
  }
}

export function oiChange({ oi, oiPrevClose }: MinuteRow): number | null {
  return oi === null || oiPrevClose === null ? null : oi - oiPrevClose
}

function derivative(instrument: Instrument, row: MinuteRow) {
  return {
    tradingsymbol: instrument.tradingsymbol,
    symbol: instrument.symbol,
    expiry: instrument.expiry,
    instrument_token: instrument.token,
    oi: row.oi,
    oi_prev_close: row.oiPrevClose,
    oi_change: oiChange(row),
    bid: row.bid,
    ask: row.ask,
  }
}

function common(row: MinuteRow) {
  return {
    open: row.open,
    high: row.high,
    low: row.low,
    close: row.close,
    volume: row.volume,
    day_volume: row.dayVolume,
    base_volume: row.baseVolume,
    tick_count: row.tickCount,
    complete: row.complete,
    source: 'live' as const,
  }
}
