/**
 * Stored bars of one instrument: minutes as they are, longer bars made of them by the store.
 *
 * The views of longer bars say the same, but only where TimescaleDB keeps them made are they read: a
 * plain view first makes every bar that there ever was. Either way a range is read some days at a time,
 * from its first stored minute on: the embedded store has one engine, and commits wait for it.
 */
import type pg from 'pg'
import type { BarIdentity, SpanBar, SpanLength } from '../backend/ports.ts'
import { API_BAR_DAYS_PER_STATEMENT } from '../limits.ts'
import type { InstrumentKind } from '../market/instrument.ts'
import { addDays, istDate, MINUTE_MS, startOfDateMs } from '../market/ist.ts'
import { instant } from './read-instant.ts'
import { hasTimescale } from './timescale/has-timescale.ts'

export type ReadBars = (
  of: BarIdentity,
  length: SpanLength,
  fromMs: number,
  toMs: number,
  limit: number,
) => Promise<SpanBar[]>

export function barReader(pool: pg.Pool): ReadBars {
  let keepsLonger: boolean | undefined
  return async (of, length, fromMs, toMs, limit) => {
    keepsLonger ??= await hasTimescale(pool)
    const name = nameOf(of)
    const table = TABLES[of.kind]
    const text = statementOf(table, length, keepsLonger)
    const stored = await storedRange(pool, table, name, fromMs, toMs)
    const bars: SpanBar[] = []
    for (const [beginMs, endMs] of stored === undefined ? [] : pieces(...stored)) {
      if (bars.length >= limit) break
      const openMs = openingOf(length, beginMs)
      const values = [...name, instant(openMs), instant(endMs), limit - bars.length]
      const { rows } = await pool.query<SpanBar>(text, values)
      bars.push(...rows)
    }
    return bars
  }
}

interface BarTable {
  readonly table: string
  readonly time: string
  /** What finds one instrument's rows. */
  readonly key: string
  /** Columns that the other tables do not have. */
  readonly own: readonly ('oi' | 'iv' | 'delta')[]
}

const INDEX_BARS: BarTable = {
  table: 'minute_bars',
  time: 'time',
  key: 'b.symbol = $1 AND b.exchange = $2',
  own: [],
}

/** Derivatives are known by their name alone; `$2` must be used all the same. */
const TABLES: Readonly<Record<InstrumentKind, BarTable>> = {
  index: INDEX_BARS,
  equity: INDEX_BARS,
  future: {
    table: 'futures_bars',
    time: 'time',
    key: 'b.tradingsymbol = $1 AND $2::text IS NOT NULL',
    own: ['oi'],
  },
  option: {
    table: 'fo_option_strike_bars',
    time: 'bucket_time',
    key: 'b.tradingsymbol = $1 AND $2::text IS NOT NULL',
    own: ['oi', 'iv', 'delta'],
  },
}

function nameOf({ exchange, tradingsymbol }: BarIdentity): [name: string, exchange: string] {
  return [tradingsymbol, exchange]
}

/** The part of [fromMs, toMs) from the first stored minute to the end of the last one. */
async function storedRange(
  pool: pg.Pool,
  { table, time, key }: BarTable,
  name: readonly string[],
  fromMs: number,
  toMs: number,
): Promise<[fromMs: number, toMs: number] | undefined> {
  const edge = (order: 'ASC' | 'DESC') => `
    (SELECT b.${time} FROM ${table} AS b
     WHERE ${key} AND b.${time} >= $3 AND b.${time} < $4 ORDER BY b.${time} ${order} LIMIT 1)`
  const text = `SELECT ${edge('ASC')} AS first, ${edge('DESC')} AS last`
  const { rows } = await pool.query<{ first: number | null; last: number | null }>(text, [
    ...name,
    instant(fromMs),
    instant(toMs),
  ])
  const { first = null, last = null } = rows[0] ?? {}
  return first === null || last === null ? undefined : [first, last + MINUTE_MS]
}

