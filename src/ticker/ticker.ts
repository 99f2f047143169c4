/**
 * The ticker: broker connections in, journal out, and the subscriptions that say what.
 *
 *   accounts ─▶ connections ─▶ feed ─▶ journal
 *                   ▲            ▲
 *   REST ─▶ subscriptions ───────┘      instruments ─▶ master
 *
 * Everything that it needs from outside is handed in; it starts without the broker and without the
 * store, and says what it lacks.
 */
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { TickerStatus } from '../contract/api/ticker-status.ts'
import type { Feed as FeedName } from '../contract/journal-record.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import { Metrics } from '../kit/metrics.ts'
import {
  TICKER_CHECK_PERIOD_MS,
  TICKER_MUTE_AFTER_MS,
  TICKER_START_WAIT_MS,
  TICKER_STOP_MS,
  TICKER_TICK_TIMES_PERIOD_MS,
} from '../limits.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import { instrumentKey } from '../market/instrument.ts'
import type { InstrumentMaster } from '../market/instrument-master.ts'
import { MINUTE_MS } from '../market/ist.ts'
import { instrumentRoutes } from './api/instrument-routes.ts'
import { createServer, type Server } from './api/server.ts'
import { statusRoutes } from './api/status-routes.ts'
import { subscriptionRoutes } from './api/subscription-routes.ts'
import { SubscriptionService } from './api/subscription-service.ts'
import { bounded, withinMs } from './bounded.ts'
import type { BrokerFactory } from './broker.ts'
import { Account, type AccountDeps, type AccountSettings } from './connection/account.ts'
import { Pool } from './connection/pool.ts'
import { Feed } from './feed/feed.ts'
import { MarketTime } from './feed/market-time.ts'
import type { OpenGap } from './feed/stream.ts'
import { InstrumentVersions } from './instruments/instrument-versions.ts'
import { Instruments } from './instruments/instruments.ts'
import { Lifecycle, type LifecycleListener } from './lifecycle.ts'
import { accountNews, gapNews } from './lifecycle-news.ts'
import type { InstrumentStore, JournalWriter, SubscriptionStore } from './ports.ts'
import { SessionRules } from './session-rules.ts'
import { FIRST_HOLDER, FirstStart } from './subscriptions/first-start.ts'
import type { Subscription } from './subscriptions/subscription.ts'
import { Subscriptions } from './subscriptions/subscriptions.ts'
import { TakeUp } from './subscriptions/take-up.ts'
import { TickerState } from './ticker-state.ts'

export interface TickerConfig {
  readonly version: string
  readonly feed: FeedName
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  /** Where the own copies are kept, beside the journal; made where it is absent. */
  readonly dataDir: string
  readonly partitions: number
  readonly accounts: readonly AccountSettings[]
  /** New subscriptions stop here. */
  readonly instrumentsPerAccount: number
  /** Silence in session after which a socket is mute; `TICKER_MUTE_AFTER_MS` where left out. */
  readonly muteAfterMs?: number
  /** Market seconds in one second. */
  readonly marketSpeed: number
  /** Market time at the start: the wall clock with a broker, the exchange's own with a simulated one. */
  readonly startMarketTimeMs: number
  readonly calendarMode: 'exchange' | 'always'
  readonly redisChannelPrefix: string
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
  /** Routes that others implement on the ticker's port, such as the journal's. */
  readonly extraRoutes?: readonly ((app: FastifyInstance) => void)[]
  /** State of the bus; not configured where left out. */
  readonly redisStatus?: () => TickerStatus['redis']
  /** Told of a fault of ours after the start, which the supervisor must end the role for. */
  readonly onFailure: (error: unknown) => void
}

export interface TickerHandle {
  /** `http://host:port` */
  readonly url: string
  status(): TickerStatus
  /** What is listed, as of the newest dump; empty while there is none. */
  readonly master: InstrumentMaster
  /** Subscribing and listing without HTTP. */
  readonly subscriptions: SubscriptionService
  /** Lifecycle events in this process; returns how to stop listening. */
  onEvent(listener: LifecycleListener): () => void
  /** Ends the epoch in order, within 5 seconds; stopping twice is fine. */
  stop(reason: string): Promise<void>
}

