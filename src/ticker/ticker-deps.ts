/** What a ticker is made of: its settings, and the implementations that it is handed. */
import type { FastifyInstance } from 'fastify'
import type { Feed as FeedName } from '../contract/journal-record.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import type { BrokerFactory } from './broker.ts'
import type { Bus, InstrumentStore, JournalWriter, SubscriptionStore } from './ports.ts'
import type { AccountWithToken } from './tokens/tokens.ts'

export interface TickerConfig {
  readonly version: string
  readonly feed: FeedName
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  /** Where the own copies are kept, beside the journal; made where it is absent. */
  readonly dataDir: string
  readonly partitions: number
  readonly accounts: readonly AccountWithToken[]
  /** New subscriptions stop here. */
  readonly instrumentsPerAccount: number
  /** Silence in session after which a socket or an instrument is mute, ms; `TICKER_MUTE_AFTER_MS` where left out. */
  readonly muteAfterMs?: number
  /** Market seconds in one second. */
  readonly marketSpeed: number
  /** Market time at the start: the wall clock with a broker, the exchange's own with a simulated one. */
  readonly startMarketTimeMs: number
  readonly calendarMode: 'exchange' | 'always'
  readonly redisChannelPrefix: string
  /** How ticks are published on the bus; they are not where it is left out. */
  readonly tickChannels?: {
    /** 0: every tick; else the newest of each instrument so often. */
    readonly intervalMs: number
    /** Continuous, decimal per year. */
    readonly riskFreeRate: number
  }
}

export interface TickerDeps {
  readonly config: TickerConfig
  /** Its producer is the ticker's id. It is not closed by the ticker. */
  readonly journal: JournalWriter
  /** Undefined where the ticker runs without a store. */
  readonly subscriptionStore: SubscriptionStore | undefined
  readonly instrumentStore: InstrumentStore | undefined
  readonly calendar: MarketCalendar
  readonly broker: BrokerFactory
  readonly clock: Clock
  readonly log: Log
  /** Numbers in [0, 1). */
  readonly random: () => number
  readonly metrics?: Metrics
  /** Journal batches leave so far apart at the least; by default as soon as the journal is idle. */
  readonly batchPauseMs?: number
  /** Routes that others implement on the ticker's port, such as the journal's. */
  readonly extraRoutes?: readonly ((app: FastifyInstance) => void)[]
  /** Events are told in this process only where it is left out. It is not closed by the ticker. */
  readonly bus?: Bus
  /** Told of a fault of ours after the start, which the supervisor must end the role for. */
  readonly onFailure: (error: unknown) => void
}
