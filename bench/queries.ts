/**
 * What monitoring asks of the stored bars: how fresh they are, how many there are and which are
 * missing, over the option bars of 400 instruments, 375 minutes a day. Days but the last are
 * compressed where there is TimescaleDB; its engine here is the one of the tests, in WebAssembly and
 * in memory, which tells how the figures relate and not how fast a server is.
 *
 * Days are filled at once by SQL, without the indexes that can be made afterwards; a store that is not
 * full after some minutes is asked with the days that it has, and the table says how many.
 */
import type pg from 'pg'
import { systemClock } from '../src/kit/clock.ts'
import { DAY_MS, MINUTE_MS } from '../src/market/ist.ts'
import { instantText } from '../src/postgres/array-literal.ts'
import { openStore, type Store, type StoreTarget } from '../src/postgres/connection.ts'
import { openEmbedded } from '../src/postgres/embedded/open-embedded.ts'
import { migrate } from '../src/postgres/migrate.ts'
import { adoptTimescale } from '../src/postgres/timescale/adopt-timescale.ts'
import { openTimescale } from '../test/postgres/timescale/timescale-store.ts'
import type { BenchContext } from './context.ts'
import { complaints } from './load/complaints.ts'
import { serverUrl, withDatabase, withFolder } from './load/scratch.ts'
import { atMost, ms, type ResultRow } from './report.ts'

const LAST_DAY_MS = Date.parse('2026-11-20T09:15:00+05:30')
const DAYS = 60
const INSTRUMENTS = 400
const MINUTES = 375
const TIMES = 7
const MUST_MS = 100
const FILL_WITHIN_MS = 240_000

const WINDOW = "bucket_time >= '2026-11-20 10:00+05:30' AND bucket_time < '2026-11-20 12:00+05:30'"

const QUERIES: Readonly<Record<string, string>> = {
  freshness: 'SELECT * FROM freshness',
  coverage: `SELECT symbol, count(*) FROM fo_option_strike_bars WHERE ${WINDOW} GROUP BY symbol`,
  gaps: `SELECT bucket_time, count(DISTINCT tradingsymbol) FROM fo_option_strike_bars
    WHERE ${WINDOW} GROUP BY bucket_time`,
}

export async function benchQueries(context: BenchContext): Promise<readonly ResultRow[]> {
  const rows: ResultRow[] = []
  const server = await serverUrl()
  if (server !== undefined) {
    const measure = (url: string) =>
      measureStore(context, 'PostgreSQL', { kind: 'url', url }, MUST_MS)
    rows.push(await withDatabase(server, measure))
  }
  rows.push(
    await withFolder(async (dataDir) => {
      const store = await openEmbedded({ dataDir, clock: systemClock, log: complaints })
      return measureStore(context, 'embedded', { kind: 'embedded', store }, MUST_MS)
    }),
  )
  const store = await openTimescale()
  const name = 'TimescaleDB in WebAssembly'
  rows.push(await measureStore(context, name, { kind: 'embedded', store }, undefined))
  return rows
}

async function measureStore(
  context: BenchContext,
  name: string,
  target: StoreTarget,
  mustMs: number | undefined,
): Promise<ResultRow> {
  const store = openStore(target, { applicationName: 'fostream bench', log: complaints })
  try {
    context.say(`queries: ${name}`)
    // A short run stores fewer days rather than asking for less long.
    const { days, minuteMs } = await prepare(store, context.seconds(DAYS))
    const medians: [string, number][] = []
    for (const [query, sql] of Object.entries(QUERIES)) {
      medians.push([query, await medianMs(store.pool, sql)])
    }
    const measured = medians.map(([query, median]) => `${query} ${ms(median)}`).join(', ')
    context.say(`queries: ${name}, ${days} days: ${measured}`)
    const slowest = Math.max(...medians.map(([, median]) => median))
    return {
      bench: 'queries',
      what: `freshness, coverage and gaps over ${days} days of ${INSTRUMENTS} options, ${name}`,
      measured,
      must: mustMs === undefined ? '' : `each < ${mustMs} ms`,
      aim: '',
      verdict: mustMs === undefined ? 'none' : atMost(slowest, mustMs, 0),
      details: `${(days * INSTRUMENTS * MINUTES).toLocaleString('en')} rows; medians of ${TIMES}; a minute of them is inserted in ${ms(minuteMs)}`,
    }
  } finally {
    await store.close()
  }
}

