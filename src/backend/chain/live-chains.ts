/**
 * The latest state of everything the process writes: quotes of all instruments and, made from them,
 * the live chain of every series. Served to the API and the stream from memory; what the writer
 * stores while a minute is open comes from here too. The close of a minute does not: it reads the
 * store (see minute-close).
 */
import { FORWARD_PERIOD_MS } from '../../limits.ts'
import type { BarFold } from '../../market/bar.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { instrumentKey } from '../../market/instrument.ts'
import type { InstrumentMaster, Series } from '../../market/instrument-master.ts'
import { floorToMinute, MINUTE_MS } from '../../market/ist.ts'
import { analyseStrike, computeChain, timeToExpiryYears } from '../../market/options/chain.ts'
import { computeForward, type Forward, type ForwardPoint } from '../../market/options/forward.ts'
import type {
  LegAnalytics,
  LegInput,
  StrikeAnalytics,
  StrikeInput,
} from '../../market/options/strike.ts'
import type { InstrumentBars, TickReceiver } from '../bars/instrument-bars.ts'
import type { TickObserver } from '../ingest/partition-books.ts'
import type { EarlierBar } from '../ports.ts'
import { LatestQuote, type SnapshotQuote } from './latest-quote.ts'
import {
  type AnalysedTerms,
  isSameTerms,
  type LiveChain,
  type LiveLeg,
  type LiveSeries,
  type LiveStrike,
  liveStrike,
  renew,
} from './live-series.ts'

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
  /** Rises when a quote joins or leaves. */
  #quotesSet = 0
  readonly #series = new Map<string, LiveSeries>()
  /** The series of an option, undefined where it is not listed. */
  readonly #seriesOf = new Map<InstrumentBars, LiveSeries | undefined>()
  /** Instruments whose subscription ended: their prices are old, whatever the log still brings. */
  readonly #ended = new Set<string>()
  readonly #partitionOf: (symbol: string) => number
  #marketTimeMs = 0
  #version = 0
  /** Rises when what was looked up before may be another now. */
  #lookUps = 0

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
    this.#forgetSeries()
    this.#version++
  }

  /** Forgets everything of a partition: its writer begins again. */
  reset(partition: number): void {
    for (const [key, { bars }] of this.#quotes) {
      if (this.#partitionOf(bars.instrument.symbol) === partition) this.#quotes.delete(key)
    }
    this.#forgetSeries()
    this.#quotesSet++
    this.#version++
  }

  markEnded(exchange: string, tradingsymbol: string): void {
    const key = instrumentKey(exchange, tradingsymbol)
    const quote = this.#quotes.get(key)
    if (quote === undefined || this.#ended.has(key)) return
    this.#ended.add(key)
    this.#touch(quote.bars, quote.quotedMs)
  }

  markStreamed(exchange: string, tradingsymbol: string): void {
    const key = instrumentKey(exchange, tradingsymbol)
    const quote = this.#quotes.get(key)
    if (this.#ended.delete(key) && quote !== undefined) this.#touch(quote.bars, quote.quotedMs)
  }

  /** Whether its subscription ended since its last price came. */
  hasEnded(key: string): boolean {
    return this.#ended.has(key)
  }

  /** Keeps what it looks up: for tens of thousands of ticks a second that is most of the work. */
  receiverOf(bars: InstrumentBars): TickReceiver {
    let quote = this.#quoteOf(bars)
    let series: LiveSeries | undefined
    let lookUps = -1
    return (tick) => {
      if (tick.marketTimeMs > this.#marketTimeMs) this.#marketTimeMs = tick.marketTimeMs
      if (lookUps !== this.#lookUps) {
        quote = this.#quoteOf(bars)
        series = this.#optionSeries(bars)
        lookUps = this.#lookUps
      }
      if (!quote.take(tick, bars.divisor)) return
      if (series === undefined) this.#touch(bars, quote.quotedMs)
      else renew(series, ++this.#version, quote.quotedMs)
    }
  }

  seed(bars: InstrumentBars, row: EarlierBar): void {
    // After a restart it may be all that is known of the time: chains are not to be of the year 1970.
    this.advance(row.minuteMs)
    this.#quoteOf(bars).seed(row)
    this.#touch(bars, row.minuteMs)
  }

  /** Takes a quote of an instrument that is not streamed. */
  takeSnapshot(bars: InstrumentBars, snapshot: SnapshotQuote): void {
    if (this.#quoteOf(bars).takeSnapshot(snapshot)) this.#touch(bars, snapshot.atMs)
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
    const chain = this.#compute(live, minuteMs, nowMs)
    live.cached = { version: live.version, minuteMs, chain }
    return chain
  }

  /** IV and Greeks of one option for the row of a minute that is still open. */
  analyticsOf(bars: InstrumentBars, bar: BarFold): LiveAnalytics | undefined {
    const { expiry, strike, optionType } = bars.instrument
    if (expiry === null || strike === null || optionType === null) return undefined
    const live = this.#optionSeries(bars)
    const row = live?.byStrike.get(strike)
    if (live === undefined || row === undefined) return undefined
    const timeYears = this.#timeYearsOf(live, bar.minuteMs)
    const isOld = Math.abs(this.#marketTimeMs - live.forwardAtMs) >= FORWARD_PERIOD_MS
    if (live.forwardVersion !== live.version && isOld) {
      live.forward =
        timeYears === null
          ? undefined
          : this.#forward(live, bar.minuteMs, timeYears, this.#nowOf(live))
      live.forwardVersion = live.version
      live.forwardAtMs = this.#marketTimeMs
    }
    if (timeYears === null) return undefined
    const terms: AnalysedTerms = {
      row,
      version: live.version,
      minuteMs: bar.minuteMs,
      nowMs: this.#nowOf(live),
      forward: live.forward,
      tickSize: bars.instrument.tickSize,
    }
    const analysed = this.#analysed(live, terms, timeYears)
    const leg = optionType === 'CE' ? analysed.call : analysed.put
    const underlyingPrice = this.#lastPrice(live.spotKey)
    return leg === null ? undefined : { leg, forward: live.forward ?? null, underlyingPrice }
  }

  #analysed(live: LiveSeries, terms: AnalysedTerms, timeYears: number): StrikeAnalytics {
    const known = live.analysed
    if (known !== undefined && isSameTerms(known.terms, terms)) return known.result
    const { row, nowMs, forward, tickSize } = terms
    const result = analyseStrike(this.#strikeInput(row, nowMs), {
      forward: forward?.forward ?? null,
      timeYears,
      rate: this.#rate,
      tickSize,
    })
    live.analysed = { terms, result }
    return result
  }

  /**
   * What prices are fresh against: the newest packet, not the running clock. After the close the
   * chain stays as it was at the close, and its age says the rest.
   */
  #nowOf({ newestMs }: LiveSeries): number {
    return newestMs === 0 ? this.#marketTimeMs : Math.min(newestMs, this.#marketTimeMs)
  }

  #compute(live: LiveSeries, minuteMs: number, nowMs: number): LiveChain {
    const { series } = live
    const input = live.strikes.map((row) => this.#strikeInput(row, nowMs))
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
    const strikesStreamed = live.strikes.filter(
      ({ call, put }) => this.#isLegStreamed(call) || this.#isLegStreamed(put),
    ).length
    return { series, minuteMs, input, analytics, strikesStreamed }
  }

  /** Of a leg whose quote has just been looked up. */
  #isLegStreamed(leg: LiveLeg | null): boolean {
    if (leg?.quote?.bars.coverage.current === undefined) return false
    return this.#ended.size === 0 || !this.#ended.has(leg.key)
  }

  /** Whether an option of the series has a bar in the minute. */
  hasBars(symbol: string, expiry: string, minuteMs: number): boolean {
    const live = this.#series.get(keyOf(symbol, expiry))
    const has = (leg: LiveLeg | null) =>
      leg !== null && this.#quotes.get(leg.key)?.bars.bars.has(minuteMs) === true
    return live?.strikes.some(({ call, put }) => has(call) || has(put)) ?? false
  }

  isStreamed(instrument: { exchange: string; tradingsymbol: string }): boolean {
    const key = instrumentKey(instrument.exchange, instrument.tradingsymbol)
    return this.#quotes.get(key)?.bars.coverage.current !== undefined && !this.#ended.has(key)
  }

  #forward(
    live: LiveSeries,
    minuteMs: number,
    timeYears: number,
    nowMs: number,
  ): Forward | undefined {
    const { series } = live
    return computeForward({
      strikes: live.strikes.map((row) => this.#strikeInput(row, nowMs)),
      timeYears,
      rate: this.#rate,
      spot: this.spot(series.symbol)?.lastPrice ?? null,
      future: this.#futureOf(series.symbol, series.expiry),
      otherForwards: this.#otherForwards(series, minuteMs),
    })
  }

  #strikeInput(row: LiveStrike, nowMs: number): StrikeInput {
    const { strike, call, put } = row
    if (row.quotesSet !== this.#quotesSet) {
      for (const leg of [call, put]) if (leg !== null) leg.quote = this.#quotes.get(leg.key)
      row.quotesSet = this.#quotesSet
    }
    return { strike, call: this.#legInput(call, nowMs), put: this.#legInput(put, nowMs) }
  }

  #legInput(leg: LiveLeg | null, nowMs: number): LegInput | null {
    if (leg === null || leg.quote === undefined) return null
    // What ended says nothing about the price now, however young it is.
    const isEnded = this.#ended.size > 0 && this.#ended.has(leg.key)
    return leg.quote.legAt(isEnded ? Infinity : nowMs)
  }

  #lastPrice(key: string | null): number | null {
    return key === null ? null : (this.#quotes.get(key)?.lastPrice ?? null)
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

  #timeYearsOf(live: LiveSeries, minuteMs: number): number | null {
    if (live.time?.minuteMs !== minuteMs) {
      live.time = { minuteMs, years: this.#timeYears(live.series, minuteMs) }
    }
    return live.time.years
  }

  #quoteOf(bars: InstrumentBars): LatestQuote {
    let quote = this.#quotes.get(bars.key)
    if (quote === undefined || quote.bars !== bars) {
      quote = new LatestQuote(bars)
      this.#quotes.set(bars.key, quote)
      this.#quotesSet++
    }
    return quote
  }

  #touch(bars: InstrumentBars, quotedMs: number): void {
    const version = ++this.#version
    const { symbol, kind } = bars.instrument
    if (kind === 'option') {
      const live = this.#optionSeries(bars)
      if (live !== undefined) renew(live, version, quotedMs)
      return
    }
    // The index and the futures are inputs of every series of the underlying.
    for (const live of this.#series.values()) {
      if (live.series.symbol === symbol) renew(live, version, quotedMs)
    }
  }

  #optionSeries(bars: InstrumentBars): LiveSeries | undefined {
    const known = this.#seriesOf.get(bars)
    if (known !== undefined || this.#seriesOf.has(bars)) return known
    const { kind, symbol, expiry } = bars.instrument
    const isOption = kind === 'option' && expiry !== null
    const series = isOption ? this.#master.series(symbol, expiry) : undefined
    const live = series && this.#live(series)
    this.#seriesOf.set(bars, live)
    return live
  }

  #forgetSeries(): void {
    this.#series.clear()
    this.#seriesOf.clear()
    this.#lookUps++
  }

  #live(series: Series): LiveSeries {
    const key = keyOf(series.symbol, series.expiry)
    let live = this.#series.get(key)
    if (live === undefined) {
      const strikes = series.strikes.map(liveStrike)
      const index = this.#master.index(series.symbol)
      live = {
        series,
        strikes,
        byStrike: new Map(strikes.map((row) => [row.strike, row])),
        spotKey: index === undefined ? null : instrumentKey(index.exchange, index.tradingsymbol),
        time: undefined,
        analysed: undefined,
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

function keyOf(symbol: string, expiry: string): string {
  return `${symbol}|${expiry}`
}

/** The price step of the series' contracts, where one is listed. */
export function tickSizeOf(series: Series): { tickSize?: number } {
  const first = series.strikes[0]
  const tickSize = first?.call?.tickSize ?? first?.put?.tickSize
  return tickSize === undefined ? {} : { tickSize }
}
