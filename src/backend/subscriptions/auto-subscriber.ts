/**
 * Streams by itself what is looked at anyway, and follows the market with it: once a second it looks
 * whether the window of strikes has to move, and asks the tickers only where it has.
 *
 *   flag off ──▶ nothing is changed, neither added nor let go
 *   look ──▶ survey (what is held, what has room) ──▶ prices ──▶ plan ──▶ subscribe, unsubscribe
 *             └── a ticker that does not answer: later again
 *
 * It holds as requester `auto` and takes back its own hold alone, so what somebody else holds stays.
 */

import type { AutoSubscriptions } from '../../contract/api/auto-subscriptions.ts'
import { AUTO_HOLDER } from '../../contract/api/subscriptions.ts'
import type { Feed } from '../../contract/journal-record.ts'
import { backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import {
  AUTO_LOOK_PERIOD_MS,
  AUTO_NAMES_SHOWN,
  AUTO_RECONCILE_PERIOD_MS,
  AUTO_RETRY_FIRST_MS,
  AUTO_RETRY_MAX_MS,
} from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import type { Flags } from '../flags/flags.ts'
import { requestOf } from '../tickers/place-instruments.ts'
import type { HolderOptions, TickerClient, TickerPlan } from '../tickers/ticker-client.ts'
import { TickerError } from '../tickers/ticker-error.ts'
import type { Anchor } from './anchor.ts'
import { MarketPrices } from './market-prices.ts'
import { type Held, keyOf, planSubscriptions, type SubscriptionPlan } from './plan.ts'
import { type Planned, presentPlan, type Refusal } from './present-plan.ts'
import { type Survey, Surveys, surveyedNowMs } from './survey.ts'
import type { Turns } from './turns.ts'
import type { AutoSettings } from './window.ts'

export interface AutoSubscriberDeps {
  readonly settings: AutoSettings
  readonly flags: Flags
  readonly tickers: Pick<
    TickerClient,
    'subscriptionsByTicker' | 'standing' | 'quotes' | 'plan' | 'subscribe' | 'unsubscribe'
  >
  readonly chains: Pick<LiveChains, 'master' | 'quote' | 'marketTimeMs'>
  readonly calendar: MarketCalendar
  readonly feed: Feed
  /** Continuous, decimal per year. */
  readonly riskFreeRate: number
  readonly clock: Clock
  readonly random: () => number
  /** Shared with whoever else changes subscriptions. */
  readonly turns: Turns
  readonly log: Log
}

const FLAG = 'smart_subscription_enabled'
const BACKOFF = { firstMs: AUTO_RETRY_FIRST_MS, capMs: AUTO_RETRY_MAX_MS }

export class AutoSubscriber {
  readonly #deps: AutoSubscriberDeps
  readonly #prices: MarketPrices
  readonly #stopping = new AbortController()
  readonly #releasers: (() => void)[] = []
  readonly #surveys: Surveys
  #isLooking = false
  #anchors: ReadonlyMap<string, Anchor> = new Map()
  /** Trading date on which each held instrument was wanted last, by key. */
  #wantedOn = new Map<string, string>()
  /** What a ticker refused, by key: until when it is not asked for again (monotonic, ms). */
  readonly #refused = new Map<string, number>()
  #failures = 0
  #notBeforeMs = Number.NEGATIVE_INFINITY
  #cancelRetry: () => void = noted
  #problem: string | undefined
  #said = ''

  constructor(deps: AutoSubscriberDeps) {
    this.#deps = deps
    const { chains, tickers, calendar, clock, log } = deps
    const elapsedMs = () => clock.elapsedMs()
    this.#surveys = new Surveys(tickers, AUTO_HOLDER, clock)
    this.#prices = new MarketPrices({ chains, tickers, calendar, elapsedMs, log })
  }

  get #options(): HolderOptions {
    return { requestedBy: AUTO_HOLDER, signal: this.#stopping.signal }
  }

  start(): void {
    const { clock, flags } = this.#deps
    this.#releasers.push(
      clock.every(AUTO_LOOK_PERIOD_MS, () => this.#look()),
      flags.onChange((name) => {
        if (name === FLAG) this.#look()
      }),
    )
    this.#look()
  }

  async stop(): Promise<void> {
    for (const release of this.#releasers.splice(0)) release()
    this.#cancelRetry()
    this.#stopping.abort()
    await this.#deps.turns.idle()
  }

  /** What would be done now, whether it is switched on or not. Rejects with `TickerError`. */
  preview(): Promise<AutoSubscriptions> {
    return this.#deps.turns.take(async () => {
      const planned = await this.#plan(true)
      return this.#present(planned, await this.#tickerPlans(planned), undefined)
    })
  }

  /** Does it now, whether it is switched on or not. Rejects with `TickerError`. */
  apply(): Promise<AutoSubscriptions> {
    return this.#deps.turns.take(async () => {
      this.#refused.clear()
      const planned = await this.#plan(true)
      const tickerPlans = await this.#tickerPlans(planned)
      this.#accept(planned)
      return this.#present(planned, tickerPlans, await this.#carryOut(planned))
    })
  }

  async #tickerPlans({ plan: { add } }: Planned): Promise<readonly TickerPlan[]> {
    if (add.length === 0) return []
    return this.#deps.tickers.plan(requestOf(add), this.#options)
  }

  /** @param refusals undefined where nothing was done */
  #present(
    planned: Planned,
    tickerPlans: readonly TickerPlan[],
    refusals: readonly Refusal[] | undefined,
  ): AutoSubscriptions {
    return presentPlan(planned, {
      enabled: this.#deps.flags.isOn(FLAG),
      isDryRun: refusals === undefined,
      tickerPlans,
      refusals: refusals ?? tickerPlans.flatMap(({ errors }) => errors),
      problem: this.#problem,
    })
  }

  #look(): void {
    const { flags, chains, clock } = this.#deps
    if (this.#isLooking || !flags.isOn(FLAG) || chains.master.size === 0) return
    if (clock.elapsedMs() < this.#notBeforeMs) return
    this.#isLooking = true
    void this.#deps.turns
      .take(() => this.#follow())
      .finally(() => {
        this.#isLooking = false
      })
  }

  async #follow(): Promise<void> {
    const { log } = this.#deps
    try {
      const seen = await this.#plan(false)
      const isOld = hasChanges(seen.plan) && this.#surveys.ageMs > AUTO_LOOK_PERIOD_MS
      const planned = isOld ? await this.#plan(true) : seen
      this.#accept(planned)
      this.#say(planned)
      if (hasChanges(planned.plan)) await this.#carryOut(planned)
      this.#problem = this.#prices.fault?.message
      if (this.#problem === undefined) this.#failures = 0
      else this.#retryLater()
    } catch (err) {
      if (this.#stopping.signal.aborted) return
      if (!(err instanceof TickerError)) throw err
      this.#surveys.forget()
      if (this.#problem === undefined) log.warn({ err }, 'Subscriptions cannot follow the market')
      this.#problem = err.message
      this.#retryLater()
    }
  }

  #retryLater(): void {
    const { clock, random } = this.#deps
    const delayMs = backoffDelayMs(BACKOFF, this.#failures++, random)
    this.#notBeforeMs = clock.elapsedMs() + delayMs
    this.#cancelRetry()
    this.#cancelRetry = clock.after(delayMs + 1, () => this.#look())
  }

  /** @param isAnew whether the tickers are asked, also where they were asked a moment ago */
  async #plan(isAnew: boolean): Promise<Planned> {
    const { settings, chains, calendar, riskFreeRate: rate, feed, clock } = this.#deps
    const seen = await this.#surveys.known(isAnew, this.#stopping.signal)
    const nowMs = surveyedNowMs(seen, feed, chains, clock)
    const prices = await this.#prices.known(settings, nowMs, this.#stopping.signal)
    const plan = planSubscriptions({
      settings,
      master: chains.master,
      calendar,
      nowMs,
      rate,
      prices,
      anchors: this.#anchors,
      held: this.#heldOf(seen, nowMs),
      streamed: seen.streamed,
      room: seen.room,
    })
    return { plan: { ...plan, add: plan.add.filter(this.#mayBeAsked) }, survey: seen, nowMs }
  }

  /** What is held and nobody remembers why was wanted today: it is not let go by mistake. */
  #heldOf({ held }: Survey, nowMs: number): ReadonlyMap<string, Held> {
    const today = this.#deps.calendar.tradingDateOf('', nowMs)
    const dated = [...held].map(([key, instrument]) => {
      const wantedOn = this.#wantedOn.get(key) ?? today
      return [key, { ...instrument, wantedOn }] as const
    })
    this.#wantedOn = new Map(dated.map(([key, { wantedOn }]) => [key, wantedOn]))
    return new Map(dated)
  }

  readonly #mayBeAsked = (instrument: Instrument): boolean =>
    (this.#refused.get(keyOf(instrument)) ?? 0) <= this.#deps.clock.elapsedMs()

  #accept({ plan: { anchors, wanted }, nowMs }: Planned): void {
    this.#anchors = anchors
    const today = this.#deps.calendar.tradingDateOf('', nowMs)
    for (const instrument of wanted) this.#wantedOn.set(keyOf(instrument), today)
  }

  /** Also where it fails half-way the tickers are asked anew before anything else is done. */
  async #carryOut({ plan: { add, drop } }: Planned): Promise<readonly Refusal[]> {
    const { tickers, log } = this.#deps
    this.#surveys.forget()
    const errors =
      add.length === 0 ? [] : (await tickers.subscribe(requestOf(add), this.#options)).errors
    const dropped = drop.map(({ token }) => token)
    if (dropped.length > 0) await tickers.unsubscribe(dropped, this.#options)
    this.#remember(errors, add)
    const counts = { added: add.length - errors.length, let_go: drop.length }
    log.info({ ...counts, refused: errors.length }, 'Subscriptions follow the market')
    return errors
  }

  #remember(errors: readonly Refusal[], asked: readonly Instrument[]): void {
    const untilMs = this.#deps.clock.elapsedMs() + AUTO_RECONCILE_PERIOD_MS
    const named = new Set(errors.map(({ instrument }) => instrument))
    for (const instrument of asked) {
      const { token, tradingsymbol } = instrument
      if (named.has(token) || named.has(tradingsymbol))
        this.#refused.set(keyOf(instrument), untilMs)
      else this.#refused.delete(keyOf(instrument))
    }
  }

  /** What is not as it ought to be, once. */
  #say({ plan: { unplaced, underlyings } }: Planned): void {
    const silent = underlyings.filter(({ state }) => state !== 'ok')
    const states = silent.map(({ symbol, state }) => `${symbol}: ${state}`)
    const said = `${unplaced.length} ${states.join()}`
    if (said === this.#said) return
    this.#said = said
    const { log } = this.#deps
    if (states.length > 0) {
      log.warn({ underlyings: states }, 'Strikes stay as they are where the price is not known')
    }
    if (unplaced.length > 0) {
      const first = unplaced.slice(0, AUTO_NAMES_SHOWN).map(({ tradingsymbol }) => tradingsymbol)
      log.warn({ instruments: unplaced.length, first }, 'No room to stream all that is wanted')
    }
  }
}

/** Nothing more is to be done. */
function noted(): void {}

function hasChanges({ add, drop }: SubscriptionPlan): boolean {
  return add.length > 0 || drop.length > 0
}
