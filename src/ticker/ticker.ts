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
import type { NoTick } from '../contract/api/subscriptions.ts'
import type { TickerStatus } from '../contract/api/ticker-status.ts'
import type { RefreshMetadata } from '../contract/events.ts'
import { Metrics } from '../kit/metrics.ts'
import {
  TICKER_CHECK_PERIOD_MS,
  TICKER_START_WAIT_MS,
  TICKER_STOP_MS,
  TICKER_TICK_TIMES_PERIOD_MS,
} from '../limits.ts'
import type { InstrumentMaster } from '../market/instrument-master.ts'
import { MINUTE_MS } from '../market/ist.ts'
import { accountRoutes } from './api/account-routes.ts'
import { historyRoutes } from './api/history-routes.ts'
import { instrumentRoutes } from './api/instrument-routes.ts'
import { quoteRoutes } from './api/quote-routes.ts'
import { createServer, type Server } from './api/server.ts'
import { statusRoutes } from './api/status-routes.ts'
import { subscriptionRoutes } from './api/subscription-routes.ts'
import { SubscriptionService } from './api/subscription-service.ts'
import { bounded, withinMs } from './bounded.ts'
import { newTickChannels, newTickerBus } from './bus-parts.ts'
import type { TickChannels } from './channels/tick-channels.ts'
import type { Pool } from './connection/pool.ts'
import type { SilenceWatch } from './connection/silence-watch.ts'
import type { Feed } from './feed/feed.ts'
import { MarketTime } from './feed/market-time.ts'
import type { OpenGap } from './feed/stream.ts'
import { newInstruments, newRequests, newVersions } from './instrument-parts.ts'
import type { InstrumentVersions } from './instruments/instrument-versions.ts'
import type { Instruments } from './instruments/instruments.ts'
import { Lifecycle, type LifecycleListener } from './lifecycle.ts'
import { accountNews, gapNews } from './lifecycle-news.ts'
import { whyNoTick } from './no-tick.ts'
import { BudgetedBroker } from './requests/budgeted-broker.ts'
import type { BrokerRequests, HistoryService } from './requests/history-service.ts'
import { pacedClock } from './requests/paced-clock.ts'
import { SessionRules } from './session-rules.ts'
import { muteAfterMs, newFeed, newPool, newSilenceWatch } from './streaming-parts.ts'
import { newBook, newTakeUp } from './subscription-parts.ts'
import type { Subscription } from './subscriptions/subscription.ts'
import type { Subscriptions } from './subscriptions/subscriptions.ts'
import type { TakeUp } from './subscriptions/take-up.ts'
import { noBus, type TickerBus } from './ticker-bus.ts'
import type { TickerDeps } from './ticker-deps.ts'
import { TickerState } from './ticker-state.ts'
import { openTokens, type Tokens } from './tokens/tokens.ts'

export interface TickerHandle {
  /** `http://host:port` */
  readonly url: string
  status(): TickerStatus
  /** What is listed, as of the newest dump; empty while there is none. */
  readonly master: InstrumentMaster
  /** From when on what the run before streamed is missing, market time; undefined where nothing was. */
  readonly missingFromMs: number | undefined
  /** The broker's history and quotes, within the request budget, without HTTP. */
  readonly history: HistoryService
  /** Subscribing and listing without HTTP. */
  readonly subscriptions: SubscriptionService
  /** Lifecycle events in this process; returns how to stop listening. */
  onEvent(listener: LifecycleListener): () => void
  /** Ends the epoch in order, within 5 seconds; stopping twice is fine. */
  stop(reason: string): Promise<void>
}

/** Rejects where the port is taken; anything else that is missing is tried again and shown. */
export async function startTicker(deps: TickerDeps): Promise<TickerHandle> {
  const { config, broker, calendar, clock, log } = deps
  const { accounts, feed, dataDir, marketSpeed } = config
  const isSimulated = feed === 'simulated'
  const budgets = new BudgetedBroker(accounts, pacedClock(clock, marketSpeed))
  const budgeted = budgets.factory(broker)
  const shared = { calendar, broker: budgeted, clock, log }
  const tokens = await openTokens({ accounts, isSimulated, dataDir, ...shared })
  const ticker = new Ticker({ ...deps, broker: budgeted }, tokens, budgets)
  await ticker.start()
  return ticker
}

