/**
 * What monitoring asks of the stored bars: how fresh they are, how many there are and which are
 * missing, over the option bars of 400 instruments, 375 minutes a day, 60 days.
 *
 * The state is that of a running platform: rows lie in the order of their time; the days before today
 * are vacuumed and, where there is TimescaleDB, compressed; today's rows are neither, save where the
 * embedded store vacuums its newest minutes by itself. TimescaleDB's engine here is the one of the
 * tests, in WebAssembly and in memory: a server is faster.
 *
 * Days are filled by SQL, a day a statement, without the indexes that can be made afterwards; a store
 * that is not full in time is asked with the days that it has, and the table says how many.
 */
import type pg from 'pg'
import { systemClock } from '../src/kit/clock.ts'
import { DAY_MS, istDate, MINUTE_MS, startOfDateMs } from '../src/market/ist.ts'
import { instantText } from '../src/postgres/array-literal.ts'
import { openStore, type Store, type StoreTarget } from '../src/postgres/connection.ts'
import { openEmbedded } from '../src/postgres/embedded/open-embedded.ts'
import { migrate } from '../src/postgres/migrate.ts'
import { MINUTE_TABLES } from '../src/postgres/minute-tables.ts'
import { adoptTimescale } from '../src/postgres/timescale/adopt-timescale.ts'
import { openTimescale } from '../test/postgres/timescale/timescale-store.ts'
import type { BenchContext } from './context.ts'
import { complaints } from './load/complaints.ts'
import { cpuSeconds, machineCpuSeconds } from './load/process-cpu.ts'
import { serverUrl, withDatabase, withFolder } from './load/scratch.ts'
import { atMost, ms, type ResultRow } from './report.ts'

const DAYS = 60
const INSTRUMENTS = 400
const MINUTES = 375
const TIMES = 21
const MUST_MS = 100
const FILL_WITHIN_MS = 900_000

/** The last day is today, since freshness is asked of what is being written. */
const LAST_DAY_MS = startOfDateMs(istDate(systemClock.nowMs())) + (9 * 60 + 15) * MINUTE_MS
const FROM = instantText(LAST_DAY_MS + 45 * MINUTE_MS)
const TO = instantText(LAST_DAY_MS + 165 * MINUTE_MS)
const WINDOW = `bucket_time >= '${FROM}' AND bucket_time < '${TO}'`

const QUERIES: Readonly<Record<string, string>> = {
  freshness: 'SELECT * FROM freshness',
  'of one symbol': `SELECT max(bucket_time) FROM fo_option_strike_bars WHERE symbol = 'NIFTY'`,
  coverage: `SELECT symbol, count(*) FROM fo_option_strike_bars WHERE ${WINDOW} GROUP BY symbol`,
  gaps: `SELECT bucket_time, count(DISTINCT tradingsymbol) FROM fo_option_strike_bars
    WHERE ${WINDOW} GROUP BY bucket_time`,
}

export async function benchQueries(context: BenchContext): Promise<readonly ResultRow[]> {
  const rows: ResultRow[] = []
  const server = await serverUrl()
  if (server !== undefined) {
    const measure = (url: string) => measureStore(context, 'PostgreSQL', { kind: 'url', url })
    rows.push(await withDatabase(server, measure))
  }
  rows.push(
    await withFolder(async (dataDir) => {
      const store = await openEmbedded({ dataDir, clock: systemClock, log: complaints })
      return measureStore(context, 'embedded', { kind: 'embedded', store })
    }),
  )
  const store = await openTimescale()
  rows.push(await measureStore(context, 'TimescaleDB in WebAssembly', { kind: 'embedded', store }))
  return rows
}

async function measureStore(
  context: BenchContext,
  name: string,
  target: StoreTarget,
): Promise<ResultRow> {
  const store = openStore(target, { applicationName: 'fostream bench', log: complaints })
  try {
    context.say(`queries: ${name}`)
    // A short run stores fewer days rather than asking for less long.
    const { days, minuteMs } = await prepare(store, context.seconds(DAYS))
    const machine = machineLoad()
    const client = await store.connect()
    const taken: Taken[] = []
    for (const [query, sql] of Object.entries(QUERIES)) {
      taken.push({ query, ...(await timesOf(client, target.kind, sql)) })
    }
    await client.end()
    const busy = machine()
    const measured = taken
      .map(({ query, times }) => `${query} ${ms(median(times))} (${ms(times.at(-1) ?? null)})`)
      .join(', ')
    const processor = taken.map(({ query, cpuMs }) => `${query} ${ms(cpuMs)}`).join(', ')
    context.say(`queries: ${name}, ${days} days: ${measured}; processor time ${processor}`)
    const slowest = Math.max(...taken.map(({ times }) => median(times)))
    return {
      bench: 'queries',
      what: `freshness, coverage and gaps over ${days} days of ${INSTRUMENTS} options, ${name}`,
      measured,
      must: `each < ${MUST_MS} ms`,
      aim: '',
      verdict: atMost(slowest, MUST_MS, 0),
      details: `${(days * INSTRUMENTS * MINUTES).toLocaleString('en')} rows; medians of ${TIMES} and, in brackets, the longest; processor time of one: ${processor}; a minute of them is inserted in ${ms(minuteMs)}; machine meanwhile ${busy}`,
    }
  } finally {
    await store.close()
  }
}

