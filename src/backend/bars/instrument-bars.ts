/**
 * One instrument as the writer of its partition holds it: coverage, the folded bars of the minutes
 * in memory, and what is dirty. Nothing here is truth: all of it is rebuilt from the store and the log.
 */
import {
  type Attribution,
  type AttributionContext,
  attribute,
  type NotFoldedReason,
  type SessionBounds,
} from '../../market/attribution.ts'
import { type BarFold, minuteVolume, type TradeKey } from '../../market/bar.ts'
import type { Coverage } from '../../market/coverage.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import { DAY_MS, istDate, startOfDateMs } from '../../market/ist.ts'
import { type JournalledTick, priceDivisor } from '../../market/tick.ts'
import type { CandleSource } from '../candles/candle-writer.ts'
import type { BarIdentity, StoredBar } from '../ports.ts'
import { isCandle, liveOf } from './candle-row.ts'
import { HeldBar } from './held-bar.ts'
import { decodeCloseKey, decodeOpenKey, decodeQuoteKey } from './key-bytes.ts'

/** Resolves an instrument's session on the date of an instant. */
export type SessionLookup = (instrument: Instrument, atMs: number) => SessionBounds | undefined

export type TickReceiver = (tick: JournalledTick) => void

/** Open interest at the end of a trading date; both null where none is known. */
export interface PreviousOi {
  readonly oi: number | null
  /** IST; may lie further back than the session before. */
  readonly date: string | null
}

/** A minute that must be read from the store before a tick can be folded. */
export interface NeedsMinute {
  readonly needsMinuteMs: number
}

export class InstrumentBars implements AttributionContext {
  readonly key: string
  readonly coverage: Coverage
  readonly bars = new Map<number, HeldBar>()
  /** Those that changed since they were written. */
  readonly changed: HeldBar[] = []
  /** Its place in the order of names (`ChangedBars`). */
  rank = -1
  /** Minutes whose rows hold a broker's candle: what is folded here lies beneath it. */
  readonly candles = new Map<number, CandleSource>()
  /** Whether the store's rows of the minutes in memory have been taken in. */
  isLoaded = false
  /** By trading date, the open interest at the end of the one before, as far as it is stored. */
  readonly previousOi = new Map<string, PreviousOi>()
  /** What the stored rows of a date were brought up to last. */
  previousOiStored: { readonly date: string; readonly oi: number | null } | undefined
  /** Whom its ticks are told, folded or not. */
  receiver: TickReceiver | undefined
  #instrument: Instrument
  #divisor: number
  /** The bar asked for last; mostly that of the next packet. */
  #latest: HeldBar | undefined
  /** The cumulative volume known before the minutes in memory. */
  #carried: { minuteMs: number; dayVolume: number } | null = null
  #lastTrade: { timeS: number; dayVolume: number; price: number; receivedAtMs: number } | null =
    null
  readonly #sessionOf: SessionLookup
  #session: { dayMs: number; bounds: SessionBounds | undefined } | undefined

  constructor(instrument: Instrument, coverage: Coverage, sessionOf: SessionLookup) {
    this.#instrument = instrument
    this.#divisor = priceDivisor(instrument.token)
    this.key = instrumentKey(instrument.exchange, instrument.tradingsymbol)
    this.coverage = coverage
    this.#sessionOf = sessionOf
  }

  get instrument(): Instrument {
    return this.#instrument
  }

  /** Minor units of a rupee. */
  get divisor(): number {
    return this.#divisor
  }

  /** The same contract with other figures, such as another token or lot size. */
  redefine(instrument: Instrument): void {
    this.#instrument = instrument
    this.#divisor = priceDivisor(instrument.token)
    this.#session = undefined
  }

  get identity(): BarIdentity {
    const { kind, exchange, tradingsymbol } = this.instrument
    return { kind, exchange, tradingsymbol }
  }

  /** The open interest at the end of the trading date before that of `atMs`; null while not known. */
  previousOiAt(atMs: number): number | null {
    return this.previousOi.get(istDate(atMs))?.oi ?? null
  }

  /** On its expiry date a contract's session ends with its close; after it there is none. */
  sessionAt(atMs: number): SessionBounds | undefined {
    const known = this.#session
    if (known !== undefined && atMs >= known.dayMs && atMs < known.dayMs + DAY_MS) {
      return known.bounds
    }
    const bounds = this.#sessionOf(this.instrument, atMs)
    this.#session = { dayMs: startOfDateMs(istDate(atMs)), bounds }
    return bounds
  }

