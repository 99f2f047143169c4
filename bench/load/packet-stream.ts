/**
 * What one socket of the packet generator sends: the packets of its instruments lie one after another
 * as in a frame, are changed in place when their turn comes, and a stretch of them is a frame. That
 * costs the generator a small part of what it costs to take them.
 *
 * The average price, which no bar is made of, carries the time when a packet was due.
 */
import type { Contract } from '../../src/exchange/market/contract.ts'
import type { Market } from '../../src/exchange/market/market.ts'
import { FrameWriter } from '../../src/kite/frame-writer.ts'
import { HEAD, INDEX, LEVEL, TRADABLE } from '../../src/kite/packet-layout.ts'
import type { Random } from './random.ts'

const COUNT_BYTES = 2
const LENGTH_BYTES = 2
/** Of ten packets four show a trade, the others a change of the book. */
const TRADE_SHARE = 0.4
const PRICE_STEP_PAISE = 5
const QUANTITY_MAX = 5_000
const TWO_POW_32 = 2 ** 32

export class PacketStream {
  /** Packets sent. */
  sent = 0
  readonly #packets: Buffer
  readonly #view: DataView
  readonly #lots: readonly number[]
  readonly #isIndex: readonly boolean[]
  /** Where each packet begins, and the end behind the last. */
  readonly #starts: number[] = []
  readonly #random: Random
  #turn = 0

  constructor(market: Market, contracts: readonly Contract[], atMs: number, random: Random) {
    const states = contracts.map((contract) => market.snapshot(contract, atMs))
    const writer = new FrameWriter()
    for (const state of states) {
      this.#starts.push(writer.byteLength - COUNT_BYTES + LENGTH_BYTES)
      if (state.isIndex) writer.indexFull(state)
      else writer.full(state)
    }
    this.#packets = writer.take().subarray(COUNT_BYTES)
    this.#starts.push(this.#packets.length + LENGTH_BYTES)
    const { buffer, byteOffset, length } = this.#packets
    this.#view = new DataView(buffer, byteOffset, length)
    this.#lots = contracts.map(({ instrument }) => instrument.lotSize)
    this.#isIndex = states.map(({ isIndex }) => isIndex)
    this.#random = random
  }

  get instruments(): number {
    return this.#lots.length
  }

  /** A frame of the next `count` packets, which were due at `dueAtMs` (epoch ms). */
  frame(count: number, dueAtMs: number): Buffer {
    const second = Math.floor(dueAtMs / 1000)
    const parts: Buffer[] = [Buffer.allocUnsafe(COUNT_BYTES)]
    parts[0]?.writeUInt16BE(count)
    for (let left = count; left > 0; ) {
      const from = this.#turn
      const stretch = Math.min(left, this.instruments - from)
      for (let i = from; i < from + stretch; i++) this.#change(i, second, dueAtMs)
      parts.push(this.#packets.subarray(this.#begin(from), this.#begin(from + stretch)))
      this.#turn = (from + stretch) % this.instruments
      left -= stretch
    }
    this.sent += count
    return Buffer.concat(parts)
  }

  /** Where the length of a packet stands. */
  #begin(index: number): number {
    return (this.#starts[index] ?? 0) - LENGTH_BYTES
  }

  #change(index: number, second: number, dueAtMs: number): void {
    const at = this.#starts[index] ?? 0
    const isTrade = this.#random.next() < TRADE_SHARE
    if (this.#isIndex[index]) {
      if (isTrade) this.#move(at)
      this.#view.setUint32(at + INDEX.exchangeTimeS, second)
      return
    }
    this.#view.setUint32(at + TRADABLE.exchangeTimeS, second)
    this.#view.setUint32(at + TRADABLE.averagePrice, dueAtMs % TWO_POW_32)
    if (isTrade) this.#trade(at, this.#lots[index] ?? 1, second)
    else this.#changeBook(at)
  }

  #move(at: number): number {
    const step = this.#random.next() < 0.5 ? -PRICE_STEP_PAISE : PRICE_STEP_PAISE
    const price = Math.max(2 * PRICE_STEP_PAISE, this.#view.getUint32(at + HEAD.lastPrice) + step)
    this.#view.setUint32(at + HEAD.lastPrice, price)
    return price
  }

  #trade(at: number, lot: number, second: number): void {
    const price = this.#move(at)
    this.#view.setUint32(at + TRADABLE.lastTradeTimeS, second)
    this.#view.setUint32(at + TRADABLE.lastQuantity, lot)
    this.#add(at + TRADABLE.dayVolume, lot)
    this.#add(at + TRADABLE.openInterest, lot)
    this.#view.setUint32(at + TRADABLE.bids + LEVEL.price, price - PRICE_STEP_PAISE)
    this.#view.setUint32(at + TRADABLE.asks + LEVEL.price, price + PRICE_STEP_PAISE)
  }

  #changeBook(at: number): void {
    const bid = 1 + Math.floor(this.#random.next() * QUANTITY_MAX)
    const ask = 1 + Math.floor(this.#random.next() * QUANTITY_MAX)
    this.#view.setUint32(at + TRADABLE.bids + LEVEL.quantity, bid)
    this.#view.setUint32(at + TRADABLE.asks + LEVEL.quantity, ask)
  }

  #add(at: number, more: number): void {
    this.#view.setUint32(at, this.#view.getUint32(at) + more)
  }
}

/** When a packet was due, epoch ms; undefined where it does not say (an index has no average price). */
export function dueAtMs(
  averagePrice: number | undefined,
  receivedAtMs: number,
): number | undefined {
  if (averagePrice === undefined) return undefined
  const late = (Math.floor(receivedAtMs) - averagePrice) % TWO_POW_32
  return receivedAtMs - (late < 0 ? late + TWO_POW_32 : late)
}
