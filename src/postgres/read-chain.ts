/**
 * Stored chains: the newest minute of a series up to a time, its options, and what these did on the day.
 *
 * The minute is found by the key of the metrics; its strikes by the index on time; bars by their own
 * key, one minute of each contract. The day of a contract is some 400 rows, so days are read for a
 * few contracts a statement: the embedded store has one engine, and commits wait for it.
 */
import type pg from 'pg'
import type { OptionDay, StoredChain, StoredLeg, StoredSeries } from '../backend/ports.ts'
import { API_DAYS_PER_STATEMENT } from '../limits.ts'
import { instant } from './read-instant.ts'
import { METRICS_COLUMNS, type MetricsColumns, metricsOf } from './read-metrics.ts'

const INDIA_VIX = 'INDIA VIX'

export async function readChainAt(
  pool: pg.Pool,
  { symbol, expiry, index }: StoredSeries,
  atMs: number,
  notBeforeMs: number,
): Promise<StoredChain | undefined> {
  const found = await pool.query<MetricsColumns>(NEWEST_MINUTE, [
    symbol,
    expiry,
    instant(atMs),
    instant(notBeforeMs),
  ])
  const row = found.rows[0]
  if (row === undefined) return undefined
  const metrics = metricsOf(row)
  const minute = instant(metrics.minuteMs)
  const legs = await pool.query<LegColumns>(LEGS, [symbol, expiry, minute])
  const indices = await pool.query<IndexColumns>(INDICES, [index, minute, INDIA_VIX])
  const { spot_ticked: spotTicked = false, india_vix: indiaVix = null } = indices.rows[0] ?? {}
  return { metrics, legs: legs.rows.map(legOf), spotTicked, indiaVix }
}

export async function readFirstExpiry(
  pool: pg.Pool,
  symbol: string,
  fromDate: string,
): Promise<string | undefined> {
  const { rows } = await pool.query<{ expiry: string }>(FIRST_EXPIRY, [symbol, fromDate])
  return rows[0]?.expiry
}

export async function readOptionDays(
  pool: pg.Pool,
  tradingsymbols: readonly string[],
  dayMs: number,
  untilMs: number,
  notBeforeMs: number,
): Promise<OptionDay[]> {
  const days: OptionDay[] = []
  for (let from = 0; from < tradingsymbols.length; from += API_DAYS_PER_STATEMENT) {
    const names = tradingsymbols.slice(from, from + API_DAYS_PER_STATEMENT)
    const { rows } = await pool.query<DayColumns>(DAYS, [
      names,
      instant(dayMs),
      instant(untilMs),
      instant(notBeforeMs),
    ])
    for (const { tradingsymbol, open, high, low, previous_close: previousClose } of rows) {
      days.push({ tradingsymbol, open, high, low, previousClose })
    }
  }
  return days
}

interface LegColumns {
  readonly strike: number
  readonly option_type: StoredLeg['optionType']
  readonly tradingsymbol: string
  readonly instrument_token: number | null
  readonly ltp: number | null
  readonly bid: number | null
  readonly ask: number | null
  readonly volume: number | null
  readonly oi: number | null
  readonly oi_prev_close: number | null
  readonly oi_change: number | null
  readonly iv: number | null
  readonly iv_raw: number | null
  readonly iv_reason: string | null
  readonly delta: number | null
  readonly gamma: number | null
  readonly theta: number | null
  readonly vega: number | null
  readonly source: StoredLeg['source']
  readonly complete: boolean | null
  readonly close_key: Buffer | null
  readonly quote_key: Buffer | null
}

interface IndexColumns {
  readonly spot_ticked: boolean
  readonly india_vix: number | null
}

interface DayColumns {
  readonly tradingsymbol: string
  readonly open: number | null
  readonly high: number | null
  readonly low: number | null
  readonly previous_close: number | null
}

function legOf(row: LegColumns): StoredLeg {
  return {
    strike: row.strike,
    optionType: row.option_type,
    tradingsymbol: row.tradingsymbol,
    instrumentToken: row.instrument_token,
    lastPrice: row.ltp,
    bid: row.bid,
    ask: row.ask,
    volume: row.volume,
    oi: row.oi,
    oiPrevClose: row.oi_prev_close,
    oiChange: row.oi_change,
    iv: row.iv,
    ivRaw: row.iv_raw,
    ivReason: row.iv_reason,
    delta: row.delta,
    gamma: row.gamma,
    theta: row.theta,
    vega: row.vega,
    source: row.source,
    complete: row.complete,
    closeKey: row.close_key,
    quoteKey: row.quote_key,
  }
}

