/**
 * What is streamed and who holds it. Decides at once and in memory, so that two callers at the same
 * moment meet the same state; what it decides goes to the feed and the sockets, to the own copy, to
 * the store, and then to whoever listens.
 */
import type { LifecycleNews, RemovalReason } from '../../contract/events.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { TICKER_REMOVED_KEPT_MS } from '../../limits.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import type { Pool } from '../connection/pool.ts'
import type { CoverageLog } from '../feed/coverage-log.ts'
import { lowerMode, type SlotName, type Stream } from '../feed/stream.ts'
import { removalNews, subscriptionNews } from '../lifecycle-news.ts'
import type { StoredSubscription, SubscriptionStore } from '../ports.ts'
import { FirstTicks } from './first-ticks.ts'
import { instrumentOfRow } from './instrument-of-row.ts'
import { mergeSubscriptions } from './merge.ts'
import { OwnCopy } from './own-copy.ts'
import type { ResolvedRequest } from './resolve.ts'
import { StoreSync } from './store-sync.ts'
import { fromStored, isLive, keyOf, newSubscription, type Subscription } from './subscription.ts'
import { SubscriptionBook } from './subscription-book.ts'

export interface SubscriptionsDeps {
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  readonly coverage: CoverageLog
  readonly pool: Pool
  readonly master: () => InstrumentMaster
  /** IST date of market time. */
  readonly today: () => string
  /** The own copy's file. */
  readonly copyPath: string
  readonly store: SubscriptionStore | undefined
  /** Called after what the news say is in the own copy. */
  readonly publish: (news: LifecycleNews) => void
}

export interface CreateResult {
  /** One an instrument, in the order of the request. */
  readonly subscriptions: readonly Subscription[]
  /** Instruments that no socket has room for. */
  readonly refused: readonly { readonly instrument: Instrument; readonly reason: string }[]
  readonly created: number
}

export interface RemoveResult {
  readonly removed: readonly number[]
  readonly kept: readonly Subscription[]
}

export class Subscriptions {
  readonly firstTicks = new FirstTicks()
  readonly #deps: SubscriptionsDeps
  readonly #copy: OwnCopy
  readonly #sync: StoreSync | undefined
  readonly #book = new SubscriptionBook()
  #told: Promise<void> = Promise.resolve()

