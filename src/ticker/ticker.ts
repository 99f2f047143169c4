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
import type { FastifyInstance } from 'fastify'
import type { Health } from '../contract/api/health.ts'
import type { TickerStatus } from '../contract/api/ticker-status.ts'
import type { GapMetadata, RefreshMetadata } from '../contract/events.ts'
import type { Feed as FeedName } from '../contract/journal-record.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import { Metrics } from '../kit/metrics.ts'
import {
  TICKER_CHECK_PERIOD_MS,
  TICKER_MUTE_AFTER_MS,
  TICKER_START_WAIT_MS,
  TICKER_STOP_MS,
  TICKER_STORE_START_MS,
  TICKER_TICK_TIMES_PERIOD_MS,
} from '../limits.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import { hasExpired } from '../market/expiry.ts'
import { type Instrument, instrumentKey } from '../market/instrument.ts'
import type { InstrumentMaster } from '../market/instrument-master.ts'
import { formatIst, istDate, MINUTE_MS, startOfDateMs } from '../market/ist.ts'
import { calendarStatus } from './api/calendar-status.ts'
import { instrumentRoutes } from './api/instrument-routes.ts'
import { createServer, type Server } from './api/server.ts'
import { statusRoutes } from './api/status-routes.ts'
import { subscriptionRoutes } from './api/subscription-routes.ts'
import { countByStatus, SubscriptionService } from './api/subscription-service.ts'
import { bounded, withinMs } from './bounded.ts'
import type { BrokerFactory } from './broker.ts'
import { Account, type AccountSettings } from './connection/account.ts'
import type { Connection } from './connection/connection.ts'
import { Pool } from './connection/pool.ts'
import { Feed } from './feed/feed.ts'
import { MarketTime } from './feed/market-time.ts'
import type { OpenGap } from './feed/stream.ts'
import { InstrumentVersions } from './instruments/instrument-versions.ts'
import { Instruments } from './instruments/instruments.ts'
import { Lifecycle, type LifecycleListener } from './lifecycle.ts'
import type {
  InstrumentStore,
  JournalWriter,
  StoredSubscription,
  SubscriptionStore,
} from './ports.ts'
import { RateMeter } from './rate-meter.ts'
import {
  accountStatus,
  check,
  connectionStatus,
  healthOf,
  journalStatus,
  openGapView,
} from './status-view.ts'
import { FirstStart } from './subscriptions/first-start.ts'
import type { Subscription } from './subscriptions/subscription.ts'
import { Subscriptions } from './subscriptions/subscriptions.ts'

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
/** Ended contracts leave the subscriptions at this minute of their last day. */
const EXPIRY_ROLL_MINUTE = 16 * 60

class Ticker implements TickerHandle {
  readonly subscriptions: SubscriptionService
  readonly #deps: TickerDeps
  readonly #metrics: Metrics
  readonly #marketTime: MarketTime
  readonly #lifecycle: Lifecycle
  readonly #feed: Feed
  readonly #pool: Pool
  readonly #instruments: Instruments
  readonly #versions: InstrumentVersions | undefined
  readonly #book: Subscriptions
  readonly #firstStart: FirstStart
  readonly #connectionRates = new Map<Connection, RateMeter>()
  readonly #rate = new RateMeter()
  readonly #timers: (() => void)[] = []
  readonly #startedAtMs: number
  #server: Server | undefined
  #url = ''
  #isStarted = false
  /** Nothing was ever subscribed: the first instruments are, once there is a master. */
  #isFirstStart = false
  #stopping: Promise<void> | undefined