/** A minute that is open may have metrics and no strikes yet; then it is the one before. */
const NEWEST_MINUTE = `
  SELECT ${METRICS_COLUMNS}
  FROM fo_expiry_metrics AS m
  WHERE m.symbol = $1 AND m.expiry = $2 AND m.bucket_time <= $3 AND m.bucket_time > $4
    AND EXISTS (
      SELECT FROM fo_strike_distribution AS d
      WHERE d.bucket_time = m.bucket_time AND d.symbol = $1 AND d.expiry = $2
    )
  ORDER BY m.bucket_time DESC
  LIMIT 1`

/**
 * Each side of each strike, with its bar of that minute. The bar's figures come first: while the
 * minute is open the distribution is some seconds older. A snapshot's strike may have no bar.
 */
const LEGS = `
  SELECT
    d.strike, side.option_type, side.tradingsymbol,
    coalesce(
      b.instrument_token,
      (SELECT e.instrument_token FROM fo_option_strike_bars AS e
       WHERE e.tradingsymbol = side.tradingsymbol ORDER BY e.bucket_time DESC LIMIT 1)
    ) AS instrument_token,
    coalesce(b.close, side.ltp) AS ltp, b.bid, b.ask,
    coalesce(b.day_volume, side.volume) AS volume,
    coalesce(b.oi, side.oi) AS oi, b.oi_prev_close,
    coalesce(b.oi_change, side.oi_change) AS oi_change,
    CASE WHEN own.is_analysed THEN b.iv ELSE side.iv END AS iv, b.iv_raw, b.iv_reason,
    CASE WHEN own.is_analysed THEN b.delta ELSE side.delta END AS delta,
    CASE WHEN own.is_analysed THEN b.gamma ELSE side.gamma END AS gamma,
    CASE WHEN own.is_analysed THEN b.theta ELSE side.theta END AS theta,
    CASE WHEN own.is_analysed THEN b.vega ELSE side.vega END AS vega,
    b.source, b.complete, b.close_key, b.quote_key
  FROM fo_strike_distribution AS d
  CROSS JOIN LATERAL (
    VALUES
      ('CE', d.call_tradingsymbol, d.call_ltp, d.call_oi, d.call_oi_change, d.call_volume,
       d.call_iv, d.call_delta, d.call_gamma, d.call_theta, d.call_vega),
      ('PE', d.put_tradingsymbol, d.put_ltp, d.put_oi, d.put_oi_change, d.put_volume,
       d.put_iv, d.put_delta, d.put_gamma, d.put_theta, d.put_vega)
  ) AS side (option_type, tradingsymbol, ltp, oi, oi_change, volume, iv, delta, gamma, theta, vega)
  LEFT JOIN fo_option_strike_bars AS b
    ON b.tradingsymbol = side.tradingsymbol AND b.bucket_time = $3
  CROSS JOIN LATERAL (
    SELECT b.tradingsymbol IS NOT NULL AND b.iv_reason IS DISTINCT FROM 'pending'
  ) AS own (is_analysed)
  WHERE d.symbol = $1 AND d.expiry = $2 AND d.bucket_time = $3 AND side.tradingsymbol IS NOT NULL
  ORDER BY d.strike, side.option_type`

/** Whether the index sent anything in the minute (a candle says so too), and the VIX. */
const INDICES = `
  SELECT
    EXISTS (
      SELECT FROM minute_bars AS s
      WHERE s.symbol = $1 AND s.time = $2 AND (s.tick_count > 0 OR s.source <> 'live')
    ) AS spot_ticked,
    (SELECT v.close FROM minute_bars AS v
     WHERE v.symbol = $3 AND v.time <= $2 AND v.time > $2::timestamptz - interval '1 day'
     ORDER BY v.time DESC LIMIT 1) AS india_vix`

const FIRST_EXPIRY = `
  SELECT expiry FROM fo_expiry_metrics
  WHERE symbol = $1 AND expiry >= $2
  ORDER BY expiry
  LIMIT 1`

/** A flat row repeats an earlier price and is no part of the day's range. */
const TRADED = "(b.open_key IS NOT NULL OR b.source <> 'live')"

const DAYS = `
  SELECT n.tradingsymbol, day.open, day.high, day.low, before.close AS previous_close
  FROM unnest($1::text[]) AS n (tradingsymbol)
  CROSS JOIN LATERAL (
    SELECT (array_agg(b.open ORDER BY b.bucket_time))[1] AS open,
      max(b.high) AS high, min(b.low) AS low
    FROM fo_option_strike_bars AS b
    WHERE b.tradingsymbol = n.tradingsymbol AND b.bucket_time BETWEEN $2 AND $3 AND ${TRADED}
  ) AS day
  LEFT JOIN LATERAL (
    SELECT b.close FROM fo_option_strike_bars AS b
    WHERE b.tradingsymbol = n.tradingsymbol AND b.bucket_time < $2 AND b.bucket_time > $4
    ORDER BY b.bucket_time DESC LIMIT 1
  ) AS before ON true`
