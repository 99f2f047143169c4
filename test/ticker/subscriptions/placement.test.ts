/** Which account carries a subscription, over a restart and while accounts are refused. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Instrument } from '../../../src/market/instrument.ts'
import { type BrokerPeer, type BrokerServer, startBroker } from '../support/broker-server.ts'
import { frameOf, option } from '../support/contracts.ts'
import { MemorySubscriptionStore } from '../support/memory-stores.ts'
import {
  ACCOUNT,
  onRelease,
  type Running,
  releaseAll,
  request,
  runTicker,
  temporaryFolder,
} from '../support/start-test-ticker.ts'

const WITHIN = { timeout: 60_000, interval: 20 }
const ACCOUNTS = ['main', 'second'].map((name) => ({ ...ACCOUNT, name, apiKey: `key-${name}` }))

afterEach(releaseAll)

describe('a restart after a crash', () => {
  it('puts every subscription back on the socket that carried it, in its mode', async () => {
    const first = await start()
    await subscribe(first, first.broker.instruments.slice(0, 40))
    await subscribe(first, first.broker.instruments.slice(40, 60), 'ltp')
    // What leaves makes the accounts uneven: placed anew, the rest would lie elsewhere.
    const mains = tokensOf(first, 'main')
    await first.ticker.subscriptions.unsubscribe(mains.slice(0, 20), 'api', true)
    const before = placesOf(first)
    const second = await start({ dataDir: crashed(first) })
    await vi.waitFor(() => expect(placesOf(second)).toEqual(before), WITHIN)
    await vi.waitFor(() => expect(second.broker.carried().size).toBe(40), WITHIN)
  })

  it('does so from the table alone', async () => {
    const store = new MemorySubscriptionStore()
    const first = await start({ store })
    await subscribe(first, first.broker.instruments.slice(0, 40))
    await first.ticker.subscriptions.unsubscribe(tokensOf(first, 'main').slice(5), 'api', true)
    const before = placesOf(first)
    await vi.waitFor(() => {
      const active = [...store.rows.values()].filter(({ status }) => status === 'active')
      expect(active).toHaveLength(25)
    }, WITHIN)
    const second = await start({ store })
    await vi.waitFor(() => expect(placesOf(second)).toEqual(before), WITHIN)
  })

  it('with an account that is refused meanwhile has the other one take over', async () => {
    const first = await start()
    await subscribe(first, first.broker.instruments.slice(0, 40))
    const theirs = tokensOf(first, 'second')
    const second = await start({ dataDir: crashed(first), refused: 'second' })
    await vi.waitFor(() => {
      expect(tokensOf(second, 'main', 'active')).toHaveLength(40)
    }, WITHIN)
    expect(second.ticker.status().accounts).toMatchObject([
      { name: 'main', state: 'up', instruments: 40, belonging: 20 },
      { name: 'second', state: 'down', fault: 'refused', instruments: 0, belonging: 20 },
    ])
    expect(second.events.map(({ event_type }) => event_type)).toContain('account_down')
    await vi.waitFor(() => {
      for (const token of theirs) expect(second.broker.carried().has(token)).toBe(true)
    }, WITHIN)
  })
})

describe('an account that is refused on one socket while another streams', () => {
  it('is told to stop only when the stand-in feeds, and no gap opens for what it fed', async () => {
    const store = new MemorySubscriptionStore()
    const running = await start({ store, contracts: 2_200 })
    const { broker, journal, ticker } = running
    beat(broker)
    await subscribe(running, broker.instruments)
    await vi.waitFor(() => expect(broker.carried().size).toBe(2_200), WITHIN)
    const fed = tokensOf(running, 'second').slice(0, 1_000)
    const peer = peerOf(broker, fed)
    const lost = broker.peers.find((other) => other !== peer && other.apiKey === 'key-second')
    peer.send(frameOf(fed))
    await vi.waitFor(() => expect(journal.ticks()).toHaveLength(1_000), WITHIN)

    broker.refusedKey = 'key-second'
    broker.refuseWith = 403
    lost?.socket.terminate()
    await vi.waitFor(() => expect(tokensOf(running, 'main')).toHaveLength(2_200), WITHIN)
    const standIns = () => broker.peers.filter((other) => other.apiKey === 'key-main')
    await vi.waitFor(() => {
      expect(standIns().reduce((sum, { modes }) => sum + modes.size, 0)).toBe(2_200)
    }, WITHIN)
    expect(peer.modes.size).toBe(1_000)
    expect(ticker.status().placement.moving).toBe(1_000)
    // Both feed: both packets are kept, and the first of the new one ends the old one.
    peer.send(frameOf(fed.slice(0, 10)))
    for (const standIn of standIns()) {
      const own = fed.slice(0, 10).filter((token) => standIn.modes.has(token))
      if (own.length > 0) standIn.send(frameOf(own))
    }
    await vi.waitFor(() => expect(journal.ticks()).toHaveLength(1_020), WITHIN)
    await vi.waitFor(() => expect(peer.modes.size).toBe(990), WITHIN)
    // The quiet ones follow some seconds after the stand-in was told of them.
    await vi.waitFor(() => expect(ticker.status().placement.moving).toBe(0), WITHIN)
    await vi.waitFor(() => expect(peer.socket.readyState).not.toBe(peer.socket.OPEN), WITHIN)
    expect(journal.controls('gap_open')).toEqual([])
    expect(journal.books().size).toBeGreaterThan(1)
    const { status, body } = await request(running, 'GET', '/subscriptions?account=main')
    expect([status, (body as unknown[]).length]).toEqual([200, 2_200])
    await vi.waitFor(() => {
      expect(new Set([...store.rows.values()].map(({ account }) => account))).toContain('main')
      const moved = [...store.rows.values()].filter((row) => fed.includes(row.instrumentToken))
      expect(new Set(moved.map(({ account }) => account))).toEqual(new Set(['main']))
    }, WITHIN)
    // From now on the stand-in's sockets are what feeds them.
    for (const standIn of standIns()) standIn.socket.terminate()
    await vi.waitFor(() => {
      const gapped = journal.controls('gap_open').flatMap(({ tokens }) => tokens)
      expect(gapped.filter((token) => fed.includes(token)).toSorted()).toEqual(fed.toSorted())
    }, WITHIN)
  }, 240_000)
})

interface StartOptions {
  readonly store?: MemorySubscriptionStore
  readonly dataDir?: string
  readonly contracts?: number
  /** The account that the broker refuses. */
  readonly refused?: string
}

