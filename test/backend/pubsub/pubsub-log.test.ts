import { Redis } from 'ioredis'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LogSet } from '../../../src/backend/ingest/log-set.ts'
import { type Ingest, startIngest } from '../../../src/backend/ingest/start-ingest.ts'
import { PubsubLog } from '../../../src/backend/pubsub/pubsub-log.ts'
import { channelsOf } from '../../../src/contract/channels.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { PUBSUB_RETAINED_MAX_BYTES } from '../../../src/limits.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { barStore } from '../../../src/postgres/bar-writer.ts'
import { openStore, type Store } from '../../../src/postgres/connection.ts'
import { migrate } from '../../../src/postgres/migrate.ts'
import { ChannelSubscriber } from '../../../src/redis/channel-subscriber.ts'
import { hasRedisServer, RedisServer } from '../../redis-server.ts'
import { postgresUrl } from '../../services.ts'
import { silentLog } from '../../silent-log.ts'
import { until } from '../../until.ts'
import { ALL, OPEN_MS } from '../scenario.ts'
import { foreignIndex, foreignOption } from './foreign-ticks.ts'

const url = await postgresUrl()
const channels = channelsOf('another:ticker')
const MINUTE_MS = 60_000

interface OptionRow {
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
  readonly oi: number
  readonly tick_count: number
  readonly complete: boolean | null
  readonly has_iv: boolean
}

