/**
 * The live feed. Time is cut into slots; in each, the packets of what happened since the last one go
 * to those who have subscribed, one frame a connection.
 *
 * By default the market sets the pace: a packet for every trade, index value and change of the book,
 * in the order in which they happen. Every trade is shown, unless more happens than a slot can take:
 * then only the newest state of each instrument, as with the real broker. With a rate set, so many
 * packets a second go out, instrument after instrument, each showing the state of its moment.
 */
import type { Clock } from '../kit/clock.ts'
import {
  EXCHANGE_CATCH_UP_MAX_MS,
  EXCHANGE_FIRST_PACKETS_SLICE_MS,
  EXCHANGE_HEARTBEAT_PERIOD_MS,
  EXCHANGE_RATE_CATCH_UP_MAX_MS,
  EXCHANGE_SLOT_MAX_EVENTS,
  EXCHANGE_SLOT_MS,
} from '../limits.ts'
import { istDate } from '../market/ist.ts'
import type { TickMode } from '../market/tick.ts'
import type { ClientConnection } from './client-connection.ts'
import type { ClientFeed } from './client-feed.ts'
import { LiveInstrument } from './live-instrument.ts'
import type { Market } from './market/market.ts'
import type { MarketClock } from './market-clock.ts'
import type { PacketSource, PacketTarget, Subscription } from './subscription.ts'

const SECOND_MS = 1_000

export interface FeedOptions {
  readonly market: Market
  readonly marketClock: MarketClock
  readonly clock: Clock
  /** Packets a second over all subscriptions; undefined where the market sets the pace. */
  readonly ticksPerSecond: number | undefined
}

export class Feed implements ClientFeed {
  readonly connections = new Set<ClientConnection>()
  readonly isOpen = true
  /** Packets due since the start, those included that a slow or faulty connection did not get. */
  packets = 0
  /** Slots in which only the newest states were sent. */
  conflatedSlots = 0
  private rate: number | undefined
  private readonly market: Market
  private readonly marketClock: MarketClock
  private readonly clock: Clock
  private readonly instruments = new Map<number, LiveInstrument>()
  /** By the millisecond of each second at which they trade, and at which their books change. */
  private readonly tradeWheel = emptyWheel()
  private readonly bookWheel = emptyWheel()
  /** For a set rate: who is next. Undefined after any change of the subscriptions. */
  private turns: Subscription[] | undefined
  private turn = 0
  private due = 0
  private first: Subscription[] = []
  private date: string
  private lastMs: number
  private lastElapsedMs: number
  private cancel: (() => void)[] = []

  constructor({ market, marketClock, clock, ticksPerSecond }: FeedOptions) {
    this.market = market
    this.marketClock = marketClock
    this.clock = clock
    this.rate = ticksPerSecond
    this.lastMs = marketClock.nowMs()
    this.lastElapsedMs = clock.elapsedMs()
    this.date = istDate(this.lastMs)
  }

  get ticksPerSecond(): number | undefined {
    return this.rate
  }

  set ticksPerSecond(rate: number | undefined) {
    this.rate = rate
    this.due = 0
  }

  get instrumentCount(): number {
    return this.instruments.size
  }

  start(): void {
    this.cancel = [
      this.clock.every(EXCHANGE_SLOT_MS, () => this.slot()),
      this.clock.every(EXCHANGE_HEARTBEAT_PERIOD_MS, () => this.heartbeat()),
    ]
  }

  stop(): void {
    for (const cancel of this.cancel) cancel()
    this.cancel = []
  }

  // -------------------------------------------------------------- subscriptions

  /** Takes what fits and answers how many did not. Each is sent its state at once. */
  subscribe(connection: ClientConnection, tokens: readonly number[], mode?: TickMode): number {
    let refused = 0
    for (const token of tokens) {
      const subscription = connection.subscribe(token, mode)
      if (subscription === undefined) {
        refused++
        continue
      }
      if (subscription.instrument === undefined) this.bind(subscription)
      if (subscription.instrument !== undefined) this.first.push(subscription)
    }
    this.sendFirst()
    return refused
  }

