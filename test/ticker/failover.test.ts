/**
 * Three accounts at the simulated exchange: when one stops its instruments stream from the others, and
 * they come home when it is back. The exchange's ledger says what was sent and who had subscribed what.
 */
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { LifecycleEvent } from '../../src/contract/events.ts'
import { type Exchange, startExchange } from '../../src/exchange/serve.ts'
import { type Clock, systemClock } from '../../src/kit/clock.ts'
import { TICKER_REFUSED_RETRY_MS } from '../../src/limits.ts'
import { alwaysOpenCalendar } from '../../src/market/calendar.ts'
import { kiteBroker } from '../../src/ticker/broker.ts'
import { startTicker, type TickerHandle } from '../../src/ticker/ticker.ts'
import { asBusy } from '../busy-machine.ts'
import { silentLog } from '../silent-log.ts'
import { MemoryJournal } from './support/memory-journal.ts'
import { type KeptLog, keptLog } from './support/silent-log.ts'
import { ACCOUNT, onRelease, releaseAll, temporaryFolder } from './support/start-test-ticker.ts'

const WITHIN = { timeout: 60_000, interval: 50 }
const movedWithin = () => ({ timeout: asBusy(5_000), interval: 50 })
const BACK_WITHIN = { timeout: 60_000, interval: 100 }
const PER_ACCOUNT = 1_000
const PARTITIONS = [0, 1, 2, 3]

/** Looks for a new token after a second, where the product looks after a minute. */
const impatientClock: Clock = {
  ...systemClock,
  nowMs: () => systemClock.nowMs(),
  elapsedMs: () => systemClock.elapsedMs(),
  every: (periodMs, task) => systemClock.every(periodMs, task),
  after: (delayMs, task) =>
    systemClock.after(delayMs === TICKER_REFUSED_RETRY_MS ? 1_000 : delayMs, task),
}

interface SentConnection {
  readonly connection: number
  readonly packets: number
  readonly by_token: Readonly<Record<string, number>>
  readonly closed_ms: number | null
}

interface Bench {
  readonly exchange: Exchange
  readonly ticker: TickerHandle
  readonly journal: MemoryJournal
  readonly events: LifecycleEvent[]
  readonly log: KeptLog
  readonly dataDir: string
}

afterEach(releaseAll)