/** Some days each, cut at IST midnight, where no bar is cut. */
function* pieces(fromMs: number, toMs: number): Generator<[fromMs: number, toMs: number]> {
  for (let beginMs = fromMs; beginMs < toMs; ) {
    const date = addDays(istDate(beginMs), API_BAR_DAYS_PER_STATEMENT)
    const endMs = Math.min(startOfDateMs(date), toMs)
    yield [beginMs, endMs]
    beginMs = endMs
  }
}

/** When the bar opens that the minute lies in. */
function openingOf(length: SpanLength, minuteMs: number): number {
  if (length === '1d') return startOfDateMs(istDate(minuteMs))
  // India's offset is a multiple of 15 minutes, so its raster is that of UTC.
  const widthMs = WIDTHS[length] * MINUTE_MS
  return Math.floor(minuteMs / widthMs) * widthMs
}

const WIDTHS = { '1m': 1, '5m': 5, '15m': 15 } as const

function statementOf(table: BarTable, length: SpanLength, keepsLonger: boolean): string {
  if (length === '1m') return minutesOf(table)
  return keepsLonger ? keptOf(table, length) : madeOf(table, length)
}

function minutesOf({ table, time, key, own }: BarTable): string {
  return `
  SELECT b.${time} AS "timeMs", b.open, b.high, b.low, b.close, b.volume,
    ${ownColumns(own, (name) => `b.${name}`)}, 1 AS minutes, b.complete
  FROM ${table} AS b
  WHERE ${key} AND b.${time} >= $3 AND b.${time} < $4
  ORDER BY b.${time}
  LIMIT $5`
}

function keptOf({ table, time, key, own }: BarTable, length: string): string {
  return `
  SELECT b.${time} AS "timeMs", b.open, b.high, b.low, b.close, b.volume,
    ${ownColumns(own, (name) => `b.${name}`)}, b.minutes, b.complete
  FROM ${table}_${length} AS b
  WHERE ${key} AND b.${time} >= $3 AND b.${time} < $4
  ORDER BY b.${time}
  LIMIT $5`
}

/** What the view of that length says, of these minutes alone. */
function madeOf({ table, time, key, own }: BarTable, length: keyof typeof BUCKETS): string {
  const edge = (name: string, pick: 'min' | 'max') =>
    `(${pick}(ARRAY[extract(epoch FROM b.${time})::float8, b.${name}])
      FILTER (WHERE b.${name} IS NOT NULL))[2]`
  const last = (name: string) => edge(name, 'max') + (name === 'oi' ? '::bigint' : '')
  return `
  SELECT ${BUCKETS[length](`b.${time}`)} AS "timeMs",
    ${edge('open', 'min')} AS open, max(b.high) AS high, min(b.low) AS low,
    ${last('close')} AS close, sum(b.volume)::bigint AS volume,
    ${ownColumns(own, last)}, count(*) AS minutes,
    CASE WHEN count(b.complete) = count(*) THEN bool_and(b.complete) END AS complete
  FROM ${table} AS b
  WHERE ${key} AND b.${time} >= $3 AND b.${time} < $4
  GROUP BY 1
  ORDER BY 1
  LIMIT $5`
}

const BUCKETS = {
  '5m': (time: string) => `date_bin('5 minutes', ${time}, '2000-01-01 00:00+05:30')`,
  '15m': (time: string) => `date_bin('15 minutes', ${time}, '2000-01-01 00:00+05:30')`,
  '1d': (time: string) => `date_trunc('day', ${time}, 'Asia/Kolkata')`,
}

const OWN_COLUMNS = { oi: 'bigint', iv: 'float8', delta: 'float8' } as const

function ownColumns(own: BarTable['own'], column: (name: string) => string): string {
  return Object.entries(OWN_COLUMNS)
    .map(([name, type]) => {
      const value = own.some((each) => each === name) ? column(name) : `NULL::${type}`
      return `${value} AS ${name === 'oi' ? '"openInterest"' : name}`
    })
    .join(', ')
}
