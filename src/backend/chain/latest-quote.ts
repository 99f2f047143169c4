/** The newest quote of one instrument as the backend holds it: its packets, a snapshot, or what the store knows. */
import { SNAPSHOT_FRESH_MS } from '../../limits.ts'
import type { Instrument } from '../../market/instrument.ts'
import { floorToMinute } from '../../market/ist.ts'
import type { LegInput } from '../../market/options/strike.ts'
import { Quote } from '../../market/quote.ts'
import type { JournalledTick } from '../../market/tick.ts'
import type { InstrumentBars } from '../bars/instrument-bars.ts'
import type { BarSource, EarlierBar } from '../ports.ts'

/** The market of an instrument that is not streamed, as the broker told it when it was asked. Rupees. */
export interface SnapshotQuote {
  readonly instrument: Instrument
  /** Market time of the answer, epoch ms. */
  readonly atMs: number
  readonly lastPrice: number | null
  readonly previousClose: number | null
  readonly dayOpen: number | null
  readonly dayHigh: number | null
  readonly dayLow: number | null
  readonly bid: number | null
  readonly ask: number | null
  /** Units. */
  readonly bidQuantity: number | null
  readonly askQuantity: number | null
  /** Units traded this day. */
  readonly volume: number | null
  readonly openInterest: number | null
  readonly lastTradeMs: number | null
}

export class LatestQuote extends Quote {
  readonly bars: InstrumentBars
  /** Where the figures come from. */
  source: BarSource = 'live'

  constructor(bars: InstrumentBars) {
    super()
    this.bars = bars
  }

  override take(tick: JournalledTick, divisor: number): boolean {
    const isTaken = super.take(tick, divisor)
    if (isTaken) this.source = 'live'
    return isTaken
  }

  /** Takes what the broker was asked for, unless something newer is known. */
  takeSnapshot({ instrument: _, atMs, ...figures }: SnapshotQuote): boolean {
    if (atMs < this.quotedMs) return false
    Object.assign(this, figures)
    this.quotedMs = atMs
    this.receivedAtMs = null
    this.source = 'snapshot'
    return true
  }

  /** A snapshot comes once a minute: its book holds until the next one is due, its last price is no trade. */
  override legAt(nowMs: number): LegInput {
    if (this.source !== 'snapshot') return super.legAt(nowMs)
    const isFresh = nowMs - this.quotedMs <= SNAPSHOT_FRESH_MS
    return {
      lastPrice: this.lastPrice,
      tradedInMinute: false,
      bid: isFresh ? this.bid : null,
      ask: isFresh ? this.ask : null,
      volume: this.volume,
      oi: this.openInterest,
    }
  }

  /** Takes what the store knows, where no packet has been seen. */
  seed(row: EarlierBar): void {
    if (row.minuteMs < this.quotedMs) return
    this.quotedMs = row.minuteMs
    this.lastPrice = row.close ?? this.lastPrice
    this.volume = row.dayVolume ?? this.volume
    this.openInterest = row.oi ?? this.openInterest
    this.bid = row.bid
    this.ask = row.ask
    this.source = row.source
    if (row.openKey !== null) this.lastTradeMs = row.minuteMs
  }

  tradedIn(minuteMs: number): boolean {
    return this.lastTradeMs !== null && floorToMinute(this.lastTradeMs) === minuteMs
  }
}
