/**
 * `fostream up`: every role in one process. Ticker and backend share the main thread, the simulated
 * exchange and the embedded store have a thread each. The roles meet where they would meet apart: at
 * the exchange's port, the journal's tail and the ticker's REST.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startBackendApi } from '../backend/api/server.ts'
import { CONSUMER, type Ingest, startIngest } from '../backend/ingest/start-ingest.ts'
import type { Config } from '../config.ts'
import { accountWithDefaults } from '../config-accounts.ts'
import { comparePositions } from '../contract/journal-record.ts'
import type { Journal } from '../journal/journal.ts'
import { openJournal } from '../journal/open-journal.ts'
import { type Clock, systemClock } from '../kit/clock.ts'
import { acquireFolderLock } from '../kit/folder-lock.ts'
import { createLog, type Log } from '../kit/log.ts'
import { Metrics } from '../kit/metrics.ts'
import type { Releasers } from '../kit/releasers.ts'
import { DRAIN_DEADLINE_MS } from '../limits.ts'
import { InstrumentMaster } from '../market/instrument-master.ts'
import { DAY_MS } from '../market/ist.ts'
import { barStore } from '../postgres/bar-writer.ts'
import type { Store } from '../postgres/connection.ts'
import { createInstrumentStore } from '../postgres/instrument-store.ts'
import { storeReads } from '../postgres/read-store.ts'
import { createSubscriptionStore } from '../postgres/subscription-store.ts'
import { kiteBroker } from '../ticker/broker.ts'
import { startTicker, type TickerDeps, type TickerHandle } from '../ticker/ticker.ts'
import { type ExchangeThread, startExchangeThread } from './exchange-thread.ts'
import { configuredCalendar } from './market-calendar.ts'
import { ineffective, refuseUnsafe } from './not-yet.ts'
import { StartError } from './start-error.ts'
import { openConfiguredStore } from './store.ts'

const PAGE_FOLDER = fileURLToPath(new URL('../web', import.meta.url))

export async function runUp(
  config: Config,
  releasers: Releasers,
  stopping: AbortSignal,
  fail: (error: Error) => void,
): Promise<void> {
  refuseUnsafe(config)
  for (const note of ineffective(config)) process.stderr.write(`Warning: ${note}\n`)
  const clock = systemClock
  const logs = { ticker: roleLog(config, 'ticker'), backend: roleLog(config, 'backend') }
  releasers.push('logs', () => {
    logs.ticker.close()
    logs.backend.close()
  })
  const lock = await acquireFolderLock(config.folders.feedData, 'another fostream')
  releasers.push('data folder', () => lock.release())

  const exchange = await startExchangeIfSimulated(config, releasers, fail)
  const { store } = await openConfiguredStore(config, clock, logs.backend, releasers, stopping)
  releasers.push('store upkeep', maintainDaily(store, clock, logs.backend))
  const journal = await openJournal({
    dir: join(config.folders.feedData, 'journal'),
    producer: config.ticker.id,
    partitions: config.journal.partitions,
    feed: config.feed,
    maxAgeMs: config.journal.maxDays * DAY_MS,
    maxBytes: config.journal.maxBytes,
    clock,
    log: logs.ticker,
  })
  releasers.push('journal', () => journal.close())

  const calendar = configuredCalendar(config, logs.backend)
  const instruments = createInstrumentStore(store.pool)
  const metrics = new Metrics({ processDefaults: true })
  const ingest = startIngest({
    logs: [journal],
    stores: barStore(store, CONSUMER),
    master: new InstrumentMaster(await instruments.loadCurrent()),
    calendar,
    riskFreeRate: config.riskFreeRate,
    partitions: config.journal.partitions,
    ownPartitions: ownPartitions(config),
    clock,
    log: logs.backend,
  })
  ingest.ended.catch(fail)
  releasers.push('ingest', () => ingest.stop())
  releasers.push('the rest of the log', () => drain(journal, ingest, clock, logs.backend))

  const ticker = await startTickerOn({
    ...tickerParts(config, exchange),
    journal,
    calendar,
    subscriptionStore: createSubscriptionStore(store.pool),
    instrumentStore: instruments,
    clock,
    log: logs.ticker,
    random: Math.random,
    onFailure: (error) => fail(error instanceof Error ? error : new Error(String(error))),
  })
  releasers.push('journal writing', () => journal.stopWriting())
  releasers.push('ticker', () => ticker.stop('the program stops'))
  ingest.chains.replaceMaster(ticker.master)
  ticker.onEvent((event) => {
    if (event.event_type === 'instruments_refreshed') ingest.chains.replaceMaster(ticker.master)
  })

  const api = await startBackendApi({
    host: config.bindHost,
    port: config.backend.port,
    chains: ingest.chains,
    reads: storeReads(store),
    ingest,
    ownPartitions: ownPartitions(config),
    logHead: (_producer, partition) => newestOf(journal, partition),
    tickers: [{ url: ticker.url, timeoutMs: config.backend.tickerTimeoutMs }],
    feed: config.feed,
    tickSource: 'log',
    calendar,
    calendarMode: config.sessionCalendar,
    defaultSymbol: config.backend.monitorDefaultSymbol,
    version: version(),
    ...(existsSync(PAGE_FOLDER) ? { pageFolder: PAGE_FOLDER } : {}),
    corsOrigins: config.access.corsOrigins,
    metrics,
    clock,
    log: logs.backend,
  })
  releasers.push('backend API', () => api.stop())
  announce(config, exchange, store, ticker.url, api.url)
}

function roleLog(config: Config, role: 'ticker' | 'backend') {
  return createLog({
    role,
    folder: config.folders.logs,
    level: config.logLevel,
    terminal: process.stdout.isTTY ? process.stdout : undefined,
    nowMs: systemClock.nowMs,
  })
}

async function startExchangeIfSimulated(
  config: Config,
  releasers: Releasers,
  fail: (error: Error) => void,
): Promise<ExchangeThread | undefined> {
  if (config.feed !== 'simulated') return undefined
  const exchange = await startExchangeThread(config, fail)
  releasers.push('exchange', () => exchange.stop())
  return exchange
}

/** A taken port is the user's to mend; the setting is named. */
async function startTickerOn(deps: TickerDeps): Promise<TickerHandle> {
  try {
    return await startTicker(deps)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    const { host, port } = deps.config
    throw new StartError(
      `Port ${port} of ${host} is in use by another program; choose another with TICKER_PORT.`,
    )
  }
}

