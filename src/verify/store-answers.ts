/**
 * The questions to the store, each one statement, so that positions and rows are of one instant
 * without holding a transaction open; and how its answers are read.
 */
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Feed, Position } from '../contract/journal-record.ts'
import { type Instrument, instrumentKey } from '../market/instrument.ts'
import { DAY_MS } from '../market/ist.ts'
import type { AskStore, Span, StoreQuestion } from './ports.ts'
import {
  COVERAGE,
  columnsAsJson,
  DELIVERY_LEDGER,
  MINUTE_TABLES,
  rowOfJson,
  type StoreRow,
  type StoreTable,
  type StoreValue,
} from './store-tables.ts'

export interface SourcePosition extends Position {
  readonly producer: string
  readonly partition: number
}

/** Where the writers were when an answer was given. */
export interface Standing {
  readonly positions: readonly SourcePosition[]
  /** The first minute of each underlying whose final values are still to be written, epoch ms. */
  readonly dueFrom: ReadonlyMap<string, number>
}

export interface StoredGap {
  readonly id: string
  readonly producer: string
  readonly partition: number
  readonly reason: string
  readonly status: string
  readonly from: number
  readonly to: number | null
  readonly instruments: number
}

/** A series of which the broker's last word on the date could not be had for all contracts. */
export interface NotSettled {
  readonly symbol: string
  /** Null: the underlying and what has no series. */
  readonly expiry: string | null
  readonly reason: string
}

export interface DeadLetter extends SourcePosition {
  readonly reason: string
}

/** Units, at the end of an IST date. */
export interface DatedOi {
  readonly date: string
  readonly oi: number
}

export interface StoreState extends Standing {
  readonly feed: Feed | null
  /** The newest market time that is committed, epoch ms. */
  readonly marketTimeMs: number | null
  readonly ledger: readonly StoreRow[]
  readonly coverage: readonly StoreRow[]
  readonly gaps: readonly StoredGap[]
  readonly deadLetters: readonly DeadLetter[]
  readonly notSettled: readonly NotSettled[]
  /** Listed on the date. */
  readonly instruments: readonly Instrument[]
  /** The last OI of each contract before the span, by tradingsymbol, as its bars have it. */
  readonly oiBefore: ReadonlyMap<string, DatedOi>
  /** The first and the last minute that any table has. */
  readonly minutes: Span | null
}

/** The consumer whose positions are those of the tables. */
const CONSUMER = 'bars'
const OI_LOOKBACK_MS = 10 * DAY_MS

/** The statement that answers `question`; its one row has the one column `answer`, JSON. */
export function sqlOf(question: StoreQuestion): string {
  return `SELECT json_build_object(${Object.entries(partsOf(question))
    .map(([name, sql]) => `'${name}', (${sql})`)
    .join(', ')})::text AS answer`
}

function partsOf(question: StoreQuestion): Record<string, string> {
  if (question.ask === 'positions') return STANDING
  if (question.ask === 'dates') return { dates: DATES }
  if (question.ask === 'state') return { ...STANDING, ...stateParts(question.span) }
  const { span } = question
  const rows = MINUTE_TABLES.map(
    (table) => `'${table.name}', (${rowsOf(table, within(timeOf(table), span))})`,
  )
  return {
    ...STANDING,
    rows: `SELECT json_build_object(${rows.join(', ')})`,
    dayOi: dayOiBefore(span),
  }
}

const STANDING = {
  feed: 'SELECT feed FROM feed_stamp',
  positions: `SELECT coalesce(json_agg(json_build_array(producer, partition, epoch, sequence)), '[]')
    FROM stream_offsets WHERE consumer = '${CONSUMER}'`,
  marketTime: `SELECT ${epochMs('max(market_time)')} FROM stream_offsets WHERE consumer = '${CONSUMER}'`,
  due: `SELECT coalesce(json_agg(json_build_array(symbol, minute)), '[]') FROM (
    SELECT symbol, ${epochMs('min(minute)')} AS minute FROM finalise_queue GROUP BY symbol) AS q`,
}

/** What goes on being covered has no end yet. */
const COVERED_TO = `(least("to", (SELECT max(market_time) FROM stream_offsets)) - interval '1 ms')`

/** What was received, and what is covered by the feed or the broker; coverage may lie over midnight. */
const DATES = `SELECT coalesce(json_agg(DISTINCT ${dateText('date')}), '[]') FROM (
    SELECT ${istDateOf('minute')} AS date FROM delivery_ledger
    UNION SELECT generate_series(${istDateOf('"from"')}::timestamp, ${istDateOf(COVERED_TO)}::timestamp,
      interval '1 day')::date FROM coverage) AS d`