  coveredFromMs(session: SessionBounds): number | undefined {
    return this.coverage.coveredFromMs(session)
  }

  /**
   * Folds one tick. Minutes before `residentFromMs` may exist in the store without being in memory:
   * if one is needed the answer names it, nothing has been changed, and the caller loads it.
   */
  fold(
    tick: JournalledTick,
    epoch: number,
    sequence: number,
    residentFromMs: number,
  ): Attribution | NotFoldedReason | NeedsMinute {
    const place = attribute(tick, this)
    if (typeof place === 'string') return place
    const tradeMinuteMs = this.#isRepetition(tick, place) ? undefined : place.tradeMinuteMs
    const missing = this.#missing(place.quoteMinuteMs, tradeMinuteMs, residentFromMs)
    if (missing !== undefined) return { needsMinuteMs: missing }

    const { receivedAtMs } = tick
    const tradeKey: TradeKey = {
      tradeTimeS: place.tradeTimeS ?? 0,
      dayVolume: tick.dayVolume ?? 0,
      exact: place.exact,
      receivedAtMs,
      epoch,
      sequence,
    }
    this.#foldQuote(tick, place, tradeKey, epoch, sequence)
    if (tradeMinuteMs !== undefined) this.#foldTrade(tick, place, tradeMinuteMs, tradeKey)
    return place
  }

  /** The minute that must be read before this tick can be folded; nothing is changed. */
  missingFor(tick: JournalledTick, residentFromMs: number): number | undefined {
    const place = attribute(tick, this)
    if (typeof place === 'string') return undefined
    const tradeMinuteMs = this.#isRepetition(tick, place) ? undefined : place.tradeMinuteMs
    return this.#missing(place.quoteMinuteMs, tradeMinuteMs, residentFromMs)
  }

  /** Notes that the store has no row of this minute. */
  adoptAbsence(minuteMs: number): void {
    if (!this.bars.has(minuteMs)) this.bars.set(minuteMs, new HeldBar(minuteMs))
  }

  /** The bar is to be written. */
  noteChange(bar: HeldBar): void {
    if (bar.isChanged) return
    bar.isChanged = true
    this.changed.push(bar)
  }

  /** Volume of a minute; null where it cannot be known from memory. */
  volumeOf(bar: BarFold, residentFromMs: number): number | null {
    if (bar.minuteMs < residentFromMs) return null
    if (this.instrument.kind === 'index') return 0
    if (bar.dayVolume === null) return null
    return minuteVolume(bar.dayVolume, bar.baseVolume, this.#dayVolumeBefore(bar.minuteMs)).volume
  }

  /** Takes a stored row into memory. */
  adopt(row: StoredBar): void {
    if (isCandle(row.source)) this.candles.set(row.minuteMs, row.source)
    const bar = new HeldBar(row.minuteMs)
    this.bars.set(row.minuteMs, bar)
    this.#latest = undefined
    // What a snapshot says is nothing that packets said.
    if (row.source === 'snapshot') return
    const minor = (rupees: number | null) =>
      rupees === null ? null : Math.round(rupees * this.divisor)
    const live = liveOf(row)
    if (row.openKey !== null && row.closeKey !== null) {
      bar.open = minor(live.open)
      bar.high = minor(live.high)
      bar.low = minor(live.low)
      bar.close = minor(live.close)
      bar.openKey = decodeOpenKey(row.openKey)
      bar.closeKey = decodeCloseKey(row.closeKey)
    } else {
      bar.fillPrice = minor(live.close)
    }
    // Without a smallest volume the largest is one that was carried here.
    if (row.source === 'live' || row.baseVolume !== null) bar.dayVolume = row.dayVolume
    bar.baseVolume = row.baseVolume
    bar.openInterest = live.oi
    bar.bid = minor(row.bid)
    bar.ask = minor(row.ask)
    bar.quoteKey = row.quoteKey === null ? null : decodeQuoteKey(row.quoteKey)
    bar.tickCount = row.tickCount
  }

  /** A candle was stored; what packets said of the minute goes beneath it. */
  noteCandle(minuteMs: number, source: CandleSource, residentFromMs: number): void {
    if (minuteMs >= residentFromMs || this.bars.has(minuteMs)) this.candles.set(minuteMs, source)
  }

  /** Notes the newest stored figures before the minutes in memory. */
  carry(minuteMs: number, dayVolume: number | null): void {
    if (dayVolume === null) return
    if (this.#carried === null || minuteMs > this.#carried.minuteMs) {
      this.#carried = { minuteMs, dayVolume }
    }
  }

  /** Drops clean minutes before `beforeMs` from memory. */
  evict(beforeMs: number): void {
    for (const [minuteMs, bar] of this.bars) {
      if (minuteMs >= beforeMs || bar.isChanged) continue
      this.carry(minuteMs, bar.dayVolume)
      this.bars.delete(minuteMs)
      if (this.#latest === bar) this.#latest = undefined
    }
    for (const minuteMs of this.candles.keys()) {
      if (minuteMs < beforeMs && !this.bars.has(minuteMs)) this.candles.delete(minuteMs)
    }
  }

  /** A packet that only repeats the trade folded last: the usual case of a depth change. */
  #isRepetition(tick: JournalledTick, place: Attribution): boolean {
    const last = this.#lastTrade
    return (
      last !== null &&
      place.exact &&
      last.timeS === place.tradeTimeS &&
      last.dayVolume === tick.dayVolume &&
      last.price === tick.lastPrice &&
      tick.receivedAtMs >= last.receivedAtMs
    )
  }

  #missing(
    quoteMinuteMs: number,
    tradeMinuteMs: number | undefined,
    residentFromMs: number,
  ): number | undefined {
    if (quoteMinuteMs < residentFromMs && !this.bars.has(quoteMinuteMs)) return quoteMinuteMs
    if (tradeMinuteMs === undefined) return undefined
    if (tradeMinuteMs < residentFromMs && !this.bars.has(tradeMinuteMs)) return tradeMinuteMs
    return undefined
  }

