/**
 * The latest state of everything the process writes: quotes of all instruments and, made from them,
 * the live chain of every series. Served to the API and the stream from memory; what the writer
 * stores while a minute is open comes from here too. The close of a minute does not: it reads the
 * store (see minute-close).
 */
import { FORWARD_PERIOD_MS } from '../../limits.ts'
import type { BarFold } from '../../market/bar.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { InstrumentMaster, Series } from '../../market/instrument-master.ts'
import { floorToMinute, MINUTE_MS } from '../../market/ist.ts'
import {
  analyseStrike,
  type ChainAnalytics,
  computeChain,
  timeToExpiryYears,
} from '../../market/options/chain.ts'
import { computeForward, type Forward, type ForwardPoint } from '../../market/options/forward.ts'
import type { LegAnalytics, LegInput, StrikeInput } from '../../market/options/strike.ts'
import type { JournalledTick } from '../../market/tick.ts'
import type { InstrumentBars } from '../bars/instrument-bars.ts'
import type { TickObserver } from '../ingest/partition-books.ts'
import type { StoredBar } from '../ports.ts'
import { LatestQuote } from './latest-quote.ts'

/** A quote that is older than this says nothing about the price now. */
export const FRESH_QUOTE_MS = 60_000

export interface LiveChain {
  readonly series: Series
  /** Opening instant of the minute, epoch ms. */
  readonly minuteMs: number
  readonly input: readonly StrikeInput[]
  readonly analytics: ChainAnalytics
  readonly strikesStreamed: number
}

interface LiveSeries {
  readonly series: Series
  readonly rows: ReadonlyMap<number, Series['strikes'][number]>
  /** Never the same again, also not after a reset. */
  version: number
  /** Time of the newest packet of the series or its underlying: what "now" is for its prices. */
  newestMs: number
  /** Forward for the rows of open minutes; a fraction of a second old at most. */
  forward: Forward | undefined
  forwardVersion: number
  /** Market time. */
  forwardAtMs: number
  cached: { version: number; minuteMs: number; chain: LiveChain } | undefined
}

export interface LiveAnalytics {
  readonly leg: LegAnalytics
  readonly forward: Forward | null
  readonly underlyingPrice: number | null
}

export class LiveChains implements TickObserver {
  readonly #rate: number
  readonly #calendar: MarketCalendar
  #master: InstrumentMaster
  readonly #quotes = new Map<string, LatestQuote>()
  readonly #series = new Map<string, LiveSeries>()
  readonly #partitionOf: (symbol: string) => number
  #marketTimeMs = 0
  #version = 0

  /** @param rate continuous, decimal per year */
  constructor(
    master: InstrumentMaster,
    calendar: MarketCalendar,
    rate: number,
    partitionOf: (symbol: string) => number,
  ) {
    this.#master = master
    this.#calendar = calendar
    this.#rate = rate
    this.#partitionOf = partitionOf
  }

  /** Rises with every change of anything. */
  get version(): number {
    return this.#version
  }

  get marketTimeMs(): number {
    return this.#marketTimeMs
  }

  get master(): InstrumentMaster {
    return this.#master
  }

  /** A new instrument master: strikes may have been listed or gone. */
  replaceMaster(master: InstrumentMaster): void {
    this.#master = master
    this.#series.clear()
    this.#version++
  }

