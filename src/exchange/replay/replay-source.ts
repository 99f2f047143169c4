/** The REST answers of a replay: the listing, and quotes from the newest ticks played. */
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import { SECOND_MS } from '../../market/ist.ts'
import { type JournalledTick, priceDivisor } from '../../market/tick.ts'
import { badInput } from '../kite-answer.ts'
import { wallTime } from '../kite-history.ts'
import type { KiteSource, QuoteKind } from '../kite-source.ts'
import type { KnownTicks } from './known-ticks.ts'

export class ReplaySource implements KiteSource {
  private readonly instruments: readonly Instrument[]
  private readonly known: KnownTicks
  private readonly tokens: ReadonlyMap<string, number>

  constructor(instruments: readonly Instrument[], known: KnownTicks) {
    this.instruments = instruments
    this.known = known
    this.tokens = new Map(
      instruments.map(({ exchange, tradingsymbol, token }) => [
        instrumentKey(exchange, tradingsymbol),
        token,
      ]),
    )
  }

  listed(): readonly Instrument[] {
    return this.instruments
  }

  /**
   * A journal holds sampled ticks and no candles. An empty answer would say that nothing was traded,
   * so there is none.
   */
  history(): Promise<readonly string[]> {
    return Promise.reject(badInput('a replay has no history'))
  }

  async quotes(
    keys: readonly string[],
    kind: QuoteKind,
  ): Promise<Readonly<Record<string, unknown>>> {
    const shown: Record<string, unknown> = {}
    for (const key of keys) {
      const tick = this.known.newest(this.tokens.get(key) ?? Number(key))
      if (tick !== undefined) shown[key] = SHOWN[kind](tick)
    }
    return shown
  }
}

const SHOWN = { quote: quoteOf, ohlc: ohlcOf, ltp: ltpOf } as const

function ltpOf(tick: JournalledTick) {
  return { instrument_token: tick.token, last_price: rupees(tick, tick.lastPrice) }
}

function ohlcOf(tick: JournalledTick) {
  const ohlc = {
    open: rupees(tick, tick.dayOpen),
    high: rupees(tick, tick.dayHigh),
    low: rupees(tick, tick.dayLow),
    close: rupees(tick, tick.previousClose),
  }
  return { ...ltpOf(tick), ohlc }
}

function quoteOf(tick: JournalledTick) {
  const timestamp = timeOf(tick.exchangeTimeS)
  const net_change = rupees(tick, tick.lastPrice - (tick.previousClose ?? tick.lastPrice))
  if (tick.isIndex) return { ...ohlcOf(tick), timestamp, net_change }
  return {
    ...ohlcOf(tick),
    timestamp,
    net_change,
    last_trade_time: timeOf(tick.lastTradeTimeS),
    last_quantity: tick.lastQuantity ?? 0,
    volume: tick.dayVolume ?? 0,
    average_price: rupees(tick, tick.averagePrice),
    oi: tick.openInterest ?? 0,
    depth: {
      buy: [levelOf(tick, tick.bidPrice, tick.bidQuantity)],
      sell: [levelOf(tick, tick.askPrice, tick.askQuantity)],
    },
  }
}

function levelOf(tick: JournalledTick, price: number | undefined, quantity: number | undefined) {
  return { price: rupees(tick, price), quantity: quantity ?? 0, orders: quantity ? 1 : 0 }
}

function timeOf(second: number | undefined): string | null {
  return second === undefined ? null : wallTime(second * SECOND_MS)
}

function rupees({ token }: JournalledTick, minor: number | undefined): number {
  return (minor ?? 0) / priceDivisor(token)
}