interface Prepared {
  readonly days: number
  /** How long one minute's rows take to insert, with all indexes. */
  readonly minuteMs: number
}

/** Fills the newest `days` days, or as many as there is time for. */
async function prepare(store: Store, days: number): Promise<Prepared> {
  const client = await store.connectForUpkeep()
  await migrate(client)
  const isTimescale = await adoptTimescale(store, complaints)
  const fromMs = systemClock.elapsedMs()
  const indexes = await dropIndexes(client)
  let filled = 0
  // The last day first: the others are behind it, and may be fewer.
  while (filled < days && systemClock.elapsedMs() - fromMs < FILL_WITHIN_MS) {
    const openMs = LAST_DAY_MS - filled * DAY_MS
    await client.query(FILL, [instantText(openMs), MINUTES])
    if (isTimescale && filled > 0) await client.query(COMPRESS, [instantText(openMs)])
    filled++
  }
  for (const index of indexes) await client.query(index)
  const minuteMs = await insertMinutes(client)
  await client.query(`VACUUM ANALYZE ${TABLE}`)
  await client.end()
  return { days: filled, minuteMs }
}

/** Drops those that are no key, and returns how to make them again. */
async function dropIndexes(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string; make: string }>(
    `SELECT indexname AS name, indexdef AS make FROM pg_indexes
     WHERE schemaname = current_schema() AND tablename = '${TABLE}' AND indexname NOT LIKE '%pkey'`,
  )
  for (const { name } of rows) await client.query(`DROP INDEX ${name}`)
  return rows.map(({ make }) => make)
}

/** Minutes behind the last one of the session, as they would come live; the median. */
async function insertMinutes(client: pg.Client): Promise<number> {
  const taken: number[] = []
  for (let i = 0; i < TIMES; i++) {
    const minuteMs = LAST_DAY_MS + (MINUTES + i) * MINUTE_MS
    const fromMs = systemClock.elapsedMs()
    await client.query(FILL, [instantText(minuteMs), 1])
    taken.push(systemClock.elapsedMs() - fromMs)
  }
  return median(taken)
}

async function medianMs(pool: pg.Pool, sql: string): Promise<number> {
  const taken: number[] = []
  for (let i = 0; i < TIMES; i++) {
    const fromMs = systemClock.elapsedMs()
    await pool.query(sql)
    taken.push(systemClock.elapsedMs() - fromMs)
  }
  return median(taken)
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) / 2] ?? Number.NaN
}

const TABLE = 'fo_option_strike_bars'

const COMPRESS = `
  SELECT compress_chunk(chunk, if_not_compressed => true)
  FROM show_chunks('${TABLE}', older_than => $1::timestamptz + interval '1 day',
    newer_than => $1::timestamptz - interval '1 day') AS chunk`

const FILL = `
  INSERT INTO ${TABLE}
    (tradingsymbol, symbol, option_type, expiry, bucket_time, strike, instrument_token, open, high,
     low, close, volume, oi, bid, ask, iv, delta, gamma, theta, vega, underlying_price, forward,
     day_volume, base_volume, updated_at, tick_count, complete, source, open_key, close_key)
  SELECT symbol || '26DEC' || strike || option_type, symbol, option_type, '2026-12-29',
    $1::timestamptz + minute * interval '1 minute', strike, 1000 + i, 100, 101, 99, 100.5,
    minute % 50, 100000 + minute, 100, 100.1, 0.14, 0.5, 0.001, -8, 11, 24500, 24510, minute * 50, 0,
    now(), 60, true, 'live', '\\x0102030405060708', '\\x0102030405060708'
  FROM generate_series(0, $2::int - 1) AS minute, generate_series(0, ${INSTRUMENTS - 1}) AS i,
    LATERAL (SELECT (ARRAY['NIFTY', 'BANKNIFTY', 'FINNIFTY', 'SENSEX'])[1 + i % 4] AS symbol,
      20000 + 50 * (i / 8) AS strike,
      CASE WHEN i % 8 < 4 THEN 'CE' ELSE 'PE' END AS option_type) AS contract`
