/**
 * Streams what somebody looks at: each call of a page plans its view anew and has the tickers stream
 * what is missing, held as `view`, whoever holds it besides. A page that calls no more lets go by
 * itself, half an hour after its lease.
 *
 *   call ──▶ survey, prices ──▶ plan ──▶ lease ──▶ subscribe ──▶ what was done, and when history is there
 *   once a minute ──▶ anything over? ──▶ survey ──▶ unsubscribe
 *
 * A ticker that does not answer changes nothing: the call fails, and nothing is let go.
 */
import type { MonitorView } from '../../contract/api/monitor-view.ts'
import { VIEW_HOLDER } from '../../contract/api/subscriptions.ts'
import type { Feed } from '../../contract/journal-record.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import {
  AUTO_LOOK_PERIOD_MS,
  VIEW_CALLS_MAX,
  VIEW_LEASE_MS,
  VIEW_LINGER_MS,
  VIEW_LOOK_PERIOD_MS,
  VIEWS_MAX,
} from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { Series } from '../../market/instrument-master.ts'
import type { BackfillManager } from '../backfill/backfill-manager.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import { requestOf } from '../tickers/place-instruments.ts'
import type { HolderOptions, TickerClient, TickerPlan } from '../tickers/ticker-client.ts'
import { TickerError } from '../tickers/ticker-error.ts'
import { MarketPrices } from './market-prices.ts'
import { keyOf } from './plan.ts'
import {
  namesOf,
  presentAdditions,
  presentRefusals,
  presentRupees,
  type Refusal,
} from './present-plan.ts'
import { type Survey, Surveys, surveyedNowMs } from './survey.ts'
import type { Turns } from './turns.ts'
import { ViewLeases } from './view-leases.ts'
import { planView, type ViewPlan } from './view-plan.ts'

export interface ViewSubscriberDeps {
  /** Of a view that names none. */
  readonly strikesEachSide: number | 'all'
  readonly tickers: Pick<
    TickerClient,
    'subscriptionsByTicker' | 'standing' | 'quotes' | 'plan' | 'subscribe' | 'unsubscribe'
  >
  readonly chains: Pick<LiveChains, 'master' | 'quote' | 'marketTimeMs'>
  readonly history: Pick<BackfillManager, 'newHistory'>
  /** Whether a symbol is served here; what others hold for theirs is left alone. */
  readonly isMine: (symbol: string) => boolean
  readonly calendar: MarketCalendar
  readonly feed: Feed
  /** Continuous, decimal per year. */
  readonly riskFreeRate: number
  /** Shared with whoever else changes subscriptions. */
  readonly turns: Turns
  readonly clock: Clock
  readonly log: Log
}

export interface View {
  readonly series: Series
  readonly strikesEachSide: number | 'all' | undefined
}

/** Too much is looked at, or asked for, at once. */
export class TooManyViewsError extends Error {
  override readonly name = 'TooManyViewsError'
}

interface Seen {
  readonly plan: ViewPlan
  readonly survey: Survey
}

/** What a call did at the tickers. */
interface Done {
  readonly added: readonly Instrument[]
  readonly tickerPlans: readonly TickerPlan[]
  readonly refusals: readonly Refusal[]
}

export class ViewSubscriber {
  readonly #deps: ViewSubscriberDeps
  readonly #leases = new ViewLeases()
  readonly #surveys: Surveys
  readonly #prices: MarketPrices
  readonly #stopping = new AbortController()
  #stopLooking: (() => void) | undefined
  #isLooking = false
  #isAway = false

  constructor(deps: ViewSubscriberDeps) {
    this.#deps = deps
    const { chains, tickers, calendar, clock, log } = deps
    const elapsedMs = () => clock.elapsedMs()
    this.#surveys = new Surveys(tickers, VIEW_HOLDER, clock)
    this.#prices = new MarketPrices({ chains, tickers, calendar, elapsedMs, log })
  }

  get #options(): HolderOptions {
    return { requestedBy: VIEW_HOLDER, signal: this.#stopping.signal }
  }

  start(): void {
    this.#stopLooking = this.#deps.clock.every(VIEW_LOOK_PERIOD_MS, () => this.#look())
    this.#look()
  }

  async stop(): Promise<void> {
    this.#stopLooking?.()
    this.#stopping.abort()
    await this.#deps.turns.idle()
  }

  /** Somebody looks, or goes on looking. Rejects with `TickerError` or `TooManyViewsError`. */
  async open(view: View): Promise<MonitorView> {
    const { turns } = this.#deps
    if (turns.waiting >= VIEW_CALLS_MAX) {
      throw new TooManyViewsError(`${turns.waiting} changes of subscriptions wait already.`)
    }
    return turns.take(() => this.#open(view))
  }

  async #open(view: View): Promise<MonitorView> {
    const { clock } = this.#deps
    const name = this.#nameOf(view)
    const beginMs = clock.elapsedMs()
    if (!this.#leases.lives(name, beginMs) && this.#leases.count(beginMs) >= VIEWS_MAX) {
      throw new TooManyViewsError(
        `${VIEWS_MAX} views are open already; one ends when its page does.`,
      )
    }
    const planned = await this.#plan(view, false)
    const isOld = planned.plan.add.length > 0 && this.#surveys.ageMs > AUTO_LOOK_PERIOD_MS
    const seen = isOld ? await this.#plan(view, true) : planned
    // Before anything is asked for: what a call that fails half-way has held is known.
    this.#leases.renew(name, seen.plan.wanted.map(keyOf), clock.elapsedMs())
    return this.#present(view, seen, await this.#carryOut(view, seen))
  }

