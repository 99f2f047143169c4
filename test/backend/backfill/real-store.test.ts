/** Backfill on PostgreSQL itself, over a connection that is cut, refused and stalled. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MINUTE_MS, msOfIst } from '../../../src/market/ist.ts'
import { createBackfillStore } from '../../../src/postgres/backfill-store.ts'
import { classify } from '../../../src/postgres/classify-error.ts'
import { openStore, type Store } from '../../../src/postgres/connection.ts'
import { migrate } from '../../../src/postgres/migrate.ts'
import { postgresUrl } from '../../services.ts'
import { TcpProxy } from '../../tcp-proxy.ts'
import { until } from '../../until.ts'
import { ALL } from '../scenario.ts'
import { FakeWriter, MemoryStore, World } from './backfill-world.ts'

const NOON = msOfIst('2026-11-20', '12:00')
const quiet = { warn: () => undefined }
const url = await postgresUrl()

describe.skipIf(url === undefined)('backfill on PostgreSQL', () => {
  let direct: Store
  let proxied: Store
  let proxy: TcpProxy

  beforeAll(async () => {
    direct = openStore({ kind: 'url', url: url ?? '' }, { applicationName: 'test', log: quiet })
    const client = await direct.connect()
    await migrate(client)
    await client.end()
    proxy = await TcpProxy.start(url ?? '')
    const through = new URL(url ?? '')
    through.host = `127.0.0.1:${proxy.port}`
    proxied = openStore({ kind: 'url', url: through.href }, { applicationName: 'test', log: quiet })
  })
  afterAll(async () => {
    await proxied.close()
    await direct.close()
    await proxy.stop()
  })

  /** Candles become coverage in the database at once, as the writer's commit would have it. */
  class CoveringWriter extends FakeWriter {
    override write = async (batch: Parameters<FakeWriter['write']>[0]) => {
      this.batches.push(batch)
      const { exchange, tradingsymbol } = batch.instrument
      for (const { minuteMs } of batch.candles) {
        await direct.pool.query(
          `INSERT INTO coverage VALUES ($1, $2, $3, $4, 'broker') ON CONFLICT DO NOTHING`,
          [exchange, tradingsymbol, new Date(minuteMs), new Date(minuteMs + MINUTE_MS)],
        )
      }
      return { written: batch.candles.length, tooEarly: [], kept: 0 }
    }
  }

  function world(): { readonly world: World; readonly writer: CoveringWriter } {
    const made = new World(NOON + 16_000)
    made.lookbackMinutes = 10
    return { world: made, writer: new CoveringWriter(new MemoryStore()) }
  }

  const statuses = async () => {
    const { rows } = await direct.pool.query<{ status: string; jobs: number }>(
      `SELECT status, count(*)::int AS jobs FROM backfill_jobs WHERE kind = 'immediate' GROUP BY status`,
    )
    return Object.fromEntries(rows.map(({ status, jobs }) => [status, jobs]))
  }

  it('loses no job and asks for nothing twice while the connection is cut and the process dies', async () => {
    for (const { exchange, tradingsymbol } of ALL) {
      await direct.pool.query(
        `INSERT INTO coverage VALUES ($1, $2, $3, 'infinity', 'live', 'full')`,
        [exchange, tradingsymbol, new Date(NOON)],
      )
    }
    const isStoreAway = (error: unknown) => classify(error).retryable
    const first = world()
    const killed = first.world.manager({
      store: createBackfillStore(proxied.pool),
      writer: first.writer,
      isStoreAway,
    })
    killed.start()
    proxy.refuse(true)
    for (const { token } of ALL) killed.backfillInstrumentImmediate(token)
    await first.world.pass(2_000, 500)
    expect(first.world.ticker.asked).toEqual([])
    proxy.refuse(false)
    // Some of them come through, the connection is lost again, and then the process is no more.
    let answers = 5
    const { history } = first.world.ticker
    first.world.ticker.history = (...asked) =>
      answers-- > 0 ? history(...asked) : new Promise(() => undefined)
    await until(async () => {
      await first.world.pass(500, 100)
      return first.writer.batches.length === 5
    }, 30_000)
    proxy.cut()
    await until(async () => {
      await first.world.pass(500, 100)
      return (await statuses())['done'] === 5
    }, 30_000)

    const second = world()
    const manager = second.world.manager({
      store: createBackfillStore(proxied.pool),
      writer: second.writer,
      isStoreAway,
    })
    manager.start()
    for (const { token } of ALL) manager.backfillInstrumentImmediate(token)
    await until(async () => {
      await second.world.pass(1_000, 200)
      const { queued = 0, running = 0 } = await statuses()
      return queued + running === 0 && manager.queue().waiting === 0
    }, 60_000)
    const { rows } = await direct.pool.query<{ minutes: number; names: number }>(
      `SELECT count(*)::int AS minutes, count(DISTINCT tradingsymbol)::int AS names
       FROM coverage WHERE source = 'broker'`,
    )
    expect(rows).toEqual([{ minutes: ALL.length * 10, names: ALL.length }])
    const written = [...first.writer.batches, ...second.writer.batches].flatMap((batch) =>
      batch.candles.map(({ minuteMs }) => `${batch.instrument.tradingsymbol} ${minuteMs}`),
    )
    expect(second.writer.batches).toHaveLength(ALL.length - 5)
    expect(new Set(written).size).toBe(written.length)
    await manager.stop()
  }, 120_000)
})