function stateParts(span: Span): Record<string, string> {
  const overlaps = `"from" < ${instant(span.toMs)} AND "to" > ${instant(span.fromMs)}`
  return {
    ledger: rowsOf(DELIVERY_LEDGER, within('minute', span)),
    coverage: rowsOf(COVERAGE, overlaps),
    gaps: `SELECT coalesce(json_agg(json_build_object('id', id, 'producer', producer,
        'partition', partition, 'reason', reason, 'status', status, 'from', ${epochMs('"from"')},
        'to', ${epochMs('"to"')}, 'instruments', jsonb_array_length(instruments)) ORDER BY "from"), '[]')
      FROM feed_gaps
      WHERE "from" < ${instant(span.toMs)} AND ("to" IS NULL OR "to" > ${instant(span.fromMs)})`,
    deadLetters: `SELECT coalesce(json_agg(json_build_array(producer, partition, epoch, sequence, reason)), '[]')
      FROM dead_letters WHERE producer IS NOT NULL`,
    notSettled: `SELECT coalesce(json_agg(json_build_array(symbol, ${dateText('expiry')}, error)
        ORDER BY symbol, expiry), '[]')
      FROM backfill_jobs
      WHERE kind = 'settle' AND status IN ('done', 'failed') AND error IS NOT NULL
        AND symbol IS NOT NULL AND ${within('"from"', span)}`,
    instruments: `SELECT coalesce(json_agg(json_build_array(token, exchange, tradingsymbol, name,
        symbol, segment, type, to_char(expiry, 'YYYY-MM-DD'), strike, lot_size, tick_size)), '[]')
      FROM (
        SELECT DISTINCT ON (exchange, tradingsymbol) * FROM instruments
        WHERE valid_to IS NULL OR valid_to > (${instant(span.fromMs)} AT TIME ZONE 'Asia/Kolkata')::date
        ORDER BY exchange, tradingsymbol, valid_from
      ) AS listed`,
    oiBefore: `SELECT coalesce(json_agg(last), '[]') FROM (
      SELECT coalesce(${lastOi('fo_option_strike_bars', 'bucket_time', span)},
        ${lastOi('futures_bars', 'time', span)}) AS last
      FROM (SELECT DISTINCT tradingsymbol FROM coverage WHERE ${overlaps}) AS c) AS b
      WHERE last IS NOT NULL`,
    minutes: `SELECT json_build_array(${epochMs('min(first)')}, ${epochMs('max(last)')}) FROM (
      ${MINUTE_TABLES.map((table) => extentOf(table, span)).join(' UNION ALL ')}) AS e`,
  }
}

function extentOf(table: StoreTable, span: Span): string {
  const time = timeOf(table)
  return `SELECT min(${time}) AS first, max(${time}) AS last FROM ${table.name} WHERE ${within(time, span)}`
}

function lastOi(table: string, time: string, { fromMs }: Span): string {
  return `(SELECT json_build_array(b.tradingsymbol, ${dateText(istDateOf(`b.${time}`))}, b.oi)
    FROM ${table} AS b WHERE b.tradingsymbol = c.tradingsymbol
    AND b.${time} < ${instant(fromMs)} AND b.${time} >= ${instant(fromMs - OI_LOOKBACK_MS)}
    AND b.oi IS NOT NULL ORDER BY b.${time} DESC LIMIT 1)`
}

/** What day candles told of the days before the span's date. */
function dayOiBefore({ fromMs }: Span): string {
  const date = istDateOf(instant(fromMs))
  return `SELECT coalesce(json_agg(json_build_array(tradingsymbol, ${dateText('trade_date')}, oi)), '[]')
    FROM day_open_interest
    WHERE trade_date < ${date} AND trade_date >= ${date} - ${OI_LOOKBACK_MS / DAY_MS}`
}

function istDateOf(time: string): string {
  return `(${time} AT TIME ZONE 'Asia/Kolkata')::date`
}

function dateText(date: string): string {
  return `to_char(${date}, 'YYYY-MM-DD')`
}

function rowsOf(table: StoreTable, condition: string): string {
  return `SELECT coalesce(json_agg(${columnsAsJson(table)}), '[]') FROM ${table.name} WHERE ${condition}`
}

function timeOf({ columns }: StoreTable): string {
  return 'bucket_time' in columns ? 'bucket_time' : 'time'
}

function within(column: string, { fromMs, toMs }: Span): string {
  return `${column} >= ${instant(fromMs)} AND ${column} < ${instant(toMs)}`
}

/** Takes whole numbers only, so that nothing else can come into a statement. */
function instant(ms: number): string {
  if (!Number.isSafeInteger(ms)) throw new TypeError(`not an instant: ${ms}`)
  return `to_timestamp(${ms}::float8 / 1000)`
}

function epochMs(column: string): string {
  return `round(extract(epoch FROM ${column}) * 1000)::float8`
}

// ---------------------------------------------------------------- answers

const text = Type.String()
const number = Type.Number()
const Rows = Type.Array(Type.Array(Type.Any()))
const maybe = <T>(value: T | null | undefined): T | null => value ?? null