  unsubscribe(connection: ClientConnection, tokens: readonly number[]): void {
    for (const token of tokens) {
      const subscription = connection.subscriptions.get(token)
      if (subscription === undefined) continue
      connection.unsubscribe(token)
      this.unbind(subscription)
    }
    this.turns = undefined
  }

  drop(connection: ClientConnection): void {
    this.connections.delete(connection)
    this.unsubscribe(connection, [...connection.subscriptions.keys()])
  }

  private bind(subscription: Subscription): void {
    const { token } = subscription
    const instrument = this.instruments.get(token) ?? this.open(token)
    if (instrument === undefined) return
    subscription.instrument = instrument
    instrument.subscriptions.add(subscription)
  }

  private open(token: number): LiveInstrument | undefined {
    const contract = this.market.listing(this.marketClock.nowMs()).byToken.get(token)
    if (contract === undefined) return undefined
    const instrument = new LiveInstrument(this.market.tape(contract))
    this.instruments.set(token, instrument)
    this.tradeWheel[contract.tradePhaseMs]?.add(instrument)
    if (instrument.hasBook) this.bookWheel[contract.bookPhaseMs]?.add(instrument)
    return instrument
  }

  private unbind(subscription: Subscription): void {
    const instrument = this.instruments.get(subscription.token)
    subscription.instrument = undefined
    if (instrument === undefined) return
    instrument.subscriptions.delete(subscription)
    if (instrument.subscriptions.size === 0) this.close(instrument)
  }

  private close({ contract }: LiveInstrument): void {
    const { token } = contract.instrument
    const instrument = this.instruments.get(token)
    if (instrument === undefined) return
    this.instruments.delete(token)
    this.tradeWheel[contract.tradePhaseMs]?.delete(instrument)
    this.bookWheel[contract.bookPhaseMs]?.delete(instrument)
  }

  /**
   * A subscription's first state is sent at once; of thousands in pieces, so that others go on. It
   * takes 0.1 ms to find (a day's high and low), so no slot touches an instrument before.
   */
  private sendFirst(): void {
    const startedMs = this.clock.elapsedMs()
    const touched = new Set<PacketTarget>()
    let sent = 0
    for (; sent < this.first.length; sent++) {
      if (this.clock.elapsedMs() - startedMs > EXCHANGE_FIRST_PACKETS_SLICE_MS) break
      const subscription = this.first[sent] as Subscription
      if (this.sendState(subscription, this.lastMs)) touched.add(subscription.connection)
    }
    this.first = this.first.slice(sent)
    this.turns = undefined
    for (const connection of touched) connection.flush()
    if (this.first.length > 0) this.clock.after(0, () => this.sendFirst())
  }

  private sendState(subscription: Subscription, timeMs: number): boolean {
    const { instrument } = subscription
    if (instrument === undefined) return false
    this.deliver(subscription, instrument, timeMs)
    return true
  }

  // -------------------------------------------------------------- slots

  /** Sends what has happened since the last slot. */
  slot(): void {
    const nowMs = this.marketClock.nowMs()
    const elapsedMs = this.clock.elapsedMs()
    for (const connection of this.connections) if (connection.checkPace()) this.refresh(connection)
    if (this.rate === undefined) this.sendEvents(nowMs)
    else this.sendAtRate(this.rate, nowMs, elapsedMs - this.lastElapsedMs)
    this.lastMs = nowMs
    this.lastElapsedMs = elapsedMs
    this.followDate(nowMs)
    for (const connection of this.connections) connection.flush()
  }

  private heartbeat(): void {
    for (const connection of this.connections) connection.heartbeat()
  }

  /** The newest state of what a slow client has missed. */
  private refresh(connection: ClientConnection): void {
    for (const subscription of connection.subscriptions.values()) {
      if (!subscription.isStale) continue
      subscription.isStale = false
      this.sendState(subscription, this.lastMs)
    }
  }

  private sendEvents(nowMs: number): void {
    if (this.mustConflate(nowMs)) this.sendNewest(nowMs)
    else for (let ms = this.lastMs + 1; ms <= nowMs; ms++) this.sendEventsOf(ms)
  }

