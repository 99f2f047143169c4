/**
 * The ticker alone, in a process of its own, so that it can be killed: sockets, subscriptions and
 * journal as in the program, with the table of subscriptions where a database is named. Its address is
 * one line of JSON on stdout; `GET /event-loop` tells its longest pause since it was asked last.
 */

import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FastifyInstance } from 'fastify'
import { openJournal } from '../src/journal/open-journal.ts'
import { systemClock } from '../src/kit/clock.ts'
import { createLog } from '../src/kit/log.ts'
import { Releasers } from '../src/kit/releasers.ts'
import { alwaysOpenCalendar } from '../src/market/calendar.ts'
import { HOUR_MS } from '../src/market/ist.ts'
import { openStore } from '../src/postgres/connection.ts'
import { createInstrumentStore } from '../src/postgres/instrument-store.ts'
import { migrate } from '../src/postgres/migrate.ts'
import { createSubscriptionStore } from '../src/postgres/subscription-store.ts'
import { kiteBroker } from '../src/ticker/broker.ts'
import type { AccountSettings } from '../src/ticker/connection/account.ts'
import type { InstrumentStore, SubscriptionStore } from '../src/ticker/ports.ts'
import { startTicker } from '../src/ticker/ticker.ts'
import { JOURNAL_FOLDER, type TickerAnnouncement, type TickerOrder } from './load/ticker-order.ts'

const LOOP_RESOLUTION_MS = 1
const JOURNAL_MAX_BYTES = 20e9

await run(JSON.parse(process.argv[2] ?? '') as TickerOrder)

async function run(order: TickerOrder): Promise<void> {
  const releasers = new Releasers()
  const { folder, brokerUrl } = order
  const log = createLog({
    role: 'ticker',
    folder,
    level: 'info',
    terminal: undefined,
    nowMs: systemClock.nowMs,
  })
  releasers.push('log', () => log.close())
  const stores = await openStores(order.databaseUrl, releasers)
  const journal = await openJournal({
    dir: join(folder, JOURNAL_FOLDER),
    producer: 't1',
    partitions: 1,
    feed: 'simulated',
    maxAgeMs: HOUR_MS,
    maxBytes: JOURNAL_MAX_BYTES,
    clock: systemClock,
    log,
  })
  releasers.push('journal', () => journal.close())
  const ticker = await startTicker({
    config: {
      version: '0',
      feed: 'simulated',
      host: '127.0.0.1',
      port: 0,
      dataDir: folder,
      partitions: 1,
      accounts: order.accounts.map(withDefaults),
      instrumentsPerAccount: order.instrumentsPerAccount,
      muteAfterMs: order.muteAfterMs,
      marketSpeed: 1,
      startMarketTimeMs: order.marketTimeMs,
      calendarMode: 'always',
      redisChannelPrefix: 'ticker:nifty',
    },
    journal,
    ...stores,
    calendar: alwaysOpenCalendar(),
    broker: kiteBroker({
      webSocketRoot: brokerUrl.replace(/^http/, 'ws'),
      restRoot: brokerUrl,
      clock: systemClock,
    }),
    clock: systemClock,
    log,
    random: Math.random,
    extraRoutes: [eventLoopRoute],
    onFailure: fail,
  })
  releasers.push('journal writing', () => journal.stopWriting())
  releasers.push('ticker', () => ticker.stop('the measurement ends'))
  process.once('SIGTERM', () => {
    releasers.release().then(() => process.exit(0), fail)
  })
  const announcement: TickerAnnouncement = { url: ticker.url }
  process.stdout.write(`${JSON.stringify(announcement)}\n`)
}

function withDefaults(account: TickerOrder['accounts'][number]): AccountSettings {
  return {
    ...account,
    maxConnections: 3,
    maxInstruments: 9_000,
    historyRequestsPerSecond: 3,
    quoteRequestsPerSecond: 1,
  }
}

async function openStores(
  databaseUrl: string | undefined,
  releasers: Releasers,
): Promise<{
  subscriptionStore: SubscriptionStore | undefined
  instrumentStore: InstrumentStore | undefined
}> {
  if (databaseUrl === undefined) return { subscriptionStore: undefined, instrumentStore: undefined }
  const warn = (_fields: unknown, message?: string) => process.stderr.write(`${message}\n`)
  const store = openStore(
    { kind: 'url', url: databaseUrl },
    {
      applicationName: 'fostream measured ticker',
      log: { warn },
    },
  )
  releasers.push('store', () => store.close())
  const client = await store.connect()
  await migrate(client)
  await client.end()
  return {
    subscriptionStore: createSubscriptionStore(store.pool, 't1'),
    instrumentStore: createInstrumentStore(store.pool),
  }
}

/** The longest time that the event loop was late, in ms, since this was asked last. */
function eventLoopRoute(app: FastifyInstance): void {
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
  delay.enable()
  app.get('/event-loop', () => {
    const longest = { longest_ms: delay.max / 1e6 }
    delay.reset()
    return longest
  })
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
}