const StandingAnswer = Type.Object({
  feed: Type.Union([Type.Literal('simulated'), Type.Literal('kite'), Type.Null()]),
  positions: Type.Array(Type.Tuple([text, number, number, number])),
  marketTime: Type.Union([number, Type.Null()]),
  due: Type.Array(Type.Tuple([text, number])),
})
const DatesAnswer = Type.Object({ dates: Type.Array(text) })
const OiOfDates = Type.Array(Type.Tuple([text, text, number]))
const RowsAnswer = Type.Object({
  ...StandingAnswer.properties,
  rows: Type.Record(text, Rows),
  dayOi: OiOfDates,
})
const orNull = Type.Union([number, Type.Null()])
const StateAnswer = Type.Object({
  ...StandingAnswer.properties,
  ledger: Rows,
  coverage: Rows,
  gaps: Type.Array(
    Type.Object({
      ...{ id: text, producer: text, partition: number, reason: text, status: text },
      ...{ from: number, to: orNull, instruments: number },
    }),
  ),
  deadLetters: Type.Array(Type.Tuple([text, number, number, number, text])),
  notSettled: Type.Array(Type.Tuple([text, Type.Union([text, Type.Null()]), text])),
  instruments: Rows,
  oiBefore: OiOfDates,
  minutes: Type.Tuple([orNull, orNull]),
})

/** Feed and market time of the store, before anything else is asked. */
export async function askPositions(ask: AskStore) {
  const answer = Value.Parse(StandingAnswer, JSON.parse(await ask({ ask: 'positions' })))
  return { ...standingOf(answer), feed: answer.feed, marketTimeMs: answer.marketTime }
}

/** Ascending, `YYYY-MM-DD`, IST. */
export async function askDates(ask: AskStore): Promise<readonly string[]> {
  const { dates } = Value.Parse(DatesAnswer, JSON.parse(await ask({ ask: 'dates' })))
  return dates.toSorted()
}

export async function askRows(ask: AskStore, span: Span) {
  const answer = Value.Parse(RowsAnswer, JSON.parse(await ask({ ask: 'rows', span })))
  return {
    ...standingOf(answer),
    rows: new Map(
      MINUTE_TABLES.map((table) => [table, rowsIn(table, answer.rows[table.name] ?? [])]),
    ),
    dayOi: newestOi(answer.dayOi),
  }
}

export async function askState(ask: AskStore, span: Span): Promise<StoreState> {
  const answer = Value.Parse(StateAnswer, JSON.parse(await ask({ ask: 'state', span })))
  const [firstMs, lastMs] = answer.minutes
  return {
    ...standingOf(answer),
    feed: answer.feed,
    marketTimeMs: answer.marketTime,
    ledger: rowsIn(DELIVERY_LEDGER, answer.ledger),
    coverage: rowsIn(COVERAGE, answer.coverage),
    gaps: answer.gaps,
    deadLetters: answer.deadLetters.map(([producer, partition, epoch, sequence, reason]) => ({
      ...{ producer, partition, epoch, sequence, reason },
    })),
    notSettled: answer.notSettled.map(([symbol, expiry, reason]) => ({ symbol, expiry, reason })),
    instruments: answer.instruments.map(instrumentOf),
    oiBefore: newestOi(answer.oiBefore),
    minutes: firstMs === null || lastMs === null ? null : { fromMs: firstMs, toMs: lastMs },
  }
}

function standingOf(answer: {
  readonly positions: readonly [string, number, number, number][]
  readonly due: readonly [string, number][]
}): Standing {
  return {
    positions: answer.positions.map(([producer, partition, epoch, sequence]) => ({
      ...{ producer, partition, epoch, sequence },
    })),
    dueFrom: new Map(answer.due),
  }
}

function newestOi(
  rows: readonly (readonly [string, string, number])[],
): ReadonlyMap<string, DatedOi> {
  const newest = new Map<string, DatedOi>()
  for (const [name, date, oi] of rows) {
    if (date > (newest.get(name)?.date ?? '')) newest.set(name, { date, oi })
  }
  return newest
}

function rowsIn(table: StoreTable, rows: readonly unknown[][]): StoreRow[] {
  return rows.map((row) => rowOfJson(table, row as StoreValue[]))
}

const KINDS = { INDEX: 'index', EQ: 'equity', FUT: 'future', CE: 'option', PE: 'option' } as const

function instrumentOf(row: readonly unknown[]): Instrument {
  const [token, exchange, tradingsymbol, name, symbol, segment, type] = row.map((value) =>
    maybe(value),
  )
  const [expiry, strike, lotSize, tickSize] = row.slice(7).map((value) => maybe(value))
  const kind = KINDS[type as keyof typeof KINDS]
  const optionType = type === 'CE' || type === 'PE' ? type : null
  const names = { token, exchange, tradingsymbol, name, symbol, segment }
  return { ...names, kind, optionType, expiry, strike, lotSize, tickSize } as Instrument
}

export function keyOfRow(row: StoreRow): string {
  return instrumentKey(String(row['exchange']), String(row['tradingsymbol']))
}