async function start(options: StartOptions = {}): Promise<Running> {
  const count = options.contracts ?? 1_000
  const listed = Array.from({ length: count }, (_, i) => option(100 + 50 * i, 'CE'))
  const broker = await startBroker(listed)
  onRelease(() => broker.stop())
  if (options.refused !== undefined) {
    broker.refusedKey = `key-${options.refused}`
    broker.refuseWith = 403
    broker.isProfileRefused = true
  }
  return runTicker({
    isUnasked: true,
    broker,
    config: { accounts: ACCOUNTS },
    dataDir: options.dataDir ?? temporaryFolder(),
    deps: { subscriptionStore: options.store },
  })
}

async function subscribe(
  { ticker }: Running,
  instruments: readonly Instrument[],
  mode = 'full',
): Promise<void> {
  const named = instruments.map(({ token }) => ({ instrument_token: token }))
  await ticker.subscriptions.subscribe({ instruments: named, mode }, 'api', undefined)
  await vi.waitFor(() => {
    for (const { token } of instruments) {
      expect(ticker.subscriptions.one(token).status).toBe('active')
    }
  }, WITHIN)
}

/** The folder as a process leaves it that is killed now. */
function crashed({ dataDir }: Running): string {
  const copy = temporaryFolder()
  copyFileSync(join(dataDir, 'subscriptions.jsonl'), join(copy, 'subscriptions.jsonl'))
  return copy
}

/** Sockets without heartbeats would be taken for dead. */
function beat(broker: BrokerServer): void {
  const timer = setInterval(() => {
    for (const { send } of broker.peers) send(Buffer.from([0]))
  }, 500)
  onRelease(() => clearInterval(timer))
}

function placesOf({ ticker }: Running): Record<string, string> {
  const { rows } = ticker.subscriptions.list({ status: 'active' })
  return Object.fromEntries(
    rows.map((row) => [row.tradingsymbol, `${row.account}/${row.connection} ${row.mode}`]),
  )
}

function tokensOf({ ticker }: Running, account: string, status?: 'active'): number[] {
  const query = status === undefined ? { account } : { account, status }
  return ticker.subscriptions.list(query).rows.map((row) => row.instrument_token)
}

function peerOf({ peers }: BrokerServer, tokens: readonly number[]): BrokerPeer {
  const found = peers.find(({ modes }) => tokens.every((token) => modes.has(token)))
  if (found === undefined) throw new Error('nobody carries them all')
  return found
}