  /** Forgets everything of a partition: its writer begins again. */
  reset(partition: number): void {
    for (const [key, { bars }] of this.#quotes) {
      if (this.#partitionOf(bars.instrument.symbol) === partition) this.#quotes.delete(key)
    }
    this.#series.clear()
    this.#version++
  }

  onTick(bars: InstrumentBars, tick: JournalledTick): void {
    if (tick.marketTimeMs > this.#marketTimeMs) this.#marketTimeMs = tick.marketTimeMs
    const quote = this.#quoteOf(bars)
    if (quote.take(tick)) this.#touch(bars, quote.quotedMs)
  }

  seed(bars: InstrumentBars, row: StoredBar): void {
    this.#quoteOf(bars).seed(row)
    this.#touch(bars, row.minuteMs)
  }

  advance(marketTimeMs: number): void {
    if (marketTimeMs > this.#marketTimeMs) this.#marketTimeMs = marketTimeMs
  }

  /** The newest quote of an instrument by exchange:tradingsymbol. */
  quote(key: string): LatestQuote | undefined {
    return this.#quotes.get(key)
  }

  quotes(): Iterable<LatestQuote> {
    return this.#quotes.values()
  }

  spot(symbol: string): LatestQuote | undefined {
    const index = this.#master.index(symbol)
    return index && this.#quotes.get(`${index.exchange}:${index.tradingsymbol}`)
  }

  /** The future of the expiry, else the nearest later one that is quoted. */
  future(symbol: string, expiry: string): LatestQuote | undefined {
    for (const future of this.#master.futures(symbol)) {
      if ((future.expiry ?? '') < expiry) continue
      const quote = this.#quotes.get(`${future.exchange}:${future.tradingsymbol}`)
      if (quote !== undefined) return quote
    }
    return undefined
  }

  /** Series of which anything is known. */
  liveSeries(): Series[] {
    return [...this.#series.values()].map(({ series }) => series)
  }

  /** The version of a series: changes with every quote in it. */
  seriesVersion(symbol: string, expiry: string): number {
    return this.#series.get(keyOf(symbol, expiry))?.version ?? -1
  }

  /** The whole chain as it stands now; undefined where the series is not listed. */
  chain(symbol: string, expiry: string): LiveChain | undefined {
    const series = this.#master.series(symbol, expiry)
    if (series === undefined) return undefined
    const live = this.#live(series)
    const nowMs = this.#nowOf(live)
    const minuteMs = floorToMinute(nowMs)
    if (live.cached?.version === live.version && live.cached.minuteMs === minuteMs) {
      return live.cached.chain
    }
    const chain = this.#compute(series, minuteMs, nowMs)
    live.cached = { version: live.version, minuteMs, chain }
    return chain
  }

  /** IV and Greeks of one option for the row of a minute that is still open. */
  analyticsOf(bars: InstrumentBars, bar: BarFold): LiveAnalytics | undefined {
    const { symbol, expiry, strike, optionType } = bars.instrument
    if (expiry === null || strike === null || optionType === null) return undefined
    const series = this.#master.series(symbol, expiry)
    const live = series && this.#live(series)
    const row = live?.rows.get(strike)
    if (series === undefined || live === undefined || row === undefined) return undefined
    const timeYears = this.#timeYears(series, bar.minuteMs)
    const isOld = Math.abs(this.#marketTimeMs - live.forwardAtMs) >= FORWARD_PERIOD_MS
    if (live.forwardVersion !== live.version && isOld) {
      live.forward =
        timeYears === null
          ? undefined
          : this.#forward(series, bar.minuteMs, timeYears, this.#nowOf(live))
      live.forwardVersion = live.version
      live.forwardAtMs = this.#marketTimeMs
    }
    const spot = this.spot(symbol)?.lastPrice ?? null
    const input = this.#strikeInput(row, this.#nowOf(live))
    if (timeYears === null) return undefined
    const analysed = analyseStrike(input, {
      forward: live.forward?.forward ?? null,
      timeYears,
      rate: this.#rate,
      tickSize: bars.instrument.tickSize,
    })
    const leg = optionType === 'CE' ? analysed.call : analysed.put
    return leg === null ? undefined : { leg, forward: live.forward ?? null, underlyingPrice: spot }
  }

  /**
   * What prices are fresh against: the newest packet, not the running clock. After the close the
   * chain stays as it was at the close, and its age says the rest.
   */
  #nowOf({ newestMs }: LiveSeries): number {
    return newestMs === 0 ? this.#marketTimeMs : Math.min(newestMs, this.#marketTimeMs)
  }

  #compute(series: Series, minuteMs: number, nowMs: number): LiveChain {
    const input = series.strikes.map((row) => this.#strikeInput(row, nowMs))
    const analytics = computeChain({
      expiryCloseMs: this.#calendar.expiryCloseMs(series.segment, series.expiry),
      barEndMs: minuteMs + MINUTE_MS,
      rate: this.#rate,
      strikes: input,
      spot: this.spot(series.symbol)?.lastPrice ?? null,
      future: this.#futureOf(series.symbol, series.expiry),
      otherForwards: this.#otherForwards(series, minuteMs),
      ...tickSizeOf(series),
    })
    const strikesStreamed = series.strikes.filter(({ call, put }) =>
      [call, put].some((leg) => leg !== null && this.#isStreamed(leg)),
    ).length
    return { series, minuteMs, input, analytics, strikesStreamed }
  }

  #isStreamed(instrument: { exchange: string; tradingsymbol: string }): boolean {
    const quote = this.#quotes.get(`${instrument.exchange}:${instrument.tradingsymbol}`)
    return quote?.bars.coverage.current !== undefined
  }

  #forward(
    series: Series,
    minuteMs: number,
    timeYears: number,
    nowMs: number,
  ): Forward | undefined {
    return computeForward({
      strikes: series.strikes.map((row) => this.#strikeInput(row, nowMs)),
      timeYears,
      rate: this.#rate,
      spot: this.spot(series.symbol)?.lastPrice ?? null,
      future: this.#futureOf(series.symbol, series.expiry),
      otherForwards: this.#otherForwards(series, minuteMs),
    })
  }

  #strikeInput(row: Series['strikes'][number], nowMs: number): StrikeInput {
    return {
      strike: row.strike,
      call: this.#legInput(row.call, nowMs),
      put: this.#legInput(row.put, nowMs),
    }
  }

  #legInput(
    instrument: { exchange: string; tradingsymbol: string } | null,
    nowMs: number,
  ): LegInput | null {
    if (instrument === null) return null
    const quote = this.#quotes.get(`${instrument.exchange}:${instrument.tradingsymbol}`)
    if (quote === undefined) return null
    const isFresh = nowMs - quote.quotedMs <= FRESH_QUOTE_MS
    const tradedMs = quote.lastTradeMs ?? 0
    return {
      lastPrice: quote.lastPrice,
      tradedInMinute: nowMs - tradedMs <= FRESH_QUOTE_MS,
      bid: isFresh ? quote.bid : null,
      ask: isFresh ? quote.ask : null,
      volume: quote.volume,
      oi: quote.openInterest,
    }
  }

  #futureOf(symbol: string, expiry: string): number | null {
    const future = this.#master.future(symbol, expiry)
    if (future === undefined) return null
    return this.#quotes.get(`${future.exchange}:${future.tradingsymbol}`)?.lastPrice ?? null
  }

  #otherForwards(series: Series, minuteMs: number): ForwardPoint[] {
    const points: ForwardPoint[] = []
    for (const future of this.#master.futures(series.symbol)) {
      if (future.expiry === null || future.expiry === series.expiry) continue
      const price = this.#futureOf(series.symbol, future.expiry)
      const timeYears = this.#timeYears(
        { segment: future.segment, expiry: future.expiry },
        minuteMs,
      )
      if (price !== null && timeYears !== null) points.push({ timeYears, forward: price })
    }
    return points
  }

  #timeYears(series: { segment: string; expiry: string }, minuteMs: number): number | null {
    const closeMs = this.#calendar.expiryCloseMs(series.segment, series.expiry)
    return timeToExpiryYears(minuteMs + MINUTE_MS, closeMs)
  }

  #quoteOf(bars: InstrumentBars): LatestQuote {
    let quote = this.#quotes.get(bars.key)
    if (quote === undefined || quote.bars !== bars) {
      quote = new LatestQuote(bars)
      this.#quotes.set(bars.key, quote)
    }
    return quote
  }

  #touch({ instrument }: InstrumentBars, quotedMs: number): void {
    const version = ++this.#version
    const { symbol, expiry, kind } = instrument
    if (kind === 'option' && expiry !== null) {
      const live = this.#series.get(keyOf(symbol, expiry)) ?? this.#open(symbol, expiry)
      if (live !== undefined) renew(live, version, quotedMs)
      return
    }
    // The index and the futures are inputs of every series of the underlying.
    for (const live of this.#series.values()) {
      if (live.series.symbol === symbol) renew(live, version, quotedMs)
    }
  }

  #open(symbol: string, expiry: string): LiveSeries | undefined {
    const series = this.#master.series(symbol, expiry)
    return series && this.#live(series)
  }

  #live(series: Series): LiveSeries {
    const key = keyOf(series.symbol, series.expiry)
    let live = this.#series.get(key)
    if (live === undefined) {
      live = {
        series,
        rows: new Map(series.strikes.map((row) => [row.strike, row])),
        version: ++this.#version,
        newestMs: 0,
        forward: undefined,
        forwardVersion: -1,
        forwardAtMs: Number.NEGATIVE_INFINITY,
        cached: undefined,
      }
      this.#series.set(key, live)
    }
    return live
  }
}

function renew(live: LiveSeries, version: number, quotedMs: number): void {
  live.version = version
  if (quotedMs > live.newestMs) live.newestMs = quotedMs
}

function keyOf(symbol: string, expiry: string): string {
  return `${symbol}|${expiry}`
}

/** The price step of the series' contracts, where one is listed. */
export function tickSizeOf(series: Series): { tickSize?: number } {
  const first = series.strikes[0]
  const tickSize = first?.call?.tickSize ?? first?.put?.tickSize
  return tickSize === undefined ? {} : { tickSize }
}
