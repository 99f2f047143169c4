/**
 * One measurement of the writer, in a process of its own: ticks made here are journalled, read,
 * folded and committed as in the program, without sockets and decoding. What it finds is one line of
 * JSON on stdout.
 *
 * Latency is taken from when a tick was due, so that a pause of the process counts for every tick
 * that it held up.
 */
import { join } from 'node:path'
import { LogSet } from '../src/backend/ingest/log-set.ts'
import { CONSUMER, type Ingest, startIngest } from '../src/backend/ingest/start-ingest.ts'
import type { TickLog } from '../src/backend/ports.ts'
import type { Journal } from '../src/journal/journal.ts'
import { openJournal } from '../src/journal/open-journal.ts'
import { systemClock } from '../src/kit/clock.ts'
import type { LatencySummary } from '../src/kit/latency-histogram.ts'
import { Releasers } from '../src/kit/releasers.ts'
import { ALLOWED_LATENESS_MS } from '../src/limits.ts'
import { alwaysOpenCalendar } from '../src/market/calendar.ts'
import { InstrumentMaster } from '../src/market/instrument-master.ts'
import { floorToMinute, MINUTE_MS } from '../src/market/ist.ts'
import { barStore } from '../src/postgres/bar-writer.ts'
import { openStore, type Store, type StoreTarget } from '../src/postgres/connection.ts'
import { openEmbedded } from '../src/postgres/embedded/open-embedded.ts'
import { migrate, stampFeed } from '../src/postgres/migrate.ts'
import { complaints } from './load/complaints.ts'
import { Feeder } from './load/feeder.ts'
import { MarketLoad } from './load/market-load.ts'
import { cpuSeconds, machineCpuSeconds, mainThreadSeconds } from './load/process-cpu.ts'
import { WatchedLog } from './load/watched-log.ts'

export interface IngestOrder {
  /** Undefined for the embedded store. */
  readonly databaseUrl: string | undefined
  /** Of this measurement alone; the caller removes it. */
  readonly folder: string
  readonly instruments: number
  readonly ticksPerSecond: number
  readonly seconds: number
  /** Journals all of it before the backend is started. */
  readonly isCatchUp: boolean
}

export interface IngestFigures {
  /** From when a tick was due to its commit. */
  readonly latency: LatencySummary
  /** Ticks that were due, and what the ledger in the store says of them. */
  readonly sent: number
  readonly journaled: number
  readonly folded: number
  readonly notFolded: number
  readonly commits: number
  /** How long the writer needed after the last tick; of a catch-up, for all of it. */
  readonly drainMs: number
  /** Shares of one core while it was measured; undefined where the system does not tell. */
  readonly mainThreadCpu: number | undefined
  readonly otherThreadsCpu: number | undefined
  readonly serverCpu: number | undefined
  /** What the rest of the machine used. */
  readonly elsewhereCpu: number | undefined
  readonly maxRssMb: number
}

const PRODUCER = 'bench'
const LOOK_MS = 5
/** The engine's and the compiler's first seconds are not the rule. */
const WARM_UP_SECONDS = 5
const DRAIN_LIMIT_MS = 120_000

const order = JSON.parse(process.argv[2] ?? '{}') as IngestOrder
const releasers = new Releasers()
try {
  process.stdout.write(`${JSON.stringify(await measure(order))}\n`)
} finally {
  await releasers.release()
}

async function measure(order: IngestOrder): Promise<IngestFigures> {
  const startMarketMs = startInMinute(order.seconds)
  const load = new MarketLoad(order.instruments, startMarketMs)
  const store = await openBenchStore()
  const journal = await openBenchJournal()
  const watched = new WatchedLog(journal)
  const { ticksPerSecond } = order
  const feeder = new Feeder({ load, journal, watched, ticksPerSecond, startMarketMs })
  const parts = { store, watched, feeder, start: () => startBenchIngest(store, watched, load) }
  await feeder.announce()
  return order.isCatchUp ? catchUp(parts) : keepUp(parts)
}

interface Parts {
  readonly store: Store
  readonly watched: WatchedLog
  readonly feeder: Feeder
  readonly start: () => Ingest
}

async function keepUp({ store, watched, feeder, start }: Parts): Promise<IngestFigures> {
  const ingest = start()
  await feeder.run(WARM_UP_SECONDS)
  watched.latency.reset()
  const from = await usage(store, ingest)
  await feeder.run(order.seconds)
  const to = await usage(store, ingest)
  const drainMs = await drained(watched, ingest)
  return figures(watched, feeder, from, to, drainMs, await ledger(store))
}

/** The backend was away while the ticker wrote on. */
async function catchUp({ store, watched, feeder, start }: Parts): Promise<IngestFigures> {
  await feeder.runAtOnce(order.seconds)
  const ingest = start()
  const from = await usage(store, ingest)
  const drainMs = await drained(watched, ingest)
  const to = await usage(store, ingest)
  return figures(watched, feeder, from, to, drainMs, await ledger(store))
}

