/**
 * The subscriptions as callers use them: requests in the API's words in, rows in the API's words out.
 * Rejects with an `ApiError` only.
 */
import {
  type NoTick,
  nothingSubscribed,
  type SubscribeAnswer,
  type SubscribePlan,
  type SubscribeRequest,
  type SubscriptionError,
  type SubscriptionsQuery,
  type Subscription as SubscriptionView,
  type UnsubscribeAnswer,
} from '../../contract/api/subscriptions.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { canonicalSymbol } from '../../market/underlying.ts'
import type { Pool } from '../connection/pool.ts'
import type { CreateResult } from '../subscriptions/requested-changes.ts'
import { type RefusedRequest, type Resolution, resolveRequest } from '../subscriptions/resolve.ts'
import { isLive, type Subscription, toView } from '../subscriptions/subscription.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { ApiError } from './api-error.ts'
import { jsonInSlices, rowsInSlices } from './sliced-json.ts'

export interface SubscriptionServiceDeps {
  readonly subscriptions: Subscriptions
  readonly pool: Pool
  readonly clock: Clock
  readonly master: () => InstrumentMaster
  /** Whether the contract trades no more. */
  readonly hasEnded: (instrument: Instrument) => boolean
  /** Why an instrument that is subscribed does not tick; null while it does. */
  readonly whyNoTick: (subscription: Subscription) => NoTick | null
}

export interface Subscribed extends SubscribeAnswer {
  /** Subscriptions that were not there before. */
  readonly created: number
}

export interface Page {
  readonly rows: readonly SubscriptionView[]
  /** Rows that match, of which `rows` may be a part. */
  readonly total: number
}

export class SubscriptionService {
  readonly #deps: SubscriptionServiceDeps

  constructor(deps: SubscriptionServiceDeps) {
    this.#deps = deps
  }

  /**
   * Subscribes what can be; each instrument stands or falls alone. Resolves when it is in the own
   * copy and, with `waitMs`, when all have ticked or the time is over, which is then said.
   *
   * @throws ApiError where nothing could be done
   */
  async subscribe(
    request: SubscribeRequest,
    holder: string,
    waitMs: number | undefined,
  ): Promise<Subscribed> {
    const { subscriptions } = this.#deps
    const resolution = this.#resolve(request)
    if (waitMs !== undefined && !subscriptions.firstTicks.hasRoom) {
      throw new ApiError('unavailable', 'Too many requests wait for a first tick; try again.')
    }
    const result = await subscriptions.create(resolution.resolved, holder)
    const errors = [...resolution.refused, ...capacityErrors(result)]
    if (result.subscriptions.length === 0) throw nothingDone(errors)
    await subscriptions.saved()
    const late = waitMs === undefined ? [] : await this.#waitForTicks(result, waitMs)
    await subscriptions.noted()
    const rows = await this.#rows(result.subscriptions, (each) => this.#viewNow(each))
    return { subscriptions: rows, errors: [...errors, ...late], created: result.created }
  }

  /** What `subscribe` would do; changes nothing. */
  plan(request: SubscribeRequest): SubscribePlan {
    const { subscriptions, pool } = this.#deps
    const { resolved, refused } = this.#resolve(request)
    const instruments = [...new Set(resolved.map(({ instrument }) => instrument))]
    const missing = instruments.filter((instrument) => {
      const known = subscriptions.byInstrument(instrument)
      return known === undefined || !subscriptions.isStreaming(known)
    })
    const { placed, unplaced, reason } = pool.plan(missing)
    const full = unplaced.map((instrument) => capacityError(instrument, reason ?? 'no room'))
    return {
      dry_run: true,
      plan: pool.connections.flatMap(({ slot, size }) => {
        const added = placed
          .filter((p) => p.slot.account === slot.account && p.slot.connection === slot.connection)
          .map(({ item }) => item.tradingsymbol)
        if (added.length === 0) return []
        return { ...slot, instruments_now: size, instruments_after: size + added.length, added }
      }),
      existing: instruments.length - missing.length,
      errors: [...refused.map(toError), ...full],
    }
  }