  #foldQuote(
    tick: JournalledTick,
    place: Attribution,
    tradeKey: TradeKey,
    epoch: number,
    sequence: number,
  ): void {
    const bar = this.#bar(place.quoteMinuteMs)
    bar.applyQuote(tick, {
      exchangeTimeS: place.quoteTimeS,
      receivedAtMs: tick.receivedAtMs,
      epoch,
      sequence,
    })
    if (tick.dayVolume !== undefined) bar.applyVolume(tick.dayVolume)
    // A contract that never traded shows the price 0.
    if (place.tradeMinuteMs !== place.quoteMinuteMs && tick.lastPrice > 0) {
      bar.applyEarlierTrade(tick.lastPrice, tradeKey)
    }
    this.noteChange(bar)
  }

  #foldTrade(tick: JournalledTick, place: Attribution, minuteMs: number, key: TradeKey): void {
    const bar = this.#bar(minuteMs)
    let changed = bar.applyTrade(tick.lastPrice, key)
    if (place.sameSession && tick.dayVolume !== undefined && minuteMs !== place.quoteMinuteMs) {
      changed = bar.applyVolume(tick.dayVolume) || changed
    }
    if (changed) this.noteChange(bar)
    if (place.exact) this.#noteTrade(key, tick)
  }

  #noteTrade(key: TradeKey, { lastPrice, receivedAtMs }: JournalledTick): void {
    const { tradeTimeS, dayVolume } = key
    const last = this.#lastTrade
    if (last === null) {
      this.#lastTrade = { timeS: tradeTimeS, dayVolume, price: lastPrice, receivedAtMs }
      return
    }
    last.timeS = tradeTimeS
    last.dayVolume = dayVolume
    last.price = lastPrice
    last.receivedAtMs = receivedAtMs
  }

  #bar(minuteMs: number): HeldBar {
    let bar = this.#latest
    if (bar?.minuteMs === minuteMs) return bar
    bar = this.bars.get(minuteMs)
    if (bar === undefined) {
      bar = new HeldBar(minuteMs)
      this.bars.set(minuteMs, bar)
    }
    this.#latest = bar
    return bar
  }

  /** The cumulative volume at a minute's start; null where the feed did not cover it. */
  #dayVolumeBefore(minuteMs: number): number | null {
    if (!this.coverage.coversStartOf(minuteMs)) return null
    const session = this.sessionAt(minuteMs)
    if (session === undefined) return null
    if (minuteMs === session.openMs) return 0
    let newestMs = session.openMs - 1
    let dayVolume: number | null = null
    for (const bar of this.bars.values()) {
      if (bar.minuteMs >= minuteMs || bar.minuteMs <= newestMs || bar.dayVolume === null) continue
      newestMs = bar.minuteMs
      dayVolume = bar.dayVolume
    }
    const carried = this.#carried
    if (carried !== null && carried.minuteMs > newestMs && carried.minuteMs < minuteMs) {
      return carried.dayVolume
    }
    return dayVolume
  }
}
