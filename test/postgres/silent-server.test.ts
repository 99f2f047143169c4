/** A server that says nothing any more, behind connections that still look alive, and one that is slow. */
import { afterEach, describe, expect, it } from 'vitest'
import { LogSet } from '../../src/backend/ingest/log-set.ts'
import { type Ingest, startIngest } from '../../src/backend/ingest/start-ingest.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { exchangeCalendar } from '../../src/market/calendar.ts'
import { InstrumentMaster } from '../../src/market/instrument-master.ts'
import { MINUTE_MS } from '../../src/market/ist.ts'
import { barStore } from '../../src/postgres/bar-writer.ts'
import { classify } from '../../src/postgres/classify-error.ts'
import { openStore, type Store } from '../../src/postgres/connection.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { referenceFold } from '../../src/verify/reference-fold/reference-fold.ts'
import {
  ALL,
  begins,
  clockAt,
  MemoryLog,
  NIFTY,
  OPEN_MS,
  OPTIONS,
  packet,
} from '../backend/scenario.ts'
import { postgresUrl } from '../services.ts'
import { silentLog } from '../silent-log.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { until } from '../until.ts'
import { compareWithStore } from '../verify/whole-store.ts'

const TIMEOUT_MS = 1_000
const SLOW_MS = 1_000
/** How often a connection is lost. */
const ROUNDS = 3

const url = await postgresUrl()

describe.skipIf(url === undefined)('a store whose server', () => {
  const releases: (() => Promise<void>)[] = []

  afterEach(async () => {
    for (const release of releases.splice(0).reverse()) await release()
  })

  function options(statementTimeoutMs?: number) {
    const timeout = statementTimeoutMs === undefined ? {} : { statementTimeoutMs }
    return { applicationName: 'fostream test', log: silentLog, ...timeout }
  }

  async function behindProxy(statementTimeoutMs?: number) {
    const proxy = await TcpProxy.start(url ?? '')
    releases.push(() => proxy.stop())
    const through = new URL(url ?? '')
    through.hostname = '127.0.0.1'
    through.port = String(proxy.port)
    const store = openStore({ kind: 'url', url: through.href }, options(statementTimeoutMs))
    releases.push(() => store.close())
    return { proxy, store }
  }

  it('hangs has its statements given up in time, each as a lost connection', async () => {
    const { proxy, store } = await behindProxy(TIMEOUT_MS)
    const client = await store.connect()
    await store.pool.query('SELECT 1')
    proxy.stall(true)
    const askedMs = performance.now()
    const [own, pooled] = await Promise.all([
      client.query('SELECT 1').then(() => undefined, classify),
      store.pool.query('SELECT 1').then(() => undefined, classify),
    ])
    expect(performance.now() - askedMs).toBeGreaterThan(TIMEOUT_MS - 50)
    expect(own).toMatchObject({ kind: 'connection', retryable: true })
    expect(pooled).toMatchObject({ kind: 'connection', retryable: true })
    await client.end()
    proxy.stall(false)
    expect((await store.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  it('is there behind connections that are forgotten gets new ones, however many readers hung', async () => {
    const { proxy, store } = await behindProxy(TIMEOUT_MS)
    const readers = () =>
      Promise.allSettled(Array.from({ length: 8 }, () => store.pool.query('SELECT pg_sleep(0.05)')))
    await readers()
    proxy.forget()
    const hung = await readers()
    expect(hung.filter(({ status }) => status === 'rejected')).not.toHaveLength(0)
    const after = await readers()
    expect(after.filter(({ status }) => status === 'rejected')).toEqual([])
  })

  it('may take its time with upkeep', async () => {
    const { store } = await behindProxy(TIMEOUT_MS)
    const sleep = `SELECT pg_sleep(${(1.5 * TIMEOUT_MS) / 1000})`
    await expect(store.pool.query(sleep)).rejects.toThrow(/timeout/)
    await store.upkeep.query(sleep)
    const client = await store.connectForUpkeep()
    await client.query(sleep)
    await client.end()
  })

  /** With tables of its own, which nobody has written to. */
  async function behindProxyWithTables(statementTimeoutMs?: number) {
    const { proxy, store } = await behindProxy(statementTimeoutMs)
    const client = await store.connectForUpkeep()
    await client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
    await migrate(client)
    await client.end()
    return { proxy, store }
  }

  function start(store: Store, log: MemoryLog): Ingest {
    const ingest = startIngest({
      ...ground,
      logs: new LogSet([log]),
      stores: barStore(store, 'bars'),
      partitions: 1,
      ownPartitions: [0],
      clock: systemClock,
      log: silentLog,
    })
    releases.push(() => ingest.stop())
    return ingest
  }

  const ground = {
    master: new InstrumentMaster(ALL),
    calendar: exchangeCalendar(),
    riskFreeRate: 0.065,
  }

  /** Another second of the market; every option trades. */
  function trade(log: MemoryLog, second: number): void {
    const atMs = OPEN_MS + second * 1_000
    log.append([
      packet(NIFTY, atMs, 24_500 + second / 10),
      ...OPTIONS.map((option, i) => packet(option, atMs, 60 + ((second * (i + 3)) % 45) / 20)),
      clockAt(atMs + 50),
    ])
  }

  it('is slow, a second a write, keeps its writer and its connection', {
    timeout: 240_000,
  }, async () => {
    const { proxy, store } = await behindProxyWithTables()
    const log = begun()
    const ingest = start(store, log)
    await until(() => log.committedTo.sequence === log.position.sequence)
    let second = 0
    trade(log, second++)
    await until(() => log.committedTo.sequence === log.position.sequence)
    const connections = proxy.connections
    const commits = ingest.counters.commits
    proxy.delay(SLOW_MS)
    trade(log, second++)
    while (ingest.counters.commits < commits + 3) {
      trade(log, second++)
      await until(() => log.committedTo.sequence === log.position.sequence)
    }
    proxy.delay(0)
    await until(() => log.committedTo.sequence === log.position.sequence)
    expect(ingest.writers[0]?.storeError).toBeNull()
    expect(proxy.connections).toBe(connections)
  })

  it('is lost behind a dead connection is written to over another, nothing twice and nothing lost', {
    timeout: 240_000,
  }, async () => {
    const { proxy, store } = await behindProxyWithTables(TIMEOUT_MS)
    const log = begun()
    const ingest = start(store, log)
    let second = 0
    for (let round = 0; round < ROUNDS; round++) {
      for (const untilSecond = second + 25; second < untilSecond; second++) trade(log, second)
      await until(() => log.committedTo.sequence === log.position.sequence)
      proxy.forget()
      trade(log, second++)
      await until(() => (ingest.writers[0]?.storeError ?? null) !== null)
    }
    log.append([clockAt(OPEN_MS + 2 * MINUTE_MS + 9_000)])
    await until(() => log.committedTo.sequence === log.position.sequence)
    const client = await store.connect()
    await until(async () => {
      const { rows } = await client.query('SELECT count(*)::int AS due FROM finalise_queue')
      return rows[0]?.due === 0
    })
    expect(ingest.counters.restarts).toBeGreaterThanOrEqual(ROUNDS)
    expect(
      await compareWithStore(client, referenceFold({ ...ground, batches: log.batches })),
    ).toEqual([])
    await client.end()
  })

  function begun(): MemoryLog {
    const log = new MemoryLog()
    log.startEpoch(100)
    log.append([...begins(ALL, OPEN_MS - 1_000), clockAt(OPEN_MS - 500)])
    return log
  }
})
