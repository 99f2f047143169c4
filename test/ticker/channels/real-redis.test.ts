/** The whole way: a broker's socket, the ticker, Redis, and a subscriber of its own. */
import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ChannelTick } from '../../../src/contract/channels.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { openRedisBus } from '../../../src/redis/redis-bus.ts'
import { hasRedisServer, RedisServer } from '../../redis-server.ts'
import { redisUrl } from '../../services.ts'
import { silentLog } from '../../silent-log.ts'
import { frameOf, NIFTY, NIFTY_FUTURE, smallMaster } from '../support/contracts.ts'
import { onRelease, type Running, releaseAll, runTicker } from '../support/start-test-ticker.ts'
import { parsed } from './channels-under-test.ts'

const shared = await redisUrl()
const WITHIN = { timeout: 60_000, interval: 50 }
const TOKENS = smallMaster()
  .slice(0, 100)
  .map(({ token }) => token)
const FRAMES = 300
const FRAME_MS = 10

afterEach(releaseAll)

describe.skipIf(shared === undefined)('a subscriber on Redis', () => {
  const url = shared ?? ''

  it('gets every tick at 10,000 a second, in the order of the journal and without holes', async () => {
    const { running, metrics, prefix } = await run(url)
    const { heard } = await subscribe(url, prefix)
    await vi.waitFor(() => expect(listenersOf(running, prefix)).toBeGreaterThan(0), WITHIN)
    await sendFrames(running)
    const expected = FRAMES * TOKENS.length
    await vi.waitFor(
      async () => expect(heard.length + (await dropped(metrics))).toBe(expected),
      WITHIN,
    )
    expect(running.journal.ticks()).toHaveLength(expected)
    const ticks = heard.map(parsed)
    expect(new Set(ticks.map(({ epoch }) => epoch))).toEqual(new Set([running.journal.epoch]))
    expect(rises(ticks)).toBe(true)
    if (heard.length === expected) {
      expect(ticks.map(({ sequence }) => sequence)).toEqual(journalledSequences(running))
    }
  }, 240_000)
})

describe.skipIf(!hasRedisServer)('on a Redis of its own, a subscriber', () => {
  it('that goes is sent nothing more', async () => {
    const { url } = await startServer()
    const { running, prefix, metrics } = await run(url)
    const { client, heard } = await subscribe(url, prefix)
    await vi.waitFor(() => expect(listenersOf(running, prefix)).toBeGreaterThan(0), WITHIN)
    running.broker.peer.send(frameOf([NIFTY.token]))
    await vi.waitFor(() => expect(heard).toHaveLength(1), WITHIN)
    await client.unsubscribe(`${prefix}:underlying`, `${prefix}:options`, `${prefix}:futures`)
    await vi.waitFor(() => expect(listenersOf(running, prefix)).toBe(0), WITHIN)
    running.broker.peer.send(frameOf([NIFTY.token, NIFTY_FUTURE.token]))
    await vi.waitFor(() => expect(running.journal.ticks()).toHaveLength(3), WITHIN)
    expect(await total(metrics, 'fostream_channel_sent_total')).toBe(1)
  })

  it('hears ticks again after the server has died, and the journal misses none', async () => {
    const server = await startServer()
    const { running, prefix } = await run(server.url)
    const { heard } = await subscribe(server.url, prefix)
    await vi.waitFor(() => expect(listenersOf(running, prefix)).toBe(1), WITHIN)
    running.broker.peer.send(frameOf([NIFTY.token]))
    await vi.waitFor(() => expect(heard).toHaveLength(1), WITHIN)
    await server.kill()
    running.broker.peer.send(frameOf(TOKENS))
    await vi.waitFor(() => expect(listenersOf(running, prefix)).toBe(0), WITHIN)
    await vi.waitFor(() => expect(running.journal.ticks()).toHaveLength(1 + TOKENS.length), WITHIN)
    await server.start()
    await vi.waitFor(() => expect(listenersOf(running, prefix)).toBe(1), WITHIN)
    running.broker.peer.send(frameOf([NIFTY_FUTURE.token]))
    await vi.waitFor(() => expect(heard).toHaveLength(2), WITHIN)
    expect(heard.map((text) => parsed(text).tradingsymbol)).toEqual(['NIFTY 50', 'NIFTY26DECFUT'])
  }, 240_000)
})

async function startServer(): Promise<RedisServer> {
  const server = await RedisServer.start()
  onRelease(() => server.remove())
  return server
}

async function run(url: string) {
  const prefix = `test:${randomBytes(6).toString('hex')}`
  const metrics = new Metrics({ processDefaults: false })
  const bus = openRedisBus({ url, clock: systemClock, log: silentLog, random: () => 0.5 })
  onRelease(() => bus.close())
  const running = await runTicker({
    config: {
      redisChannelPrefix: prefix,
      tickChannels: { intervalMs: 0, riskFreeRate: 0.065 },
    },
    deps: { bus, metrics },
  })
  const instruments = TOKENS.map((token) => ({ instrument_token: token }))
  await running.ticker.subscriptions.subscribe({ instruments }, 'api', undefined)
  await vi.waitFor(() => {
    expect(TOKENS.every((token) => running.broker.carried().has(token))).toBe(true)
  }, WITHIN)
  return { running, metrics, prefix }
}

async function subscribe(url: string, prefix: string) {
  const client = new Redis(url, { retryStrategy: () => 100 })
  client.on('error', (error: Error) => silentLog.debug({ err: error }, 'Subscriber lost Redis'))
  onRelease(() => client.disconnect())
  const heard: string[] = []
  client.on('message', (_channel, text) => heard.push(text))
  await client.subscribe(`${prefix}:options`, `${prefix}:futures`, `${prefix}:underlying`)
  return { client, heard }
}

async function sendFrames({ broker }: Running): Promise<void> {
  for (let i = 0; i < FRAMES; i++) {
    broker.peer.send(frameOf(TOKENS, { lastPrice: 12_345 + i }))
    await new Promise<void>((resolve) => {
      systemClock.after(FRAME_MS, resolve)
    })
  }
}

function listenersOf({ ticker }: Running, prefix: string): number {
  return ticker.status().redis.listeners[`${prefix}:options`] ?? 0
}

function rises(ticks: readonly ChannelTick[]): boolean {
  return ticks.every(({ sequence }, i) => sequence > (ticks[i - 1]?.sequence ?? 0))
}

function journalledSequences({ journal }: Running): number[] {
  return journal.records().flatMap(({ kind }, i) => (kind === 'tick' ? [i + 1] : []))
}

function dropped(metrics: Metrics): Promise<number> {
  return total(metrics, 'fostream_channel_dropped_total')
}

async function total(metrics: Metrics, name: string): Promise<number> {
  const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith(`${name}{`))
  return lines.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0)
}
