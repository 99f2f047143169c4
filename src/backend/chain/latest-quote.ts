/** The newest known state of one instrument: what the live chain, the marks and the page show. */
import { floorToMinute } from '../../market/ist.ts'
import type { JournalledTick } from '../../market/tick.ts'
import type { InstrumentBars } from '../bars/instrument-bars.ts'
import type { StoredBar } from '../ports.ts'

export class LatestQuote {
  readonly bars: InstrumentBars
  /** Rupees; null where nothing is known. */
  lastPrice: number | null = null
  previousClose: number | null = null
  dayOpen: number | null = null
  dayHigh: number | null = null
  dayLow: number | null = null
  bid: number | null = null
  ask: number | null = null
  bidQuantity: number | null = null
  askQuantity: number | null = null
  /** Units traded this day. */
  volume: number | null = null
  openInterest: number | null = null
  lastTradeMs: number | null = null
  /** Exchange time of the newest packet (market time where it has none), epoch ms. */
  quotedMs = 0
  /** The ticker's wall clock at the newest packet; null while the figures come from the store. */
  receivedAtMs: number | null = null

  constructor(bars: InstrumentBars) {
    this.bars = bars
  }

  /** Takes a packet, unless a newer one is known. Returns whether it did. */
  take(tick: JournalledTick): boolean {
    const quotedMs =
      tick.exchangeTimeS === undefined ? tick.marketTimeMs : tick.exchangeTimeS * 1000
    if (quotedMs < this.quotedMs) return false
    if (quotedMs === this.quotedMs && tick.receivedAtMs < (this.receivedAtMs ?? 0)) return false
    const { divisor } = this.bars
    this.quotedMs = quotedMs
    this.receivedAtMs = tick.receivedAtMs
    if (tick.lastPrice > 0) this.lastPrice = tick.lastPrice / divisor
    if (tick.mode === 'ltp') return true
    this.previousClose = toRupees(tick.previousClose, divisor)
    this.dayOpen = toRupees(tick.dayOpen, divisor)
    this.dayHigh = toRupees(tick.dayHigh, divisor)
    this.dayLow = toRupees(tick.dayLow, divisor)
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

  /** Takes what the store knows, where no packet has been seen. */
  seed(row: StoredBar): void {
    if (row.minuteMs < this.quotedMs) return
    this.quotedMs = row.minuteMs
    this.lastPrice = row.close ?? this.lastPrice
    this.volume = row.dayVolume ?? this.volume
    this.openInterest = row.oi ?? this.openInterest
    this.bid = row.bid
    this.ask = row.ask
    if (row.openKey !== null) this.lastTradeMs = row.minuteMs
  }

  tradedIn(minuteMs: number): boolean {
    return this.lastTradeMs !== null && floorToMinute(this.lastTradeMs) === minuteMs
  }
}

function toRupees(minorUnits: number | undefined, divisor: number): number | null {
  return minorUnits === undefined || minorUnits === 0 ? null : minorUnits / divisor
}
