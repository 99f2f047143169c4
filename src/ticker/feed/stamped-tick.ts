/**
 * A tick with its stamp, as the journal's encoder reads it. One object is used for all ticks: it
 * points at the decoded packet and is read at once, so that the hot path makes no copy.
 */
import type { JournalledTick, Tick, TickMode } from '../../market/tick.ts'

export class StampedTick implements JournalledTick {
  connection = 0
  receivedAtMs = 0
  marketTimeMs = 0
  /** Market time at which its frame was sent, as far as is known; never after `marketTimeMs`. */
  sentMs = 0
  private tick!: Tick

  /** Points at `tick`; everything read from here on is that tick's. */
  point(tick: Tick): this {
    this.tick = tick
    return this
  }

  get token(): number {
    return this.tick.token
  }

  get mode(): TickMode {
    return this.tick.mode
  }

  get isIndex(): boolean {
    return this.tick.isIndex
  }

  get lastPrice(): number {
    return this.tick.lastPrice
  }

  get lastQuantity(): number | undefined {
    return this.tick.lastQuantity
  }

  get averagePrice(): number | undefined {
    return this.tick.averagePrice
  }

  get dayVolume(): number | undefined {
    return this.tick.dayVolume
  }

  get dayOpen(): number | undefined {
    return this.tick.dayOpen
  }

  get dayHigh(): number | undefined {
    return this.tick.dayHigh
  }

  get dayLow(): number | undefined {
    return this.tick.dayLow
  }

  get previousClose(): number | undefined {
    return this.tick.previousClose
  }

  get lastTradeTimeS(): number | undefined {
    return this.tick.lastTradeTimeS
  }

  get exchangeTimeS(): number | undefined {
    return this.tick.exchangeTimeS
  }

  get openInterest(): number | undefined {
    return this.tick.openInterest
  }

  get bidPrice(): number | undefined {
    return this.tick.bidPrice
  }

  get bidQuantity(): number | undefined {
    return this.tick.bidQuantity
  }

  get askPrice(): number | undefined {
    return this.tick.askPrice
  }

  get askQuantity(): number | undefined {
    return this.tick.askQuantity
  }
}
