/**
 * IV and Greeks of option ticks, from the newest quotes of their chain, by the same rules as the rows
 * of open minutes: the forward from put–call parity where the pairs are known, at most
 * `FORWARD_PERIOD_MS` of market time old, else from future or spot. Nothing is known before the first
 * ticks after somebody began to listen.
 */
import { FORWARD_PERIOD_MS } from '../../limits.ts'
import { AHEAD_TOLERANCE_MS } from '../../market/attribution.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import type { InstrumentMaster, Series, StrikeRow } from '../../market/instrument-master.ts'
import { floorToMinute, MINUTE_MS } from '../../market/ist.ts'
import { analyseStrike, timeToExpiryYears } from '../../market/options/chain.ts'
import { computeForward, type ForwardPoint } from '../../market/options/forward.ts'
import type { IvReason, LegAnalytics, LegInput, StrikeInput } from '../../market/options/strike.ts'
import { Quote } from '../../market/quote.ts'
import { type JournalledTick, priceDivisor } from '../../market/tick.ts'

export interface OptionAnalyticsDeps {
  readonly master: () => InstrumentMaster
  readonly calendar: MarketCalendar
  /** Continuous, decimal per year. */
  readonly rate: number
}

/** What has been heard of one underlying, or of one series. */
interface Freshness {
  /** Time of the newest packet, epoch ms. */
  newestMs: number
  /** Rises with every packet. */
  packets: number
}

interface LiveSeries extends Freshness {
  readonly series: Series
  readonly rows: ReadonlyMap<number, StrikeRow>
  forward: number | null
  /** Packets (of the series and its underlying) that it was computed from. */
  forwardPackets: number
  /** Market time. */
  forwardAtMs: number
}

export class OptionAnalytics {
  readonly #deps: OptionAnalyticsDeps
  /** By exchange:tradingsymbol. */
  readonly #quotes = new Map<string, Quote>()
  readonly #underlyings = new Map<string, Freshness>()
  readonly #series = new Map<string, LiveSeries>()
  #master: InstrumentMaster | undefined
  #marketTimeMs = 0

  constructor(deps: OptionAnalyticsDeps) {
    this.#deps = deps
  }

  /** Instruments whose newest quote is held. */
  get size(): number {
    return this.#quotes.size
  }

  /** Forgets all quotes: nobody listens. */
  clear(): void {
    this.#quotes.clear()
    this.#underlyings.clear()
    this.#series.clear()
    this.#marketTimeMs = 0
  }

  /** Takes a tick of any instrument into the newest quotes. */
  take(instrument: Instrument, tick: JournalledTick): void {
    this.#marketTimeMs = Math.max(this.#marketTimeMs, tick.marketTimeMs)
    const key = keyOf(instrument)
    let quote = this.#quotes.get(key)
    if (quote === undefined) {
      quote = new Quote()
      this.#quotes.set(key, quote)
    }
    if (!quote.take(tick, priceDivisor(tick.token))) return
    const fresh = this.#freshnessOf(instrument)
    fresh.packets++
    fresh.newestMs = Math.max(fresh.newestMs, quote.quotedMs)
  }

