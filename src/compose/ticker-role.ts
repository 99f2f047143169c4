/** The ticker with its journal, wherever the market and the readers of the journal are. */
import { join } from 'node:path'
import type { Config } from '../config.ts'
import type { Journal } from '../journal/journal.ts'
import { openJournal } from '../journal/open-journal.ts'
import { journalRoutes } from '../journal/serve-journal.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import { Metrics } from '../kit/metrics.ts'
import type { Releasers } from '../kit/releasers.ts'
import { JOURNAL_BATCH_PAUSE_MS } from '../limits.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import { DAY_MS } from '../market/ist.ts'
import type { Store } from '../postgres/connection.ts'
import { createInstrumentStore } from '../postgres/instrument-store.ts'
import { createSubscriptionStore } from '../postgres/subscription-store.ts'
import { startTicker, type TickerHandle } from '../ticker/ticker.ts'
import { openConfiguredBus } from './bus.ts'
import type { MarketSource } from './market-source.ts'
import { type Fail, namingThePort, version } from './role-parts.ts'

export async function openRoleJournal(
  config: Config,
  clock: Clock,
  log: Log,
  releasers: Releasers,
): Promise<Journal> {
  const journal = await openJournal({
    dir: join(config.folders.feedData, 'journal'),
    producer: config.ticker.id,
    partitions: config.journal.partitions,
    feed: config.feed,
    maxAgeMs: config.journal.maxDays * DAY_MS,
    maxBytes: config.journal.maxBytes,
    clock,
    log,
  })
  releasers.push('journal', () => journal.close())
  return journal
}

/** Most that ever waited in the journal: for its readers, for its file, for the disk. */
function describeJournal(metrics: Metrics, journal: Journal): void {
  metrics.gauges(
    'fostream_journal_high_water_bytes',
    'Most bytes of the journal that ever waited, of the fullest partition.',
    'queue',
    () => {
      const { partitions } = journal.status()
      const most = (bytes: readonly number[]) => Math.max(0, ...bytes)
      return [
        ['reader', most(partitions.map((each) => each.highWaterQueueBytes))],
        ['pending', most(partitions.map(({ writer }) => writer?.highWaterPendingBytes ?? 0))],
        ['unsynced', most(partitions.map(({ writer }) => writer?.highWaterUnsyncedBytes ?? 0))],
      ]
    },
  )
}

export interface TickerRoleParts {
  readonly config: Config
  readonly market: MarketSource
  readonly journal: Journal
  /** Undefined where the ticker runs on its own copies alone. */
  readonly store: Store | undefined
  readonly calendar: MarketCalendar
  readonly metrics?: Metrics
  readonly clock: Clock
  readonly log: Log
  readonly releasers: Releasers
  readonly fail: Fail
}

/** Starts the ticker; what was acquired is let go by `releasers`. */
export async function startTickerRole(parts: TickerRoleParts): Promise<TickerHandle> {
  const { config, market, journal, store, calendar, clock, log, releasers, fail } = parts
  const { metrics = new Metrics({ processDefaults: false }) } = parts
  describeJournal(metrics, journal)
  const host = config.bindHost
  const { port, instrumentsPerAccount, muteAfterMs } = config.ticker
  const bus = openConfiguredBus(config, clock, log, releasers)
  const ticker = await namingThePort(host, port, 'TICKER_PORT', () =>
    startTicker({
      config: {
        version: version(),
        feed: config.feed,
        host,
        port,
        dataDir: config.folders.feedData,
        partitions: config.journal.partitions,
        accounts: market.accounts,
        instrumentsPerAccount,
        muteAfterMs,
        marketSpeed: market.speed,
        startMarketTimeMs: market.marketTimeMs(),
        calendarMode: config.sessionCalendar,
        redisChannelPrefix: config.redis.channelPrefix,
        tickChannels: {
          intervalMs: config.redis.publishIntervalMs,
          riskFreeRate: config.riskFreeRate,
        },
      },
      broker: market.broker,
      journal,
      batchPauseMs: JOURNAL_BATCH_PAUSE_MS,
      calendar,
      subscriptionStore: store && createSubscriptionStore(store.pool, config.ticker.id),
      instrumentStore: store && createInstrumentStore(store.pool),
      extraRoutes: [journalRoutes({ journal, clock, log })],
      metrics,
      ...(bus === undefined ? {} : { bus }),
      clock,
      log,
      random: Math.random,
      onFailure: (error) => fail(error instanceof Error ? error : new Error(String(error))),
    }),
  )
  releasers.push('journal writing', () => journal.stopWriting())
  releasers.push('ticker', () => ticker.stop('the program stops'))
  return ticker
}
