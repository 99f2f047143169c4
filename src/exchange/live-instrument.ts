/**
 * An instrument that somebody listens to: its state, and the bytes of its packets. They are encoded
 * once an event, whoever listens: `quote` and `ltp` packets are the beginning of the `full` one.
 */
import { encodeFull, encodeIndexFull } from '../kite/encode-packet.ts'
import type { DepthLevel } from '../kite/packet.ts'
import { LEVEL, PACKET_BYTES, TRADABLE } from '../kite/packet-layout.ts'
import type { TickMode } from '../market/tick.ts'
import type { Contract } from './market/contract.ts'
import { derive, unit } from './market/hash.ts'
import { InstrumentState } from './market/instrument-state.ts'
import { dayOfSecond, MINUTE_S } from './market/market-time.ts'
import { stepOf } from './market/open-interest.ts'
import type { Tape } from './market/tape.ts'
import type { Subscription } from './subscription.ts'

const BOOK_EVENT_KEY = 7

export class LiveInstrument {
  readonly contract: Contract
  readonly subscriptions = new Set<Subscription>()
  private readonly state: InstrumentState
  private readonly tape: Tape
  private readonly packets: Readonly<Record<TickMode, Buffer>>
  private readonly view: DataView
  private readonly bookEventKey: number
  private renderedMs = Number.NaN

  constructor(tape: Tape) {
    const full = Buffer.alloc(tape.isIndex ? PACKET_BYTES.indexFull : PACKET_BYTES.full)
    const quoteBytes = tape.isIndex ? PACKET_BYTES.indexQuote : PACKET_BYTES.quote
    this.contract = tape.contract
    this.view = new DataView(full.buffer, full.byteOffset, full.byteLength)
    this.tape = tape
    this.state = new InstrumentState(tape)
    this.packets = {
      full,
      quote: full.subarray(0, quoteBytes),
      ltp: full.subarray(0, PACKET_BYTES.ltp),
    }
    this.bookEventKey = derive(tape.contract.key, BOOK_EVENT_KEY)
  }

  /** Paise, of the packet that was made last. */
  get lastPrice(): number {
    return this.state.lastPrice
  }

  /** Whether its state is known; to find it takes a while. */
  get isReady(): boolean {
    return !Number.isNaN(this.renderedMs)
  }

  get hasBook(): boolean {
    return !this.tape.isIndex
  }

  /** Moves on to an instant; whether anything was traded on the way. */
  hasTradedSince(timeMs: number): boolean {
    const before = this.state.lastTradeTimeS
    this.packet('full', timeMs)
    return this.state.lastTradeTimeS !== before
  }

  /** Whether the price at an instant is another one than the subscriber was told last. */
  hasOtherPrice(subscription: Subscription, timeMs: number): boolean {
    this.packet('ltp', timeMs)
    return this.state.lastPrice !== subscription.lastPriceSent
  }

  isTrading(timeMs: number): boolean {
    return this.state.isTrading(timeMs)
  }

  /** Whether it trades in a second. */
  tradesIn(second: number): boolean {
    const at = this.enter(second)
    if (at >= this.tape.tradingSeconds) return false
    const minute = Math.floor(at / MINUTE_S)
    this.tape.times.open(minute)
    return (this.tape.times.seconds[at - minute * MINUTE_S] as number) > 0
  }

  /** Whether its book or open interest changes in a second, besides its trade. */
  bookChangesIn(second: number): boolean {
    if (this.tape.isIndex) return false
    const at = this.enter(second)
    if (at >= this.tape.tradingSeconds) return false
    const { openInterest, activity } = this.tape
    if (at === 0 || stepOf(openInterest, at) !== stepOf(openInterest, at - 1)) return true
    return unit(derive(this.bookEventKey, second)) < activity.bookChance
  }

  /** The packet of an instant. Its bytes are overwritten by the next call. */
  packet(mode: TickMode, timeMs: number): Buffer {
    if (timeMs !== this.renderedMs) this.render(timeMs)
    return this.packets[mode]
  }

  private enter(second: number): number {
    this.tape.enterDay(dayOfSecond(second))
    return second - this.tape.dayStart
  }

  private render(timeMs: number): void {
    const isOnlyBook = this.state.advance(timeMs)
    if (this.tape.isIndex) encodeIndexFull(this.packets.full, 0, this.state)
    else if (isOnlyBook) this.patchBook()
    else encodeFull(this.packets.full, 0, this.state)
    this.renderedMs = timeMs
  }

  /** Half the work of encoding the packet anew. */
  private patchBook(): void {
    const { asks, bids, totalBuyQuantity, totalSellQuantity } = this.state
    this.view.setUint32(TRADABLE.totalBuyQuantity, totalBuyQuantity)
    this.view.setUint32(TRADABLE.totalSellQuantity, totalSellQuantity)
    patchSide(this.view, TRADABLE.bids, bids)
    patchSide(this.view, TRADABLE.asks, asks)
  }
}

function patchSide(view: DataView, offset: number, levels: readonly DepthLevel[]): void {
  let at = offset
  for (const { orders, quantity } of levels) {
    view.setUint32(at + LEVEL.quantity, quantity)
    view.setUint16(at + LEVEL.orders, orders)
    at += LEVEL.byteLength
  }
}
