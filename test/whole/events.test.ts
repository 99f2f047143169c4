/** Lifecycle events on the running platform: from its own ticker, by hand, through outages and switches. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackendStatus } from '../../src/contract/api/backend-status.ts'
import type { Marks } from '../../src/contract/api/marks.ts'
import { hasRedisServer, RedisServer } from '../redis-server.ts'
import { until } from '../until.ts'
import { type Platform, platform } from './platform.ts'

const BY_HAND =
  '{"event_type":"subscription_created","instrument_token":256265,"metadata":{"tradingsymbol":"NIFTY 50","segment":"INDICES"},"timestamp":1730462400}'
const WITHIN_MS = 90_000

interface Listed {
  readonly instrument_token: number
  readonly tradingsymbol: string
}

describe.skipIf(!hasRedisServer)('lifecycle events on the running platform', () => {
  let redis: RedisServer
  let running: Platform
  /** Contracts that nobody else subscribes. */
  let contracts: Listed[]

  beforeAll(async () => {
    redis = await RedisServer.start()
    running = await platform({ REDIS_URL: redis.url, SMART_SUBSCRIPTION_ENABLED: 'false' })
    await running.start()
    await until(async () => {
      const path = '/instruments?symbol=SENSEX&segment=BFO-FUT'
      const found = await fetch(`${running.tickerUrl}${path}`)
      contracts = (await found.json()) as Listed[]
      return contracts.length > 2
    }, 90_000)
  }, 240_000)
  afterAll(async () => {
    await running?.dispose()
    await redis?.remove()
  })

  const contract = (at: number): Listed => {
    const found = contracts[at]
    if (found === undefined) throw new Error(`there are ${contracts.length} contracts`)
    return found
  }

  function said(): string[] {
    const text = readFileSync(join(running.dataDir, 'logs', 'backend.log'), 'utf8')
    const lines = text.split('\n').filter((line) => line.endsWith('}'))
    return lines.map((line) => (JSON.parse(line) as { msg: string }).msg)
  }

  async function saysNow(line: string): Promise<void> {
    await until(() => said().includes(line), WITHIN_MS)
  }

  async function status(): Promise<BackendStatus> {
    return (await (await fetch(`${running.backendUrl}/status`)).json()) as BackendStatus
  }

  async function subscribe({ instrument_token }: Listed): Promise<void> {
    const answer = await fetch(`${running.tickerUrl}/subscriptions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ instrument_token }),
    })
    expect(answer.status).toBe(201)
  }

  const createdLine = ({ tradingsymbol, instrument_token }: Listed) =>
    `Subscription created: ${tradingsymbol} (token: ${instrument_token}), triggering immediate backfill`

  it('bring the history of what is subscribed', { timeout: 240_000 }, async () => {
    const wanted = contract(0)
    await subscribe(wanted)
    await saysNow(createdLine(wanted))
    expect(said()).toContain(
      `Received subscription event: subscription_created for token ${wanted.instrument_token}`,
    )
    const { bus, events } = await status()
    expect(bus).toEqual({ kind: 'redis', status: 'up', error: null })
    expect(events).toMatchObject({ listener: 'running', source: 'redis', failed: 0, error: null })
    expect(events.received).toBe(events.processed + events.repeated + events.waiting)
  })

  it('are taken from whoever publishes them', { timeout: 240_000 }, async () => {
    const client = new Redis(redis.url)
    const before = (await status()).events.processed
    expect(await client.publish('ticker:nifty:events', BY_HAND)).toBe(1)
    client.disconnect()
    await saysNow('Subscription created: NIFTY 50 (token: 256265), triggering immediate backfill')
    await until(async () => (await status()).events.processed > before)
    const page = await (await fetch(`${running.backendUrl}/metrics`)).text()
    expect(page).toMatch(/^fostream_listener_running 1$/m)
    expect(page).toMatch(/^fostream_redis_up 1$/m)
    expect(page).toMatch(/^fostream_database_up 1$/m)
    expect(page).toMatch(/^fostream_store_jobs_high_water [1-9]/m)
    expect(page).toMatch(/^fostream_api_reads_high_water \d/m)
    expect(page).toMatch(/^fostream_event_latency_seconds_count [1-9]/m)
  })

  it('of an end leave the last price, marked as stale', { timeout: 240_000 }, async () => {
    const { instrument_token: token, tradingsymbol } = contract(0)
    const marks = async () => {
      const path = `/marks/latest?symbols=${tradingsymbol}`
      return ((await (await fetch(`${running.backendUrl}${path}`)).json()) as Marks).marks[0]
    }
    await until(async () => (await marks())?.ltp != null, WITHIN_MS)
    await fetch(`${running.tickerUrl}/subscriptions/${token}?force=true`, { method: 'DELETE' })
    await saysNow(`Subscription deleted: ${tradingsymbol} (token: ${token})`)
    const mark = await marks()
    expect(mark?.stale).toBe(true)
    expect(mark?.ltp).toBeGreaterThan(0)
  })

  it('that come while the listener is off are made good when it is on', async () => {
    const wanted = contract(1)
    await switchTo("'false'")
    await saysNow('Subscription event listener disabled')
    await subscribe(wanted)
    expect((await status()).events.listener).toBe('disabled')
    await switchTo('NULL')
    await saysNow(createdLine(wanted))
    expect(said()).not.toContain(
      `Received subscription event: subscription_created for token ${wanted.instrument_token}`,
    )
  }, 240_000)

  it('of the time without Redis come afterwards, or the list has them', async () => {
    const wanted = contract(2)
    await redis.kill()
    await until(async () => (await status()).bus.status === 'down')
    const health = (await (await fetch(`${running.backendUrl}/health`)).json()) as object
    expect(health).toMatchObject({ status: 'degraded' })
    await subscribe(wanted)
    await redis.start()
    await saysNow(createdLine(wanted))
    await until(async () => (await status()).bus.status === 'up')
  }, 240_000)

  it('are heard to the end: the last line says that the listener stopped', async () => {
    // Whether the rest is written in time depends on the machine.
    await running.stop()
    expect(said()).toContain('Subscription event listener stopped')
  }, 240_000)

  /** As a person does it. */
  async function switchTo(value: string): Promise<void> {
    const client = new pg.Client({
      connectionString: `postgresql://postgres@127.0.0.1:${running.ports.database}/postgres`,
    })
    await client.connect()
    await client.query(
      `UPDATE system_config SET value=${value} WHERE key='subscription_events_enabled'`,
    )
    await client.end()
  }
})
