/** Backfill's reads and its own tables: coverage, jobs, gaps that wait for their repair. */
import type { ClientBase } from 'pg'
import type {
  BackfillStore,
  ClosedGap,
  InstrumentName,
  StoredJob,
} from '../backend/backfill/ports.ts'
import type { CoverageRow } from '../backend/ports.ts'
import { instantArray, instantText, numberArray, textArray } from './array-literal.ts'
import { readClosingIvs, writeDailyMetrics } from './daily-metrics.ts'
import { readLastListed } from './instrument-store.ts'

type Queryable = Pick<ClientBase, 'query'>

/** `database` may be a connection or a pool. */
export function createBackfillStore(database: Queryable): BackfillStore {
  const rowsOf = async <Row extends object>(
    name: string,
    text: string,
    values: readonly (string | number | null)[] = [],
  ): Promise<Row[]> =>
    (await database.query<Row>({ name: `backfill_${name}`, text, values: [...values] })).rows
  return {
    coverage: (names, { fromMs, toMs }) =>
      rowsOf<CoverageRow>('coverage', COVERAGE, [
        ...namesOf(names),
        instantText(fromMs),
        instantText(toMs),
      ]),
    streamedWithin: ({ fromMs, toMs }) =>
      rowsOf<InstrumentName>('streamed', STREAMED, [instantText(fromMs), instantText(toMs)]),
    subscribed: () => rowsOf<InstrumentName>('subscribed', SUBSCRIBED),
    lastListed: (names) => readLastListed(database, names),
    saveJobs: async (jobs) => {
      await database.query({ name: 'backfill_save_jobs', text: SAVE_JOBS, values: columnsOf(jobs) })
    },
    unfinishedJobs: () => rowsOf<StoredJob>('unfinished_jobs', UNFINISHED_JOBS),
    newestJobs: (limit) => rowsOf<StoredJob>('newest_jobs', NEWEST_JOBS, [limit]),
    knownJobs: async (ids) => {
      const rows = await rowsOf<{ id: string }>('known_jobs', KNOWN_JOBS, [textArray(ids)])
      return rows.map(({ id }) => id)
    },
    forgetJobs: async (endedBeforeMs) => {
      await database.query(FORGET_JOBS, [instantText(endedBeforeMs)])
    },
    closedGaps: (partitions) =>
      rowsOf<ClosedGap>('closed_gaps', CLOSED_GAPS, [numberArray(partitions)]),
    endGap: async ({ id, producer, partition }, { status, rows, error, atMs }) => {
      await database.query({
        name: 'backfill_end_gap',
        text: END_GAP,
        values: [id, producer, partition, status, rows, error, instantText(atMs)],
      })
    },
    hasFinalsDue: async (symbol, expiry, { fromMs, toMs }) => {
      const rows = await rowsOf('finals_due', FINALS_DUE, [
        symbol,
        expiry ?? NO_EXPIRY,
        instantText(fromMs),
        instantText(toMs),
      ])
      return rows.length > 0
    },
    closingIvs: (symbol, window) => readClosingIvs(database, symbol, window),
    writeDailyMetrics: (day, figures) => writeDailyMetrics(database, day, figures),
  }
}

/** What `finalise_queue` has for the underlying's own minutes. */
const NO_EXPIRY = '-infinity'

/** Some stretches of each name, by the key; a name has one a session and a few a gap. */
const COVERAGE = `
  SELECT c.exchange, c.tradingsymbol, c."from" AS "fromMs", c."to" AS "toMs", c.source, c.mode
  FROM unnest($1::text[], $2::text[]) AS n (exchange, tradingsymbol)
  JOIN coverage AS c ON c.exchange = n.exchange AND c.tradingsymbol = n.tradingsymbol
  WHERE c."from" < $4::timestamptz AND c."to" > $3::timestamptz`

const STREAMED = `
  SELECT DISTINCT exchange, tradingsymbol
  FROM coverage
  WHERE source = 'live' AND "from" < $2::timestamptz AND "to" > $1::timestamptz
  ORDER BY exchange, tradingsymbol`

/** Each once: several tickers may carry one instrument. */
const SUBSCRIBED = `
  SELECT DISTINCT exchange, tradingsymbol
  FROM instrument_subscriptions
  WHERE status IN ('pending', 'active')
  ORDER BY exchange, tradingsymbol`