  constructor(deps: TickerDeps) {
    const { config, clock, log, random, journal } = deps
    this.#deps = deps
    this.#metrics = deps.metrics ?? new Metrics({ processDefaults: false })
    this.#startedAtMs = clock.nowMs()
    this.#lifecycle = new Lifecycle(journal.epoch, clock, log)
    this.#marketTime = new MarketTime({
      clock,
      speed: config.marketSpeed,
      startMs: config.startMarketTimeMs,
    })
    this.#feed = this.#newFeed()
    this.#pool = this.#newPool()
    this.#instruments = this.#newInstruments()
    this.#versions =
      deps.instrumentStore &&
      new InstrumentVersions({ store: deps.instrumentStore, clock, log, random })
    this.#book = new Subscriptions({
      clock,
      log,
      random,
      coverage: this.#feed.coverage,
      pool: this.#pool,
      master: () => this.#instruments.master,
      today: () => istDate(this.#marketTime.now()),
      copyPath: `${config.dataDir}/${COPY_FILE}`,
      store: deps.subscriptionStore,
      publish: (news) => this.#lifecycle.publish(news),
    })
    this.subscriptions = new SubscriptionService({
      subscriptions: this.#book,
      pool: this.#pool,
      clock,
      master: () => this.#instruments.master,
      hasEnded: (instrument) => this.#hasClosed(instrument),
      whyNoTick: (subscription) => this.#whyNoTick(subscription),
    })
    this.#firstStart = this.#newFirstStart()
    this.#describeMetrics()
  }

  get url(): string {
    return this.#url
  }

  onEvent(listener: LifecycleListener): () => void {
    return this.#lifecycle.onEvent(listener)
  }

  // ---------------------------------------------------------------- start and stop

  async start(): Promise<void> {
    const { journal, clock, log, config } = this.#deps
    this.#feed.coverage.recover(journal.recovered.values(), this.#lastDataMs())
    await this.#listen()
    this.#every(TICKER_CHECK_PERIOD_MS, () => this.#checkSecond())
    this.#every(MINUTE_MS, () => this.#checkMinute())
    this.#every(TICKER_TICK_TIMES_PERIOD_MS, () => this.#book.writeTickTimes())
    const begun = this.#begin()
    begun.catch(this.#deps.onFailure)
    // A broker that does not answer must not hold up the others; /ready says when it is done.
    await withinMs(clock, TICKER_START_WAIT_MS, begun)
    log.info({ url: this.#url, feed: config.feed, epoch: journal.epoch }, 'Ticker started')
  }

  stop(reason: string): Promise<void> {
    this.#stopping ??= this.#stop(reason)
    return this.#stopping
  }

  /** What was held is taken up and streamed; the very first start subscribes to something by itself. */
  async #begin(): Promise<void> {
    const { clock, subscriptionStore } = this.#deps
    const loading = subscriptionStore && this.#loadStored(subscriptionStore)
    const [copy] = await Promise.all([this.#book.loadCopy(), this.#instruments.start()])
    const stored = loading && (await withinMs(clock, TICKER_STORE_START_MS, loading))
    this.#isFirstStart = copy === undefined && (stored === undefined || stored.length === 0)
    this.#book.restore(copy ?? [], stored)
    if (loading !== undefined && stored === undefined) this.#mergeLater(loading)
    this.#feed.coverage.dropUnclaimed()
    this.#feed.scheduleFlush()
    this.#isStarted = true
    await this.#subscribeFirst()
  }

  async #stop(reason: string): Promise<void> {
    const { clock, log } = this.#deps
    log.info({ reason }, 'Ticker stops')
    for (const cancel of this.#timers) cancel()
    const steps = [
      ['sockets', () => this.#pool.stop()],
      ['journal', () => this.#feed.end()],
      ['subscriptions', () => this.#book.saved()],
      ['first subscriptions', () => this.#firstStart.stop()],
      ['server', () => this.#server?.close()],
      ['store', () => this.#book.stop()],
      ['instruments', () => Promise.all([this.#instruments.stop(), this.#versions?.stop()])],
    ] as const
    const stopMs = clock.elapsedMs() + TICKER_STOP_MS
    for (const [name, step] of steps) {
      await bounded(clock, stopMs, name, log, step)
    }
    log.info({ reason }, 'Ticker stopped')
  }

  async #listen(): Promise<void> {
    const { config, log, extraRoutes = [] } = this.#deps
    const server = await createServer({ log, version: config.version, extraRoutes }, (app) => {
      subscriptionRoutes(app, this.subscriptions)
      instrumentRoutes(app, () => this.#instruments.master)
      statusRoutes(app, this, this.#metrics)
    })
    this.#server = server
    this.#url = await server.listen({ host: config.host, port: config.port })
  }

  /** Undefined where the store does not answer; that is logged by whoever tries again. */
  async #loadStored(store: SubscriptionStore): Promise<readonly StoredSubscription[] | undefined> {
    try {
      return await store.load()
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'Stored subscriptions could not be read')
      return undefined
    }
  }

  /** The store was too slow, or away: what it holds is merged when it answers. */
  #mergeLater(loading: Promise<readonly StoredSubscription[] | undefined>): void {
    const { clock, subscriptionStore } = this.#deps
    void loading.then((stored) => {
      if (this.#stopping !== undefined || subscriptionStore === undefined) return
      if (stored !== undefined) {
        this.#book.mergeStored(stored)
        return
      }
      const cancel = clock.after(TICKER_STORE_START_MS, () => {
        this.#mergeLater(this.#loadStored(subscriptionStore))
      })
      this.#timers.push(cancel)
    })
  }

  async #subscribeFirst(): Promise<void> {
    if (!this.#isFirstStart || !this.#isStarted || this.#instruments.master.size === 0) return
    this.#isFirstStart = false
    await this.#firstStart.run()
  }

  #every(periodMs: number, task: () => void): void {
    this.#timers.push(this.#deps.clock.every(periodMs, task))
  }

  // ---------------------------------------------------------------- once a second, once a minute

  #checkSecond(): void {
    const stepMs = this.#marketTime.takeClockStep()
    if (stepMs !== 0) {
      this.#deps.log.warn(
        { step_ms: Math.round(stepMs) },
        'Wall clock stepped, sockets are reopened',
      )
      this.#pool.onClockStep()
    }
    this.#feed.writeClock()
    this.#pool.check()
    this.#rate.sample(this.#feed.totals.received)
    for (const connection of this.#pool.connections) {
      this.#rateOf(connection).sample(connection.session?.packets ?? 0)
    }
  }

  #checkMinute(): void {
    this.#instruments.check()
    this.#book.expire((instrument) => this.#hasRolled(instrument))
  }

  #rateOf(connection: Connection): RateMeter {
    const known = this.#connectionRates.get(connection)
    if (known !== undefined) return known
    const meter = new RateMeter()
    this.#connectionRates.set(connection, meter)
    return meter
  }

  // ---------------------------------------------------------------- contracts and sessions

  /** The contract has traded for the last time. */
  #hasClosed({ expiry, segment }: Instrument): boolean {
    const { calendar } = this.#deps
    return expiry !== null && hasExpired(expiry, this.#marketTime.now(), calendar, segment)
  }

  /** Its last day is over for us too. */
  #hasRolled({ expiry }: Instrument): boolean {
    if (expiry === null) return false
    return this.#marketTime.now() >= startOfDateMs(expiry) + EXPIRY_ROLL_MINUTE * MINUTE_MS
  }

  #isInSession(token: number): boolean {
    const stream = this.#feed.coverage.streams.get(token)
    if (stream === undefined) return false
    return this.#deps.calendar.isOpen(stream.instrument.segment, this.#marketTime.now())
  }

  #whyNoTick({ instrument, slot }: Subscription): string {
    const account = this.#pool.accounts.find(({ name }) => name === slot?.account)
    if (account === undefined) return 'no account carries it'
    if (account.state !== 'up')
      return `account ${account.name} is ${account.state}: ${account.reason}`
    const connection = account.connections.find((c) => c.slot.connection === slot?.connection)
    if (connection?.state.kind !== 'open') return 'its socket is not open'
    if (!this.#isInSession(instrument.token)) return `${instrument.segment} is closed`
    return 'the broker has sent none'
  }

  /** When the last data of the previous epoch came, where wall time is market time. */
  #lastDataMs(): number | undefined {
    const { journal, config } = this.#deps
    if (config.feed !== 'kite') return undefined
    const arrivals = [...journal.recovered.values()].flatMap((part) => part.lastReceivedAtMs ?? [])
    return arrivals.length === 0 ? undefined : Math.max(...arrivals)
  }

  // ---------------------------------------------------------------- what others tell

  #onGap(type: 'feed_gap_opened' | 'feed_gap_closed', gap: OpenGap): void {
    const metadata: GapMetadata = {
      gap_id: gap.gapId,
      reason: gap.reason,
      account: gap.slot?.account ?? null,
      connection: gap.slot?.connection ?? null,
      instruments: gap.instruments,
      from: formatIst(gap.fromMs),
      to: type === 'feed_gap_closed' ? formatIst(gap.toMs) : null,
    }
    const message = type === 'feed_gap_opened' ? 'Feed gap opened' : 'Feed gap closed'
    this.#deps.log.warn({ ...metadata }, message)
    this.#lifecycle.publish({ event_type: type, instrument_token: null, metadata })
  }

  #onAccount(account: Account): void {
    const { name, state, reason, access } = account
    this.#lifecycle.publish({
      event_type: state === 'up' ? 'account_up' : 'account_down',
      instrument_token: null,
      metadata: { account: name, reason, login_url: state === 'up' ? null : access.loginUrl },
    })
  }

  #onInstruments(metadata: RefreshMetadata): void {
    this.#lifecycle.publish({
      event_type: 'instruments_refreshed',
      instrument_token: null,
      metadata,
    })
  }

  // ---------------------------------------------------------------- the parts

  #newFeed(): Feed {
    const { journal, config, clock, log } = this.#deps
    return new Feed({
      journal,
      partitions: config.partitions,
      clock,
      log,
      marketTime: this.#marketTime,
      journalLatency: this.#metrics.histograms(
        'fostream_hop_seconds',
        'From one hop of a tick to the next.',
        'hop',
      )('journal'),
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
    const accounts = config.accounts.map(
      (settings) =>
        new Account(settings, {
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
          onChange: (account) => this.#onAccount(account),
        }),
    )
    return new Pool(accounts, { isInSession: (token) => this.#isInSession(token) })
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
      copyPath: `${config.dataDir}/${DUMP_FILE}`,
      onLoaded: (master, date) => {
        this.#versions?.write(master, date)
        if (!this.#isStarted) return
        this.#book.onMaster()
        void this.#subscribeFirst()
      },
      onRefreshed: (news) => this.#onInstruments(news),
    })
  }

  #newFirstStart(): FirstStart {
    const { clock, log, random, calendar } = this.#deps
    return new FirstStart({
      clock,
      log,
      random,
      calendar,
      marketTimeMs: () => this.#marketTime.now(),
      master: () => this.#instruments.master,
      lastPrice: async ({ exchange, tradingsymbol }) => {
        const key = instrumentKey(exchange, tradingsymbol)
        const prices = await this.#pool.request(({ access }) => access.rest.ltp([key]))
        return prices.get(key)?.lastPrice
      },
      subscribe: (instruments) => {
        const requests = instruments.map((instrument) => ({
          instrument,
          mode: 'full' as const,
          priority: 'normal' as const,
        }))
        this.#book.create(requests, 'auto')
      },
    })
  }

  // ---------------------------------------------------------------- what it shows

  get master(): InstrumentMaster {
    return this.#instruments.master
  }

  status(): TickerStatus {
    const { config, clock, journal, calendar } = this.#deps
    const marketMs = this.#marketTime.now()
    const { pending, active, failed } = countByStatus(this.#book.all)
    return {
      service: 'ticker',
      ticker_id: journal.producer,
      version: config.version,
      status: this.health().status,
      started_at: formatIst(this.#startedAtMs),
      now: formatIst(clock.nowMs()),
      feed: config.feed,
      market_time: formatIst(marketMs),
      calendar: calendarStatus(calendar, config.calendarMode, marketMs),
      accounts: this.#pool.accounts.map(accountStatus),
      connections: this.#pool.connections.map((connection) =>
        connectionStatus(connection, this.#rateOf(connection).perSecond),
      ),
      totals: {
        subscriptions_pending: pending,
        subscriptions_active: active,
        subscriptions_failed: failed,
        ticks_per_second: this.#rate.perSecond,
        ...this.#feed.totals,
      },
      journal: journalStatus(journal.status(), this.#feed.isRefused),
      redis: this.#deps.redisStatus?.() ?? {
        status: 'not_configured',
        channel_prefix: config.redisChannelPrefix,
        listeners: {},
        outbox: 0,
        error: null,
      },
      gaps_open: this.#feed.coverage.openGaps.map(openGapView),
    }
  }

  health(): Health {
    const { journal } = this.#deps
    const full = journal.status().isDiskFull ? 'the disk is full, ticks are dropped' : null
    const refused = this.#feed.isRefused ? 'the journal does not take ticks' : null
    return healthOf([
      check('journal', full ?? refused),
      ...this.#pool.accounts.map(({ name, reason }) => check(`account ${name}`, reason)),
      check('instruments', this.#instruments.lastError),
      check('store', this.#book.storeLag?.error ?? null),
    ])
  }

  readiness(): Health {
    const starting = this.#isStarted ? null : 'subscriptions are being taken up'
    const empty = this.#instruments.master.size === 0 ? 'the instrument master is not loaded' : null
    return healthOf([
      check('start', starting, 'unavailable'),
      check('instruments', empty, 'unavailable'),
    ])
  }

  #describeMetrics(): void {
    const metrics = this.#metrics
    const totals = () => Object.entries(this.#feed.totals)
    metrics.gauges('fostream_ticks_total', 'Packets, by what became of them.', 'stage', totals)
    metrics.gauge('fostream_gaps_open', 'Gaps that still run.', () => {
      return this.#feed.coverage.openGaps.length
    })
    metrics.gauge(
      'fostream_intake_pending_high_water_bytes',
      'Most that waited to be journaled.',
      () => {
        return this.#feed.gate.highWaterBytes
      },
    )
    metrics.gauge('fostream_intake_pauses_total', 'Times that the sockets were paused.', () => {
      return this.#feed.gate.pauses
    })
    metrics.gauges('fostream_connection_open', 'Open sockets.', 'connection', () =>
      this.#pool.connections.map(({ slot, state }) => [
        `${slot.account}/${slot.connection}`,
        state.kind === 'open' ? 1 : 0,
      ]),
    )
    metrics.gauges('fostream_subscriptions', 'Subscriptions by status.', 'status', () =>
      Object.entries(countByStatus(this.#book.all)),
    )
  }
}
