/**
 * The newest known state of one instrument, made of its packets: what live prices, chains and the
 * IV and Greeks of a tick rest on. Prices in rupees; null is not known.
 */
import type { LegInput } from './options/strike.ts'
import type { JournalledTick } from './tick.ts'

/** A quote that is older than this says nothing about the price now. */
export const FRESH_QUOTE_MS = 60_000

/**
 * What changes with most packets is held as plain numbers, NaN where not known: a field that may be null
 * too gets a number of its own for each packet, which lives long enough to be costly to collect.
 */
export class Quote {
  #lastPrice = Number.NaN
  #bid = Number.NaN
  #ask = Number.NaN
  #lastTradeMs = Number.NaN
  #receivedAtMs = Number.NaN
  previousClose: number | null = null
  dayOpen: number | null = null
  dayHigh: number | null = null
  dayLow: number | null = null
  bidQuantity: number | null = null
  askQuantity: number | null = null
  /** Units traded this day. */
  volume: number | null = null
  openInterest: number | null = null
  /** Exchange time of the newest packet (market time where it has none), epoch ms. */
  quotedMs = 0

  get lastPrice(): number | null {
    return orNull(this.#lastPrice)
  }

  set lastPrice(rupees: number | null) {
    this.#lastPrice = rupees ?? Number.NaN
  }

  get bid(): number | null {
    return orNull(this.#bid)
  }

  set bid(rupees: number | null) {
    this.#bid = rupees ?? Number.NaN
  }

  get ask(): number | null {
    return orNull(this.#ask)
  }

  set ask(rupees: number | null) {
    this.#ask = rupees ?? Number.NaN
  }

  get lastTradeMs(): number | null {
    return orNull(this.#lastTradeMs)
  }

  set lastTradeMs(epochMs: number | null) {
    this.#lastTradeMs = epochMs ?? Number.NaN
  }

  /** The ticker's wall clock at the newest packet; null while the figures come from elsewhere. */
  get receivedAtMs(): number | null {
    return orNull(this.#receivedAtMs)
  }

  set receivedAtMs(epochMs: number | null) {
    this.#receivedAtMs = epochMs ?? Number.NaN
  }

  /**
   * Takes a packet, unless a newer one is known. Returns whether it did.
   *
   * @param divisor minor units in one rupee, as `priceDivisor` gives them
   */
  take(tick: JournalledTick, divisor: number): boolean {
    const quotedMs =
      tick.exchangeTimeS === undefined ? tick.marketTimeMs : tick.exchangeTimeS * 1000
    if (quotedMs < this.quotedMs) return false
    if (quotedMs === this.quotedMs && tick.receivedAtMs < this.#receivedAtMs) return false
    this.quotedMs = quotedMs
    this.#receivedAtMs = tick.receivedAtMs
    if (tick.lastPrice > 0) this.#lastPrice = tick.lastPrice / divisor
    if (tick.mode === 'ltp') return true
    this.#takeDay(tick, divisor)
    this.volume = tick.dayVolume ?? null
    if (tick.mode !== 'full' || tick.isIndex) return true
    this.openInterest = tick.openInterest ?? null
    this.bid = toRupees(tick.bidPrice, divisor)
    this.ask = toRupees(tick.askPrice, divisor)
    this.bidQuantity = tick.bidQuantity ?? null
    this.askQuantity = tick.askQuantity ?? null
    this.lastTradeMs = tick.lastTradeTimeS === undefined ? null : tick.lastTradeTimeS * 1000
    return true
  }

  /** Written only where they changed: each number that is written anew is one to collect. */
  #takeDay(tick: JournalledTick, divisor: number): void {
    const previousClose = toRupees(tick.previousClose, divisor)
    const dayOpen = toRupees(tick.dayOpen, divisor)
    const dayHigh = toRupees(tick.dayHigh, divisor)
    const dayLow = toRupees(tick.dayLow, divisor)
    if (previousClose !== this.previousClose) this.previousClose = previousClose
    if (dayOpen !== this.dayOpen) this.dayOpen = dayOpen
    if (dayHigh !== this.dayHigh) this.dayHigh = dayHigh
    if (dayLow !== this.dayLow) this.dayLow = dayLow
  }

  /** The quote as a leg of its chain at `nowMs`: what is old is no evidence of a price. */
  legAt(nowMs: number): LegInput {
    const isFresh = nowMs - this.quotedMs <= FRESH_QUOTE_MS
    return {
      lastPrice: this.lastPrice,
      tradedInMinute: nowMs - (this.lastTradeMs ?? 0) <= FRESH_QUOTE_MS,
      bid: isFresh ? this.bid : null,
      ask: isFresh ? this.ask : null,
      volume: this.volume,
      oi: this.openInterest,
    }
  }
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value
}

/** Rupees of a price on the wire; null where it is absent or 0, which says that there is none. */
export function toRupees(minorUnits: number | undefined, divisor: number): number | null {
  return minorUnits === undefined || minorUnits === 0 ? null : minorUnits / divisor
}
