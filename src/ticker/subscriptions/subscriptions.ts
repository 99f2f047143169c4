/**
 * What is streamed and who holds it. Decides in memory and one change after another, so that two
 * callers at the same moment meet the same state, and lets ticks pass while it decides on hundreds;
 * what it decides goes to the feed and the sockets, to the own copy, to the store, and then to whoever
 * listens.
 */
import type { LifecycleEvent, LifecycleNews, RemovalReason } from '../../contract/events.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import {
  EVENT_STORE_WAIT_MS,
  SUBSCRIPTION_CHANGES_A_STEP,
  TICKER_REMOVED_KEPT_MS,
} from '../../limits.ts'
import { type Instrument, instrumentKey, isSameInstrument } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { withinMs } from '../bounded.ts'
import type { Pool } from '../connection/pool.ts'
import type { CoverageLog } from '../feed/coverage-log.ts'
import { isSameSlot, type SlotName, type Stream } from '../feed/stream.ts'
import type { WhenStored } from '../lifecycle.ts'
import { removalNews, subscriptionNews } from '../lifecycle-news.ts'
import type { StoredSubscription, SubscriptionStore } from '../ports.ts'
import { ChangeTurns } from './change-turns.ts'
import { FirstTicks } from './first-ticks.ts'
import { instrumentOfRow } from './instrument-of-row.ts'
import { LaterNotes } from './later-notes.ts'
import { mergeSubscriptions } from './merge.ts'
import { OwnCopy } from './own-copy.ts'
import { inPlacementOrder, type LastPlacement, Placer } from './placer.ts'
import { type CreateResult, type RemoveResult, RequestedChanges } from './requested-changes.ts'
import type { ResolvedRequest } from './resolve.ts'
import { StoreSync } from './store-sync.ts'
import { fromStored, isLive, keyOf, type Subscription } from './subscription.ts'
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
  readonly publish: (news: LifecycleNews, whenStored: WhenStored) => void
  /** Events that were published and are not in the outbox yet. */
  readonly untold: () => readonly LifecycleEvent[]
}

export class Subscriptions {
  readonly firstTicks = new FirstTicks()
  readonly #deps: SubscriptionsDeps
  readonly #copy: OwnCopy
  readonly #sync: StoreSync | undefined
  readonly #book = new SubscriptionBook()
  readonly #placer: Placer
  readonly #requested: RequestedChanges
  readonly #turns: ChangeTurns
  readonly #later: LaterNotes
  /** What was asked for is told when the own copy has it, and the store where it takes it. */
  readonly #whenAsked: WhenStored
  /** What has become of it may wait for the own copy: after a crash it is noticed anew. */
  readonly #whenNoted: WhenStored