  /** IV and Greeks of the option at its tick, which has been taken before; null with a reason. */
  analyticsOf(instrument: Instrument, tick: JournalledTick): LegAnalytics {
    const live = this.#liveOf(instrument)
    const { strike, optionType } = instrument
    const row = strike === null ? undefined : live?.rows.get(strike)
    // A contract that is not listed, or at no price, has no chain to take a forward from.
    if (live === undefined || row === undefined || row.strike <= 0) return unknown('no_forward')
    const minuteMs = floorToMinute(timeOf(tick))
    const timeYears = this.#timeYears(live.series.segment, live.series.expiry, minuteMs)
    if (timeYears === null) return unknown('settled')
    const terms = {
      forward: this.#forwardOf(live, minuteMs, timeYears),
      timeYears,
      rate: this.#deps.rate,
      tickSize: instrument.tickSize,
    }
    const { call, put } = analyseStrike(this.#strikeInput(row, this.#nowOf(live)), terms)
    return (optionType === 'CE' ? call : put) ?? unknown('no_price')
  }

  #forwardOf(live: LiveSeries, minuteMs: number, timeYears: number): number | null {
    const packets = live.packets + (this.#underlyings.get(live.series.symbol)?.packets ?? 0)
    const isOld = Math.abs(this.#marketTimeMs - live.forwardAtMs) >= FORWARD_PERIOD_MS
    if (packets === live.forwardPackets || !isOld) return live.forward
    const { symbol, expiry, strikes } = live.series
    const nowMs = this.#nowOf(live)
    const forward = computeForward({
      strikes: strikes.map((row) => this.#strikeInput(row, nowMs)),
      timeYears,
      rate: this.#deps.rate,
      spot: this.#lastPrice(this.#deps.master().index(symbol)),
      future: this.#lastPrice(this.#deps.master().future(symbol, expiry)),
      otherForwards: this.#otherForwards(live.series, minuteMs),
    })
    live.forward = forward?.forward ?? null
    live.forwardPackets = packets
    live.forwardAtMs = this.#marketTimeMs
    return live.forward
  }

  #otherForwards({ symbol, expiry }: Series, minuteMs: number): ForwardPoint[] {
    return this.#deps
      .master()
      .futures(symbol)
      .flatMap((future) => {
        const forward = this.#lastPrice(future)
        if (forward === null || future.expiry === null || future.expiry === expiry) return []
        const timeYears = this.#timeYears(future.segment, future.expiry, minuteMs)
        return timeYears === null ? [] : [{ timeYears, forward }]
      })
  }

  #strikeInput({ strike, call, put }: StrikeRow, nowMs: number): StrikeInput {
    return { strike, call: this.#leg(call, nowMs), put: this.#leg(put, nowMs) }
  }

  #leg(instrument: Instrument | null, nowMs: number): LegInput | null {
    return instrument && (this.#quotes.get(keyOf(instrument))?.legAt(nowMs) ?? null)
  }

  #lastPrice(instrument: Instrument | undefined): number | null {
    return (instrument && this.#quotes.get(keyOf(instrument))?.lastPrice) ?? null
  }

  /** What prices are fresh against: the newest packet, not the running clock. */
  #nowOf({ series, newestMs }: LiveSeries): number {
    const underlyingMs = this.#underlyings.get(series.symbol)?.newestMs ?? 0
    return Math.min(Math.max(newestMs, underlyingMs), this.#marketTimeMs)
  }

  #timeYears(segment: string, expiry: string, minuteMs: number): number | null {
    const closeMs = this.#deps.calendar.expiryCloseMs(segment, expiry)
    return timeToExpiryYears(minuteMs + MINUTE_MS, closeMs)
  }

  /** Indices and futures are inputs of every series of their underlying. */
  #freshnessOf(instrument: Instrument): Freshness {
    const live = instrument.kind === 'option' ? this.#liveOf(instrument) : undefined
    if (live !== undefined) return live
    let fresh = this.#underlyings.get(instrument.symbol)
    if (fresh === undefined) {
      fresh = { newestMs: 0, packets: 0 }
      this.#underlyings.set(instrument.symbol, fresh)
    }
    return fresh
  }

  /** Undefined where the series is not listed. */
  #liveOf({ symbol, expiry }: Instrument): LiveSeries | undefined {
    const master = this.#deps.master()
    if (master !== this.#master) {
      this.#master = master
      this.#series.clear()
    }
    const key = `${symbol}|${expiry}`
    const known = this.#series.get(key)
    if (known !== undefined) return known
    const series = master.series(symbol, expiry ?? '')
    if (series === undefined) return undefined
    const live = newSeries(series)
    this.#series.set(key, live)
    return live
  }
}

function newSeries(series: Series): LiveSeries {
  return {
    series,
    rows: new Map(series.strikes.map((row) => [row.strike, row])),
    newestMs: 0,
    packets: 0,
    forward: null,
    forwardPackets: -1,
    forwardAtMs: Number.NEGATIVE_INFINITY,
  }
}

/** The time that the tick counts for, as bars attribute it. */
function timeOf({ exchangeTimeS, marketTimeMs }: JournalledTick): number {
  const sentMs = exchangeTimeS === undefined ? marketTimeMs : exchangeTimeS * 1000
  return sentMs > marketTimeMs + AHEAD_TOLERANCE_MS ? marketTimeMs : sentMs
}

function keyOf({ exchange, tradingsymbol }: Instrument): string {
  return instrumentKey(exchange, tradingsymbol)
}

function unknown(ivReason: IvReason): LegAnalytics {
  return { iv: null, ivRaw: null, ivReason, delta: null, gamma: null, theta: null, vega: null }
}