  async #plan({ series, strikesEachSide }: View, isAnew: boolean): Promise<Seen> {
    const { chains, calendar, feed, riskFreeRate: rate, clock } = this.#deps
    const { signal } = this.#stopping
    const seen = await this.#surveys.known(isAnew, signal)
    this.#meet(seen)
    const nowMs = surveyedNowMs(seen, feed, chains, clock)
    const eachSide = strikesEachSide ?? this.#deps.strikesEachSide
    const underlying = {
      underlyings: [series.symbol],
      expiries: Number.POSITIVE_INFINITY,
      strikesEachSide: eachSide,
    }
    const known = await this.#prices.known(underlying, nowMs, signal)
    const plan = planView({
      series,
      strikesEachSide: eachSide,
      master: chains.master,
      calendar,
      nowMs,
      rate,
      prices: known.get(series.symbol),
      ...seen,
    })
    return { plan, survey: seen }
  }

  async #carryOut(view: View, { plan: { add, unplaced }, survey }: Seen): Promise<Done> {
    if (add.length === 0) return { added: [], tickerPlans: [], refusals: [] }
    const { tickers, log } = this.#deps
    const fresh = add.filter((instrument) => !survey.streamed.has(keyOf(instrument)))
    const tickerPlans =
      fresh.length === 0 ? [] : await tickers.plan(requestOf(fresh), this.#options)
    this.#surveys.forget()
    const { errors } = await tickers.subscribe(requestOf(add), this.#options)
    const refused = new Set(errors.map(({ instrument }) => instrument))
    const added = fresh.filter(
      ({ token, tradingsymbol }) => !refused.has(token) && !refused.has(tradingsymbol),
    )
    if (added.length > 0) {
      const { symbol, expiry } = view.series
      const counts = { added: added.length, refused: errors.length, unplaced: unplaced.length }
      log.info({ symbol, expiry, ...counts }, 'Strikes added for a view')
    }
    return { added, tickerPlans, refusals: errors }
  }

  #present({ series }: View, { plan, survey }: Seen, { added, ...done }: Done): MonitorView {
    const isStreamed = (instrument: Instrument) => survey.streamed.has(keyOf(instrument))
    const streamed = plan.wanted.filter(isStreamed)
    const { pending, etaMs, waitsFor } = this.#deps.history.newHistory(streamed, added)
    return {
      symbol: series.symbol,
      expiry: series.expiry,
      forward: presentRupees(plan.forward),
      atm_strike: plan.atmStrike ?? null,
      wanted: plan.wanted.length,
      streamed: streamed.length,
      added: namesOf(added),
      unplaced: namesOf(plan.unplaced),
      plan: presentAdditions(done.tickerPlans),
      errors: presentRefusals(done.refusals),
      problem: plan.problem ?? null,
      lease_seconds: VIEW_LEASE_MS / 1_000,
      backfill: {
        pending,
        done: streamed.length + added.length - pending,
        eta_ms: etaMs,
        waits_for: waitsFor,
      },
    }
  }

  #nameOf({ series: { symbol, expiry }, strikesEachSide }: View): string {
    return `${symbol}|${expiry}|${strikesEachSide ?? this.#deps.strikesEachSide}`
  }

  // ---------------------------------------------------------------- letting go

  #look(): void {
    const nowMs = this.#deps.clock.elapsedMs()
    // Now and then also without a lease: a hold may be older than this process, or made by hand.
    const isDue = this.#leases.isDue(nowMs) || this.#surveys.ageMs > VIEW_LINGER_MS
    if (this.#isLooking || !isDue) return
    this.#isLooking = true
    void this.#deps.turns
      .take(() => this.#letGo())
      .finally(() => {
        this.#isLooking = false
      })
  }

  async #letGo(): Promise<void> {
    const { tickers, clock, log } = this.#deps
    try {
      const mine = this.#meet(await this.#surveys.known(true, this.#stopping.signal))
      const nowMs = clock.elapsedMs()
      const over = [...mine].filter(([key]) => this.#leases.isOver(key, nowMs))
      const tokens = over.map(([, { token }]) => token)
      if (tokens.length > 0) {
        this.#surveys.forget()
        const { removed } = await tickers.unsubscribe(tokens, this.#options)
        log.info({ let_go: tokens.length, ended: removed.length }, 'Strikes of views let go')
      }
      this.#leases.forgetOver(nowMs)
      this.#isAway = false
    } catch (err) {
      if (this.#stopping.signal.aborted) return
      if (!(err instanceof TickerError)) throw err
      if (!this.#isAway) log.warn({ err }, 'Strikes of views cannot be let go')
      this.#isAway = true
    }
  }

  /** What of it is served here; whose hold nobody remembers has its time from now on. */
  #meet({ held }: Survey): Survey['held'] {
    const { isMine, clock } = this.#deps
    const mine = new Map([...held].filter(([, { symbol }]) => isMine(symbol)))
    this.#leases.meet(mine.keys(), clock.elapsedMs())
    return mine
  }
}