  private mustConflate(nowMs: number): boolean {
    const windowMs = nowMs - this.lastMs
    const seconds = windowMs / SECOND_MS
    // Each instrument has one or two events a second at most.
    const events = this.instruments.size * 1.5 * seconds
    return (
      events > EXCHANGE_SLOT_MAX_EVENTS ||
      windowMs > EXCHANGE_CATCH_UP_MAX_MS * this.marketClock.speed
    )
  }

  private sendEventsOf(ms: number): void {
    const second = Math.floor(ms / SECOND_MS)
    const phase = ms - second * SECOND_MS
    for (const instrument of this.tradeWheel[phase] ?? []) {
      if (instrument.isReady && instrument.tradesIn(second)) this.sendTrade(instrument, ms)
    }
    for (const instrument of this.bookWheel[phase] ?? []) {
      if (instrument.isReady && instrument.bookChangesIn(second)) this.sendBook(instrument, ms)
    }
  }

  private sendTrade(instrument: LiveInstrument, ms: number): void {
    for (const subscription of instrument.subscriptions) {
      if (subscription.mode === 'ltp' && !instrument.hasOtherPrice(subscription, ms)) continue
      this.deliver(subscription, instrument, ms)
    }
  }

  private sendBook(instrument: LiveInstrument, ms: number): void {
    for (const subscription of instrument.subscriptions) {
      if (subscription.mode === 'full') this.deliver(subscription, instrument, ms)
    }
  }

  private sendNewest(nowMs: number): void {
    this.conflatedSlots++
    const second = Math.floor(nowMs / SECOND_MS)
    for (const instrument of this.instruments.values()) {
      if (!instrument.isReady || !instrument.isTrading(this.lastMs)) continue
      if (instrument.hasTradedSince(nowMs)) this.sendTrade(instrument, nowMs)
      else if (instrument.bookChangesIn(second)) this.sendBook(instrument, nowMs)
    }
  }

  private sendAtRate(rate: number, nowMs: number, elapsedMs: number): void {
    this.turns ??= this.newTurns()
    const { turns } = this
    if (turns.length === 0) return
    this.due += (rate * Math.min(elapsedMs, EXCHANGE_RATE_CATCH_UP_MAX_MS)) / SECOND_MS
    const packets = Math.floor(this.due)
    const stepMs = (nowMs - this.lastMs) / packets
    for (let i = 1; i <= packets; i++) {
      const subscription = turns[this.turn % turns.length] as Subscription
      this.turn = (this.turn + 1) % turns.length
      this.sendState(subscription, Math.floor(this.lastMs + stepMs * i))
    }
    this.due -= packets
  }

  private newTurns(): Subscription[] {
    const instruments = [...this.instruments.values()].filter(({ isReady }) => isReady)
    this.turn = 0
    return instruments.flatMap(({ subscriptions }) => [...subscriptions])
  }

  private deliver(subscription: Subscription, instrument: PacketSource, timeMs: number): void {
    this.packets++
    const packet = instrument.packet(subscription.mode, timeMs)
    if (subscription.connection.append(subscription, packet)) {
      subscription.lastPriceSent = instrument.lastPrice
    }
  }

  // -------------------------------------------------------------- days

  /** On a new date, what has expired falls silent and what is listed now begins. */
  private followDate(nowMs: number): void {
    const date = istDate(nowMs)
    if (date === this.date) return
    this.date = date
    const { byToken } = this.market.listing(nowMs)
    for (const connection of this.connections) {
      for (const subscription of connection.subscriptions.values()) {
        const { token } = subscription
        const listed = byToken.get(token)?.instrument.tradingsymbol
        if (this.instruments.get(token)?.contract.instrument.tradingsymbol !== listed) {
          this.unbind(subscription)
          this.bind(subscription)
          this.first.push(subscription)
        }
      }
    }
    this.sendFirst()
  }
}

function emptyWheel(): Set<LiveInstrument>[] {
  return Array.from({ length: SECOND_MS }, () => new Set<LiveInstrument>())
}