  list(query: SubscriptionsQuery): Page {
    const { page, total } = this.#matching(query)
    return { rows: page.map((row) => this.#view(row)), total }
  }

  /** The same beside a live feed, each row as it is when it is made. */
  async listInSlices(query: SubscriptionsQuery): Promise<Page> {
    const { page, total } = this.#matching(query)
    return { rows: await this.#rows(page, (row) => this.#view(row)), total }
  }

  /** @throws ApiError `not_found` */
  one(token: number): SubscriptionView {
    const found = this.#deps.subscriptions.byToken(token)
    if (found === undefined) throw notSubscribed(token)
    return this.#view(found)
  }

  /**
   * Takes back the caller's hold, or everybody's. A token that is no longer streamed is nowhere in
   * the answer.
   *
   * @throws ApiError `not_found` where none of the tokens was ever subscribed
   */
  async unsubscribe(
    tokens: readonly number[],
    holder: string,
    force: boolean,
  ): Promise<UnsubscribeAnswer> {
    const { subscriptions } = this.#deps
    const [first] = tokens
    if (first !== undefined && tokens.every((t) => subscriptions.byToken(t) === undefined)) {
      throw notSubscribed(first)
    }
    const { removed, kept } = await subscriptions.remove(tokens, holder, force)
    await subscriptions.saved()
    return {
      removed: [...removed],
      kept: kept.map(({ instrument, holders }) => ({
        instrument_token: instrument.token,
        held_by: [...holders],
      })),
    }
  }

  /** The JSON of an answer, which may be long, made beside a live feed. */
  textOf(answer: object): Promise<string> {
    return jsonInSlices(answer, this.#deps.clock)
  }

  #matching(query: SubscriptionsQuery) {
    const symbol = query.symbol && (canonicalSymbol(query.symbol) ?? query.symbol)
    const matching = this.#deps.subscriptions.all.filter(
      ({ status, instrument, slot }) =>
        (query.status === undefined || status === query.status) &&
        (symbol === undefined || instrument.symbol === symbol) &&
        (query.expiry === undefined || instrument.expiry === query.expiry) &&
        (query.account === undefined || slot?.account === query.account),
    )
    const from = query.offset ?? 0
    const to = query.limit === undefined ? undefined : from + query.limit
    return { page: matching.slice(from, to), total: matching.length }
  }

  #resolve(request: SubscribeRequest): Resolution {
    const master = this.#deps.master()
    if (master.size === 0) {
      throw new ApiError('unavailable', 'The instrument master is not loaded yet; try again.')
    }
    return resolveRequest(request, { master, hasEnded: this.#deps.hasEnded })
  }

  async #waitForTicks(
    { subscriptions }: CreateResult,
    waitMs: number,
  ): Promise<readonly SubscriptionError[]> {
    const { clock, subscriptions: all } = this.#deps
    const silent = () => subscriptions.filter((s) => !all.hasTicked(s.instrument.token))
    await new Promise<void>((resolve) => {
      const tokens = silent().map(({ instrument }) => instrument.token)
      const cancelTimer = clock.after(waitMs, () => {
        cancelWait()
        resolve()
      })
      const cancelWait = all.firstTicks.wait(tokens, () => {
        cancelTimer()
        resolve()
      })
    })
    return silent().map((subscription) => {
      const why = this.#deps.whyNoTick(subscription)
      return {
        instrument: subscription.instrument.tradingsymbol,
        code: 'timeout',
        message: `no tick within ${waitMs} ms: ${why?.message ?? 'it has come just now'}`,
        ...(why === null ? {} : { no_tick_reason: why.reason }),
      }
    })
  }

  #rows(
    subscriptions: readonly Subscription[],
    view: (subscription: Subscription) => SubscriptionView,
  ): Promise<SubscriptionView[]> {
    return rowsInSlices(subscriptions, view, this.#deps.clock)
  }

  #viewNow(subscription: Subscription): SubscriptionView {
    return this.#view(
      this.#deps.subscriptions.byInstrument(subscription.instrument) ?? subscription,
    )
  }

  #view(subscription: Subscription): SubscriptionView {
    return toView(subscription, this.#deps.whyNoTick(subscription))
  }
}

function capacityErrors({ refused }: CreateResult): SubscriptionError[] {
  return refused.map(({ instrument, reason }) => capacityError(instrument, reason))
}

function capacityError({ tradingsymbol }: Instrument, reason: string): SubscriptionError {
  return { instrument: tradingsymbol, code: 'capacity_exceeded', message: reason }
}

function toError({ instrument, code, message }: RefusedRequest): SubscriptionError {
  return { instrument, code, message }
}

function nothingDone(errors: readonly SubscriptionError[]): ApiError {
  const { code, message, details } = nothingSubscribed(errors)
  return new ApiError(code, message, details)
}

function notSubscribed(token: number): ApiError {
  return new ApiError('not_found', `Token ${token} is not subscribed.`, { instrument_token: token })
}

/** For counting by status. */
export function countByStatus(subscriptions: readonly Subscription[]) {
  const counts = { pending: 0, active: 0, failed: 0 }
  for (const subscription of subscriptions) {
    if (isLive(subscription) && subscription.status !== 'removed') counts[subscription.status]++
  }
  return counts
}