/** How many cores' worth all programs together use from now on; one is the query's own. */
function machineLoad(): () => string {
  const [fromMs, from] = [systemClock.elapsedMs(), machineCpuSeconds()]
  return () => {
    const seconds = (systemClock.elapsedMs() - fromMs) / 1000
    return `${Math.round(((machineCpuSeconds() - from) / seconds) * 100)} % of a core`
  }
}

interface Prepared {
  readonly days: number
  /** How long one minute's rows take to insert, with all indexes. */
  readonly minuteMs: number
}

/** Fills the days before today, oldest first, as many as there is time for, and then today. */
async function prepare(store: Store, days: number): Promise<Prepared> {
  const client = await store.connectForUpkeep()
  await migrate(client)
  const isTimescale = await adoptTimescale(store, complaints)
  const fromMs = systemClock.elapsedMs()
  const indexes = await dropIndexes(client)
  let filled = 1
  while (filled < days && systemClock.elapsedMs() - fromMs < FILL_WITHIN_MS) {
    const openMs = LAST_DAY_MS - (days - filled) * DAY_MS
    await fill(client, openMs, MINUTES)
    if (isTimescale) await compress(client, openMs)
    filled++
  }
  for (const index of indexes) await client.query(index)
  for (const { name } of MINUTE_TABLES) await client.query(`VACUUM ANALYZE ${name}`)
  await fill(client, LAST_DAY_MS, MINUTES)
  const minuteMs = await insertMinutes(client)
  await store.maintainNewest()
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

async function compress(client: pg.Client, openMs: number): Promise<void> {
  for (const { name } of MINUTE_TABLES) {
    await client.query(COMPRESS, [name, instantText(openMs)])
  }
}

/** Minutes behind the last one of the session, as they would come live; the median. */
async function insertMinutes(client: pg.Client): Promise<number> {
  const taken: number[] = []
  for (let i = 0; i < TIMES; i++) {
    const fromMs = systemClock.elapsedMs()
    await client.query(FILL, [instantText(LAST_DAY_MS + (MINUTES + i) * MINUTE_MS), 1])
    taken.push(systemClock.elapsedMs() - fromMs)
  }
  return median(taken.sort((a, b) => a - b))
}

interface Taken {
  readonly query: string
  /** In order, the shortest first. */
  readonly times: readonly number[]
  /** Processor time of one, which other programs do not lengthen; null where it cannot be had. */
  readonly cpuMs: number | null
}

async function timesOf(
  client: pg.Client,
  kind: StoreTarget['kind'],
  sql: string,
): Promise<Omit<Taken, 'query'>> {
  const backend = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  // The embedded engines are this process.
  const pid = kind === 'url' ? (backend.rows[0]?.pid ?? 0) : process.pid
  const cpuFrom = cpuSeconds(pid)
  const times: number[] = []
  for (let i = 0; i < TIMES; i++) {
    const fromMs = systemClock.elapsedMs()
    await client.query(sql)
    times.push(systemClock.elapsedMs() - fromMs)
  }
  const cpuTo = cpuSeconds(pid)
  const isKnown = cpuFrom !== undefined && cpuTo !== undefined
  const cpuMs = isKnown ? ((cpuTo - cpuFrom) * 1000) / TIMES : null
  return { times: times.sort((a, b) => a - b), cpuMs }
}

function median(inOrder: readonly number[]): number {
  return inOrder[(inOrder.length - 1) / 2] ?? Number.NaN
}

async function fill(client: pg.Client, openMs: number, minutes: number): Promise<void> {
  for (const sql of [FILL, ...FILL_OTHERS]) await client.query(sql, [instantText(openMs), minutes])
}

const TABLE = 'fo_option_strike_bars'

const COMPRESS = `
  SELECT compress_chunk(chunk, if_not_compressed => true)
  FROM show_chunks($1::regclass, older_than => $2::timestamptz + interval '1 day',
    newer_than => $2::timestamptz - interval '1 day') AS chunk`

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

const SYMBOLS = `unnest(ARRAY['NIFTY', 'BANKNIFTY', 'FINNIFTY', 'SENSEX']) AS symbol`
const OPENING = `$1::timestamptz + minute * interval '1 minute'`
const EVERY_MINUTE = 'generate_series(0, $2::int - 1) AS minute'

/** One series a symbol, and one strike of it: freshness looks at the newest row alone. */
const FILL_OTHERS = [
  `INSERT INTO minute_bars (exchange, symbol, time, open, high, low, close, updated_at, tick_count, complete, source)
   SELECT 'NSE', symbol, ${OPENING}, 100, 101, 99, 100.5, now(), 60, true, 'live' FROM ${EVERY_MINUTE}, ${SYMBOLS}`,
  `INSERT INTO futures_bars
     (tradingsymbol, symbol, expiry, time, instrument_token, close, updated_at, tick_count, complete, source)
   SELECT symbol || '26DECFUT', symbol, '2026-12-29', ${OPENING}, 1, 100.5, now(), 60, true, 'live'
   FROM ${EVERY_MINUTE}, ${SYMBOLS}`,
  `INSERT INTO fo_expiry_metrics (symbol, expiry, bucket_time, spot, pcr_oi, max_pain, updated_at)
   SELECT symbol, '2026-12-29', ${OPENING}, 24500, 0.9, 24500, now() FROM ${EVERY_MINUTE}, ${SYMBOLS}`,
  `INSERT INTO fo_strike_distribution (symbol, expiry, strike, bucket_time, call_oi, put_oi, updated_at)
   SELECT symbol, '2026-12-29', 24500, ${OPENING}, 1000, 1000, now() FROM ${EVERY_MINUTE}, ${SYMBOLS}`,
]
