import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { LifecycleEvent } from '../../../src/contract/events.ts'
import { frameOf, option, sensexOption, VIX } from '../support/contracts.ts'
import { MemoryBus } from '../support/memory-bus.ts'
import { MemorySubscriptionStore } from '../support/memory-stores.ts'
import {
  type Running,
  releaseAll,
  request,
  runTicker,
  temporaryFolder,
} from '../support/start-test-ticker.ts'

const A = option(24_500, 'CE')
/** Their underlyings are in different partitions. */
const SPREAD = [A, VIX, sensexOption(80_000, 'CE')].map(({ token }) => token)
const PARTITIONS = [0, 1, 2, 3]
const WITHIN = { timeout: 60_000, interval: 10 }

afterEach(releaseAll)

describe("the ticker's events on the bus", () => {
  it('are those of this process, on the channel of events', async () => {
    const bus = new MemoryBus()
    const running = await runTicker({ deps: { bus } })
    await request(running, 'POST', '/subscriptions', { tradingsymbol: A.tradingsymbol })
    await request(running, 'DELETE', `/subscriptions/${A.token}`)
    await vi.waitFor(() => expect(typesOf(bus)).toContain('subscription_removed'), WITHIN)
    expect(new Set(bus.heard.map(({ channel }) => channel))).toEqual(
      new Set(['ticker:nifty:events']),
    )
    const told = bus.heard.map(({ text }) => JSON.parse(text) as LifecycleEvent)
    expect(told.slice(-running.events.length)).toEqual(running.events)
  })

  it('of a subscription come after its row, where the store takes it', async () => {
    const bus = new MemoryBus()
    const store = new MemorySubscriptionStore()
    const running = await runTicker({ deps: { bus, subscriptionStore: store } })
    const rows: unknown[] = []
    running.ticker.onEvent(({ event_type }) => rows.push([event_type, store.statusOf(A)]))
    await request(running, 'POST', '/subscriptions', { tradingsymbol: A.tradingsymbol })
    await vi.waitFor(() => expect(rows.length).toBeGreaterThan(0), WITHIN)
    expect(rows[0]).toEqual(['subscription_created', expect.stringMatching(/pending|active/)])
  })

  it('do not wait long for a store that hangs', async () => {
    const bus = new MemoryBus()
    const store = new MemorySubscriptionStore()
    const running = await runTicker({ deps: { bus, subscriptionStore: store } })
    store.hold()
    await request(running, 'POST', '/subscriptions', { tradingsymbol: A.tradingsymbol })
    await vi.waitFor(() => expect(typesOf(bus)).toContain('subscription_created'), WITHIN)
    expect(store.statusOf(A)).toBeUndefined()
    store.letGo()
  })

  it('wait in the outbox while it is away, which status, health and metrics say', async () => {
    const bus = new MemoryBus()
    bus.error = 'connect ECONNREFUSED'
    const running = await runTicker({ deps: { bus } })
    const { dataDir, ticker } = running
    await request(running, 'POST', '/subscriptions', { tradingsymbol: A.tradingsymbol })
    await vi.waitFor(() => expect(ticker.status().redis.outbox).toBeGreaterThan(0), WITHIN)
    const { redis, status } = ticker.status()
    expect({ ...redis, status }).toMatchObject({ status: 'degraded', error: bus.error })
    expect(redis.status).toBe('down')
    const health = await request(running, 'GET', '/health')
    expect(JSON.stringify(health.body)).toContain('Redis does not answer: connect ECONNREFUSED')
    await vi.waitFor(() => {
      expect(readFileSync(join(dataDir, 'outbox.jsonl'), 'utf8')).toContain('subscription_created')
    }, WITHIN)
    expect((await request(running, 'GET', '/metrics')).body).toContain('fostream_redis_up 0')
    bus.counts = new Map([['ticker:nifty:events', 2]])
    bus.comeBack()
    await vi.waitFor(() => expect(ticker.status().redis.outbox).toBe(0), WITHIN)
    await vi.waitFor(() => {
      expect(ticker.status().redis).toMatchObject({
        status: 'up',
        listeners: { 'ticker:nifty:events': 2, 'ticker:nifty:options': 0 },
        error: null,
      })
    }, WITHIN)
    expect(typesOf(bus)).toContain('subscription_created')
    const { body } = await request(running, 'GET', '/metrics')
    expect(body).toContain('fostream_redis_up 1')
    expect(body).toMatch(/^fostream_outbox_high_water_events [1-9]/m)
    expect(body).toContain('fostream_outbox_events 0')
    expect(body).toContain('fostream_bus_high_water_bytes 0')
    expect(body).toContain('fostream_requests_high_water{kind="history"} 0')
    expect(body).toContain('fostream_requests_high_water{kind="quote"} 0')
  })

  it('are one of a gap that opens and one of its end, whatever partitions it stands in', async () => {
    const bus = new MemoryBus()
    const running = await runTicker({ deps: { bus }, config: { partitions: PARTITIONS.length } })
    const instruments = SPREAD.map((token) => ({ instrument_token: token }))
    await running.ticker.subscriptions.subscribe({ instruments }, 'api', undefined)
    await carried(running)
    running.broker.peer.send(frameOf(SPREAD))
    await vi.waitFor(() => expect(ticksOf(running)).toBe(SPREAD.length), WITHIN)
    running.broker.peer.socket.terminate()
    await vi.waitFor(() => expect(typesOf(bus)).toContain('feed_gap_opened'), WITHIN)
    await carried(running)
    running.broker.peer.send(frameOf(SPREAD))
    await vi.waitFor(() => expect(typesOf(bus)).toContain('feed_gap_closed'), WITHIN)
    const { journal } = running
    const touched = PARTITIONS.filter((each) => journal.controls('gap_open', each).length > 0)
    expect(touched.length).toBeGreaterThan(1)
    const told = bus.heard.map(({ text }) => JSON.parse(text) as LifecycleEvent)
    const gaps = told.filter(({ event_type: type }) => type.startsWith('feed_gap_'))
    const metadata = { instruments: SPREAD.length, reason: 'disconnect' }
    expect(gaps).toMatchObject([
      { event_type: 'feed_gap_opened', metadata: { ...metadata, to: null } },
      { event_type: 'feed_gap_closed', metadata: { ...metadata, to: expect.any(String) } },
    ])
    expect(new Set(gaps.map(gapIdOf)).size).toBe(1)
  })

  it('that a killed process had decided and not told are told first, with their ids', async () => {
    const dataDir = temporaryFolder()
    mkdirSync(dataDir, { recursive: true })
    const untold = {
      event_id: '1-5',
      event_type: 'subscription_removed',
      instrument_token: A.token,
      metadata: { tradingsymbol: A.tradingsymbol, reason: 'request' },
      timestamp: 1,
    }
    const lines = ['fostream subscriptions 2', JSON.stringify({ untold }), '']
    writeFileSync(join(dataDir, 'subscriptions.jsonl'), lines.join('\n'))
    const bus = new MemoryBus()
    const running = await runTicker({ deps: { bus }, dataDir })
    await request(running, 'POST', '/subscriptions', { tradingsymbol: A.tradingsymbol })
    await vi.waitFor(() => expect(typesOf(bus)).toContain('subscription_created'), WITHIN)
    expect(bus.eventIds()[0]).toBe('1-5')
    expect(bus.eventIds().filter((id) => id === '1-5')).toHaveLength(1)
  })

  it('are in the own copy together with what they say, until the outbox has them', async () => {
    const bus = new MemoryBus()
    const running = await runTicker({ deps: { bus } })
    await request(running, 'POST', '/subscriptions', { tradingsymbol: A.tradingsymbol })
    const copy = readFileSync(join(running.dataDir, 'subscriptions.jsonl'), 'utf8')
    const untold = copy.split('\n').filter((line) => line.startsWith('{"untold":'))
    expect(untold.map((line) => JSON.parse(line) as unknown)).toContainEqual({
      untold: expect.objectContaining({
        event_type: 'subscription_created',
        instrument_token: A.token,
      }),
    })
  })
})

function typesOf(bus: MemoryBus): string[] {
  return bus.heard.map(({ text }) => (JSON.parse(text) as LifecycleEvent).event_type)
}

function gapIdOf({ metadata }: LifecycleEvent): unknown {
  return 'gap_id' in metadata ? metadata.gap_id : undefined
}

function ticksOf({ journal }: Running): number {
  return PARTITIONS.reduce((sum, partition) => sum + journal.ticks(partition).length, 0)
}

async function carried({ broker }: Running): Promise<void> {
  await vi.waitFor(() => {
    expect(SPREAD.every((token) => broker.carried().has(token))).toBe(true)
  }, WITHIN)
}
