/** Stored metrics of a series, minute by minute. */
import type pg from 'pg'
import type { ExpiryMetricsRow } from '../backend/ports.ts'
import { instant } from './read-instant.ts'

export async function readExpiryMetrics(
  pool: pg.Pool,
  symbol: string,
  expiry: string,
  fromMs: number,
  toMs: number,
  limit: number,
): Promise<ExpiryMetricsRow[]> {
  const values = [symbol, expiry, instant(fromMs), instant(toMs), limit]
  const { rows } = await pool.query<MetricsColumns>(MINUTES, values)
  return rows.map(metricsOf)
}

export interface MetricsColumns {
  readonly symbol: string
  readonly expiry: string
  /** Epoch ms. */
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
  readonly complete: boolean | null
}

/** Of the table under the name `m`. */
export const METRICS_COLUMNS = `
    m.symbol, m.expiry, m.bucket_time, m.spot, m.future, m.forward, m.forward_source, m.atm_strike,
    m.atm_iv, m.straddle, m.expected_move, m.rr25, m.bf25, m.gex, m.total_call_oi, m.total_put_oi,
    m.total_call_volume, m.total_put_volume, m.pcr_oi, m.pcr_volume, m.max_pain, m.max_pain_high,
    m.complete, coalesce(m.strikes_listed, 0) AS strikes_listed,
    coalesce(m.strikes_streamed, 0) AS strikes_streamed,
    coalesce(m.strikes_present, 0) AS strikes_present`

export function metricsOf(row: MetricsColumns): ExpiryMetricsRow {
  return {
    symbol: row.symbol,
    expiry: row.expiry,
    minuteMs: row.bucket_time,
    spot: row.spot,
    future: row.future,
    forward: row.forward,
    forwardSource: row.forward_source,
    atmStrike: row.atm_strike,
    atmIv: row.atm_iv,
    straddle: row.straddle,
    expectedMove: row.expected_move,
    rr25: row.rr25,
    bf25: row.bf25,
    gex: row.gex,
    totalCallOi: row.total_call_oi,
    totalPutOi: row.total_put_oi,
    totalCallVolume: row.total_call_volume,
    totalPutVolume: row.total_put_volume,
    pcrOi: row.pcr_oi,
    pcrVolume: row.pcr_volume,
    maxPain: row.max_pain,
    maxPainHigh: row.max_pain_high,
    strikesListed: row.strikes_listed,
    strikesStreamed: row.strikes_streamed,
    strikesPresent: row.strikes_present,
    complete: row.complete,
  }
}

const MINUTES = `
  SELECT ${METRICS_COLUMNS}
  FROM fo_expiry_metrics AS m
  WHERE m.symbol = $1 AND m.expiry = $2 AND m.bucket_time >= $3 AND m.bucket_time < $4
  ORDER BY m.bucket_time
  LIMIT $5`