class Ticker implements TickerHandle {
  readonly subscriptions: SubscriptionService
  readonly #requests: BrokerRequests
  readonly #budgets: BudgetedBroker
  readonly #deps: TickerDeps
  readonly #metrics: Metrics
  readonly #marketTime: MarketTime
  readonly #rules: SessionRules
  readonly #lifecycle: Lifecycle
  readonly #bus: TickerBus | undefined
  readonly #channels: TickChannels | undefined
  readonly #feed: Feed
  readonly #pool: Pool
  readonly #silenceWatch: SilenceWatch
  readonly #tokens: Tokens
  readonly #instruments: Instruments
  readonly #versions: InstrumentVersions | undefined
  readonly #book: Subscriptions
  readonly #takeUp: TakeUp
  readonly #state: TickerState
  readonly #timers: (() => void)[] = []
  #forgottenOn: string
  #server: Server | undefined
  #url = ''
  #missingFromMs: number | undefined
  #stopping: Promise<void> | undefined

  constructor(deps: TickerDeps, tokens: Tokens, budgets: BudgetedBroker) {
    const { config, clock, log, journal, calendar } = deps
    this.#deps = deps
    this.#budgets = budgets
    this.#tokens = tokens
    this.#metrics = deps.metrics ?? new Metrics({ processDefaults: false })
    this.#bus = newTickerBus(deps)
    this.#lifecycle = new Lifecycle({
      ticker: journal.producer,
      epoch: journal.epoch,
      clock,
      log,
      keep: (events) => this.#bus?.keep(events) ?? Promise.resolve(),
    })
    const marketTime = new MarketTime({
      clock,
      speed: config.marketSpeed,
      startMs: config.startMarketTimeMs,
    })
    this.#marketTime = marketTime
    const rules = new SessionRules(calendar, () => marketTime.now())
    this.#rules = rules
    this.#forgottenOn = this.#rules.today
    const feed = this.#newFeed()
    this.#feed = feed
    const pool = this.#newPool()
    this.#pool = pool
    this.#silenceWatch = newSilenceWatch(deps, feed, pool, rules)
    this.#versions = newVersions(deps, (refresh) => this.#tellRefresh(refresh))
    this.#instruments = newInstruments(deps, marketTime, pool, (loaded) => {
      void this.#takeUp.onInstruments()
      if (this.#versions !== undefined) this.#versions.write(loaded)
      else if (loaded.isChanged) this.#tellRefresh(loaded.refresh)
    })
    const instruments = this.#instruments
    this.#requests = newRequests(deps, marketTime, pool, budgets, instruments)
    this.#book = newBook(deps, {
      feed,
      pool,
      rules,
      instruments,
      publish: (news, whenStored) => this.#lifecycle.publish(news, whenStored),
      untold: () => (this.#bus === undefined ? [] : this.#lifecycle.untold),
    })
    const book = this.#book
    this.subscriptions = new SubscriptionService({
      subscriptions: this.#book,
      pool: this.#pool,
      clock,
      master: () => this.master,
      hasEnded: (instrument) => this.#rules.hasClosed(instrument),
      whyNoTick: (subscription) => this.#whyNoTick(subscription),
    })
    this.#takeUp = newTakeUp(deps, { feed, instruments, book })
    this.#state = this.#newState()
    this.#state.describe(this.#metrics)
    this.#lifecycle.describe(this.#metrics)
    this.#bus?.describe(this.#metrics)
    this.#channels = newTickChannels(deps, {
      tickerBus: this.#bus,
      metrics: this.#metrics,
      feed,
      instruments,
    })
  }

  get url(): string {
    return this.#url
  }

  get missingFromMs(): number | undefined {
    return this.#missingFromMs
  }

  get history(): HistoryService {
    return this.#requests
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
    this.#channels?.start()
    await this.#bus?.start(await this.#book.untold())
    const { coverage } = this.#feed
    coverage.recover(journal.recovered.values(), this.#lastDataMs())
    this.#missingFromMs = earliestRestart(coverage.openGaps)
    await this.#listen()
    this.#every(TICKER_CHECK_PERIOD_MS, () => this.#checkSecond())
    this.#every(MINUTE_MS, () => this.#checkMinute())
    this.#tokens.start(this.#pool.accounts)
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
      ['requests', () => this.#requests.stop()],
      ['start', () => this.#takeUp.stop()],
      ['tokens', () => this.#tokens.stop()],
      // The sockets bring nothing from here on, so what is known ends here, however long they take to
      // close: the gap of the next start begins with the time at which this epoch ends.
      ['sockets and journal', () => Promise.all([this.#pool.stop(), this.#feed.end()])],
      ['tick channels', () => this.#channels?.stop()],
      ['own copy', () => this.#book.saved()],
      ['events', () => this.#lifecycle.settled().then(() => this.#bus?.stop())],
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
    const { version, host } = config
    const server = await createServer({ log, version, host, extraRoutes }, (app) => {
      subscriptionRoutes(app, this.subscriptions)
      instrumentRoutes(app, () => this.master)
      historyRoutes(app, this.#requests)
      quoteRoutes(app, this.#requests, () => this.master)
      accountRoutes(app, this.#pool.accounts, this.#tokens)
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
    this.#silenceWatch.check()
    this.#pool.check()
    this.#book.balance()
    this.#state.sample()
  }

  #checkMinute(): void {
    this.#instruments.check()
    void this.#book.expire((instrument) => this.#rules.hasRolled(instrument))
    const { today } = this.#rules
    if (this.#forgottenOn === today) return
    this.#forgottenOn = today
    void this.#book.forgetOld()
  }

  #whyNoTick(subscription: Subscription): NoTick | null {
    const { instrument, slot } = subscription
    const account = this.#pool.accounts.find(({ name }) => name === slot?.account)
    return whyNoTick({
      subscription,
      account,
      connection: account?.connections.find((c) => c.slot.connection === slot?.connection),
      stream: this.#feed.coverage.streams.get(instrument.token),
      hasEnded: this.#rules.hasClosed(instrument),
      isInSession: this.#rules.isInSession(instrument),
      nowMs: this.#deps.clock.nowMs(),
    })
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

  #tellRefresh(metadata: RefreshMetadata): void {
    const event_type = 'instruments_refreshed'
    this.#lifecycle.publish({ event_type, instrument_token: null, metadata })
  }

  #newFeed(): Feed {
    const { log } = this.#deps
    return newFeed(this.#deps, this.#metrics, {
      marketTime: this.#marketTime,
      silences: {
        leastMs: muteAfterMs(this.#deps),
        onSocketHeard: (slot, silentMs) => this.#silenceWatch.onSocketHeard(slot, silentMs),
        onStreamsHeard: (slot, heard) => this.#silenceWatch.onStreamsHeard(slot, heard),
      },
      onPause: (isPaused) => {
        log.warn({ is_paused: isPaused }, isPaused ? 'Sockets paused' : 'Sockets go on')
        this.#pool.setPaused(isPaused)
      },
      onFirstTick: (stream) => this.#book.onFirstTick(stream),
      onGapOpened: (gap) => this.#onGap('feed_gap_opened', gap),
      onGapClosed: (gap) => this.#onGap('feed_gap_closed', gap),
      onJournalled: (header, bytes) => this.#channels?.take(header, bytes),
      onTakenOver: ({ instrument }) => this.#pool.endMove(instrument.token),
    })
  }

  #newPool(): Pool {
    return newPool(this.#deps, this.#tokens, {
      openSession: (slot) => this.#feed.openSession(slot),
      onGap: (reason, slot, session) => this.#feed.openGap(reason, slot, session),
      onSubscribed: (tokens, slot) => {
        this.#pool.onSubscribed(tokens, slot)
        this.#book.onSubscribed(tokens, slot)
      },
      onChange: (account) => {
        this.#lifecycle.publish(accountNews(account, this.#tokens.reason(account)))
        // The connection that brought the news has to come to rest first.
        queueMicrotask(() => this.#book.balance())
      },
      onHandoverDue: (token) => this.#feed.coverage.takeOver(token),
    })
  }

  #newState(): TickerState {
    const { config, clock, journal, calendar } = this.#deps
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
      tokens: this.#tokens,
      budgets: this.#budgets,
      requests: this.#requests,
      instruments: this.#instruments,
      subscriptions: this.#book,
      takeUp: this.#takeUp,
      redisStatus: () => this.#bus?.status() ?? noBus(config.redisChannelPrefix),
      busFault: () => this.#bus?.fault ?? null,
      eventsFault: () => this.#lifecycle.fault,
    })
  }
}

/** Also of a run before the last one, where no tick has come since. */
function earliestRestart(gaps: readonly OpenGap[]): number | undefined {
  const restarts = gaps.filter(({ reason }) => reason === 'restart')
  return restarts.length === 0 ? undefined : Math.min(...restarts.map(({ fromMs }) => fromMs))
}
