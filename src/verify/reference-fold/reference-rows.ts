/**
 * The rows that the reference expects in the store, with the store's own column names. Times are
 * epoch ms, dates `YYYY-MM-DD`, null is not known. Keys of the fold itself and `updated_at` are left
 * out: they say how a row came about, not what it says.
 */
import type { TickMode } from '../../market/tick.ts'

interface CommonBar {
  readonly open: number | null
  readonly high: number | null
  readonly low: number | null
  readonly close: number | null
  readonly volume: number | null
  readonly day_volume: number | null
  readonly base_volume: number | null
  readonly tick_count: number
  /** null while the minute is open. */
  readonly complete: boolean | null
  readonly source: 'live'
}

export interface MinuteBarRow extends CommonBar {
  readonly exchange: string
  readonly symbol: string
  readonly time: number
}

interface DerivativeBar extends CommonBar {
  readonly tradingsymbol: string
  readonly symbol: string
  readonly expiry: string | null
  readonly instrument_token: number
  readonly oi: number | null
  readonly oi_prev_close: number | null
  readonly oi_change: number | null
  readonly bid: number | null
  readonly ask: number | null
}

export interface FuturesBarRow extends DerivativeBar {
  readonly time: number
  readonly basis: number | null
}

export interface OptionBarRow extends DerivativeBar {
  readonly bucket_time: number
  readonly strike: number | null
  readonly option_type: string | null
  readonly iv: number | null
  readonly iv_raw: number | null
  readonly delta: number | null
  readonly gamma: number | null
  readonly theta: number | null
  readonly vega: number | null
  readonly iv_reason: string | null
  readonly underlying_price: number | null
  readonly forward: number | null
  readonly forward_source: string | null
}

export interface ExpiryMetricsRow {
  readonly symbol: string
  readonly expiry: string
  readonly bucket_time: number
  readonly spot: number | null
  readonly future: number | null
  readonly forward: number | null
  readonly forward_source: string | null
  readonly atm_strike: number | null
  readonly atm_iv: number | null
  readonly straddle: number | null
  readonly expected_move: number | null
  readonly rr25: number | null
  readonly bf25: number | null
  readonly gex: number | null
  readonly total_call_oi: number | null
  readonly total_put_oi: number | null
  readonly total_call_volume: number | null
  readonly total_put_volume: number | null
  readonly pcr_oi: number | null
  readonly pcr_volume: number | null
  readonly max_pain: number | null
  readonly max_pain_high: number | null
  readonly strikes_listed: number
  readonly strikes_streamed: number
  readonly strikes_present: number
  readonly complete: boolean
}

export interface StrikeDistributionRow {
  readonly symbol: string
  readonly expiry: string
  readonly strike: number
  readonly bucket_time: number
  readonly call_tradingsymbol: string | null
  readonly call_ltp: number | null
  readonly call_oi: number | null
  readonly call_oi_change: number | null
  readonly call_volume: number | null
  readonly call_iv: number | null
  readonly call_delta: number | null
  readonly call_gamma: number | null
  readonly call_theta: number | null
  readonly call_vega: number | null
  readonly put_tradingsymbol: string | null
  readonly put_ltp: number | null
  readonly put_oi: number | null
  readonly put_oi_change: number | null
  readonly put_volume: number | null
  readonly put_iv: number | null
  readonly put_delta: number | null
  readonly put_gamma: number | null
  readonly put_theta: number | null
  readonly put_vega: number | null
}

export interface CoverageRow {
  readonly exchange: string
  readonly tradingsymbol: string
  readonly from: number
  /** Infinity while it goes on. */
  readonly to: number
  readonly source: 'live'
  readonly mode: TickMode
}

export interface LedgerRow {
  readonly minute: number
  readonly producer: string
  readonly epoch: number
  readonly partition: number
  readonly received: number
  readonly rejected: number
  readonly dropped: number
  readonly journaled: number
  readonly folded: number
  /** The reference reads whole logs only. */
  readonly lost: 0
  /** Ticks by reason; a reason without ticks has no entry. */
  readonly not_folded: Readonly<Record<string, number>>
}

/** Each list is sorted by its table's key. */
export interface Reference {
  readonly minuteBars: readonly MinuteBarRow[]
  readonly futuresBars: readonly FuturesBarRow[]
  readonly optionBars: readonly OptionBarRow[]
  /** Of closed minutes only. */
  readonly expiryMetrics: readonly ExpiryMetricsRow[]
  /** Of closed minutes only; every listed strike. */
  readonly strikeDistribution: readonly StrikeDistributionRow[]
  readonly coverage: readonly CoverageRow[]
  readonly ledger: readonly LedgerRow[]
  /** How far market time has come, by underlying, epoch ms. */
  readonly marketTimes: ReadonlyMap<string, number>
}