describe.skipIf(url === undefined || !hasRedisServer)('ticks from Redis channels', () => {
  let server: RedisServer
  let publisher: Redis
  let store: Store
  let client: pg.Client
  let ticks: PubsubLog
  let subscriber: ChannelSubscriber
  let ingest: Ingest
  let connections = 0

  beforeAll(async () => {
    const log = silentLog
    store = openStore({ kind: 'url', url: url ?? '' }, { applicationName: 'fostream test', log })
    client = await store.connect()
    await migrate(client)
  })
  afterAll(async () => {
    await client?.end()
    await store?.close()
  })

  beforeEach(async () => {
    server = await RedisServer.start()
    await client.query(
      `TRUNCATE minute_bars, futures_bars, fo_option_strike_bars, fo_expiry_metrics,
       fo_strike_distribution, coverage, feed_gaps, stream_offsets, delivery_ledger, finalise_queue`,
    )
    connections = 0
    begin()
    await listening(1)
    publisher = openPublisher()
  })
  afterEach(async () => {
    publisher?.disconnect()
    await end()
    await server?.remove()
  })

  function begin(retainedMaxBytes?: number): void {
    const master = new InstrumentMaster(ALL)
    ticks = new PubsubLog({
      channels,
      feed: 'simulated',
      partitions: 1,
      master: () => master,
      clock: systemClock,
      log: silentLog,
      ...(retainedMaxBytes === undefined ? {} : { retainedMaxBytes }),
    })
    ingest = startIngest({
      logs: new LogSet([ticks]),
      stores: barStore(store, 'bars'),
      master,
      calendar: exchangeCalendar(),
      riskFreeRate: 0.065,
      partitions: 1,
      ownPartitions: [0],
      clock: systemClock,
      log: silentLog,
    })
    subscriber = new ChannelSubscriber({
      url: server.url,
      channels: ticks.channels,
      clock: systemClock,
      log: silentLog,
      random: Math.random,
      onMessage: (channel, text) => ticks.onMessage(channel, text),
      onUp: () => {
        connections++
        ticks.onUp()
      },
      onDown: () => ticks.onDown(),
    })
  }

  /** The channels are subscribed, and the writer has said where the store stands. */
  async function listening(times: number): Promise<void> {
    await until(() => connections === times && (ticks.head(0)?.epoch ?? 0) > 0)
  }

  async function end(): Promise<void> {
    subscriber?.close()
    ticks?.stop()
    await ingest?.stop()
  }

  function openPublisher(): Redis {
    const redis = new Redis(server.url)
    redis.on('error', () => undefined)
    return redis
  }

  /** The index and one call, `offsetMs` after the open. */
  async function publish(offsetMs: number, price: number, volume: number): Promise<void> {
    const atMs = OPEN_MS + offsetMs
    const when = { exchange_time_ms: atMs, received_at_ms: atMs }
    await publisher.publish(channels.underlying, JSON.stringify(foreignIndex(when)))
    const traded = { ltp: price, volume, last_trade_time_ms: atMs }
    const message = foreignOption({ ...when, ...traded })
    await publisher.publish(channels.options, JSON.stringify(message))
  }

  async function optionRows(): Promise<OptionRow[]> {
    const { rows } = await client.query<OptionRow>(
      `SELECT open, high, low, close, volume::int, oi::int, tick_count::int, complete,
              iv IS NOT NULL AS has_iv
       FROM fo_option_strike_bars ORDER BY bucket_time`,
    )
    return rows
  }

  async function count(sql: string): Promise<number> {
    const { rows } = await client.query<{ n: number }>(sql)
    return rows[0]?.n ?? 0
  }

  it('become bars with an IV of their own, and neither complete nor covered', async () => {
    await publish(1_000, 700, 650)
    await publish(30_000, 720, 1_300)
    await publish(59_000, 690, 1_950)
    await publish(MINUTE_MS + 1_000, 695, 2_600)
    await publish(2 * MINUTE_MS + 10_000, 700, 3_250)
    await until(async () => (await optionRows()).filter((row) => row.complete !== null).length > 1)
    const [first, second] = await optionRows()
    const common = { oi: 65_000, complete: false }
    expect(first).toMatchObject({ open: 700, high: 720, low: 690, close: 690, tick_count: 3 })
    expect(first).toMatchObject({ ...common, volume: 1_300 })
    expect(second).toMatchObject({ ...common, open: 695, close: 695, volume: 650, tick_count: 1 })
    expect(await count('SELECT count(*)::int AS n FROM coverage')).toBe(0)
    // 0.5 is what the publisher says of it.
    const { rows } = await client.query<{ iv: number | null; iv_reason: string | null }>(
      'SELECT iv, iv_reason FROM fo_option_strike_bars ORDER BY bucket_time LIMIT 1',
    )
    expect(rows[0]?.iv).not.toBe(0.5)
    expect((rows[0]?.iv === null) === (rows[0]?.iv_reason !== null)).toBe(true)
  })

  it('leave a minute without a packet without a row', async () => {
    await publish(1_000, 700, 650)
    await publish(3 * MINUTE_MS, 710, 1_300)
    await publish(4 * MINUTE_MS + 10_000, 710, 1_300)
    await until(async () => (await optionRows()).filter((row) => row.complete !== null).length > 1)
    expect(await optionRows()).toHaveLength(3)
  })

  it('are counted by reason where they are none, and the rest goes on', async () => {
    await publisher.publish(channels.options, 'no json')
    await publisher.publish(channels.futures, '{"instrument_token":"1"}')
    await publisher.publish(channels.options, JSON.stringify(foreignOption({ ltp: -5 })))
    const numbered = foreignOption({ epoch: 7, sequence: 3 })
    for (let i = 0; i < 3; i++) await publisher.publish(channels.options, JSON.stringify(numbered))
    await publish(1_000, 700, 650)
    await until(async () => (await optionRows()).length === 1)
    await until(() => ticks.totals.received === 8)
    const { rejected } = ticks.totals
    expect(rejected).toEqual({ not_json: 1, wrong_shape: 1, impossible: 1, duplicate: 2 })
    const books = `SELECT sum(received - journaled - rejected - dropped)::int AS off,
                          sum(rejected)::int AS rejected FROM delivery_ledger`
    await until(async () => {
      const { rows } = await client.query<{ off: number; rejected: number }>(books)
      return rows[0]?.rejected === 5 && rows[0].off === 0
    })
  })

  it('come again after Redis was killed, with the time away as a gap', async () => {
    await publish(1_000, 700, 650)
    await until(async () => (await optionRows()).length === 1)
    await server.kill()
    await until(() => subscriber.error !== null)
    await server.start()
    await listening(2)
    await publish(20_000, 705, 1_300)
    await until(async () => (await optionRows())[0]?.close === 705)
    const gap = `SELECT count(*)::int AS n FROM feed_gaps
                 WHERE reason = 'disconnect' AND status = 'closed'`
    await until(async () => (await count(gap)) === 1)
  })

  it('go on after a restart of the backend with what comes then', async () => {
    await publish(1_000, 700, 650)
    await until(async () => (await optionRows()).length === 1)
    await end()
    begin()
    await listening(2)
    await publish(MINUTE_MS + 1_000, 705, 1_300)
    await publish(2 * MINUTE_MS + 10_000, 705, 1_300)
    await until(async () => (await optionRows()).length >= 2)
    expect((await optionRows())[1]).toMatchObject({ open: 705, close: 705 })
  })

  it('of a burst are taken to the last one', { timeout: 240_000 }, async () => {
    const messages = 20_000
    const pipeline = publisher.pipeline()
    for (let i = 1; i <= messages; i++) {
      const tick = foreignOption({ ltp: 700, volume: i, epoch: 1, sequence: i })
      pipeline.publish(channels.options, JSON.stringify(tick))
    }
    await pipeline.exec()
    await until(async () => (await optionRows())[0]?.tick_count === messages, 90_000)
    expect(ticks.totals).toEqual({ received: messages, dropped: 0, rejected: {} })
    await until(() => ticks.retainedBytes === 0)
    expect(ticks.highWaterBytes).toBeGreaterThan(0)
    expect(ticks.highWaterBytes).toBeLessThanOrEqual(PUBSUB_RETAINED_MAX_BYTES)
  })

  it('are dropped and counted where the store has not taken what came before', async () => {
    await end()
    begin(50_000)
    await listening(2)
    await publish(1_000, 700, 650)
    await until(async () => (await optionRows()).length === 1)
    const blocker = await store.connect()
    await blocker.query('BEGIN; LOCK TABLE stream_offsets IN ACCESS EXCLUSIVE MODE')
    const pipeline = publisher.pipeline()
    for (let i = 0; i < 2_000; i++) {
      pipeline.publish(channels.options, JSON.stringify(foreignOption({ volume: 700 + i })))
    }
    await pipeline.exec()
    await until(() => ticks.totals.received === 2_002)
    expect(ticks.totals.dropped).toBeGreaterThan(0)
    expect(ticks.retainedBytes).toBeLessThan(60_000)
    await blocker.query('ROLLBACK')
    await blocker.end()
    await until(() => ticks.retainedBytes === 0)
    await publish(20_000, 705, 5_000)
    await until(async () => (await optionRows())[0]?.close === 705)
    const books = `SELECT sum(dropped)::int AS n FROM delivery_ledger
                   HAVING sum(received - journaled - rejected - dropped) = 0`
    await until(async () => (await count(books)) === ticks.totals.dropped)
  })
})
