/**
 * What the status tells of the store: its kind, how fresh each table is, the books of delivery and
 * the gaps. All of it is bounded: freshness by a time to look back, the ledger by its first minute.
 */
import type pg from 'pg'
import type { GapSums, LedgerSums, StoreDescription, TableNewest } from '../backend/ports.ts'
import { instant } from './read-instant.ts'

export async function readDescription(
  pool: pg.Pool,
  kind: 'postgresql' | 'embedded',
): Promise<Pick<StoreDescription, 'kind' | 'version'>> {
  const { rows } = await pool.query<{ version: string; timescale: string | null }>(DESCRIPTION)
  const { version = '', timescale = null } = rows[0] ?? {}
  if (kind === 'embedded') return { kind: 'pglite', version: `PostgreSQL ${version}` }
  if (timescale === null) return { kind: 'postgresql', version: `PostgreSQL ${version}` }
  return { kind: 'timescaledb', version: `TimescaleDB ${timescale} on PostgreSQL ${version}` }
}

export async function readNewestRows(
  pool: pg.Pool,
  indices: readonly string[],
  symbols: readonly string[],
  notBeforeMs: number,
): Promise<TableNewest[]> {
  const newest: TableNewest[] = []
  for (const { table, time, names } of FRESH_TABLES) {
    const { rows } = await pool.query<{ symbol: string; newest: number | null }>(
      newestOf(table, time),
      [names === 'indices' ? indices : symbols, instant(notBeforeMs)],
    )
    for (const { symbol, newest: newestMs } of rows) newest.push({ table, symbol, newestMs })
  }
  return newest
}

export async function readLedgerSums(pool: pg.Pool, sinceMs: number): Promise<LedgerSums> {
  const since = [instant(sinceMs)]
  const { rows } = await pool.query<LedgerColumns>(LEDGER, since)
  const reasons = await pool.query<{ reason: string; ticks: number }>(NOT_FOLDED, since)
  const [sums] = rows
  return {
    sinceMs: sums?.since ?? null,
    received: sums?.received ?? 0,
    rejected: sums?.rejected ?? 0,
    dropped: sums?.dropped ?? 0,
    journaled: sums?.journaled ?? 0,
    folded: sums?.folded ?? 0,
    lost: sums?.lost ?? 0,
    notFolded: Object.fromEntries(reasons.rows.map(({ reason, ticks }) => [reason, ticks])),
  }
}

export async function readGapSums(pool: pg.Pool): Promise<GapSums> {
  const { rows } = await pool.query<GapColumns>(GAPS)
  const sums = rows[0]
  return {
    open: sums?.open ?? 0,
    closed: sums?.closed ?? 0,
    unrepairable: sums?.unrepairable ?? 0,
    oldestOpenFromMs: sums?.oldest_open_from ?? null,
  }
}

export async function readDeadLetters(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ letters: number }>(
    'SELECT count(*) AS letters FROM dead_letters',
  )
  return rows[0]?.letters ?? 0
}

interface LedgerColumns {
  readonly since: number | null
  readonly received: number
  readonly rejected: number
  readonly dropped: number
  readonly journaled: number
  readonly folded: number
  readonly lost: number
}

interface GapColumns {
  readonly open: number
  readonly closed: number
  readonly unrepairable: number
  readonly oldest_open_from: number | null
}

const FRESH_TABLES = [
  { table: 'minute_bars', time: 'time', names: 'indices' },
  { table: 'futures_bars', time: 'time', names: 'symbols' },
  { table: 'fo_option_strike_bars', time: 'bucket_time', names: 'symbols' },
  { table: 'fo_expiry_metrics', time: 'bucket_time', names: 'symbols' },
  { table: 'fo_strike_distribution', time: 'bucket_time', names: 'symbols' },
] as const

/** One step into the index on (time, symbol) where the symbol is fresh; the bound ends the search where it is not. */
function newestOf(table: string, time: string): string {
  return `
  SELECT n.symbol, (
    SELECT t.${time} FROM ${table} AS t
    WHERE t.symbol = n.symbol AND t.${time} > $2
    ORDER BY t.${time} DESC LIMIT 1
  ) AS newest
  FROM unnest($1::text[]) AS n (symbol)`
}

const DESCRIPTION = `
  SELECT current_setting('server_version') AS version,
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescale`

const LEDGER = `
  SELECT
    min(minute) AS since,
    coalesce(sum(received), 0)::bigint AS received,
    coalesce(sum(rejected), 0)::bigint AS rejected,
    coalesce(sum(dropped), 0)::bigint AS dropped,
    coalesce(sum(journaled), 0)::bigint AS journaled,
    coalesce(sum(folded), 0)::bigint AS folded,
    coalesce(sum(lost), 0)::bigint AS lost
  FROM delivery_ledger
  WHERE minute >= $1`

const NOT_FOLDED = `
  SELECT entry.key AS reason, sum(entry.value::bigint)::bigint AS ticks
  FROM delivery_ledger AS l
  CROSS JOIN LATERAL jsonb_each_text(l.not_folded) AS entry
  WHERE l.minute >= $1
  GROUP BY entry.key
  ORDER BY entry.key`

/** A gap that touches several partitions is several rows and one gap. */
const GAPS = `
  WITH gap AS (
    SELECT min("from") AS begin,
      bool_or(status = 'open') AS is_open,
      bool_or(status = 'closed') AS is_closed,
      bool_or(status = 'unrepairable') AS is_unrepairable
    FROM feed_gaps
    WHERE status <> 'repaired'
    GROUP BY id, producer
  )
  SELECT
    count(*) FILTER (WHERE is_open) AS open,
    count(*) FILTER (WHERE is_closed AND NOT is_open) AS closed,
    count(*) FILTER (WHERE is_unrepairable AND NOT is_open AND NOT is_closed) AS unrepairable,
    min(begin) FILTER (WHERE is_open) AS oldest_open_from
  FROM gap`