describe('an account whose token ends', () => {
  it('has its instruments carried by the others within 5 s, and gets them back', async () => {
    const bench = await start()
    const { ticker, events, log } = bench
    await subscribe(bench, 3 * PER_ACCOUNT)
    expect(carried(ticker)).toEqual({ sim1: 1_000, sim2: 1_000, sim3: 1_000 })
    await everyAccountTicks(bench)
    const theirs = tokensOf(ticker, 'sim1')

    await control(bench.exchange, '/faults', {
      fault: 'token_expired',
      account: 'sim1',
      duration_ms: 240_000,
    })
    await vi.waitFor(() => expect(accountOf(ticker, 'sim1').state).toBe('down'), WITHIN)
    await vi.waitFor(() => {
      expect(carried(ticker)).toEqual({ sim2: 1_500, sim3: 1_500 })
      // Every one of them has ticked from its new socket: that is what ends a gap.
      expect(ticker.status().gaps_open).toEqual([])
    }, movedWithin())
    expect(accountOf(ticker, 'sim1')).toMatchObject({
      fault: 'refused',
      belonging: 1_000,
      instruments: 0,
      login_url: expect.stringContaining('api_key='),
    })
    expect(accountOf(ticker, 'sim2')).toMatchObject({ room_for_failover: 7_500, belonging: 1_000 })
    expect(ticker.status().placement.last?.reason).toContain('failover')
    expect(log.lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        message: 'Account down',
        fields: expect.objectContaining({ login_url: expect.stringContaining('api_key=') }),
      }),
    )

    await clearFaults(bench.exchange)
    await vi.waitFor(() => {
      expect(carried(ticker)).toEqual({ sim1: 1_000, sim2: 1_000, sim3: 1_000 })
      expect(ticker.status().placement.moving).toBe(0)
    }, BACK_WITHIN)
    expect(tokensOf(ticker, 'sim1')).toEqual(theirs)
    const order = events.map(({ event_type }) => event_type).filter((type) => !isFirst(type))
    expect(order.filter((type) => type.startsWith('account'))).toEqual([
      'account_down',
      'account_up',
    ])
    expect(order.indexOf('feed_gap_opened')).toBeLessThan(order.indexOf('account_down'))
    // Moving back tears nothing: the only gaps are those of the sockets that were closed.
    const opened = PARTITIONS.flatMap((p) => bench.journal.controls('gap_open', p))
    expect(new Set(opened.map(({ account }) => account))).toEqual(new Set(['sim1']))
    expect(new Set(opened.flatMap(({ tokens }) => tokens))).toEqual(new Set(theirs))
    expect(opened.reduce((sum, { tokens }) => sum + tokens.length, 0)).toBe(theirs.length)
    expect(ticker.status().gaps_open).toEqual([])
    await booksAgree(bench)
  }, 240_000)

  it('leaves all 4,500 to the last one that is up, and the 4,501st is refused', async () => {
    const bench = await start()
    const { ticker, exchange } = bench
    const [last, ...instruments] = await subscribe(bench, 3 * 1_500, 1)
    expect(instruments).toHaveLength(4_500)
    expect(carried(ticker)).toEqual({ sim1: 1_500, sim2: 1_500, sim3: 1_500 })
    const refused = { instruments: [{ instrument_token: last ?? 0 }] }
    await expect(ticker.subscriptions.subscribe(refused, 'api', undefined)).rejects.toMatchObject({
      code: 'capacity_exceeded',
      message: expect.stringMatching(/4500 of 4500 .*TICKER_INSTRUMENTS_PER_ACCOUNT/),
    })
    expect(ticker.status().placement).toMatchObject({
      room_for_new: 0,
      room_for_failover: 22_500,
      waiting: [{ status: 'failed', instruments: 1, reason: expect.stringContaining('4500') }],
    })
    for (const account of ['sim1', 'sim2']) {
      await control(exchange, '/faults', { fault: 'token_expired', account, duration_ms: 60_000 })
    }
    await vi.waitFor(() => expect(accountOf(ticker, 'sim2').state).toBe('down'), WITHIN)
    await vi.waitFor(() => expect(carried(ticker)).toEqual({ sim3: 4_500 }), movedWithin())
    await vi.waitFor(() => expect(ticker.status().gaps_open).toEqual([]), movedWithin())
    // Nothing of a refused request comes back by itself while there is no room for it.
    expect(ticker.subscriptions.list({ status: 'failed' }).rows).toHaveLength(1)
    // A removal makes room, and what was refused finds it.
    await ticker.subscriptions.unsubscribe([instruments[0] ?? 0], 'api', true)
    await vi.waitFor(() => {
      expect(ticker.subscriptions.one(last ?? 0)).toMatchObject({ status: 'active' })
    }, WITHIN)
    await booksAgree(bench)
  }, 240_000)
})

describe('a socket that the broker does not let in again (429)', () => {
  it('leaves its instruments to another socket of its account', async () => {
    const bench = await start()
    const { ticker, exchange, journal } = bench
    await subscribe(bench, 3 * 1_400)
    await everyAccountTicks(bench)
    const { rows } = ticker.subscriptions.list({ account: 'sim1' })
    const theirs = rows.flatMap((row) => (row.connection === 2 ? [row.instrument_token] : []))
    expect(theirs).toHaveLength(400)
    await control(exchange, '/faults', { fault: 'http_429', account: 'sim1', duration_ms: 60_000 })
    const connection = await connectionThatCarries(exchange, theirs)
    await control(exchange, '/faults', { fault: 'disconnect', connection })
    await vi.waitFor(
      () => {
        const own = ticker.status().connections.filter(({ account }) => account === 'sim1')
        expect(own.map(({ state, instruments }) => [state, instruments])).toEqual([
          ['open', 1_400],
          ['closed', 0],
          ['closed', 0],
        ])
        expect(ticker.status().gaps_open).toEqual([])
      },
      { timeout: 60_000, interval: 100 },
    )
    expect(accountOf(ticker, 'sim1').state).toBe('up')
    const opened = PARTITIONS.flatMap((p) => journal.controls('gap_open', p))
    expect(opened.flatMap(({ tokens }) => tokens).toSorted()).toEqual(theirs.toSorted())
    await booksAgree(bench)
  }, 240_000)
})

