/**
 * The fold: how ticks become one instrument's bar of one minute.
 *
 * A `BarFold` is a commutative, idempotent-by-key accumulation: whatever the order and the batching
 * in which the same ticks are applied, the result is the same. Open and close are those with the
 * smallest and the largest trade key, so no tick ever has to come "in order". What depends on other
 * minutes (volume, flat fill, `complete`, analytics) is computed from the folded rows, not here.
 *
 * Prices are integers in the wire's minor unit; volume and open interest are units.
 */
import type { JournalledTick } from './tick.ts'

/** When a trade became known: the order of trades within an instrument. */
export interface TradeKey {
  /** Exchange second of the trade (of the snapshot, where the packet has no trade time). */
  readonly tradeTimeS: number
  /** Cumulative volume of the day at the trade; 0 where the packet has none. */
  readonly dayVolume: number
  /**
   * True where trade time and volume identify the trade, so that every later packet with the same
   * two is a repetition of it and the first report counts; false where the last report counts (an
   * index, a packet without trade time).
   */
  readonly exact: boolean
  readonly receivedAtMs: number
  readonly epoch: number
  readonly sequence: number
}

/** When a quote (open interest, bid, ask) became known. */
export interface QuoteKey {
  readonly exchangeTimeS: number
  readonly receivedAtMs: number
  readonly epoch: number
  readonly sequence: number
}

function compareArrival(
  a: { receivedAtMs: number; epoch: number; sequence: number },
  b: { receivedAtMs: number; epoch: number; sequence: number },
): number {
  return a.receivedAtMs - b.receivedAtMs || a.epoch - b.epoch || a.sequence - b.sequence
}

/** Order of opening trades; the smallest opens the minute. */
export function compareOpenKeys(a: TradeKey, b: TradeKey): number {
  return a.tradeTimeS - b.tradeTimeS || a.dayVolume - b.dayVolume || compareArrival(a, b)
}

/**
 * Order of closing trades; the largest closes the minute. Among reports of one exactly known trade
 * the first counts: otherwise every depth packet that repeats an old trade would rewrite the row of
 * the minute in which it happened.
 */
export function compareCloseKeys(a: TradeKey, b: TradeKey): number {
  const trade = a.tradeTimeS - b.tradeTimeS || a.dayVolume - b.dayVolume
  if (trade !== 0) return trade
  if (a.exact !== b.exact) return a.exact ? -1 : 1
  return a.exact ? compareArrival(b, a) : compareArrival(a, b)
}

export function compareQuoteKeys(a: QuoteKey, b: QuoteKey): number {
  return a.exchangeTimeS - b.exchangeTimeS || compareArrival(a, b)
}

/** A key that its bar has copied: another one is copied over it. */
type Held<Key> = { -readonly [Name in keyof Key]: Key[Name] }

/**
 * The bar of one minute. Keys are copied into it, over those before: some hundred bytes a tick that
 * lived on for a while would else be most of what the garbage collector has to move.
 */
export class BarFold {
  /** Opening instant of the minute, epoch ms. */
  readonly minuteMs: number
  open: number | null = null
  high: number | null = null
  low: number | null = null
  close: number | null = null
  openKey: Held<TradeKey> | null = null
  closeKey: Held<TradeKey> | null = null
  /** The last price as known in a minute without a trade: that of the newest earlier trade. */
  fillPrice: number | null = null
  fillKey: Held<TradeKey> | null = null
  /** Largest and smallest cumulative volume of the day seen in this minute. */
  dayVolume: number | null = null
  baseVolume: number | null = null
  openInterest: number | null = null
  bid: number | null = null
  ask: number | null = null
  quoteKey: Held<QuoteKey> | null = null
  tickCount = 0

  constructor(minuteMs: number) {
    this.minuteMs = minuteMs
  }

  /** True where the minute has seen a trade. */
  get traded(): boolean {
    return this.openKey !== null
  }

  /** Folds a trade of this minute; returns whether anything changed. */
  applyTrade(price: number, key: TradeKey): boolean {
    let changed = false
    if (this.openKey === null || compareOpenKeys(key, this.openKey) < 0) {
      this.open = price
      this.openKey = heldTradeKey(this.openKey, key)
      changed = true
    }
    if (this.closeKey === null || compareCloseKeys(key, this.closeKey) > 0) {
      this.close = price
      this.closeKey = heldTradeKey(this.closeKey, key)
      changed = true
    }
    if (this.high === null || price > this.high) {
      this.high = price
      changed = true
    }
    if (this.low === null || price < this.low) {
      this.low = price
      changed = true
    }
    return changed
  }

  /** Folds the price of a trade that came before this minute (or before coverage began). */
  applyEarlierTrade(price: number, key: TradeKey): boolean {
    if (this.fillKey !== null && compareCloseKeys(key, this.fillKey) <= 0) return false
    this.fillKey = heldTradeKey(this.fillKey, key)
    if (this.fillPrice === price) return false
    this.fillPrice = price
    return !this.traded
  }

  /** Folds a cumulative volume that held in this minute. */
  applyVolume(dayVolume: number): boolean {
    let changed = false
    if (this.dayVolume === null || dayVolume > this.dayVolume) {
      this.dayVolume = dayVolume
      changed = true
    }
    if (this.baseVolume === null || dayVolume < this.baseVolume) {
      this.baseVolume = dayVolume
      changed = true
    }
    return changed
  }

  /** Counts a packet of this minute and folds its book, where it carries one. */
  applyQuote(tick: JournalledTick, key: QuoteKey): void {
    this.tickCount++
    if (tick.openInterest === undefined) return
    if (this.quoteKey !== null && compareQuoteKeys(key, this.quoteKey) <= 0) return
    this.quoteKey = heldQuoteKey(this.quoteKey, key)
    this.openInterest = tick.openInterest
    this.bid = tick.bidPrice ?? null
    this.ask = tick.askPrice ?? null
  }
}

function heldTradeKey(held: Held<TradeKey> | null, key: TradeKey): Held<TradeKey> {
  const { tradeTimeS, dayVolume, exact, receivedAtMs, epoch, sequence } = key
  if (held === null) return { tradeTimeS, dayVolume, exact, receivedAtMs, epoch, sequence }
  held.tradeTimeS = tradeTimeS
  held.dayVolume = dayVolume
  held.exact = exact
  held.receivedAtMs = receivedAtMs
  held.epoch = epoch
  held.sequence = sequence
  return held
}

function heldQuoteKey(held: Held<QuoteKey> | null, key: QuoteKey): Held<QuoteKey> {
  const { exchangeTimeS, receivedAtMs, epoch, sequence } = key
  if (held === null) return { exchangeTimeS, receivedAtMs, epoch, sequence }
  held.exchangeTimeS = exchangeTimeS
  held.receivedAtMs = receivedAtMs
  held.epoch = epoch
  held.sequence = sequence
  return held
}

/**
 * Volume of a minute in units.
 *
 * @param previousDayVolume the cumulative volume at the minute's start where it is known (the previous
 * covered minute's, or 0 at the open of a session covered from before it); null where the minute
 * before is not covered: then only what was seen inside the minute counts.
 * @returns the volume, and whether the cumulative figure had gone down (counted, shown as 0)
 */
export function minuteVolume(
  dayVolume: number | null,
  baseVolume: number | null,
  previousDayVolume: number | null,
): { volume: number; decreased: boolean } {
  if (dayVolume === null) return { volume: 0, decreased: false }
  const start = previousDayVolume ?? baseVolume ?? dayVolume
  const difference = dayVolume - start
  return difference < 0 ? { volume: 0, decreased: true } : { volume: difference, decreased: false }
}
