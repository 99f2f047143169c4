import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { TICKER_STORE_START_MS } from '../../../src/limits.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { startBroker } from '../support/broker-server.ts'
import { option, smallMaster } from '../support/contracts.ts'
import { MemorySubscriptionStore } from '../support/memory-stores.ts'
import {
  onRelease,
  type Running,
  releaseAll,
  request,
  runTicker,
  temporaryFolder,
} from '../support/start-test-ticker.ts'

const A = option(24_500, 'CE')
const B = option(24_500, 'PE')
const C = option(24_550, 'CE')
const WITHIN = { timeout: 60_000, interval: 10 }

afterEach(releaseAll)

describe('subscriptions', () => {
  it('are in the store and in the own copy soon after', async () => {
    const store = new MemorySubscriptionStore()
    const { dataDir, ...running } = await start({ store })
    await subscribe(running, [A])
    expect(readFileSync(join(dataDir, 'subscriptions.jsonl'), 'utf8')).toContain(A.tradingsymbol)
    await vi.waitFor(() => expect(store.statusOf(A)).toBe('active'), WITHIN)
    await request(running, 'DELETE', `/subscriptions/${A.token}`)
    await vi.waitFor(() => expect(store.statusOf(A)).toBe('removed'), WITHIN)
  })

  it('stream while the store hangs, and are written when it goes on', async () => {
    const store = new MemorySubscriptionStore()
    const { broker, ...running } = await start({ store })
    store.hold()
    // Would not come back if it waited for the store.
    await subscribe(running, [A, B])
    await vi.waitFor(() => expect(broker.carried().has(B.token)).toBe(true), WITHIN)
    expect(store.statusOf(A)).toBeUndefined()
    store.letGo()
    await vi.waitFor(() => expect(store.statusOf(B)).toBe('active'), WITHIN)
  })

  it('that changed while the store was away are written when it is back, and the state says so', async () => {
    const store = new MemorySubscriptionStore()
    const running = await start({ store })
    store.isAway = true
    await subscribe(running, [A])
    await vi.waitFor(() => expect(running.ticker.status().status).toBe('degraded'), WITHIN)
    store.isAway = false
    await vi.waitFor(() => expect(store.statusOf(A)).toBe('active'), WITHIN)
    await vi.waitFor(() => expect(running.ticker.status().status).toBe('ok'), WITHIN)
  })
})