  constructor(deps: SubscriptionsDeps) {
    this.#deps = deps
    const { clock, log, random, store } = deps
    this.#copy = new OwnCopy({
      path: deps.copyPath,
      clock,
      log,
      all: this.#book.byKey,
      untold: deps.untold,
    })
    this.#sync = store && this.#newSync({ store, clock, log, random })
    this.#placer = new Placer({
      clock,
      log,
      pool: deps.pool,
      coverage: deps.coverage,
      book: this.#book,
      note: (subscription) => this.#note(subscription),
      onAdmitted: (admitted) => this.#tellCreated(admitted),
    })
    this.#requested = new RequestedChanges({
      clock,
      book: this.#book,
      placer: this.#placer,
      ask: (subscription) => this.#ask(subscription),
      end: (subscription, reason) => this.#end(subscription, reason),
      tellCreated: (created) => this.#tellCreated(created),
    })
    this.#turns = new ChangeTurns(clock)
    this.#later = new LaterNotes(clock)
    this.#whenNoted = async () => {
      await withinMs(clock, EVENT_STORE_WAIT_MS, this.#sync?.written() ?? Promise.resolve())
    }
    this.#whenAsked = async () => {
      await this.#copy.flush()
      await this.#whenNoted()
    }
  }

  /** The newest decision on where instruments go; undefined before the first. */
  get lastPlacement(): LastPlacement | undefined {
    return this.#placer.last
  }

  /** Once a second, and when an account has changed. */
  balance(): void {
    this.#placer.balance()
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
      const content = await this.#copy.load()
      const { damagedGroups = 0 } = content ?? {}
      if (damagedGroups > 0) {
        this.#deps.log.warn({ groups: damagedGroups }, 'Torn changes in the own copy left out')
      }
      return content?.subscriptions
    } catch (error) {
      this.#deps.log.error({ err: error }, 'Own copy of the subscriptions cannot be read')
      return undefined
    }
  }

  /** Events that the own copy kept and that were perhaps not told. */
  async untold(): Promise<readonly LifecycleEvent[]> {
    try {
      return (await this.#copy.load())?.untold ?? []
    } catch (error) {
      this.#deps.log.error({ err: error }, 'Events in the own copy cannot be read')
      return []
    }
  }

  /** Takes up what was held before, from the own copy and, where it has answered, the store. */
  async restore(
    copy: readonly Subscription[],
    stored: readonly StoredSubscription[] | undefined,
  ): Promise<void> {
    for (const saved of copy) {
      const status = saved.status === 'active' ? 'pending' : saved.status
      const home = saved.home ?? saved.slot?.account
      if (saved.slot !== undefined) this.#placer.remember(keyOf(saved), saved.slot)
      this.#book.put({ ...saved, status, slot: undefined, home })
    }
    await (stored === undefined ? this.onMaster() : this.mergeStored(stored))
  }

  /** The store has answered, at the start or later. */
  mergeStored(stored: readonly StoredSubscription[]): Promise<void> {
    return this.#turns.run(() => this.#merge(stored))
  }

  /** Repeating it changes nothing; what no socket has room for is kept as `failed`. */
  create(requests: readonly ResolvedRequest[], holder: string): Promise<CreateResult> {
    return this.#turns.run(() => this.#requested.create(requests, holder))
  }

  /** Takes back `holder`'s hold on the tokens, or everybody's; ends what nobody holds any more. */
  remove(tokens: readonly number[], holder: string, force: boolean): Promise<RemoveResult> {
    return this.#turns.run(() => this.#requested.remove(tokens, holder, force))
  }

  /** Resolves when everything decided up to now, and what is to be told of it, is in the own copy. */
  async saved(): Promise<void> {
    await this.#later.settled()
    await this.#copy.flush()
  }

  /** Resolves when what has become of them up to now is noted. */
  noted(): Promise<void> {
    return this.#later.settled()
  }

  /** The broker has been told of these tokens on an open socket. */
  onSubscribed(tokens: readonly number[], slot: SlotName): void {
    const nowMs = this.#deps.clock.nowMs()
    for (const token of tokens) this.#later.add(() => this.#noteTold(token, slot, nowMs))
  }

  onFirstTick(stream: Stream): void {
    const nowMs = this.#deps.clock.nowMs()
    this.#later.add(() =>
      this.#noteFirstTick(stream.instrument.token, stream.firstTickAtMs ?? nowMs),
    )
  }

  /** A dump holds: what ended or changed its token is put right, and what has no socket finds one. */
  onMaster(): Promise<void> {
    return this.#turns.run(() => this.#followMaster())
  }

  /** Ends the contracts for which `hasEnded` holds. */
  expire(hasEnded: (instrument: Instrument) => boolean): Promise<void> {
    return this.#turns.run(() => this.#expireAll(hasEnded))
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
    this.#copy.noteForgotten()
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
    await this.#copy.close()
  }

  // ---------------------------------------------------------------- changes

  *#followMaster(): Generator<undefined, void> {
    const master = this.#deps.master()
    const described = new Map<string, Instrument>()
    for (const subscription of master.size === 0 ? [] : this.#book.all()) {
      const instrument = isLive(subscription) ? this.#compare(subscription, master) : undefined
      if (instrument !== undefined) described.set(keyOf(subscription), instrument)
      yield
    }
    this.#describe(described)
    yield* this.#placeAll()
  }

  /** In one go, so that nothing is moved meanwhile: all that leave a token do so before others take it over. */
  #describe(described: ReadonlyMap<string, Instrument>): void {
    const now = [...described].flatMap(([key, instrument]) => {
      const subscription = this.#book.get(key)
      return subscription && isLive(subscription) ? [{ subscription, instrument }] : []
    })
    for (const { subscription, instrument } of now) {
      const { token } = subscription.instrument
      if (instrument.token !== token) this.#placer.release(subscription)
    }
    for (const { subscription, instrument } of now) {
      const next = { ...subscription, instrument }
      this.#note(next)
      if (next.slot !== undefined) this.#placer.carry(next, next.slot)
    }
  }

  *#expireAll(hasEnded: (instrument: Instrument) => boolean): Generator<undefined, void> {
    for (const subscription of this.#book.all()) {
      if (isLive(subscription) && hasEnded(subscription.instrument)) {
        this.#end(subscription, 'expired')
      }
      yield
    }
  }

  #noteTold(token: number, slot: SlotName, nowMs: number): void {
    const subscription = this.#book.byToken(token)
    if (subscription?.status !== 'pending' || !isSameSlot(subscription.slot, slot)) return
    const activatedAtMs = subscription.activatedAtMs ?? nowMs
    this.#note({ ...subscription, status: 'active', activatedAtMs, lastError: null })
  }

  #noteFirstTick(token: number, firstTickAtMs: number): void {
    const subscription = this.#book.byToken(token)
    if (subscription !== undefined && isLive(subscription) && subscription.firstTickAtMs === null) {
      const live = { ...subscription, firstTickAtMs }
      this.#note(live)
      this.#deps.publish(subscriptionNews('subscription_live', live), this.#whenNoted)
    }
    this.firstTicks.seen(token)
  }

  #end(subscription: Subscription, reason: RemovalReason): void {
    const { token } = subscription.instrument
    this.#placer.release(subscription)
    const ended: Subscription = {
      ...subscription,
      status: 'removed',
      slot: undefined,
      home: undefined,
      holders: [],
      removedAtMs: this.#deps.clock.nowMs(),
    }
    this.#ask(ended)
    this.firstTicks.gone(token)
    this.#deps.publish(removalNews(subscription, reason), this.#whenAsked)
  }

  /** The contract as the dump describes it, where that has changed; what is not in it ends. */
  #compare(subscription: Subscription, master: InstrumentMaster): Instrument | undefined {
    const { exchange, tradingsymbol, expiry } = subscription.instrument
    const instrument = master.byKey(exchange, tradingsymbol)
    if (instrument === undefined) {
      const isOver = expiry !== null && expiry <= this.#deps.today()
      this.#end(subscription, isOver ? 'expired' : 'delisted')
      return undefined
    }
    return isSameInstrument(instrument, subscription.instrument) ? undefined : instrument
  }

  *#merge(stored: readonly StoredSubscription[]): Generator<undefined, void> {
    const { fromStore, toStore } = mergeSubscriptions(this.#book.byKey, stored)
    for (const row of fromStore) {
      this.#takeOver(row)
      yield
    }
    this.#sync?.write(toStore.map(keyOf))
    this.#sync?.begin()
    yield* this.#followMaster()
  }

  /** A row of the store that counts more than what is here. */
  #takeOver(row: StoredSubscription): void {
    const known = this.#book.get(instrumentKey(row.exchange, row.tradingsymbol))
    const instrument =
      this.#deps.master().byKey(row.exchange, row.tradingsymbol) ??
      known?.instrument ??
      instrumentOfRow(row)
    const taken = fromStored(row, instrument)
    const { account, connection } = row
    if (account !== null && connection !== null) {
      this.#placer.remember(keyOf(taken), { account, connection })
    }
    if (known === undefined || !isLive(known)) {
      this.#book.put(taken)
      this.#copy.note(keyOf(taken))
      return
    }
    if (!isLive(taken)) {
      this.#end(known, 'request')
      return
    }
    const { mode, priority, holders } = taken
    this.#note({ ...known, mode, priority, holders })
    if (known.slot !== undefined) this.#placer.carry({ ...known, mode, priority }, known.slot)
  }

  *#placeAll(): Generator<undefined, void> {
    const wanting = this.#book.all().filter((s) => isLive(s) && s.slot === undefined)
    const keys = inPlacementOrder(wanting).map(keyOf)
    for (let at = 0; at < keys.length; at += SUBSCRIPTION_CHANGES_A_STEP) {
      this.#placer.place(keys.slice(at, at + SUBSCRIPTION_CHANGES_A_STEP))
      yield
    }
  }

  #tellCreated(placed: readonly Subscription[]): void {
    for (const subscription of placed) {
      this.#deps.publish(subscriptionNews('subscription_created', subscription), this.#whenAsked)
    }
  }

  // ---------------------------------------------------------------- the books

  /** Something else is wanted than before. */
  #ask(subscription: Subscription): void {
    this.#note({ ...subscription, isStored: false })
  }

  /** Something has become of it. */
  #note(subscription: Subscription): void {
    const key = keyOf(subscription)
    this.#book.put(subscription)
    this.#copy.note(key)
    this.#sync?.write([key])
  }

  #withTimes(subscription: Subscription): Subscription {
    const lastTickAtMs = isLive(subscription)
      ? this.#deps.coverage.streams.get(subscription.instrument.token)?.last?.receivedAtMs
      : undefined
    if (lastTickAtMs === undefined || lastTickAtMs === subscription.lastTickAtMs) {
      return subscription
    }
    return { ...subscription, lastTickAtMs }
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
        this.#copy.note(key)
      },
    })
  }
}
