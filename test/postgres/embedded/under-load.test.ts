/**
 * The writer of bars on the embedded store, while programs of other people do there what they like and
 * while the store looks after itself: what is stored is what the log says, and nobody waits for long.
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LogSet } from '../../../src/backend/ingest/log-set.ts'
import { type Ingest, startIngest } from '../../../src/backend/ingest/start-ingest.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import {
  EMBEDDED_CHECKPOINT_WAL_BYTES,
  EMBEDDED_OUTSIDE_HOLD_MS,
  EMBEDDED_TCP_CLIENTS,
} from '../../../src/limits.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { MINUTE_MS } from '../../../src/market/ist.ts'
import { barStore } from '../../../src/postgres/bar-writer.ts'
import { openStore, type Store } from '../../../src/postgres/connection.ts'
import type { EmbeddedStore } from '../../../src/postgres/embedded/open-embedded.ts'
import { migrate } from '../../../src/postgres/migrate.ts'
import { referenceFold } from '../../../src/verify/reference-fold/reference-fold.ts'
import {
  ALL,
  begins,
  clockAt,
  MemoryLog,
  NIFTY,
  OPEN_MS,
  OPTIONS,
  packet,
} from '../../backend/scenario.ts'
import { silentLog } from '../../silent-log.ts'
import { until } from '../../until.ts'
import { compareWithStore } from '../../verify/whole-store.ts'
import { type Compiled, compiledEmbedded, type LogLine } from './compiled.ts'

const compiled = await compiledEmbedded()

const ground = {
  master: new InstrumentMaster(ALL),
  calendar: exchangeCalendar(),
  riskFreeRate: 0.065,
}

/** What a commit may wait for others: one of theirs, one of another's meanwhile, and two busy cores. */
const WAIT_MS = 2 * EMBEDDED_OUTSIDE_HOLD_MS + 5_000