const JOB_COLUMNS = `
  id, kind, scope, exchange, tradingsymbol, instrument_token, symbol, expiry, instruments, "from",
  "to", reason, requested_by, status, progress, rows, error, created_at, started_at, finished_at`

/** What a job is about never changes. */
const SAVE_JOBS = `
  INSERT INTO backfill_jobs (${JOB_COLUMNS}, updated_at)
  SELECT j.*, now() FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[],
    $8::date[], $9::jsonb[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::text[],
    $14::text[], $15::jsonb[], $16::bigint[], $17::text[], $18::timestamptz[], $19::timestamptz[],
    $20::timestamptz[]
  ) AS j
  ON CONFLICT (id) DO UPDATE SET
    status = excluded.status,
    progress = excluded.progress,
    rows = excluded.rows,
    error = excluded.error,
    started_at = excluded.started_at,
    finished_at = excluded.finished_at,
    updated_at = excluded.updated_at`

const READ_JOBS = `
  SELECT id, kind, scope, exchange, tradingsymbol, instrument_token AS "instrumentToken", symbol,
         expiry, instruments, "from" AS "fromMs", "to" AS "toMs", reason,
         requested_by AS "requestedBy", status, progress, rows, error,
         created_at AS "createdAtMs", started_at AS "startedAtMs", finished_at AS "finishedAtMs"
  FROM backfill_jobs`

const UNFINISHED_JOBS = `${READ_JOBS}
  WHERE status IN ('queued', 'running')
  ORDER BY created_at, id`

const NEWEST_JOBS = `${READ_JOBS}
  ORDER BY created_at DESC, id DESC
  LIMIT $1`

const KNOWN_JOBS = 'SELECT id FROM backfill_jobs WHERE id = ANY ($1::text[])'

const FORGET_JOBS = 'DELETE FROM backfill_jobs WHERE finished_at < $1'

const CLOSED_GAPS = `
  SELECT id, producer, partition, reason, "from" AS "fromMs", "to" AS "toMs", instruments
  FROM feed_gaps
  WHERE status = 'closed' AND partition = ANY ($1::int[])
  ORDER BY "from", id`

/** The writer of the partition does not touch a gap again once it has closed it. */
const END_GAP = `
  UPDATE feed_gaps
  SET status = $4, rows = $5, error = $6, repaired_at = $7
  WHERE id = $1 AND producer = $2 AND partition = $3 AND status = 'closed'`

const FINALS_DUE = `
  SELECT 1 AS due
  FROM finalise_queue
  WHERE symbol = $1 AND expiry = $2::date AND minute >= $3::timestamptz AND minute < $4::timestamptz
  LIMIT 1`

function namesOf(names: readonly InstrumentName[]): string[] {
  return [
    textArray(names.map(({ exchange }) => exchange)),
    textArray(names.map(({ tradingsymbol }) => tradingsymbol)),
  ]
}

function columnsOf(jobs: readonly StoredJob[]): string[] {
  return [
    textArray(jobs.map((job) => job.id)),
    textArray(jobs.map((job) => job.kind)),
    textArray(jobs.map((job) => job.scope)),
    textArray(jobs.map((job) => job.exchange)),
    textArray(jobs.map((job) => job.tradingsymbol)),
    numberArray(jobs.map((job) => job.instrumentToken)),
    textArray(jobs.map((job) => job.symbol)),
    textArray(jobs.map((job) => job.expiry)),
    textArray(jobs.map((job) => JSON.stringify(job.instruments))),
    instantArray(jobs.map((job) => job.fromMs)),
    instantArray(jobs.map((job) => job.toMs)),
    textArray(jobs.map((job) => job.reason)),
    textArray(jobs.map((job) => job.requestedBy)),
    textArray(jobs.map((job) => job.status)),
    textArray(jobs.map((job) => JSON.stringify(job.progress))),
    numberArray(jobs.map((job) => job.rows)),
    textArray(jobs.map((job) => job.error)),
    instantArray(jobs.map((job) => job.createdAtMs)),
    instantArray(jobs.map((job) => job.startedAtMs)),
    instantArray(jobs.map((job) => job.finishedAtMs)),
  ]
}