describe('a start', () => {
  it('without the store streams from the own copy, and merges when the store is back', async () => {
    const store = new MemorySubscriptionStore()
    const first = await start({ store })
    await subscribe(first, [A, B])
    await vi.waitFor(() => expect(store.statusOf(B)).toBe('active'), WITHIN)
    await first.ticker.stop('test')
    store.update(B, { status: 'removed', removedAtMs: 1, requesters: [] })
    const elsewhere = store.rows.get(`${A.exchange}:${A.tradingsymbol}`)
    if (elsewhere === undefined) throw new Error('A is not stored')
    const named = { tradingsymbol: C.tradingsymbol, instrumentToken: C.token, strike: C.strike }
    store.rows.set(`${C.exchange}:${C.tradingsymbol}`, { ...elsewhere, ...named })
    store.isAway = true
    const second = await start({ store, dataDir: first.dataDir })
    await vi.waitFor(() => expect([...second.broker.carried().keys()]).toContain(A.token), WITHIN)
    expect(second.broker.carried().has(B.token)).toBe(true)
    expect(second.broker.carried().has(C.token)).toBe(false)
    store.isAway = false
    await vi.waitFor(() => expect(second.broker.carried().has(C.token)).toBe(true), {
      ...WITHIN,
      timeout: TICKER_STORE_START_MS + 5_000,
    })
    expect(second.broker.carried().has(B.token)).toBe(false)
    expect(second.broker.carried().has(A.token)).toBe(true)
  }, 240_000)

  it('without the own copy streams what the store holds, and no first instruments', async () => {
    const store = new MemorySubscriptionStore()
    const first = await start({ store })
    await subscribe(first, [A])
    await vi.waitFor(() => expect(store.statusOf(A)).toBe('active'), WITHIN)
    await request(
      first,
      'DELETE',
      `/subscriptions?instrument_token=${firstTokens(first)}&force=true`,
    )
    await subscribe(first, [A])
    await vi.waitFor(() => expect(store.statusOf(A)).toBe('active'), WITHIN)
    await first.ticker.stop('test')
    const second = await start({ store })
    await vi.waitFor(() => expect([...second.broker.carried().keys()]).toEqual([A.token]), WITHIN)
  })

  it('with an emptied store keeps what it has, and writes it again', async () => {
    const store = new MemorySubscriptionStore()
    const first = await start({ store })
    await subscribe(first, [A])
    await vi.waitFor(() => expect(store.statusOf(A)).toBe('active'), WITHIN)
    await first.ticker.stop('test')
    store.rows.clear()
    const second = await start({ store, dataDir: first.dataDir })
    await vi.waitFor(() => expect(second.broker.carried().has(A.token)).toBe(true), WITHIN)
    await vi.waitFor(() => expect(store.statusOf(A)).toBe('active'), WITHIN)
  })

  it('with a damaged own copy says so and takes the store', async () => {
    const store = new MemorySubscriptionStore()
    const first = await start({ store })
    await subscribe(first, [A])
    await vi.waitFor(() => expect(store.statusOf(A)).toBe('active'), WITHIN)
    await first.ticker.stop('test')
    writeFileSync(join(first.dataDir, 'subscriptions.jsonl'), 'not a copy\n')
    const second = await start({ store, dataDir: first.dataDir })
    await vi.waitFor(() => expect(second.broker.carried().has(A.token)).toBe(true), WITHIN)
    expect(second.log.lines.map(({ message }) => message)).toContain(
      'Own copy of the subscriptions cannot be read',
    )
  })

  it('remembers who holds what, in which mode, and when it first ticked', async () => {
    const first = await start({})
    await subscribe(first, [A], { mode: 'ltp', priority: 'high' }, 'view')
    await subscribe(first, [A], { mode: 'ltp' }, 'desk')
    const before = first.ticker.subscriptions.one(A.token)
    await first.ticker.stop('test')
    expect(existsSync(join(first.dataDir, 'subscriptions.jsonl'))).toBe(true)
    const second = await start({ dataDir: first.dataDir })
    await vi.waitFor(() => {
      expect(second.ticker.subscriptions.one(A.token)).toEqual({ ...before, status: 'active' })
    }, WITHIN)
    await vi.waitFor(() => expect(second.broker.carried().get(A.token)).toBe('ltp'), WITHIN)
  })

  it('finds a contract under its new token, and ends one that is no longer listed', async () => {
    const first = await start({})
    await subscribe(first, [A, B])
    await first.ticker.stop('test')
    const moved: Instrument = { ...A, token: 777 * 256 + 2 }
    const listed = smallMaster().filter(({ token }) => token !== A.token && token !== B.token)
    const second = await start({ dataDir: first.dataDir, instruments: [...listed, moved] })
    await vi.waitFor(() => expect(second.broker.carried().has(moved.token)).toBe(true), WITHIN)
    expect(second.broker.carried().has(A.token)).toBe(false)
    expect(second.broker.carried().has(B.token)).toBe(false)
    expect(second.ticker.subscriptions.one(B.token).status).toBe('removed')
  })
})

describe('a new dump', () => {
  it('that gives two contracts each other’s tokens leaves both streaming', async () => {
    const first = await start({})
    await subscribe(first, [A, B])
    await first.ticker.stop('test')
    const others = smallMaster().filter(({ token }) => token !== A.token && token !== B.token)
    const swapped = [
      { ...A, token: B.token },
      { ...B, token: A.token },
    ]
    const second = await start({ dataDir: first.dataDir, instruments: [...others, ...swapped] })
    await vi.waitFor(() => expect(second.broker.carried().size).toBe(47), WITHIN)
    expect(second.ticker.subscriptions.one(B.token)).toMatchObject({
      tradingsymbol: A.tradingsymbol,
      status: 'active',
    })
    expect(second.ticker.subscriptions.one(A.token)).toMatchObject({
      tradingsymbol: B.tradingsymbol,
      status: 'active',
    })
  })
})

interface StartOptions {
  readonly store?: MemorySubscriptionStore
  readonly dataDir?: string
  readonly instruments?: readonly Instrument[]
}

async function start({ store, dataDir, instruments }: StartOptions): Promise<Running> {
  const broker = await startBroker(instruments ?? smallMaster())
  onRelease(() => broker.stop())
  return runTicker({
    broker,
    dataDir: dataDir ?? temporaryFolder(),
    deps: { subscriptionStore: store },
  })
}

function subscribe(
  { ticker }: Pick<Running, 'ticker'>,
  instruments: readonly Instrument[],
  options: { mode?: string; priority?: 'high' } = {},
  holder = 'api',
) {
  const named = instruments.map(({ token }) => ({ instrument_token: token }))
  return ticker.subscriptions.subscribe({ instruments: named, ...options }, holder, undefined)
}

function firstTokens({ ticker }: Running): string {
  return ticker.subscriptions
    .list({})
    .rows.map((row) => row.instrument_token)
    .join(',')
}