  constructor(deps: SubscriptionsDeps) {
    this.#deps = deps
    const { clock, log, random, store } = deps
    this.#copy = new OwnCopy({
      path: deps.copyPath,
      clock,
      log,
      read: () => this.#book.byKey.values(),
    })
    this.#sync = store && this.#newSync({ store, clock, log, random })
  }

  get all(): readonly Subscription[] {
    return this.#book.all().map((subscription) => this.#withTimes(subscription))
  }

  /** Rows that the store does not have yet, and why. */
  get storeLag(): { readonly waiting: number; readonly error: string | null } | undefined {
    return this.#sync && { waiting: this.#sync.waiting, error: this.#sync.lastError }
  }

  byToken(token: number): Subscription | undefined {
    const found = this.#book.byToken(token)
    return found && this.#withTimes(found)
  }

  byInstrument({ exchange, tradingsymbol }: Instrument): Subscription | undefined {
    const found = this.#book.get(instrumentKey(exchange, tradingsymbol))
    return found && this.#withTimes(found)
  }

  /** Whether it streams, or will when a socket is open. */
  isStreaming(subscription: Subscription): boolean {
    return isLive(subscription) && subscription.slot !== undefined
  }

  /** Whether the token has ticked since it was subscribed, or since the start. */
  hasTicked(token: number): boolean {
    return this.#deps.coverage.streams.get(token)?.firstTickAtMs !== undefined
  }

  /** The own copy as it was left; undefined where there is none. */
  async loadCopy(): Promise<readonly Subscription[] | undefined> {
    try {
      return await this.#copy.load()
    } catch (error) {
      this.#deps.log.error({ err: error }, 'Own copy of the subscriptions cannot be read')
      return undefined
    }
  }

  /** Takes up what was held before, from the own copy and, where it has answered, the store. */
  restore(copy: readonly Subscription[], stored: readonly StoredSubscription[] | undefined): void {
    for (const saved of copy) {
      const status = isLive(saved) ? 'pending' : 'removed'
      this.#book.put({ ...saved, status, slot: undefined })
    }
    if (stored === undefined) this.onMaster()
    else this.mergeStored(stored)
  }

  /** The store has answered, at the start or later. */
  mergeStored(stored: readonly StoredSubscription[]): void {
    const { fromStore, toStore } = mergeSubscriptions(this.#book.byKey, stored)
    for (const row of fromStore) this.#takeOver(row)
    this.#sync?.write(toStore.map(keyOf))
    this.#sync?.begin()
    this.#copy.schedule()
    this.onMaster()
  }

  /** Repeating it changes nothing; what no socket has room for is kept as `failed`. */
  create(requests: readonly ResolvedRequest[], holder: string): CreateResult {
    const keys = new Set<string>()
    const wanting: string[] = []
    for (const request of requests) {
      const key = instrumentKey(request.instrument.exchange, request.instrument.tradingsymbol)
      const known = this.#book.get(key)
      keys.add(key)
      if (known !== undefined && isLive(known)) this.#hold(known, request, holder)
      else this.#begin(request, holder)
      const now = this.#book.get(key)
      if (now !== undefined && now.slot === undefined) wanting.push(key)
    }
    const { placed, reason } = this.#place(wanting)
    const news = placed.map((subscription) =>
      subscriptionNews('subscription_created', subscription),
    )
    this.#announce(news, true)
    const subscriptions = [...keys].flatMap((key) => this.#book.get(key) ?? [])
    return {
      subscriptions: subscriptions.filter(({ slot }) => slot !== undefined),
      refused: subscriptions
        .filter(({ slot }) => slot === undefined)
        .map(({ instrument }) => ({ instrument, reason: reason ?? 'there is no room' })),
      created: placed.length,
    }
  }

  /** Takes back `holder`'s hold on the tokens, or everybody's; ends what nobody holds any more. */
  remove(tokens: readonly number[], holder: string, force: boolean): RemoveResult {
    const removed: number[] = []
    const kept: Subscription[] = []
    for (const token of new Set(tokens)) {
      const subscription = this.byToken(token)
      if (subscription === undefined || !isLive(subscription)) continue
      const holders = force ? [] : subscription.holders.filter((other) => other !== holder)
      if (holders.length === 0) {
        this.#end(subscription, 'request')
        removed.push(token)
      } else {
        if (holders.length < subscription.holders.length) this.#ask({ ...subscription, holders })
        kept.push({ ...subscription, holders })
      }
    }
    return { removed, kept }
  }

  /** Resolves when everything decided up to now is in the own copy and has been told. */
  async saved(): Promise<void> {
    await this.#copy.flush()
    await this.#told
  }

  /** The broker has been told of these tokens on an open socket. */
  onSubscribed(tokens: readonly number[]): void {
    const nowMs = this.#deps.clock.nowMs()
    for (const token of tokens) {
      const subscription = this.#book.byToken(token)
      if (subscription?.status !== 'pending') continue
      const activatedAtMs = subscription.activatedAtMs ?? nowMs
      this.#note({ ...subscription, status: 'active', activatedAtMs, lastError: null })
    }
  }

  onFirstTick({ instrument, firstTickAtMs }: Stream): void {
    this.firstTicks.seen(instrument.token)
    const subscription = this.#book.byToken(instrument.token)
    if (subscription === undefined || subscription.firstTickAtMs !== null) return
    const live = { ...subscription, firstTickAtMs: firstTickAtMs ?? this.#deps.clock.nowMs() }
    this.#note(live)
    this.#announce([subscriptionNews('subscription_live', live)], false)
  }

  /** A dump holds: what ended or changed its token is put right, and what has no socket finds one. */
  onMaster(): void {
    const master = this.#deps.master()
    const described: Subscription[] = []
    // All that leave a token do so before others take it over.
    for (const subscription of master.size === 0 ? [] : this.#book.all()) {
      if (isLive(subscription)) described.push(...this.#compare(subscription, master))
    }
    for (const subscription of described) {
      this.#note(subscription)
      if (subscription.slot !== undefined) this.#carry(subscription, subscription.slot)
    }
    this.#placeAll()
  }

  /** Ends the contracts for which `hasEnded` holds. */
  expire(hasEnded: (instrument: Instrument) => boolean): void {
    for (const subscription of this.#book.all()) {
      if (isLive(subscription) && hasEnded(subscription.instrument)) {
        this.#end(subscription, 'expired')
      }
    }
  }

  /** Lets the store know when each instrument ticked last. */
  writeTickTimes(): void {
    const changed: string[] = []
    for (const subscription of this.#book.all()) {
      const timed = this.#withTimes(subscription)
      if (timed === subscription) continue
      this.#book.put(timed)
      changed.push(keyOf(timed))
    }
    this.#sync?.write(changed)
  }

  /** Once a day: lets go of what ended long ago, here and in the store. */
  async forgetOld(): Promise<void> {
    const beforeMs = this.#deps.clock.nowMs() - TICKER_REMOVED_KEPT_MS
    this.#book.forgetRemoved(beforeMs)
    this.#copy.schedule()
    try {
      await this.#deps.store?.forgetRemoved(beforeMs)
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'Old subscriptions stay in the store for another day')
    }
  }

  async stop(): Promise<void> {
    this.firstTicks.stop()
    this.writeTickTimes()
    await this.saved()
    await this.#sync?.stop()
    await this.#copy.flush()
  }

  // ---------------------------------------------------------------- changes

  #begin({ instrument, mode, priority }: ResolvedRequest, holder: string): void {
    const request = { mode, priority, holder }
    this.#ask(newSubscription(instrument, request, this.#deps.clock.nowMs()))
  }

  /** A mode is lowered only by whoever holds it alone: others may need what it carries. */
  #hold(known: Subscription, { mode, priority }: ResolvedRequest, holder: string): void {
    const isAlone = known.holders.every((other) => other === holder)
    const isLower = lowerMode(mode, known.mode) === mode
    const next: Subscription = {
      ...known,
      holders: known.holders.includes(holder) ? known.holders : [...known.holders, holder],
      mode: isLower && !isAlone ? known.mode : mode,
      priority: priority === 'high' ? 'high' : known.priority,
    }
    const isSame =
      next.holders === known.holders && next.mode === known.mode && next.priority === known.priority
    if (isSame) return
    this.#ask(next)
    if (next.slot !== undefined) this.#carry(next, next.slot)
  }

  #end(subscription: Subscription, reason: RemovalReason): void {
    const { token } = subscription.instrument
    this.#release(subscription)
    const ended: Subscription = {
      ...subscription,
      status: 'removed',
      slot: undefined,
      holders: [],
      removedAtMs: this.#deps.clock.nowMs(),
    }
    this.#ask(ended)
    this.firstTicks.gone(token)
    this.#announce([removalNews(subscription, reason)], true)
  }

  /** The subscription as the dump describes its contract, where that has changed. */
  #compare(subscription: Subscription, master: InstrumentMaster): readonly Subscription[] {
    const { exchange, tradingsymbol, expiry, token } = subscription.instrument
    const instrument = master.byKey(exchange, tradingsymbol)
    if (instrument === undefined) {
      const isOver = expiry !== null && expiry < this.#deps.today()
      this.#end(subscription, isOver ? 'expired' : 'delisted')
      return []
    }
    if (JSON.stringify(instrument) === JSON.stringify(subscription.instrument)) return []
    if (instrument.token !== token) this.#release(subscription)
    return [{ ...subscription, instrument }]
  }

  /** A row of the store that counts more than what is here. */
  #takeOver(row: StoredSubscription): void {
    const known = this.#book.get(instrumentKey(row.exchange, row.tradingsymbol))
    const instrument =
      this.#deps.master().byKey(row.exchange, row.tradingsymbol) ??
      known?.instrument ??
      instrumentOfRow(row)
    const taken = fromStored(row, instrument)
    if (known === undefined || !isLive(known)) {
      this.#book.put(taken)
      return
    }
    if (!isLive(taken)) {
      this.#end(known, 'request')
      return
    }
    const { mode, priority, holders } = taken
    this.#note({ ...known, mode, priority, holders })
    if (known.slot !== undefined) this.#carry({ ...known, mode, priority }, known.slot)
  }

  #placeAll(): void {
    const wanting = this.#book.all().filter((s) => isLive(s) && s.slot === undefined)
    this.#place(wanting.map(keyOf))
  }

  /** Finds sockets for what has none, the urgent first. */
  #place(keys: readonly string[]): { placed: readonly Subscription[]; reason: string | undefined } {
    const wanting = keys
      .flatMap((key) => this.#book.get(key) ?? [])
      .sort((a, b) => Number(b.priority === 'high') - Number(a.priority === 'high'))
    const plan = this.#deps.pool.plan(wanting)
    const placed = plan.placed.map(({ item, slot }) => {
      const next: Subscription = { ...item, slot, status: 'pending', lastError: null }
      this.#note(next)
      this.#carry(next, slot)
      return next
    })
    for (const item of plan.unplaced) {
      this.#note({ ...item, status: 'failed', lastError: plan.reason ?? null })
    }
    return { placed, reason: plan.reason }
  }

  #carry({ instrument, mode, priority }: Subscription, slot: SlotName): void {
    this.#deps.coverage.want(instrument, mode, slot)
    this.#deps.pool.carry(slot, instrument.token, { mode, priority })
  }

  #release({ instrument, slot }: Subscription): void {
    if (slot === undefined) return
    this.#deps.pool.drop(instrument.token)
    this.#deps.coverage.unwant(instrument.token)
  }

  // ---------------------------------------------------------------- the books

  /** Something else is wanted than before. */
  #ask(subscription: Subscription): void {
    this.#note({ ...subscription, isStored: false })
  }

  /** Something has become of it. */
  #note(subscription: Subscription): void {
    this.#book.put(subscription)
    this.#copy.schedule()
    this.#sync?.write([keyOf(subscription)])
  }

  #withTimes(subscription: Subscription): Subscription {
    const lastTickAtMs = isLive(subscription)
      ? this.#deps.coverage.streams.get(subscription.instrument.token)?.lastTickAtMs
      : undefined
    if (lastTickAtMs === undefined || lastTickAtMs === subscription.lastTickAtMs) {
      return subscription
    }
    return { ...subscription, lastTickAtMs }
  }

  /** In order; what was asked for is told after it is in the own copy. */
  #announce(news: readonly LifecycleNews[], isAsked: boolean): void {
    if (news.length === 0) return
    this.#told = this.#told
      .then(() => (isAsked ? this.#copy.flush() : undefined))
      .then(() => {
        for (const item of news) this.#deps.publish(item)
      })
  }

  #newSync(deps: {
    readonly store: SubscriptionStore
    readonly clock: Clock
    readonly log: Log
    readonly random: () => number
  }): StoreSync {
    return new StoreSync({
      ...deps,
      read: (key) => this.#book.get(key),
      onStored: (key, stored) => {
        // Changed again meanwhile: it is in the queue anyway.
        if (this.#book.get(key) !== stored || stored.isStored) return
        this.#book.put({ ...stored, isStored: true })
        this.#copy.schedule()
      },
    })
  }
}