async function start(): Promise<Bench> {
  const dataDir = temporaryFolder()
  const exchange = await startExchange({
    host: '127.0.0.1',
    port: 0,
    seed: 7,
    speed: 1,
    ticksPerSecond: 6_000,
    stateDir: `${dataDir}/exchange`,
    clock: systemClock,
    log: silentLog,
  })
  onRelease(() => exchange.stop())
  const journal = new MemoryJournal(PARTITIONS.length)
  const log = keptLog()
  const ticker = await startTicker({
    config: {
      version: '0.0.0',
      feed: 'simulated',
      host: '127.0.0.1',
      port: 0,
      dataDir,
      partitions: PARTITIONS.length,
      accounts: exchange.accounts.map((account) => ({ ...ACCOUNT, ...account })),
      instrumentsPerAccount: 1_500,
      marketSpeed: 1,
      startMarketTimeMs: exchange.marketTimeMs(),
      calendarMode: 'always',
      redisChannelPrefix: 'ticker:nifty',
    },
    journal,
    subscriptionStore: undefined,
    instrumentStore: undefined,
    calendar: alwaysOpenCalendar(),
    broker: kiteBroker({
      webSocketRoot: exchange.url.replace('http', 'ws'),
      restRoot: exchange.url,
      clock: systemClock,
    }),
    clock: impatientClock,
    log,
    random: () => 0.5,
    onFailure: (error) => expect.fail(String(error)),
  })
  onRelease(() => ticker.stop('test'))
  const events: LifecycleEvent[] = []
  ticker.onEvent((event) => events.push(event))
  return { exchange, ticker, journal, events, log, dataDir }
}

/** Exactly so many instruments, all active; returns their tokens after those of `more` others. */
async function subscribe({ ticker }: Bench, count: number, more = 0): Promise<number[]> {
  const listed = ticker.master.search({ limit: 10_000 }).filter(({ kind }) => kind === 'option')
  const tokens = listed.slice(0, count + more).map(({ token }) => token)
  const instruments = tokens.slice(more).map((token) => ({ instrument_token: token }))
  expect(instruments).toHaveLength(count)
  await ticker.subscriptions.subscribe({ instruments }, 'api', undefined)
  await vi.waitFor(() => expect(ticker.status().totals.subscriptions_active).toBe(count), WITHIN)
  return tokens
}

async function everyAccountTicks({ ticker, journal }: Bench): Promise<void> {
  const all = ticker.subscriptions.list({ status: 'active' }).rows
  await vi.waitFor(() => {
    const seen = ticksByToken(journal)
    expect(all.filter((row) => !seen.has(row.instrument_token))).toHaveLength(0)
  }, WITHIN)
}

function carried(ticker: TickerHandle): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { account } of ticker.subscriptions.list({ status: 'active' }).rows) {
    if (account !== null) counts[account] = (counts[account] ?? 0) + 1
  }
  return counts
}

function tokensOf(ticker: TickerHandle, account: string): number[] {
  const { rows } = ticker.subscriptions.list({ account })
  return rows.map((row) => row.instrument_token).sort((a, b) => a - b)
}

function accountOf(ticker: TickerHandle, name: string) {
  const found = ticker.status().accounts.find((account) => account.name === name)
  if (found === undefined) throw new Error(`no account ${name}`)
  return found
}

