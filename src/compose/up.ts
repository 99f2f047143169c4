/**
 * `fostream up`: every role in one process. Ticker and backend share the main thread, the simulated
 * exchange and the embedded store have a thread each. The roles meet where they would meet apart: at
 * the exchange's port, the journal's tail and the ticker's REST.
 */
import { LogSet } from '../backend/ingest/log-set.ts'
import type { Ingest } from '../backend/ingest/start-ingest.ts'
import type { Config } from '../config.ts'
import { comparePositions } from '../contract/journal-record.ts'
import type { Journal } from '../journal/journal.ts'
import { type Clock, systemClock } from '../kit/clock.ts'
import { acquireFolderLock } from '../kit/folder-lock.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import { DRAIN_DEADLINE_MS } from '../limits.ts'
import { InstrumentMaster } from '../market/instrument-master.ts'
import { createInstrumentStore } from '../postgres/instrument-store.ts'
import { startApiRole, startIngestRole } from './backend-role.ts'
import { openBackfill } from './backfill-role.ts'
import { describeBus } from './bus.ts'
import { startExchangeThread } from './exchange-thread.ts'
import { lastRunLines } from './last-run.ts'
import { openListener, openShared } from './lifecycle-role.ts'
import { configuredCalendar } from './market-calendar.ts'
import { findReplay, kiteMarket, type MarketSource, simulatedMarket } from './market-source.ts'
import { refuseUnsafe } from './not-yet.ts'
import { startPreviousOi } from './previous-oi-role.ts'
import { announce, type Fail, roleLog } from './role-parts.ts'
import { startSnapshots } from './snapshot-role.ts'
import { StartError } from './start-error.ts'
import { keepStore, openConfiguredStore } from './store.ts'
import { openSubscribers } from './subscription-role.ts'
import { openRoleJournal, startTickerRole } from './ticker-role.ts'

export async function runUp(
  config: Config,
  releasers: Releasers,
  stopping: AbortSignal,
  fail: Fail,
): Promise<void> {
  refuseUnsafe(config)
  refusePubsub(config)
  const clock = systemClock
  const logs = { ticker: roleLog(config, 'ticker'), backend: roleLog(config, 'backend') }
  releasers.push('logs', () => {
    logs.ticker.close()
    logs.backend.close()
  })
  const lock = await acquireFolderLock(config.folders.feedData, 'another fostream')
  releasers.push('data folder', () => lock.release())

  const market = await startMarket(config, releasers, stopping, fail)
  const { store } = await openConfiguredStore(
    config,
    clock,
    logs.backend,
    releasers,
    stopping,
    fail,
  )
  releasers.push('store upkeep', keepStore(store, config, clock, logs.backend))
  const journal = await openRoleJournal(config, clock, logs.ticker, releasers)

  const calendar = configuredCalendar(config, logs.backend)
  const shared = { config, store, calendar, clock, releasers, fail }
  const backend = { ...shared, log: logs.backend }
  const master = new InstrumentMaster(await createInstrumentStore(store.pool).loadCurrent())
  const ingest = startIngestRole({ ...backend, logs: new LogSet([journal]), master })
  releasers.push('the rest of the log', () => drain(journal, ingest, clock, logs.backend))

  const ticker = await startTickerRole({ ...shared, market, journal, log: logs.ticker })
  ingest.chains.replaceMaster(ticker.master)
  ticker.onEvent((event) => {
    if (event.event_type === 'instruments_refreshed') ingest.chains.replaceMaster(ticker.master)
  })

  const common = openShared(config, store, [ticker.url], clock, logs.backend, releasers)
  await common.flags.start()
  const backfill = openBackfill({ ...backend, ingest, shared: common })
  backfill.start()
  startSnapshots({ ...backend, ingest, shared: common })
  startPreviousOi({ ...backend, ingest, backfill, shared: common })
  const listener = openListener({
    ...backend,
    shared: common,
    chains: ingest.chains,
    history: backfill,
    onEvent: (listen) => ticker.onEvent(listen),
  })
  listener.start()
  const { chains } = ingest
  const subscribers = openSubscribers({ ...backend, shared: common, chains, backfill })
  subscribers.start()
  const api = await startApiRole({
    ...backend,
    ingest,
    shared: common,
    backfill,
    listener,
    subscribers,
    logHead: (_producer, partition) => newestOf(journal, partition),
  })
  announce([
    ['Monitor', `${api.url}/`],
    ['Ticker', `${ticker.url}/docs`],
    ['Market', market.description],
    ['Store', store.describe()],
    ['Bus', describeBus(config)],
    ['Data', config.folders.feedData],
    ['Logs', config.folders.logs],
    ...lastRunLines(journal.recovered.values(), ticker.missingFromMs),
  ])
}

function refusePubsub({ backend }: Config): void {
  if (backend.tickSource !== 'pubsub') return
  throw new StartError(
    'TICK_SOURCE=pubsub is for a backend behind another ticker service: run `fostream backend`, or leave it out.',
  )
}

async function startMarket(
  config: Config,
  releasers: Releasers,
  stopping: AbortSignal,
  fail: Fail,
): Promise<MarketSource> {
  if (config.feed === 'kite') return kiteMarket(config)
  const replay = await findReplay(config, stopping)
  if (replay !== undefined) return replay
  const exchange = await startExchangeThread(config, fail)
  releasers.push('exchange', () => exchange.stop())
  return simulatedMarket(config, exchange)
}

/** Waits, within bounds, until the writers have committed what the log has, with the finals that it made due. */
async function drain(journal: Journal, ingest: Ingest, clock: Clock, log: Log): Promise<void> {
  const untilMs = clock.elapsedMs() + DRAIN_DEADLINE_MS
  const isDrained = () =>
    ingest.writers.every(({ books }) => {
      if (books === undefined) return true
      if (books.due.nextOfFeed(books.closedBeforeMs) !== undefined) return false
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