/** Rejects where the port is taken; anything else that is missing is tried again and shown. */
export async function startTicker(deps: TickerDeps): Promise<TickerHandle> {
  const ticker = new Ticker(deps)
  await ticker.start()
  return ticker
}

const COPY_FILE = 'subscriptions.jsonl'
const DUMP_FILE = 'instruments.csv'

class Ticker implements TickerHandle {
  readonly subscriptions: SubscriptionService
  readonly #deps: TickerDeps
  readonly #metrics: Metrics
  readonly #marketTime: MarketTime
  readonly #rules: SessionRules
  readonly #lifecycle: Lifecycle
  readonly #feed: Feed
  readonly #pool: Pool
  readonly #instruments: Instruments
  readonly #versions: InstrumentVersions | undefined
  readonly #book: Subscriptions
  readonly #takeUp: TakeUp
  readonly #state: TickerState
  readonly #timers: (() => void)[] = []
  #forgottenOn: string
  #server: Server | undefined
  #url = ''
  #stopping: Promise<void> | undefined

  constructor(deps: TickerDeps) {
    const { config, clock, log, random, journal, calendar } = deps
    this.#deps = deps
    this.#metrics = deps.metrics ?? new Metrics({ processDefaults: false })
    this.#lifecycle = new Lifecycle(journal.epoch, clock, log)
    this.#marketTime = new MarketTime({
      clock,
      speed: config.marketSpeed,
      startMs: config.startMarketTimeMs,
    })
    this.#rules = new SessionRules(calendar, () => this.#marketTime.now())
    this.#forgottenOn = this.#rules.today
    this.#feed = this.#newFeed()
    this.#pool = this.#newPool()
    this.#instruments = this.#newInstruments()
    this.#versions =
      deps.instrumentStore &&
      new InstrumentVersions({ store: deps.instrumentStore, clock, log, random })
    this.#book = this.#newBook()
    this.subscriptions = new SubscriptionService({
      subscriptions: this.#book,
      pool: this.#pool,
      clock,
      master: () => this.master,
      hasEnded: (instrument) => this.#rules.hasClosed(instrument),
      whyNoTick: (subscription) => this.#whyNoTick(subscription),
    })
    this.#takeUp = this.#newTakeUp()
    this.#state = this.#newState()
    this.#state.describe(this.#metrics)
  }

  get url(): string {
    return this.#url
  }

  get master(): InstrumentMaster {
    return this.#instruments.master
  }

  status(): TickerStatus {
    return this.#state.status()
  }

  onEvent(listener: LifecycleListener): () => void {
    return this.#lifecycle.onEvent(listener)
  }

  async start(): Promise<void> {
    const { journal, clock, log, config } = this.#deps
    this.#feed.coverage.recover(journal.recovered.values(), this.#lastDataMs())
    await this.#listen()
    this.#every(TICKER_CHECK_PERIOD_MS, () => this.#checkSecond())
    this.#every(MINUTE_MS, () => this.#checkMinute())
    this.#every(TICKER_TICK_TIMES_PERIOD_MS, () => this.#book.writeTickTimes())
    const takingUp = this.#takeUp.run()
    takingUp.catch(this.#deps.onFailure)
    // A broker that does not answer must not hold up the others; /ready says when it is done.
    await withinMs(clock, TICKER_START_WAIT_MS, takingUp)
    log.info({ url: this.#url, feed: config.feed, epoch: journal.epoch }, 'Ticker started')
  }

  stop(reason: string): Promise<void> {
    this.#stopping ??= this.#stop(reason)
    return this.#stopping
  }

  async #stop(reason: string): Promise<void> {
    const { clock, log } = this.#deps
    log.info({ reason }, 'Ticker stops')
    for (const cancel of this.#timers) cancel()
    const steps = [
      ['start', () => this.#takeUp.stop()],
      ['sockets', () => this.#pool.stop()],
      ['journal', () => this.#feed.end()],
      ['own copy', () => this.#book.saved()],
      ['server', () => this.#server?.close()],
      ['store', () => this.#book.stop()],
      ['instruments', () => Promise.all([this.#instruments.stop(), this.#versions?.stop()])],
    ] as const
    const deadlineMs = clock.elapsedMs() + TICKER_STOP_MS
    for (const [name, step] of steps) await bounded(clock, deadlineMs, name, log, step)
    log.info({ reason }, 'Ticker stopped')
  }

  async #listen(): Promise<void> {
    const { config, log, extraRoutes = [] } = this.#deps
    const server = await createServer({ log, version: config.version, extraRoutes }, (app) => {
      subscriptionRoutes(app, this.subscriptions)
      instrumentRoutes(app, () => this.master)
      statusRoutes(app, this.#state, this.#metrics)
    })
    this.#server = server
    this.#url = await server.listen({ host: config.host, port: config.port })
  }

  #every(periodMs: number, task: () => void): void {
    this.#timers.push(this.#deps.clock.every(periodMs, task))
  }

  #checkSecond(): void {
    const stepMs = this.#marketTime.takeClockStep()
    if (stepMs !== 0) {
      this.#deps.log.warn({ step_ms: Math.round(stepMs) }, 'Wall clock stepped, sockets reopened')
      this.#pool.onClockStep()
    }
    this.#feed.writeClock()
    this.#pool.check()
    this.#state.sample()
  }

  #checkMinute(): void {
    this.#instruments.check()
    this.#book.expire((instrument) => this.#rules.hasRolled(instrument))
    const { today } = this.#rules
    if (this.#forgottenOn === today) return
    this.#forgottenOn = today
    void this.#book.forgetOld()
  }

  #whyNoTick({ instrument, slot }: Subscription): string {
    const account = this.#pool.accounts.find(({ name }) => name === slot?.account)
    if (account === undefined) return 'no account carries it'
    const { name, state, reason } = account
    if (state !== 'up') return `account ${name} is ${state}: ${reason}`
    const connection = account.connections.find((c) => c.slot.connection === slot?.connection)
    if (connection?.state.kind !== 'open') return 'its socket is not open'
    if (!this.#rules.isInSession(instrument)) return `${instrument.segment} is closed`
    return 'the broker has sent none'
  }

  /** When the last data of the previous epoch came, where wall time is market time. */
  #lastDataMs(): number | undefined {
    const { journal, config } = this.#deps
    if (config.feed !== 'kite') return undefined
    const arrivals = [...journal.recovered.values()].flatMap((part) => part.lastReceivedAtMs ?? [])
    return arrivals.length === 0 ? undefined : Math.max(...arrivals)
  }

  #onGap(type: 'feed_gap_opened' | 'feed_gap_closed', gap: OpenGap): void {
    const news = gapNews(type, gap)
    const message = type === 'feed_gap_opened' ? 'Feed gap opened' : 'Feed gap closed'
    this.#deps.log.warn({ ...news.metadata }, message)
    this.#lifecycle.publish(news)
  }

  // ---------------------------------------------------------------- the parts

  #newFeed(): Feed {
    const { journal, config, clock, log } = this.#deps
    const hops = this.#metrics.histograms('fostream_hop_seconds', 'Each hop of a tick.', 'hop')
    return new Feed({
      journal,
      partitions: config.partitions,
      clock,
      log,
      marketTime: this.#marketTime,
      journalLatency: hops('journal'),
      rejections: this.#metrics.counters(
        'fostream_rejected_packets_total',
        'Packets that were not journaled, by reason.',
        'reason',
      ),
      onPause: (isPaused) => {
        log.warn({ is_paused: isPaused }, isPaused ? 'Sockets paused' : 'Sockets go on')
        this.#pool.setPaused(isPaused)
      },
      onFirstTick: (stream) => this.#book.onFirstTick(stream),
      onGapOpened: (gap) => this.#onGap('feed_gap_opened', gap),
      onGapClosed: (gap) => this.#onGap('feed_gap_closed', gap),
    })
  }

  #newPool(): Pool {
    const { config, clock, log, broker, random } = this.#deps
    const accountDeps: AccountDeps = {
      broker,
      clock,
      log,
      instrumentsPerAccount: config.instrumentsPerAccount,
      connection: {
        random,
        muteAfterMs: config.muteAfterMs ?? TICKER_MUTE_AFTER_MS,
        openSession: (slot) => this.#feed.openSession(slot),
        onGap: (reason, slot, session) => this.#feed.openGap(reason, slot, session),
        onSubscribed: (tokens) => this.#book.onSubscribed(tokens),
      },
      onChange: (account) => this.#lifecycle.publish(accountNews(account)),
    }
    const accounts = config.accounts.map((settings) => new Account(settings, accountDeps))
    return new Pool(accounts, {
      isInSession: (token) => {
        const stream = this.#feed.coverage.streams.get(token)
        return stream !== undefined && this.#rules.isInSession(stream.instrument)
      },
    })
  }

  #newInstruments(): Instruments {
    const { config, clock, log, random, calendar } = this.#deps
    return new Instruments({
      clock,
      log,
      random,
      calendar,
      marketTimeMs: () => this.#marketTime.now(),
      fetchDump: () => this.#pool.request(({ access }) => access.rest.instrumentsCsv()),
      copyPath: join(config.dataDir, DUMP_FILE),
      onLoaded: (master, date) => {
        this.#versions?.write(master, date)
        void this.#takeUp.onInstruments()
      },
      onRefreshed: (metadata) => {
        const event_type = 'instruments_refreshed'
        this.#lifecycle.publish({ event_type, instrument_token: null, metadata })
      },
    })
  }

  #newBook(): Subscriptions {
    const { config, clock, log, random, subscriptionStore } = this.#deps
    return new Subscriptions({
      clock,
      log,
      random,
      coverage: this.#feed.coverage,
      pool: this.#pool,
      master: () => this.master,
      today: () => this.#rules.today,
      copyPath: join(config.dataDir, COPY_FILE),
      store: subscriptionStore,
      publish: (news) => this.#lifecycle.publish(news),
    })
  }

  #newTakeUp(): TakeUp {
    const { clock, log, random, calendar, subscriptionStore } = this.#deps
    const firstStart = new FirstStart({
      clock,
      log,
      random,
      calendar,
      marketTimeMs: () => this.#marketTime.now(),
      master: () => this.master,
      lastPrice: async ({ exchange, tradingsymbol }) => {
        const key = instrumentKey(exchange, tradingsymbol)
        const prices = await this.#pool.request(({ access }) => access.rest.ltp([key]))
        return prices.get(key)?.lastPrice
      },
      subscribe: (instruments) => {
        const options = { mode: 'full', priority: 'normal' } as const
        const requests = instruments.map((instrument) => ({ instrument, ...options }))
        this.#book.create(requests, FIRST_HOLDER)
      },
    })
    return new TakeUp({
      clock,
      log,
      store: subscriptionStore,
      instruments: this.#instruments,
      subscriptions: this.#book,
      firstStart,
      onRestored: () => {
        this.#feed.coverage.dropUnclaimed()
        this.#feed.scheduleFlush()
      },
    })
  }

  #newState(): TickerState {
    const { config, clock, journal, calendar, redisStatus } = this.#deps
    return new TickerState({
      version: config.version,
      feedName: config.feed,
      calendar,
      calendarMode: config.calendarMode,
      clock,
      journal,
      marketTime: this.#marketTime,
      feed: this.#feed,
      pool: this.#pool,
      instruments: this.#instruments,
      subscriptions: this.#book,
      takeUp: this.#takeUp,
      redisStatus: redisStatus ?? (() => noRedis(config.redisChannelPrefix)),
    })
  }
}

function noRedis(channelPrefix: string): TickerStatus['redis'] {
  return {
    status: 'not_configured',
    channel_prefix: channelPrefix,
    listeners: {},
    outbox: 0,
    error: null,
  }
}