function isFirst(type: LifecycleEvent['event_type']): boolean {
  return type.startsWith('subscription') || type === 'instruments_refreshed'
}

function ticksByToken(journal: MemoryJournal): Map<number, number> {
  const counts = new Map<number, number>()
  for (const partition of PARTITIONS) {
    for (const { token } of journal.ticks(partition)) {
      counts.set(token, (counts.get(token) ?? 0) + 1)
    }
  }
  return counts
}

/** What each connection was sent stands in the journal, packet for packet, to where we closed it. */
async function booksAgree({ exchange, journal, ticker }: Bench): Promise<void> {
  await control(exchange, '/rate', { ticks_per_second: 0 })
  await vi.waitFor(async () => {
    const sent = await sentConnections(exchange)
    const live = new Set(ticker.subscriptions.list({ status: 'active' }).rows.map(tokenOf))
    const left = [...journaledByConnection(journal).values()].map((counts) => only(counts, live))
    // Whose connection is whose the counts tell: no two are alike.
    const unmatched = sent.filter(({ by_token }) => {
      const found = left.findIndex((counts) => isSame(counts, only(by_token, live)))
      if (found >= 0) left.splice(found, 1)
      return found < 0 && Object.keys(only(by_token, live)).length > 0
    })
    expect(unmatched.filter(({ closed_ms }) => closed_ms === null)).toEqual([])
    for (const counts of left) {
      expect(unmatched.some(({ by_token }) => isPartOf(counts, by_token))).toBe(true)
    }
    for (const book of journal.books().values()) {
      expect(book.lastOrdinal).toBe(book.journaled + book.rejected + book.dropped)
    }
  }, WITHIN)
  const { received, rejected, journaled, dropped } = ticker.status().totals
  expect(received).toBe(journaled + rejected + dropped)
}

type Counts = Readonly<Record<string, number>>

/** What was ended meanwhile is nobody's, and rejected. */
function only(counts: Counts, live: ReadonlySet<number>): Counts {
  return Object.fromEntries(Object.entries(counts).filter(([token]) => live.has(Number(token))))
}

function tokenOf({ instrument_token }: { readonly instrument_token: number }): number {
  return instrument_token
}

function isSame(a: Counts, b: Counts): boolean {
  return isPartOf(a, b) && isPartOf(b, a)
}

function isPartOf(a: Counts, b: Counts): boolean {
  return Object.entries(a).every(([token, count]) => count <= (b[token] ?? 0))
}

function journaledByConnection(journal: MemoryJournal): Map<number, Counts> {
  const connections = new Map<number, Record<string, number>>()
  for (const partition of PARTITIONS) {
    for (const { connection, token } of journal.ticks(partition)) {
      const counts = connections.get(connection) ?? {}
      counts[token] = (counts[token] ?? 0) + 1
      connections.set(connection, counts)
    }
  }
  return connections
}

async function connectionThatCarries(
  exchange: Exchange,
  tokens: readonly number[],
): Promise<number | undefined> {
  const sent = await sentConnections(exchange)
  return sent.find(({ by_token }) => tokens.every((token) => by_token[token] !== undefined))
    ?.connection
}

async function sentConnections(exchange: Exchange): Promise<readonly SentConnection[]> {
  const { connections } = (await control(exchange, '/ledger')) as { connections: SentConnection[] }
  return connections
}

async function clearFaults(exchange: Exchange): Promise<void> {
  const response = await fetch(`${exchange.url}/control/faults`, { method: 'DELETE' })
  expect(response.ok).toBe(true)
}

async function control(exchange: Exchange, path: string, body?: unknown): Promise<unknown> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
  const request = body === undefined ? {} : { ...init, body: JSON.stringify(body) }
  const response = await fetch(`${exchange.url}/control${path}`, request)
  expect(response.ok).toBe(true)
  return response.json()
}