describe.skipIf(compiled === undefined)('the writer on the embedded store', () => {
  const { open } = (compiled ?? {}) as Compiled
  let embedded: EmbeddedStore
  let lines: LogLine[]
  let store: Store
  let log: MemoryLog
  let ingest: Ingest
  let second: number

  beforeEach(async () => {
    ;({ store: embedded, lines } = await open({ tcpPort: 0 }))
    const target = { kind: 'embedded', store: embedded } as const
    store = openStore(target, { applicationName: 'fostream test', log: silentLog })
    const client = await store.connectForUpkeep()
    await migrate(client)
    await client.end()
    log = new MemoryLog()
    second = 0
    log.startEpoch(100)
    log.append([...begins(ALL, OPEN_MS - 1_000), clockAt(OPEN_MS - 500)])
    ingest = startIngest({
      ...ground,
      logs: new LogSet([log]),
      stores: barStore(store, 'bars'),
      partitions: 1,
      ownPartitions: [0],
      clock: systemClock,
      log: silentLog,
    })
  })
  afterEach(async () => {
    await ingest?.stop()
    await store?.close()
  })

  /** Another second of the market, in which every option trades. */
  function trade(): void {
    const atMs = OPEN_MS + second++ * 1_000
    log.append([
      packet(NIFTY, atMs, 24_500 + (second % 70) / 10),
      ...OPTIONS.map((option, i) => packet(option, atMs, 60 + ((second * (i + 3)) % 45) / 20)),
      clockAt(atMs + 50),
    ])
  }

  const committed = () => log.committedTo.sequence === log.position.sequence

  /** Trades on until `isOver`, and returns the longest that a second of it took to be committed. */
  async function tradeUntil(isOver: () => boolean | Promise<boolean>): Promise<number> {
    let longestMs = 0
    while (!(await isOver())) {
      const atMs = performance.now()
      trade()
      await until(committed, 90_000)
      longestMs = Math.max(longestMs, performance.now() - atMs)
    }
    return longestMs
  }

  async function differences(): Promise<string[]> {
    log.append([clockAt(OPEN_MS + (Math.ceil(second / 60) + 1) * MINUTE_MS + 9_000)])
    const client = await store.connect()
    await until(async () => {
      const { rows } = await client.query('SELECT count(*)::int AS due FROM finalise_queue')
      return committed() && rows[0]?.due === 0
    }, 90_000)
    try {
      return await compareWithStore(client, referenceFold({ ...ground, batches: log.batches }))
    } finally {
      await client.end()
    }
  }

  it('goes on beside ten programs that do what they like, and none of it is misdirected', {
    timeout: 240_000,
  }, async () => {
    await tradeUntil(() => second > 3)
    const habits: readonly (readonly string[])[] = [
      ['BEGIN', 'LOCK TABLE fo_option_strike_bars', 'SELECT pg_sleep(0.2)', 'COMMIT'],
      ['BEGIN', 'SELECT count(*) FROM stream_offsets', ...Array(40).fill('SELECT pg_sleep(0.5)')],
      ['SET search_path = pg_catalog', 'SELECT 1'],
      ['COPY fo_option_strike_bars FROM STDIN'],
      ['CREATE TEMP TABLE stream_offsets (n int)', 'CREATE TEMP TABLE minute_bars (n int)'],
      ['SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 2000) AS n'],
      ["SET synchronous_commit = off; SET timezone = 'UTC'", 'SELECT count(*) FROM minute_bars'],
      ['BEGIN', 'UPDATE stream_offsets SET updated_at = now()', 'SELECT 1/0', 'ROLLBACK'],
      ['SELECT * FROM fo_option_strike_bars, generate_series(1, 200)'],
      ['SET statement_timeout = 1', 'SET lock_timeout = 1', 'SET row_security = off'],
    ]
    let isOver = false
    // No more than some are let in at once, and all of them have their turn.
    expect(habits.length).toBeGreaterThan(EMBEDDED_TCP_CLIENTS)
    const ran = habits.map(() => 0)
    const programs = habits.map((statements, i) =>
      program(
        statements,
        () => isOver,
        () => {
          ran[i] = (ran[i] ?? 0) + 1
        },
      ),
    )
    const fromMs = performance.now()
    const longestMs = await tradeUntil(() => {
      return performance.now() - fromMs > 10_000 && ran.every((statements) => statements > 0)
    })
    isOver = true
    await Promise.all(programs)
    expect(longestMs).toBeLessThan(WAIT_MS)
    expect(await differences()).toEqual([])
    expect(lines).toEqual([])
    const left = await store.pool.query(
      'SELECT count(*)::int AS n FROM pg_locks WHERE locktype = $1',
      ['advisory'],
    )
    expect(left.rows).toEqual([{ n: 0 }])
  })

  /** Connects, runs the statements with the names that ours have, and again; tells of each answer. */
  async function program(
    statements: readonly string[],
    isOver: () => boolean,
    onAnswer: () => void,
  ): Promise<void> {
    while (!isOver()) {
      const client = new pg.Client({
        host: '127.0.0.1',
        port: embedded.tcpPort ?? 0,
        user: 'postgres',
      })
      client.on('error', () => undefined)
      const [connected] = await Promise.allSettled([client.connect()])
      if (connected.status === 'rejected') {
        await new Promise((resolve) => setTimeout(resolve, 20))
        continue
      }
      for (const [i, text] of statements.entries()) {
        const [{ status }] = await Promise.allSettled([
          client.query({ name: `guarded_${i + 1}`, text }),
        ])
        // A refusal is an answer too.
        if (status === 'fulfilled' || !isOver()) onAnswer()
      }
      await client.end().catch(() => undefined)
    }
  }

  it('goes on while the store is checkpointed and vacuumed, and neither log nor dead rows pile up', {
    timeout: 240_000,
  }, async () => {
    const client = await store.connectForUpkeep()
    await client.query('CREATE TABLE churn (n int PRIMARY KEY, t text)')
    await client.query(
      "INSERT INTO churn SELECT n, repeat('x', 1000) FROM generate_series(1, 4000) n",
    )
    const written = async () => {
      const { rows } = await client.query(
        "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 AS b",
      )
      return rows[0].b as number
    }
    const checkpointed = async () => {
      const { rows } = await client.query(
        "SELECT (checkpoint_lsn - '0/0'::pg_lsn)::float8 AS b FROM pg_control_checkpoint()",
      )
      return rows[0].b as number
    }
    const size = async () => {
      const { rows } = await client.query("SELECT pg_relation_size('churn')::float8 AS b")
      return rows[0].b as number
    }
    const firstSize = await size()
    const fromBytes = await written()
    const checkpoint = await checkpointed()
    await tradeUntil(async () => {
      await client.query('UPDATE churn SET t = reverse(t), n = n + 4000')
      await client.query('UPDATE churn SET t = reverse(t), n = n - 4000')
      await client.query('VACUUM churn')
      return (await written()) - fromBytes > EMBEDDED_CHECKPOINT_WAL_BYTES
    })
    // Nobody asks for it: the store's own thread looks now and then, and finds the engine free.
    const longestMs = await tradeUntil(async () => (await checkpointed()) > checkpoint)
    expect(longestMs).toBeLessThan(WAIT_MS)
    expect(await logBytes(embedded.dataDir)).toBeLessThan(3 * EMBEDDED_CHECKPOINT_WAL_BYTES)
    expect(await size()).toBeLessThan(4 * firstSize)
    const vacuum = store.maintain()
    let isVacuumed = false
    void vacuum.then(() => {
      isVacuumed = true
    })
    expect(await tradeUntil(() => isVacuumed)).toBeLessThan(WAIT_MS)
    await vacuum
    const { rows } = await client.query(
      "SELECT count(*)::int AS n FROM pg_class WHERE relkind = 'r' AND reltuples < 0",
    )
    expect(rows).toEqual([{ n: 0 }])
    await client.query('DROP TABLE churn')
    await client.end()
    expect(await differences()).toEqual([])
    expect(lines).toEqual([])
  })
})

async function logBytes(dataDir: string): Promise<number> {
  const folder = join(dataDir, 'cluster/pg_wal')
  const names = (await readdir(folder)).filter((name) => /^[0-9A-F]{24}$/.test(name))
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        // Recycled meanwhile.
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
