/**
 * Keeps chains whole: PCR, max pain and totals are over every listed strike, so those that are not
 * streamed are asked for once a period, in the middle of it, for every series of which some strike is
 * streamed. A series that is new is asked for at once.
 */
import type { Quote } from '../../contract/api/quotes.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import {
  SNAPSHOT_LOOK_PERIOD_MS,
  SNAPSHOT_TIMEOUT_MS,
  TICKER_QUOTES_PER_CALL,
} from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { Series } from '../../market/instrument-master.ts'
import { parseApiTime } from '../../market/ist.ts'
import type { SnapshotQuote } from '../chain/latest-quote.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import type { TickerClient } from '../tickers/ticker-client.ts'

/** Quotes into the live chain and the rows of their minute; answers how many rows were written. */
export interface SnapshotWriter {
  write(quotes: readonly SnapshotQuote[]): Promise<number>
}

export interface ChainSnapshotOptions {
  readonly chains: LiveChains
  readonly calendar: MarketCalendar
  readonly tickers: Pick<TickerClient, 'quotes'>
  readonly writer: SnapshotWriter
  /** Whether a symbol's instruments are of this process. */
  readonly isMine: (symbol: string) => boolean
  /** Market time. */
  readonly periodMs: number
  readonly clock: Clock
  readonly log: Log
}

export class ChainSnapshot {
  readonly #options: ChainSnapshotOptions
  readonly #stopping = new AbortController()
  /** The period in which a series was asked for last. */
  readonly #asked = new Map<string, number>()
  #stopLooking = () => {}
  #running: Promise<void> = Promise.resolve()
  #isRunning = false
  #isFailing = false

  constructor(options: ChainSnapshotOptions) {
    this.#options = options
  }

  start(): void {
    this.#stopLooking = this.#options.clock.every(SNAPSHOT_LOOK_PERIOD_MS, () => this.#look())
  }

  async stop(): Promise<void> {
    this.#stopLooking()
    this.#stopping.abort()
    await this.#running
  }

  #look(): void {
    if (this.#isRunning) return
    const due = this.#dueSeries()
    if (due.length === 0) return
    this.#isRunning = true
    this.#running = this.#take(due).finally(() => {
      this.#isRunning = false
    })
  }

  /** Series that are to be asked for now; they count as asked. */
  #dueSeries(): Series[] {
    const { chains, calendar, isMine, periodMs } = this.#options
    const marketMs = chains.marketTimeMs
    if (marketMs === 0) return []
    const period = Math.floor((marketMs - periodMs / 2) / periodMs)
    return chains.liveSeries().filter((series) => {
      const { symbol, expiry, segment } = series
      if (!isMine(symbol) || marketMs >= calendar.expiryCloseMs(segment, expiry)) return false
      const key = `${symbol}|${expiry}`
      const last = this.#asked.get(key)
      // In a closed market nothing changes any more.
      if (last !== undefined && (last === period || !calendar.isOpen(segment, marketMs))) {
        return false
      }
      if (!legsOf(series).some((leg) => chains.isStreamed(leg))) return false
      this.#asked.set(key, period)
      return true
    })
  }

  async #take(due: readonly Series[]): Promise<void> {
    const { chains } = this.#options
    const wanted = due.flatMap(legsOf).filter((leg) => !chains.isStreamed(leg))
    for (let i = 0; i < wanted.length && !this.#stopping.signal.aborted; ) {
      const some = wanted.slice(i, i + TICKER_QUOTES_PER_CALL)
      i += some.length
      await this.#ask(some)
    }
  }

  /** One call's worth; what fails is asked for again in the next period. */
  async #ask(instruments: readonly Instrument[]): Promise<void> {
    const { tickers, writer, log } = this.#options
    const byToken = new Map(instruments.map((instrument) => [instrument.token, instrument]))
    try {
      const answer = await tickers.quotes([...byToken.keys()], {
        priority: 'routine',
        timeoutMs: SNAPSHOT_TIMEOUT_MS,
        signal: this.#stopping.signal,
      })
      const quotes = answer.quotes.flatMap((quote) => {
        const instrument = byToken.get(quote.instrument_token)
        const atMs = instrument && this.#timeOf(instrument, quote)
        return instrument === undefined || atMs === undefined
          ? []
          : [snapshotOf(instrument, quote, atMs)]
      })
      for (const ofSymbol of bySymbol(quotes)) await writer.write(ofSymbol)
      if (this.#isFailing) log.info('Chains are whole again')
      this.#isFailing = false
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      if (!this.#isFailing) {
        log.warn({ err: error }, 'Strikes that are not streamed could not be asked for')
      }
      this.#isFailing = true
    }
  }

  /** Now, while the market is open; after it what the broker says, since the chain stays what it was. */
  #timeOf({ segment }: Instrument, quote: Quote): number | undefined {
    const { chains, calendar } = this.#options
    const marketMs = chains.marketTimeMs
    if (calendar.isOpen(segment, marketMs)) return marketMs
    const sentMs = instantOf(quote.exchange_time)
    return sentMs === null ? undefined : Math.min(sentMs, marketMs)
  }
}

function legsOf({ strikes }: Series): Instrument[] {
  return strikes.flatMap(({ call, put }) => [call, put].filter((leg) => leg !== null))
}

function bySymbol(quotes: readonly SnapshotQuote[]): Iterable<SnapshotQuote[]> {
  const groups = new Map<string, SnapshotQuote[]>()
  for (const quote of quotes) {
    const { symbol } = quote.instrument
    const known = groups.get(symbol)
    if (known === undefined) groups.set(symbol, [quote])
    else known.push(quote)
  }
  return groups.values()
}

function snapshotOf(instrument: Instrument, quote: Quote, atMs: number): SnapshotQuote {
  return {
    instrument,
    atMs,
    lastPrice: priceOf(quote.ltp),
    previousClose: priceOf(quote.prev_close),
    dayOpen: priceOf(quote.open),
    dayHigh: priceOf(quote.high),
    dayLow: priceOf(quote.low),
    bid: quote.bid,
    ask: quote.ask,
    bidQuantity: quote.bid_quantity,
    askQuantity: quote.ask_quantity,
    volume: quote.volume,
    openInterest: quote.oi,
    lastTradeMs: instantOf(quote.last_trade_time),
  }
}

function instantOf(time: string | null): number | null {
  if (time === null) return null
  const parsed = parseApiTime(time)
  return parsed.ok ? parsed.ms : null
}

/** A contract that never traded shows the price 0. */
function priceOf(rupees: number): number | null {
  return rupees > 0 ? rupees : null
}