/** So that one minute closes in the middle of what is measured. */
function startInMinute(seconds: number): number {
  const closeAtMs = (WARM_UP_SECONDS + seconds / 2) * 1000
  return floorToMinute(Date.now()) + MINUTE_MS + ALLOWED_LATENESS_MS - closeAtMs
}

async function openBenchStore(): Promise<Store> {
  const store = openStore(await target(), { applicationName: 'fostream bench', log: complaints })
  releasers.push('store', () => store.close())
  const client = await store.connect()
  await migrate(client)
  await stampFeed(client, 'simulated')
  await client.end()
  return store
}

async function target(): Promise<StoreTarget> {
  if (order.databaseUrl !== undefined) return { kind: 'url', url: order.databaseUrl }
  const dataDir = join(order.folder, 'store')
  return {
    kind: 'embedded',
    store: await openEmbedded({ dataDir, clock: systemClock, log: complaints }),
  }
}

async function openBenchJournal(): Promise<Journal> {
  const journal = await openJournal({
    dir: join(order.folder, 'journal'),
    producer: PRODUCER,
    partitions: 1,
    feed: 'simulated',
    maxAgeMs: Number.POSITIVE_INFINITY,
    maxBytes: Number.POSITIVE_INFINITY,
    clock: systemClock,
    log: complaints,
  })
  releasers.push('journal', () => journal.close())
  return journal
}

function startBenchIngest(store: Store, log: TickLog, load: MarketLoad): Ingest {
  const ingest = startIngest({
    logs: new LogSet([log]),
    stores: barStore(store, CONSUMER),
    master: new InstrumentMaster(load.listed),
    calendar: alwaysOpenCalendar(),
    riskFreeRate: 0.065,
    partitions: 1,
    ownPartitions: [0],
    clock: systemClock,
    log: complaints,
  })
  releasers.push('ingest', () => ingest.stop())
  return ingest
}

/** Everything sent is committed; throws where the writer does not get there. */
async function drained(watched: WatchedLog, ingest: Ingest): Promise<number> {
  const startMs = performance.now()
  while (!watched.isDrained) {
    if (performance.now() - startMs > DRAIN_LIMIT_MS) {
      const error = ingest.writers[0]?.storeError
      throw new Error(`not committed within ${DRAIN_LIMIT_MS} ms: ${error ?? 'no error is known'}`)
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  return performance.now() - startMs
}

interface Usage {
  readonly atMs: number
  readonly commits: number
  readonly process: number | undefined
  readonly mainThread: number | undefined
  readonly server: number | undefined
  readonly machine: number
}

async function usage(store: Store, ingest: Ingest): Promise<Usage> {
  return {
    atMs: performance.now(),
    commits: ingest.counters.commits,
    process: cpuSeconds(process.pid),
    mainThread: mainThreadSeconds(process.pid),
    server: await serverSeconds(store),
    machine: machineCpuSeconds(),
  }
}

/** Of all the server's processes for this database, where the server is on this machine. */
async function serverSeconds(store: Store): Promise<number | undefined> {
  if (order.databaseUrl === undefined) return undefined
  const { rows } = await store.pool.query<{ pid: number }>(
    'SELECT pid FROM pg_stat_activity WHERE datname = current_database()',
  )
  return rows.reduce((sum, { pid }) => sum + (cpuSeconds(pid) ?? 0), 0)
}

async function ledger(store: Store) {
  const { rows } = await store.pool.query<{ journaled: number; folded: number; not: number }>(
    `SELECT sum(journaled)::int8 AS journaled, sum(folded)::int8 AS folded,
            sum((SELECT coalesce(sum(value::int8), 0) FROM jsonb_each_text(not_folded)))::int8 AS not
     FROM delivery_ledger`,
  )
  const [row] = rows
  if (row === undefined) throw new Error('the ledger did not answer')
  return row
}

function figures(
  watched: WatchedLog,
  feeder: Feeder,
  from: Usage,
  to: Usage,
  drainMs: number,
  books: Awaited<ReturnType<typeof ledger>>,
): IngestFigures {
  const share = (of: (usage: Usage) => number | undefined) => {
    const [before, after] = [of(from), of(to)]
    if (before === undefined || after === undefined) return undefined
    return ((after - before) * 1000) / (to.atMs - from.atMs)
  }
  return {
    latency: watched.latency.summary(),
    sent: feeder.sent,
    journaled: books.journaled,
    folded: books.folded,
    notFolded: books.not,
    commits: to.commits - from.commits,
    drainMs,
    mainThreadCpu: share((usage) => usage.mainThread),
    otherThreadsCpu: share((usage) => minus(usage.process, usage.mainThread)),
    serverCpu: share((usage) => usage.server),
    elsewhereCpu: share((usage) => minus(minus(usage.machine, usage.process), usage.server ?? 0)),
    maxRssMb: process.resourceUsage().maxRSS / 1024,
  }
}

function minus(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a - b
}