/** Who the ticker talks to, and as whom. */
function tickerParts(
  config: Config,
  exchange: ExchangeThread | undefined,
): Pick<TickerDeps, 'config' | 'broker'> {
  const shared = {
    version: version(),
    feed: config.feed,
    host: config.bindHost,
    port: config.ticker.port,
    dataDir: config.folders.feedData,
    partitions: config.journal.partitions,
    instrumentsPerAccount: config.ticker.instrumentsPerAccount,
    calendarMode: config.sessionCalendar,
    redisChannelPrefix: config.redis.channelPrefix,
  }
  if (exchange === undefined) {
    const { accounts, webSocketRoot, restRoot } = config.kite
    return {
      config: {
        ...shared,
        accounts,
        marketSpeed: 1,
        startMarketTimeMs: systemClock.nowMs(),
      },
      broker: kiteBroker({ webSocketRoot, restRoot, clock: systemClock }),
    }
  }
  return {
    config: {
      ...shared,
      accounts: exchange.accounts.slice(0, 1).map(accountWithDefaults),
      marketSpeed: config.exchange.speed,
      startMarketTimeMs: exchange.marketTimeMs,
    },
    broker: kiteBroker({
      webSocketRoot: exchange.url.replace(/^http/, 'ws'),
      restRoot: exchange.url,
      clock: systemClock,
    }),
  }
}

function ownPartitions({ backend, journal }: Config): number[] {
  if (backend.partitions !== 'all') return [...backend.partitions]
  return Array.from({ length: journal.partitions }, (_, partition) => partition)
}

/** Waits, within bounds, until the writers have committed what the log has, with the finals that are due. */
async function drain(journal: Journal, ingest: Ingest, clock: Clock, log: Log): Promise<void> {
  const untilMs = clock.elapsedMs() + DRAIN_DEADLINE_MS
  const isDrained = () =>
    ingest.writers.every(({ books }) => {
      if (books === undefined) return true
      if (books.due.size > 0) return false
      const newest = newestOf(journal, books.partition)
      return books.expected.every(
        ({ position }) => newest === undefined || comparePositions(position, newest) >= 0,
      )
    })
  while (!isDrained()) {
    if (clock.elapsedMs() > untilMs) {
      const due = ingest.writers.map(({ books }) => books?.due.size)
      log.warn({ due }, 'Stopping before everything was written; the next start goes on with it')
      return
    }
    await new Promise<void>((resolve) => {
      clock.after(10, resolve)
    })
  }
}

function newestOf(journal: Journal, partition: number) {
  return journal.status().partitions.find((p) => p.partition === partition)?.newest
}

/** The embedded engine has nobody else to vacuum it. */
function maintainDaily(store: Store, clock: Clock, log: Log): () => void {
  return clock.every(DAY_MS, () => {
    store.maintain().catch((err) => log.error({ err }, 'Store upkeep failed'))
  })
}

function announce(
  config: Config,
  exchange: ExchangeThread | undefined,
  store: Store,
  tickerUrl: string,
  backendUrl: string,
): void {
  const source =
    exchange === undefined
      ? `Kite Connect, ${config.kite.accounts.length} account(s)`
      : `simulated exchange ${exchange.url}, seed ${config.exchange.seed}, speed ${config.exchange.speed}`
  process.stdout.write(
    [
      `fostream ${version()}`,
      `  Monitor   ${backendUrl}/`,
      `  Ticker    ${tickerUrl}/docs`,
      `  Market    ${source}`,
      `  Store     ${store.describe()}`,
      '  Bus       in process',
      `  Data      ${config.folders.feedData}`,
      `  Logs      ${config.folders.logs}`,
      'Ctrl-C stops it; the next start goes on where it ended.',
      '',
    ].join('\n'),
  )
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
