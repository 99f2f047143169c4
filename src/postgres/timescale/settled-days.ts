/**
 * Which stored days may be compressed: those that are over and to which nothing is owed any more. What
 * is written into a compressed day takes its batches out again, at some 20 ms each, so a day with an
 * open gap, a waiting repair or values that are still due stays as it is.
 */
import type { ClientBase } from 'pg'
import { instantText } from '../array-literal.ts'
import { BAR_TABLE_NAMES, MINUTE_TABLES } from '../minute-tables.ts'

type Queryable = Pick<ClientBase, 'query'>

/** What a day waits for. */
export type Owed = 'due minutes' | 'gaps' | 'backfill jobs' | 'open minutes'

export interface LooseDay {
  readonly fromMs: number
  readonly toMs: number
  /** Chunks of this day that are not compressed, or were written into since. */
  readonly chunks: readonly string[]
}

/** Days that end at or before `untilMs` and are not wholly compressed, oldest first. */
export async function readLooseDays(database: Queryable, untilMs: number): Promise<LooseDay[]> {
  const { rows } = await database.query<LooseDay>(LOOSE_DAYS, [
    MINUTE_TABLES.map(({ name }) => name),
    instantText(untilMs),
  ])
  return rows
}

export async function readOwed(
  database: Queryable,
  { fromMs, toMs }: Pick<LooseDay, 'fromMs' | 'toMs'>,
): Promise<Owed[]> {
  const { rows } = await database.query<{ what: Owed }>(OWED, [
    instantText(fromMs),
    instantText(toMs),
  ])
  return rows.map(({ what }) => what)
}

/** Status bits: 1 compressed, 2 unordered, 4 frozen, 8 partly. */
const LOOSE_DAYS = `
  SELECT range_start AS "fromMs", range_end AS "toMs", array_agg(chunk ORDER BY chunk) AS chunks
  FROM (
    SELECT range_start, range_end, format('%I.%I', chunk_schema, chunk_name) AS chunk
    FROM timescaledb_information.chunks
    WHERE hypertable_schema = current_schema() AND hypertable_name = ANY ($1)
      AND range_end <= $2::timestamptz
  ) AS c, LATERAL (SELECT _timescaledb_functions.chunk_status(chunk::regclass) AS status) AS s
  WHERE status & 4 = 0 AND (status & 1 = 0 OR status & 10 <> 0)
  GROUP BY 1, 2
  ORDER BY 1`

const OPEN_MINUTES = MINUTE_TABLES.filter(({ name }) => BAR_TABLE_NAMES.some((bar) => bar === name))
  .map(
    ({ name, time }) =>
      `EXISTS (SELECT FROM ${name} WHERE ${time} >= $1 AND ${time} < $2 AND complete IS NULL)`,
  )
  .join(' OR ')

const OWED = `
  SELECT 'due minutes' AS what
  WHERE EXISTS (
    SELECT FROM finalise_queue WHERE minute >= $1::timestamptz AND minute < $2::timestamptz)
  UNION ALL
  SELECT 'gaps'
  WHERE EXISTS (
    SELECT FROM feed_gaps
    WHERE status IN ('open', 'closed') AND "from" < $2 AND coalesce("to", 'infinity') > $1)
  UNION ALL
  SELECT 'backfill jobs'
  WHERE EXISTS (
    SELECT FROM backfill_jobs WHERE status IN ('queued', 'running') AND "from" < $2 AND "to" > $1)
  UNION ALL
  SELECT 'open minutes' WHERE ${OPEN_MINUTES}`
