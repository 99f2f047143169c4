/**
 * The tables of bars in the other ways in which they are written: finals of a closed minute, a broker's
 * candle over what packets said, and late packets beneath a candle. Precedence stands here, in the
 * statement's own words, so that it holds whatever came first.
 */
import type { BarColumns, CandleRow, LiveBeneath } from '../backend/ports.ts'
import { type Column, column, type OnConflict, type Table } from './bar-tables.ts'

/**
 * A bar table as the final statement of a minute writes it: also over rows of a candle, whose prices
 * and volume are given as they stand.
 */
export function finalTable<Row extends BarColumns>(
  { updateWhere: _, ...table }: Table<Row>,
  beneath: readonly Column<LiveBeneath>[],
): Table<Row> {
  const alsoSet = beneath.map(
    ({ name }) => `${name} = CASE WHEN excluded.source = 'live' THEN NULL ELSE t.${name} END`,
  )
  return { ...table, part: table.name, alsoSet }
}

const PRICES_BENEATH: readonly Column<LiveBeneath>[] = [
  column('live_open', 'float8', (r) => r.liveOpen),
  column('live_high', 'float8', (r) => r.liveHigh),
  column('live_low', 'float8', (r) => r.liveLow),
  column('live_close', 'float8', (r) => r.liveClose),
]

export const INDEX_BENEATH = PRICES_BENEATH

export const DERIVATIVE_BENEATH: readonly Column<LiveBeneath>[] = [
  ...PRICES_BENEATH,
  column('live_oi', 'int8', (r) => r.liveOi),
]

/** What a candle says of a minute. */
const OF_CANDLE: ReadonlySet<string> = new Set([
  ...['open', 'high', 'low', 'close', 'volume', 'oi', 'source', 'complete', 'day_volume'],
])

/** What packets say of a minute, whatever its row shows. */
const OF_PACKETS: ReadonlySet<string> = new Set([
  ...['tick_count', 'bid', 'ask', 'open_key', 'close_key', 'quote_key'],
])

const CUMULATIVE: ReadonlySet<string> = new Set(['day_volume', 'base_volume'])

/** The order of precedence: settled, live and complete, a candle, live and not complete, a snapshot. */
const BENEATH_CANDLE = `excluded.source = 'settled'
    OR (excluded.source = 'snapshot' AND t.source = 'snapshot')
    OR (excluded.source <> 'snapshot' AND t.source <> 'settled'
        AND NOT (t.source = 'live' AND t.complete IS TRUE))`

/** A bar table as a candle is written into it: what packets say stays, save the keys of a settled row. */
export function candleTable<Row extends BarColumns>(
  table: Table<Row>,
  beneath: readonly Column<LiveBeneath>[],
): Table<CandleRow<Row>> {
  const keys = ['open_key', 'close_key']
  const ofSnapshot = ['bid', 'ask']
  const columns = table.columns.map((c) => ({ ...c, onConflict: onCandle(c.name) }))
  const has = (name: string) => table.columns.some((c) => c.name === name)
  return {
    ...table,
    part: `${table.name}_candle`,
    columns: [...columns, ...beneath],
    alsoSet: [
      ...keys.map((k) => `${k} = CASE WHEN excluded.source <> 'settled' THEN t.${k} END`),
      ...ofSnapshot
        .filter(has)
        .map(
          (name) =>
            `${name} = CASE WHEN t.source = 'snapshot' THEN excluded.${name} ELSE t.${name} END`,
        ),
    ],
    updateWhere: BENEATH_CANDLE,
  }
}

function onCandle(name: string): OnConflict {
  return OF_CANDLE.has(name) ? 'set' : 'keep'
}

/** A bar table as late packets are written into a row that holds a candle: beneath it. */
export function beneathTable<Row extends BarColumns>(
  table: Table<Row>,
  beneath: readonly Column<LiveBeneath>[],
): Table<CandleRow<Row>> {
  const columns = table.columns.map((c) => ({ ...c, onConflict: onPacket(c.name) }))
  return {
    ...table,
    part: `${table.name}_beneath`,
    columns: [...columns, ...beneath],
    updateWhere: "t.source NOT IN ('live', 'snapshot')",
  }
}

function onPacket(name: string): OnConflict {
  if (CUMULATIVE.has(name)) return 'known'
  return OF_PACKETS.has(name) ? 'set' : 'keep'
}
