/** The ledger of gaps. What a gap lists is large, so it is read of the gaps that are answered alone. */
import type pg from 'pg'
import type { FeedGapRow, GapEntry, GapQuery } from '../backend/ports.ts'
import { API_NAMES_SHOWN } from '../limits.ts'
import { instant } from './read-instant.ts'

export async function readGaps(pool: pg.Pool, query: GapQuery): Promise<GapEntry[]> {
  const { fromMs, toMs, status, tradingsymbol, limit } = query
  const named = tradingsymbol === undefined ? null : JSON.stringify([{ tradingsymbol }])
  const { rows } = await pool.query<GapColumns>(GAPS, [
    instant(fromMs),
    instant(toMs),
    status ?? null,
    named,
    limit,
    API_NAMES_SHOWN,
  ])
  return rows.map(entryOf)
}

interface GapColumns {
  readonly id: string
  readonly producer: string
  readonly account: string | null
  readonly connection: number | null
  readonly reason: string
  readonly status: FeedGapRow['status']
  readonly from: number
  readonly to: number | null
  readonly instruments: number
  readonly tradingsymbols: readonly string[]
  readonly rows: number | null
  readonly error: string | null
  readonly opened_at: number
  readonly closed_at: number | null
  readonly repaired_at: number | null
}

function entryOf(row: GapColumns): GapEntry {
  const { from, to, opened_at, closed_at, repaired_at, ...rest } = row
  return {
    ...rest,
    fromMs: from,
    toMs: to,
    openedAtMs: opened_at,
    closedAtMs: closed_at,
    repairedAtMs: repaired_at,
  }
}

/**
 * A gap that touches several partitions is several rows; it is as far as the least far of them. One of
 * them is enough to find it, and then all of them count: a gap is the same however it was asked for.
 */
const GAPS = `
  WITH found AS (
    SELECT DISTINCT id, producer
    FROM feed_gaps
    WHERE "from" < $2 AND coalesce("to", 'infinity') > $1
      AND ($4::jsonb IS NULL OR instruments @> $4)
  ), gap AS (
    SELECT id, producer, min("from") AS begin,
      CASE
        WHEN bool_or(status = 'open') THEN 'open'
        WHEN bool_or(status = 'closed') THEN 'closed'
        WHEN bool_or(status = 'unrepairable') THEN 'unrepairable'
        ELSE 'repaired'
      END AS status
    FROM found JOIN feed_gaps USING (id, producer)
    GROUP BY id, producer
  ), picked AS (
    SELECT * FROM gap WHERE $3::text IS NULL OR status = $3
    ORDER BY begin DESC, id, producer
    LIMIT $5
  )
  SELECT p.id, p.producer, p.status, p.begin AS "from",
    CASE WHEN p.status <> 'open' THEN max(g."to") END AS "to",
    min(g.account) AS account, min(g.connection) AS connection, min(g.reason) AS reason,
    sum(jsonb_array_length(g.instruments))::int AS instruments,
    (SELECT coalesce(array_agg(name ORDER BY name), '{}') FROM (
      SELECT DISTINCT item ->> 'tradingsymbol' AS name
      FROM feed_gaps AS n CROSS JOIN LATERAL jsonb_array_elements(n.instruments) AS item
      WHERE n.id = p.id AND n.producer = p.producer
      ORDER BY name
      LIMIT $6
    ) AS names) AS tradingsymbols,
    sum(g.rows)::bigint AS rows, min(g.error) AS error, min(g.opened_at) AS opened_at,
    CASE WHEN p.status <> 'open' THEN max(g.closed_at) END AS closed_at,
    CASE WHEN p.status = 'repaired' THEN max(g.repaired_at) END AS repaired_at
  FROM picked AS p
  JOIN feed_gaps AS g ON g.id = p.id AND g.producer = p.producer
  GROUP BY p.id, p.producer, p.status, p.begin
  ORDER BY p.begin DESC, p.id, p.producer`
