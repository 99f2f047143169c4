/** The listener on a real Redis that is killed, started again and flooded, with its real log. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openEventSource } from '../../../src/compose/event-source.ts'
import { loadConfig } from '../../../src/config.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { createLog, type RoleLog } from '../../../src/kit/log.ts'
import { Releasers } from '../../../src/kit/releasers.ts'
import { hasRedisServer, RedisServer } from '../../redis-server.ts'
import { until } from '../../until.ts'
import { ListedTickers, listenerUnderTest } from './listener-under-test.ts'
import { row } from './subscription-rows.ts'

const BY_HAND =
  '{"event_type":"subscription_created","instrument_token":256265,"metadata":{"tradingsymbol":"NIFTY 50","segment":"INDICES"},"timestamp":1730462400}'
/** Events that a publisher hands over in one go. */
const GROUP = 500
const LONG = { timeout: 240_000 }

describe.skipIf(!hasRedisServer)('the listener on Redis', () => {
  let releasers: Releasers
  let redis: RedisServer
  let folder: string
  let prefix: string
  let log: RoleLog

  beforeEach(async () => {
    releasers = new Releasers()
    redis = await RedisServer.start()
    releasers.push('redis', () => redis.remove())
    folder = mkdtempSync(join(tmpdir(), 'fostream-listener-'))
    releasers.push('folder', () => rmSync(folder, { recursive: true }))
    prefix = `test:${randomBytes(4).toString('hex')}`
    log = createLog({
      role: 'backend',
      folder,
      level: 'info',
      terminal: undefined,
      nowMs: systemClock.nowMs,
    })
    releasers.push('log', () => log.close())
  })
  afterEach(() => releasers.release())

  function started(tickers = new ListedTickers()) {
    const settings = { REDIS_URL: redis.url, REDIS_CHANNEL_PREFIX: prefix }
    const { config } = loadConfig([], settings, () => undefined)
    const source = openEventSource(config, undefined, systemClock, log, releasers)
    const made = listenerUnderTest({ source, tickers, log })
    releasers.push('listener', () => made.listener.stop())
    made.listener.start()
    return { ...made, tickers }
  }

  async function publisher(): Promise<Redis> {
    // What cannot be published now is lost, as it is to any publisher who does not keep it.
    const client = new Redis(redis.url, { enableOfflineQueue: false, maxRetriesPerRequest: 0 })
    client.on('error', () => undefined)
    releasers.push('publisher', () => client.disconnect())
    await until(() => client.status === 'ready')
    return client
  }

  /** Whether they arrive or not. */
  async function publish(client: Redis, tokens: readonly number[]): Promise<void> {
    for (let at = 0; at < tokens.length; at += GROUP) {
      const pipeline = client.pipeline()
      for (const token of tokens.slice(at, at + GROUP)) {
        pipeline.publish(`${prefix}:events`, eventOf(token))
      }
      await pipeline.exec()
    }
  }

  /** The pipeline of everyday use, in the hour of the log's newest line. */
  function counted(text: string): number {
    const command = `grep "${text}" backend.log | grep "$(date -u '+%Y-%m-%d %H')" | wc -l`
    return Number(execFileSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' }))
  }

  function said(): string[] {
    const lines = readFileSync(join(folder, 'backend.log'), 'utf8').trimEnd().split('\n')
    return lines.map((line) => (JSON.parse(line) as { msg: string }).msg)
  }

  it('acts on an event that a person publishes, and its log can be counted', LONG, async () => {
    const { listener, noted, metrics } = started()
    await until(() => listener.status().error === null)
    const client = await publisher()
    const began = hour()
    expect(await client.publish(`${prefix}:events`, BY_HAND)).toBe(1)
    await client.publish(`${prefix}:events`, 'not JSON')
    await client.publish(`${prefix}:events`, '{"event_type":"order_placed"}')
    await until(() => listener.status().processed === 1 && listener.status().failed === 2)
    expect(noted.backfilled).toEqual([256_265])
    const [first, connected, subscribed, ...lines] = said()
    expect([first, connected, subscribed]).toEqual([
      'Subscription event listener started',
      'Redis connected',
      `Subscribed to ticker service events: ${prefix}:events`,
    ])
    expect(lines.sort()).toEqual([
      'Failed to parse subscription event',
      'Received subscription event: subscription_created for token 256265',
      'Subscription created: NIFTY 50 (token: 256265), triggering immediate backfill',
      'Unknown event type: order_placed',
    ])
    const texts = ['Received subscription event', 'Subscription created', 'Failed to parse']
    const counts = texts.map(counted)
    // The lines of one hour are not counted in the next.
    if (hour() === began) expect(counts).toEqual([1, 1, 1])
    expect(await metrics.text()).toContain('fostream_events_failed_total{reason="not_json"} 1')
    await listener.stop()
    expect(said().at(-1)).toBe('Subscription event listener stopped')
  })

  it.each([5_000, 10_000])('loses none of %i events in a burst, in order', LONG, async (count) => {
    const { listener, noted, isBalanced } = started()
    await until(() => listener.status().error === null)
    const tokens = Array.from({ length: count }, (_, i) => i + 1)
    await publish(await publisher(), tokens)
    await until(() => listener.status().processed === count, 90_000)
    expect(noted.backfilled).toEqual(tokens)
    expect(listener.status()).toMatchObject({ received: count, failed: 0, repeated: 0 })
    expect(isBalanced()).toBe(true)
  })

  it('finds what it missed while Redis was killed in mid-burst', LONG, async () => {
    const { listener, noted, tickers, isBalanced } = started()
    await until(() => listener.status().error === null)
    const tokens = Array.from({ length: 6_000 }, (_, i) => i + 1)
    // The ticker has stored what it says before it says it.
    tickers.rows = tokens.map((token) => row(token))
    const client = await publisher()
    await publish(client, tokens.slice(0, 2_000))
    const cutOff = publish(client, tokens.slice(2_000, 5_000))
    await Promise.all([redis.kill(), cutOff])
    await publish(client, tokens.slice(5_000))
    await until(() => listener.status().error !== null)
    expect(listener.status().received).toBeLessThan(6_000)
    await redis.start()
    await until(() => new Set(noted.backfilled).size === 6_000, 90_000)
    await until(() => said().filter((each) => each.startsWith('Subscribed to')).length === 2)
    expect(isBalanced()).toBe(true)
    await until(() => client.status === 'ready')
    await client.publish(`${prefix}:events`, eventOf(7_000))
    await until(() => noted.backfilled.includes(7_000))
    const lines = said()
    expect(lines.filter((each) => each === 'Subscription event listener error')).toHaveLength(1)
    expect(lines).toEqual(expect.arrayContaining(['Redis lost', 'Redis is back']))
  })

  it('hears nothing while it is switched off, and misses nothing by it', LONG, async () => {
    const { listener, noted, flags, tickers } = started()
    await until(() => listener.status().error === null)
    const client = await publisher()
    flags.set('subscription_events_enabled', false)
    await until(async () => (await client.publish(`${prefix}:events`, eventOf(1))) === 0)
    tickers.rows = [row(1), row(2)]
    await client.publish(`${prefix}:events`, eventOf(2))
    flags.set('subscription_events_enabled', true)
    await until(() => new Set(noted.backfilled).size === 2)
    await until(async () => (await client.publish(`${prefix}:events`, eventOf(3))) === 1)
    await until(() => noted.backfilled.includes(3))
  })

  it('starts without Redis and hears it when it comes', LONG, async () => {
    await redis.kill()
    const tickers = new ListedTickers()
    tickers.rows = [row(1)]
    const { listener, noted } = started(tickers)
    await until(() => noted.backfilled.length === 1)
    expect(listener.status()).toMatchObject({ listener: 'running', source: 'redis' })
    await until(() => listener.status().error?.includes('ECONNREFUSED') === true)
    await redis.start()
    await until(() => listener.status().error === null)
    await (await publisher()).publish(`${prefix}:events`, eventOf(2))
    await until(() => noted.backfilled.includes(2))
  })
})

function hour(): string {
  return new Date().toISOString().slice(0, 13)
}

function eventOf(token: number): string {
  const { tradingsymbol, segment, exchange, symbol } = row(token)
  return JSON.stringify({
    event_id: `1795405200-${token}`,
    event_type: 'subscription_created',
    instrument_token: token,
    metadata: { tradingsymbol, segment, exchange, symbol },
    timestamp: 1_795_405_200,
  })
}
