/**
 * The ticker against the simulated exchange, with faults on demand: what the exchange's ledger says
 * was sent must stand in the journal, packet for packet, on every connection.
 */
import { afterEach, expect, it, vi } from 'vitest'
import { startExchange } from '../../src/exchange/serve.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { alwaysOpenCalendar } from '../../src/market/calendar.ts'
import { kiteBroker } from '../../src/ticker/broker.ts'
import { startTicker } from '../../src/ticker/ticker.ts'
import { silentLog } from '../silent-log.ts'
import { AROUND_THE_MONEY, subscribeAroundTheMoney } from './support/around-the-money.ts'
import { MemoryJournal } from './support/memory-journal.ts'
import { keptLog } from './support/silent-log.ts'
import { ACCOUNT, onRelease, releaseAll, temporaryFolder } from './support/start-test-ticker.ts'

const WITHIN = { timeout: 60_000, interval: 20 }

interface SentConnection {
  readonly connection: number
  readonly packets: number
  readonly malformed: number
  readonly truncated: number
  readonly by_token: Readonly<Record<string, number>>
}

afterEach(releaseAll)

it('journals what the exchange sent, whatever goes wrong on the way', async () => {
  const dir = temporaryFolder()
  const exchange = await startExchange({
    host: '127.0.0.1',
    port: 0,
    seed: 7,
    speed: 1,
    ticksPerSecond: 3_000,
    stateDir: `${dir}/exchange`,
    clock: systemClock,
    log: silentLog,
  })
  onRelease(() => exchange.stop())
  const journal = new MemoryJournal(4)
  const log = keptLog()
  const [account] = exchange.accounts
  const ticker = await startTicker({
    config: {
      version: '0.0.0',
      feed: 'simulated',
      host: '127.0.0.1',
      port: 0,
      dataDir: dir,
      partitions: 4,
      accounts: [{ ...ACCOUNT, ...account }],
      instrumentsPerAccount: 1_500,
      muteAfterMs: 1_500,
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
    clock: systemClock,
    log,
    random: () => 0.5,
    onFailure: (error) => expect.fail(String(error)),
  })
  onRelease(() => ticker.stop('test'))
  const control = async (path: string, body?: unknown) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const request = body === undefined ? {} : { ...init, body: JSON.stringify(body) }
    const response = await fetch(`${exchange.url}/control${path}`, request)
    expect(response.ok).toBe(true)
    return response.json()
  }
  const gapReasons = () =>
    [0, 1, 2, 3].flatMap((p) => journal.controls('gap_open', p).map(({ reason }) => reason))
  const moreTicks = async () => {
    const before = ticker.status().totals.received
    await vi.waitFor(() => {
      expect(ticker.status().totals.received).toBeGreaterThan(before + 500)
    }, WITHIN)
  }

  await subscribeAroundTheMoney(ticker)
  const all = AROUND_THE_MONEY
  await vi.waitFor(() => expect(ticker.status().totals.subscriptions_active).toBe(all), WITHIN)
  await moreTicks()
  for (const fault of ['malformed', 'truncated', 'duplicate', 'out_of_order']) {
    await control('/faults', { fault })
    await moreTicks()
  }
  await control('/faults', { fault: 'disconnect' })
  await vi.waitFor(() => expect(gapReasons()).toContain('disconnect'), WITHIN)
  await moreTicks()
  await control('/faults', { fault: 'mute', duration_ms: 60_000 })
  await vi.waitFor(() => expect(gapReasons()).toContain('mute'), WITHIN)
  await moreTicks()
  await control('/rate', { ticks_per_second: 0 })

  await vi.waitFor(async () => {
    const { connections } = (await control('/ledger')) as { connections: SentConnection[] }
    expect(connections).toHaveLength(3)
    const books = journal.books()
    for (const sent of connections) {
      expect(books.get(sent.connection)).toMatchObject({
        firstOrdinal: 1,
        lastOrdinal: sent.packets,
        journaled: sent.packets - sent.malformed - sent.truncated,
        rejected: sent.malformed + sent.truncated,
        dropped: 0,
      })
      expect(journaledByToken(journal, sent.connection)).toEqual(sent.by_token)
    }
  }, WITHIN)
  const { received, rejected, journaled, dropped } = ticker.status().totals
  expect(received).toBe(journaled + rejected + dropped)
  expect(rejected).toBeGreaterThanOrEqual(2)
})

function journaledByToken(journal: MemoryJournal, connection: number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const partition of [0, 1, 2, 3]) {
    for (const tick of journal.ticks(partition)) {
      if (tick.connection === connection) counts[tick.token] = (counts[tick.token] ?? 0) + 1
    }
  }
  return counts
}
