/**
 * Our own ticker as the publisher, and a backend that knows nothing but its Redis channels: the bars
 * are those of the journal, but for what only the journal can claim.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { valueTypes } from '../../src/postgres/value-types.ts'
import { freePort } from '../free-port.ts'
import { hasRedisServer, RedisServer } from '../redis-server.ts'
import { postgresUrl } from '../services.ts'
import { until } from '../until.ts'
import { openBuiltStore } from './built-store.ts'
import { isLive } from './live-chain.ts'
import { FEED_ALONE, type Platform, platform } from './platform.ts'

const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
/** Slow enough that a busy machine holds no packet up for 5 s of market time: it would count in another minute. */
const SPEED = 8
/** Minutes that both have seen from their first second to their last. */
const MINUTES = 2
const BARS = `SELECT tradingsymbol, bucket_time, open, high, low, close, volume, oi, tick_count
              FROM fo_option_strike_bars
              WHERE complete IS NOT NULL AND tick_count > 0 ORDER BY bucket_time, tradingsymbol`

const databaseUrl = await postgresUrl()

describe.skipIf(databaseUrl === undefined || !hasRedisServer)('a backend behind Redis', () => {
  let redis: RedisServer
  let ticker: Platform
  let backend: ChildProcess
  let client: pg.Client

  beforeAll(async () => {
    redis = await RedisServer.start()
    ticker = await platform({ ...FEED_ALONE, EXCHANGE_SPEED: String(SPEED), REDIS_URL: redis.url })
    await ticker.start()
  })
  afterAll(async () => {
    await client?.end()
    backend?.kill('SIGKILL')
    await ticker?.dispose()
    await redis?.remove()
  })

  function startBackend(port: number): ChildProcess {
    return spawn(process.execPath, [PROGRAM, 'backend'], {
      cwd: ticker.dataDir,
      env: {
        PATH: process.env['PATH'],
        ...FEED_ALONE,
        FOSTREAM_DATA_DIR: `${ticker.dataDir}/behind`,
        DATABASE_URL: databaseUrl,
        REDIS_URL: redis.url,
        TICK_SOURCE: 'pubsub',
        // Nobody answers here: there is no ticker to ask.
        TICKER_SERVICE_URL: 'http://127.0.0.1:9',
        BACKEND_PORT: String(port),
      },
      stdio: 'ignore',
    })
  }

  it('stores the same bars, claims nothing and says what it is', { timeout: 240_000 }, async () => {
    await until(() => isLive(ticker), 90_000)
    const port = await freePort()
    backend = startBackend(port)
    const url = `http://127.0.0.1:${port}`
    client = new pg.Client({ connectionString: databaseUrl, types: valueTypes })
    await client.connect()
    const closed = async () => {
      const { rows } = await client.query<{ bucket_time: number }>(
        'SELECT DISTINCT bucket_time FROM fo_expiry_metrics WHERE complete IS NOT NULL ORDER BY 1',
      )
      return rows.map(({ bucket_time }) => bucket_time)
    }
    await until(async () => (await closed().catch(() => [])).length > MINUTES + 1, 90_000)
    // The minute in which it began to listen is not whole.
    const minutes = (await closed()).slice(1, MINUTES + 1)

    const status = (await (await fetch(`${url}/status`)).json()) as { tick_source: string }
    expect(status.tick_source).toBe('pubsub')
    const proxied = await fetch(`${url}/subscriptions`)
    expect(proxied.status).toBe(503)
    const claims = await client.query('SELECT 1 FROM coverage')
    expect(claims.rows).toEqual([])
    const complete = await client.query('SELECT 1 FROM fo_option_strike_bars WHERE complete')
    expect(complete.rows).toEqual([])

    const isWhole = ({ bucket_time }: { bucket_time: number }) => minutes.includes(bucket_time)
    const heard = (await client.query<{ bucket_time: number }>(BARS)).rows.filter(isWhole)
    expect(await ticker.stop()).toBe(0)
    const store = await openBuiltStore(`${ticker.dataDir}/simulated/store`)
    const journalled = (await store.client.query<{ bucket_time: number }>(BARS)).rows
    await store.close()
    expect(heard.length).toBeGreaterThan(20)
    expect(heard).toEqual(journalled.filter(isWhole))
  })
})
