/** What the ticker shows of itself: status, health, readiness, metrics. */
import { calendarStatus } from '../contract/api/calendar-status.ts'
import type { Health } from '../contract/api/health.ts'
import type { ConnectionStatus, TickerStatus } from '../contract/api/ticker-status.ts'
import type { Feed as FeedName } from '../contract/journal-record.ts'
import type { Clock } from '../kit/clock.ts'
import type { Metrics } from '../kit/metrics.ts'
import { TICKER_CLOCK_AHEAD_MS } from '../limits.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import { formatIst } from '../market/ist.ts'
import type { StatusSource } from './api/status-routes.ts'
import { countByStatus } from './api/subscription-service.ts'
import type { Connection } from './connection/connection.ts'
import type { Pool } from './connection/pool.ts'
import { describeConnections } from './connection-metrics.ts'
import type { Feed } from './feed/feed.ts'
import type { MarketTime } from './feed/market-time.ts'
import type { Instruments } from './instruments/instruments.ts'
import { placementStatus } from './placement-view.ts'
import type { JournalWriter } from './ports.ts'
import { RateMeter } from './rate-meter.ts'
import type { BudgetedBroker } from './requests/budgeted-broker.ts'
import type { HistoryService } from './requests/history-service.ts'
import {
  accountStatus,
  check,
  connectionStatus,
  healthOf,
  journalStatus,
  openGapView,
} from './status-view.ts'
import type { Subscriptions } from './subscriptions/subscriptions.ts'
import type { TakeUp } from './subscriptions/take-up.ts'
import type { Tokens } from './tokens/tokens.ts'

export interface TickerStateDeps {
  readonly version: string
  readonly feedName: FeedName
  readonly calendar: MarketCalendar
  readonly calendarMode: 'exchange' | 'always'
  readonly clock: Clock
  readonly journal: JournalWriter
  readonly marketTime: MarketTime
  readonly feed: Feed
  readonly pool: Pool
  readonly tokens: Tokens
  readonly budgets: BudgetedBroker
  readonly requests: HistoryService
  readonly instruments: Instruments
  readonly subscriptions: Subscriptions
  readonly takeUp: TakeUp
  readonly redisStatus: () => TickerStatus['redis']
  /** Null where there is no bus, or nothing is wrong with it. */
  readonly busFault: () => string | null
  /** Null where every event was told or still waits. */
  readonly eventsFault: () => string | null
}

/** The segment whose hours tell whether fresh data is due. */
const CLOCK_SEGMENT = 'NFO'

export class TickerState implements StatusSource {
  readonly #deps: TickerStateDeps
  readonly #startedAtMs: number
  readonly #rate = new RateMeter()
  readonly #connectionRates: ReadonlyMap<Connection, RateMeter>

  constructor(deps: TickerStateDeps) {
    this.#deps = deps
    this.#startedAtMs = deps.clock.nowMs()
    this.#connectionRates = new Map(
      deps.pool.connections.map((connection) => [connection, new RateMeter()]),
    )
  }

  /** Once a second. */
  sample(): void {
    this.#rate.sample(this.#deps.feed.totals.received)
    for (const [connection, rate] of this.#connectionRates) {
      rate.sample(connection.history.packets(connection.session))
    }
  }

  status(): TickerStatus {
    const deps = this.#deps
    const marketMs = deps.marketTime.now()
    const subscriptions = deps.subscriptions.all
    const { pending, active, failed } = countByStatus(subscriptions)
    const { rooms } = deps.pool
    return {
      service: 'ticker',
      ticker_id: deps.journal.producer,
      version: deps.version,
      status: this.health().status,
      started_at: formatIst(this.#startedAtMs),
      now: formatIst(deps.clock.nowMs()),
      feed: deps.feedName,
      market_time: formatIst(marketMs),
      calendar: calendarStatus(deps.calendar, deps.calendarMode, marketMs),
      accounts: deps.pool.accounts.map((account) => {
        const budget = deps.budgets.budgetOf(account.settings.apiKey)
        const room = rooms.find((each) => each.account === account.name)
        return accountStatus(account, deps.tokens, budget, room)
      }),
      connections: this.#connections(),
      placement: placementStatus(deps.pool, subscriptions, deps.subscriptions.lastPlacement),
      totals: {
        subscriptions_pending: pending,
        subscriptions_active: active,
        subscriptions_failed: failed,
        ticks_per_second: this.#rate.perSecond,
        ...deps.feed.totals,
      },
      journal: journalStatus(deps.journal.status(), deps.feed.isRefused),
      redis: deps.redisStatus(),
      gaps_open: deps.feed.coverage.openGaps.map(openGapView),
      requests: deps.requests.budget(),
    }
  }

  #connections(): ConnectionStatus[] {
    return Array.from(this.#connectionRates, ([connection, rate]) =>
      connectionStatus(connection, rate.perSecond, this.#muteOn(connection)),
    )
  }

  #muteOn(connection: Connection): number {
    const { streams } = this.#deps.feed.coverage
    let mute = 0
    for (const token of connection.tokens) if (streams.get(token)?.silence.isMute === true) mute++
    return mute
  }

  health(): Health {
    const { journal, feed, pool, tokens, instruments, subscriptions } = this.#deps
    const full = journal.status().isDiskFull ? 'the disk is full, ticks are dropped' : null
    const refused = feed.isRefused ? 'the journal does not take ticks' : null
    return healthOf([
      check('journal', full ?? refused),
      ...pool.accounts.map((account) => check(`account ${account.name}`, tokens.reason(account))),
      check('instruments', instruments.lastError),
      check('store', subscriptions.storeLag?.error ?? null),
      check('redis', this.#deps.busFault()),
      check('events', this.#deps.eventsFault()),
      check('clock', this.#clockFault()),
    ])
  }

  /** Out of session the newest data is old, and says nothing about our clock. */
  #clockFault(): string | null {
    const { marketTime, calendar } = this.#deps
    const aheadMs = marketTime.aheadOfExchangeMs
    if (aheadMs === undefined || aheadMs < TICKER_CLOCK_AHEAD_MS) return null
    if (!calendar.isOpen(CLOCK_SEGMENT, marketTime.now())) return null
    const seconds = Math.round(aheadMs / 1000)
    return `market time is ${seconds} s ahead of the exchange: is this machine's clock right?`
  }

  readiness(): Health {
    const { instruments, takeUp } = this.#deps
    const starting = takeUp.isDone ? null : 'subscriptions are being taken up'
    const empty = instruments.master.size === 0 ? 'the instrument master is not loaded' : null
    return healthOf([
      check('start', starting, 'unavailable'),
      check('instruments', empty, 'unavailable'),
    ])
  }

  describe(metrics: Metrics): void {
    const { feed, requests, subscriptions } = this.#deps
    requests.describe(metrics)
    metrics.gauges('fostream_ticks_total', 'Packets, by what became of them.', 'stage', () =>
      Object.entries(feed.totals),
    )
    metrics.gauge('fostream_gaps_open', 'Gaps that still run.', () => {
      return feed.coverage.openGaps.length
    })
    metrics.gauge('fostream_intake_high_water_bytes', 'Most that waited for the journal.', () => {
      return feed.gate.highWaterBytes
    })
    metrics.gauge('fostream_intake_pauses_total', 'Times that the sockets were paused.', () => {
      return feed.gate.pauses
    })
    describeConnections(metrics, () => this.#connections())
    metrics.gauges('fostream_subscriptions', 'Subscriptions by status.', 'status', () =>
      Object.entries(countByStatus(subscriptions.all)),
    )
  }
}
