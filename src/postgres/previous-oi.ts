/** The open interest before a date: where it is read, and how it comes into stored rows. */
import type { DayOiRow, PreviousOiCommit, PreviousOiRow } from '../backend/ports.ts'
import { PREVIOUS_CLOSE_DAYS } from '../limits.ts'
import { addDays } from '../market/ist.ts'
import { change, type Part, upsert } from './bar-statements.ts'
import { type Column, column, type Table } from './bar-tables.ts'

/** The first and the last date that are looked at. */
export function datesBefore(date: string): [string, string] {
  return [addDays(date, -PREVIOUS_CLOSE_DAYS), addDays(date, -1)]
}

/** Of the newest date that bars or a day's candle tell of; on the same date the candle counts. */
export function previousOiSql(table: string, time: string): string {
  return `
  SELECT w.exchange, w.tradingsymbol, newest.date, newest.oi
  FROM unnest($1::text[], $2::text[]) AS w(exchange, tradingsymbol)
  JOIN LATERAL (
    SELECT date, oi FROM (
      (SELECT d.trade_date AS date, d.oi, 1 AS rank
       FROM day_open_interest AS d
       WHERE d.exchange = w.exchange AND d.tradingsymbol = w.tradingsymbol
         AND d.trade_date BETWEEN $3::date AND $4::date
       ORDER BY d.trade_date DESC LIMIT 1)
      UNION ALL
      (SELECT (b.${time} AT TIME ZONE 'Asia/Kolkata')::date, b.oi, 0
       FROM ${table} AS b
       WHERE b.tradingsymbol = w.tradingsymbol AND b.oi IS NOT NULL
         AND b.${time} >= $5::timestamptz AND b.${time} < $6::timestamptz
       ORDER BY b.${time} DESC LIMIT 1)
    ) AS told
    ORDER BY date DESC, rank DESC LIMIT 1
  ) AS newest ON true`
}

const DAY_OPEN_INTEREST: Table<DayOiRow> = {
  name: 'day_open_interest',
  key: ['exchange', 'tradingsymbol', 'trade_date'],
  columns: [
    column('exchange', 'text', (r) => r.exchange, 'keep'),
    column('tradingsymbol', 'text', (r) => r.tradingsymbol, 'keep'),
    column('trade_date', 'date', (r) => r.date, 'keep'),
    column('oi', 'int8', (r) => r.oi),
  ],
  touchUpdatedAt: false,
}

/** A contract's rows of one date. */
interface DatedRow extends PreviousOiRow {
  readonly fromMs: number
  readonly toMs: number
}

const BAR_COLUMNS: readonly Column<DatedRow>[] = [
  column('tradingsymbol', 'text', ({ instrument }) => instrument.tradingsymbol),
  column('from', 'ms', (r) => r.fromMs),
  column('to', 'ms', (r) => r.toMs),
  column('oi', 'int8', (r) => r.oi),
]

/** Both sides of a strike, since a statement changes a row once. */
interface StrikeRow {
  readonly symbol: string
  readonly expiry: string | null
  readonly strike: number | null
  readonly fromMs: number
  readonly toMs: number
  callOi: number | null
  putOi: number | null
}

const STRIKE_COLUMNS: readonly Column<StrikeRow>[] = [
  column('symbol', 'text', (r) => r.symbol),
  column('expiry', 'date', (r) => r.expiry),
  column('strike', 'float8', (r) => r.strike),
  column('from', 'ms', (r) => r.fromMs),
  column('to', 'ms', (r) => r.toMs),
  column('call_oi', 'int8', (r) => r.callOi),
  column('put_oi', 'int8', (r) => r.putOi),
]

/** The parts of a statement that brings the rows of a date up to it; only rows that differ are written. */
export function previousOiParts({ dayOi, rows, fromMs, toMs }: PreviousOiCommit): Part[] {
  const dated = rows.map((row) => ({ ...row, fromMs, toMs }))
  const futures = dated.filter(({ instrument }) => instrument.kind === 'future')
  const options = dated.filter(({ instrument }) => instrument.kind === 'option')
  return [
    upsert(DAY_OPEN_INTEREST, dayOi),
    change('futures_previous_oi', BAR_COLUMNS, futures, barsSql('futures_bars', 'time')),
    change(
      'options_previous_oi',
      BAR_COLUMNS,
      options,
      barsSql('fo_option_strike_bars', 'bucket_time'),
    ),
    change('strikes_previous_oi', STRIKE_COLUMNS, strikesOf(options), strikesSql),
  ]
}

function barsSql(table: string, time: string): (given: string) => string {
  return (given) => `  UPDATE ${table} AS t
  SET oi_prev_close = v.oi, oi_change = t.oi - v.oi, updated_at = now()
  FROM ${given} AS v(tradingsymbol, from_time, to_time, oi), ok
  WHERE t.tradingsymbol = v.tradingsymbol AND t.${time} >= v.from_time AND t.${time} < v.to_time
    AND t.oi_prev_close IS DISTINCT FROM v.oi`
}

function strikesSql(given: string): string {
  return `  UPDATE fo_strike_distribution AS t
  SET call_oi_change = CASE WHEN v.call_oi IS NULL THEN t.call_oi_change ELSE t.call_oi - v.call_oi END,
      put_oi_change = CASE WHEN v.put_oi IS NULL THEN t.put_oi_change ELSE t.put_oi - v.put_oi END,
      updated_at = now()
  FROM ${given} AS v(symbol, expiry, strike, from_time, to_time, call_oi, put_oi), ok
  WHERE t.symbol = v.symbol AND t.expiry = v.expiry AND t.strike = v.strike
    AND t.bucket_time >= v.from_time AND t.bucket_time < v.to_time
    AND ((v.call_oi IS NOT NULL AND t.call_oi_change IS DISTINCT FROM t.call_oi - v.call_oi)
      OR (v.put_oi IS NOT NULL AND t.put_oi_change IS DISTINCT FROM t.put_oi - v.put_oi))`
}

function strikesOf(options: readonly DatedRow[]): StrikeRow[] {
  const strikes = new Map<string, StrikeRow>()
  for (const { instrument, fromMs, toMs, oi } of options) {
    const { symbol, expiry, strike, optionType } = instrument
    const key = `${symbol} ${expiry} ${strike}`
    const row = strikes.get(key) ?? {
      ...{ symbol, expiry, strike, fromMs, toMs },
      ...{ callOi: null, putOi: null },
    }
    if (optionType === 'CE') row.callOi = oi
    else row.putOi = oi
    strikes.set(key, row)
  }
  return [...strikes.values()]
}
