/** A series' row of the day in `fo_daily_metrics`, made of what is stored of its minutes. */
import type { ClientBase } from 'pg'
import type { ClosingIv, DayFigures, DaySeries } from '../backend/backfill/ports.ts'
import type { Interval } from '../market/session-time.ts'
import { instantText } from './array-literal.ts'

type Queryable = Pick<ClientBase, 'query'>

/** The last ATM IV of every series of an underlying within the window. */
export async function readClosingIvs(
  database: Queryable,
  symbol: string,
  { fromMs, toMs }: Interval,
): Promise<ClosingIv[]> {
  const { rows } = await database.query<ClosingIv>({
    name: 'daily_closing_ivs',
    text: CLOSING_IVS,
    values: [symbol, instantText(fromMs), instantText(toMs)],
  })
  return rows
}

export async function writeDailyMetrics(
  database: Queryable,
  day: DaySeries,
  { iv7d, iv30d }: DayFigures,
): Promise<void> {
  await database.query({
    name: 'daily_metrics',
    text: WRITE,
    values: [
      day.symbol,
      day.expiry,
      day.date,
      instantText(day.fromMs),
      instantText(day.toMs),
      day.index?.exchange ?? null,
      day.index?.tradingsymbol ?? null,
      Math.round(day.minutes),
      iv7d,
      iv30d,
    ],
  })
}

const CLOSING_IVS = `
  SELECT DISTINCT ON (expiry) expiry, atm_iv AS iv
  FROM fo_expiry_metrics
  WHERE symbol = $1 AND bucket_time >= $2::timestamptz AND bucket_time < $3::timestamptz
    AND atm_iv IS NOT NULL
  ORDER BY expiry, bucket_time DESC`

/** Of a column, the first, highest, lowest and last value of the day. */
function dayOf(column: string, time: string): string {
  return `
    (array_agg(${column} ORDER BY ${time}) FILTER (WHERE ${column} IS NOT NULL))[1],
    max(${column}), min(${column}),
    (array_agg(${column} ORDER BY ${time} DESC) FILTER (WHERE ${column} IS NOT NULL))[1]`
}

/** The same of bars, which have a high and a low of their own. */
const DAY_OF_BARS = `
    (array_agg(b.open ORDER BY b.time) FILTER (WHERE b.open IS NOT NULL))[1],
    max(b.high), min(b.low),
    (array_agg(b.close ORDER BY b.time DESC) FILTER (WHERE b.close IS NOT NULL))[1]`

/**
 * The future is that of the expiry, else the next one that there is. A bar that the live feed did not
 * cover came from the broker's history.
 */
const WRITE = `
  WITH minutes AS (
    SELECT * FROM fo_expiry_metrics
    WHERE symbol = $1 AND expiry = $2::date
      AND bucket_time >= $4::timestamptz AND bucket_time < $5::timestamptz
  ), spot (o, h, l, c) AS (
    SELECT ${DAY_OF_BARS} FROM minute_bars AS b
    WHERE b.exchange = $6 AND b.symbol = $7
      AND b.time >= $4::timestamptz AND b.time < $5::timestamptz
  ), future (o, h, l, c) AS (
    SELECT ${DAY_OF_BARS} FROM futures_bars AS b
    WHERE b.symbol = $1 AND b.time >= $4::timestamptz AND b.time < $5::timestamptz
      AND b.expiry = (
        SELECT min(f.expiry) FROM futures_bars AS f
        WHERE f.symbol = $1 AND f.expiry >= $2::date
          AND f.time >= $4::timestamptz AND f.time < $5::timestamptz)
  ), straddle (o, h, l, c) AS (
    SELECT ${dayOf('straddle', 'bucket_time')} FROM minutes
  ), iv (o, h, l, c) AS (
    SELECT ${dayOf('atm_iv', 'bucket_time')} FROM minutes
  ), closing AS (
    SELECT * FROM minutes
    WHERE coalesce(total_call_oi, 0) + coalesce(total_put_oi, 0) > 0
    ORDER BY bucket_time DESC LIMIT 1
  ), bars (complete) AS (
    SELECT complete FROM fo_option_strike_bars
    WHERE symbol = $1 AND expiry = $2::date
      AND bucket_time >= $4::timestamptz AND bucket_time < $5::timestamptz
    UNION ALL
    SELECT complete FROM futures_bars
    WHERE symbol = $1 AND expiry = $2::date
      AND time >= $4::timestamptz AND time < $5::timestamptz
  ), counted (complete, told, missing) AS (
    SELECT count(*) FILTER (WHERE complete), count(*) FILTER (WHERE complete IS NOT TRUE),
      greatest(0, $8::bigint - count(*))
    FROM bars
  )
  INSERT INTO fo_daily_metrics (
    symbol, expiry, trade_date,
    spot_open, spot_high, spot_low, spot_close,
    future_open, future_high, future_low, future_close,
    straddle_open, straddle_high, straddle_low, straddle_close,
    atm_iv_open, atm_iv_high, atm_iv_low, atm_iv_close,
    pcr_oi, pcr_volume, max_pain, max_pain_high, total_call_oi, total_put_oi,
    iv_7d, iv_30d, bars_complete, bars_repaired, bars_missing, updated_at)
  SELECT $1, $2::date, $3::date,
    spot.o, spot.h, spot.l, spot.c,
    future.o, future.h, future.l, future.c,
    straddle.o, straddle.h, straddle.l, straddle.c,
    iv.o, iv.h, iv.l, iv.c,
    closing.pcr_oi, closing.pcr_volume, closing.max_pain, closing.max_pain_high,
    closing.total_call_oi, closing.total_put_oi,
    $9::float8, $10::float8, counted.complete, counted.told, counted.missing, now()
  FROM spot, future, straddle, iv, counted LEFT JOIN closing ON true
  ON CONFLICT (symbol, expiry, trade_date) DO UPDATE SET
    spot_open = excluded.spot_open,
    spot_high = excluded.spot_high,
    spot_low = excluded.spot_low,
    spot_close = excluded.spot_close,
    future_open = excluded.future_open,
    future_high = excluded.future_high,
    future_low = excluded.future_low,
    future_close = excluded.future_close,
    straddle_open = excluded.straddle_open,
    straddle_high = excluded.straddle_high,
    straddle_low = excluded.straddle_low,
    straddle_close = excluded.straddle_close,
    atm_iv_open = excluded.atm_iv_open,
    atm_iv_high = excluded.atm_iv_high,
    atm_iv_low = excluded.atm_iv_low,
    atm_iv_close = excluded.atm_iv_close,
    pcr_oi = excluded.pcr_oi,
    pcr_volume = excluded.pcr_volume,
    max_pain = excluded.max_pain,
    max_pain_high = excluded.max_pain_high,
    total_call_oi = excluded.total_call_oi,
    total_put_oi = excluded.total_put_oi,
    iv_7d = excluded.iv_7d,
    iv_30d = excluded.iv_30d,
    bars_complete = excluded.bars_complete,
    bars_repaired = excluded.bars_repaired,
    bars_missing = excluded.bars_missing,
    updated_at = excluded.updated_at`
