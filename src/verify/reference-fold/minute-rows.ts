/**
 * The minutes of one instrument, each computed from the set of packets that belong to it: of a set
 * only what its row needs is kept, whatever its size. Nothing here depends on the order in which
 * packets came.
 */
import type { MarketCalendar } from '../../market/calendar.ts'
import { addDays, floorToMinute, istDate, MINUTE_MS } from '../../market/ist.ts'
import { type Arrival, hoursOn, type Packet, type ShownTrade } from './attribution.ts'
import type { InstrumentFacts } from './instrument-facts.ts'
import { holdsAt, isWholeMinuteInFull, touchesMinute } from './live-coverage.ts'

/** null where not known. Prices in rupees, volumes and OI in units. */
export interface MinuteRow {
  readonly minuteMs: number
  readonly open: number | null
  readonly high: number | null
  readonly low: number | null
  readonly close: number | null
  readonly volume: number | null
  readonly dayVolume: number | null
  readonly baseVolume: number | null
  readonly oi: number | null
  /** The last one of the trading date before. */
  readonly oiPrevClose: number | null
  readonly bid: number | null
  readonly ask: number | null
  readonly tickCount: number
  /** null while the minute is open. */
  readonly complete: boolean | null
  /** False where OHLC only repeats an earlier price. */
  readonly isTraded: boolean
}

const ALLOWED_LATENESS_MS = 5_000
const PREVIOUS_CLOSE_WITHIN_DAYS = 10

export function isClosed(minuteMs: number, marketTimeMs: number): boolean {
  return marketTimeMs >= minuteMs + MINUTE_MS + ALLOWED_LATENESS_MS
}

/** What was folded into one minute, as far as its row depends on it. */
interface Cell {
  /** Packets whose quote is of this minute. */
  tickCount: number
  /** The newest of them that carries OI. */
  quote: Packet | undefined
  /** The newest trade that any of them shows, of whatever minute it is. */
  shown: ShownTrade | undefined
  /** Of the trades of this minute, whenever they were reported. */
  first: ShownTrade | undefined
  last: ShownTrade | undefined
  high: number
  low: number
  /** The day's volume as all of these packets say it. */
  greatestVolume: number
  leastVolume: number
}

/** Minutes from `fromMs` on and before `toMs`. */
export interface TimeWindow {
  readonly fromMs: number
  readonly toMs: number
}

export const ALL_TIME: TimeWindow = {
  fromMs: Number.NEGATIVE_INFINITY,
  toMs: Number.POSITIVE_INFINITY,
}

interface GivenRow {
  readonly row: MinuteRow
  readonly isAboveLive: boolean
}

/** What the rows of an instrument rest on beside its packets. */
export interface Ground {
  readonly facts: InstrumentFacts
  readonly calendar: MarketCalendar
  /** How far market time has come. */
  readonly marketTimeMs: number
  /** The last OI of a date before the window, where it is known from elsewhere. */
  readonly oiBefore: number | null
}

/** The minutes of one instrument within a window, computed anew where something was added. */
export class InstrumentMinutes {
  readonly #window: TimeWindow
  readonly #cells = new Map<number, Cell>()
  readonly #given = new Map<number, GivenRow>()
  /** Ascending; right before `#staleFromMs`. */
  readonly #rows = new Map<number, MinuteRow>()
  #staleFromMs = Number.NEGATIVE_INFINITY
  #isStale = true
  #marketTimeMs = Number.NEGATIVE_INFINITY

  constructor(window: TimeWindow) {
    this.#window = window
  }

  add(packet: Packet): void {
    const { dayVolume, trade, tradeMinuteMs } = packet
    const ofQuote = this.#cellAt(packet.quoteMinuteMs)
    if (ofQuote !== undefined) addQuote(ofQuote, packet)
    if (trade === null || tradeMinuteMs === null) return
    const ofTrade = this.#cellAt(tradeMinuteMs)
    if (ofTrade === undefined) return
    addTrade(ofTrade, trade)
    if (packet.isTradeOfSameSession) addVolume(ofTrade, dayVolume)
  }

  /**
   * A row that this log does not tell of; later ones rest on it.
   *
   * @param isAboveLive it also stands where the feed had the whole minute
   */
  give(row: MinuteRow, isAboveLive: boolean): void {
    this.#given.set(row.minuteMs, { row, isAboveLive })
    this.touch(row.minuteMs)
  }

  /** Something else than a packet changed from then on. */
  touch(fromMs: number): void {
    const minuteMs = Number.isFinite(fromMs) ? floorToMinute(fromMs) : fromMs
    this.#staleFromMs = Math.min(this.#staleFromMs, minuteMs)
    this.#isStale = true
  }

  /** All minutes that were folded into or are covered and closed, ascending. */
  rows(ground: Ground): ReadonlyMap<number, MinuteRow> {
    const { marketTimeMs } = ground
    if (marketTimeMs < this.#marketTimeMs) this.touch(Number.NEGATIVE_INFINITY)
    if (marketTimeMs > this.#marketTimeMs) this.#isStale = true
    this.#marketTimeMs = marketTimeMs
    if (this.#isStale) {
      this.#rebuild(ground)
      // Open minutes are never done with.
      this.#staleFromMs = this.#firstOpenMs()
      this.#isStale = false
    }
    return this.#rows
  }

  /** The first minute that is not closed. */
  #firstOpenMs(): number {
    return Number.isFinite(this.#marketTimeMs)
      ? floorToMinute(this.#marketTimeMs - ALLOWED_LATENESS_MS)
      : Number.NEGATIVE_INFINITY
  }

  #rebuild(ground: Ground): void {
    const { facts, calendar, marketTimeMs } = ground
    for (const minuteMs of this.#rows.keys()) {
      if (minuteMs >= this.#staleFromMs) this.#rows.delete(minuteMs)
    }
    let last = [...this.#rows.values()].at(-1)
    let oiBefore = { date: '', oi: null as number | null }
    for (const minuteMs of this.#staleMinutes(facts, calendar, marketTimeMs)) {
      const date = istDate(minuteMs)
      if (date !== oiBefore.date)
        oiBefore = { date, oi: this.#lastOiBefore(date) ?? ground.oiBefore }
      last =
        this.#givenAt(minuteMs, facts) ??
        minuteRow(minuteMs, {
          facts,
          cell: this.#cells.get(minuteMs) ?? newCell(),
          previous: last !== undefined && istDate(last.minuteMs) === date ? last : undefined,
          oiPrevClose: oiBefore.oi,
          isFirstOfSession: hoursOn(calendar, facts.instrument, date)?.openMs === minuteMs,
          isClosed: isClosed(minuteMs, marketTimeMs),
        })
      this.#rows.set(minuteMs, last)
    }
  }

  #givenAt(minuteMs: number, { stretches }: InstrumentFacts): MinuteRow | undefined {
    const given = this.#given.get(minuteMs)
    if (given === undefined || given.isAboveLive) return given?.row
    return isWholeMinuteInFull(stretches, minuteMs) ? undefined : given.row
  }

  #staleMinutes(facts: InstrumentFacts, calendar: MarketCalendar, marketTimeMs: number): number[] {
    const covered = closedCoveredMinutes(facts, calendar, marketTimeMs, {
      fromMs: Math.max(this.#window.fromMs, this.#staleFromMs),
      toMs: this.#window.toMs,
    })
    const known = [...this.#cells.keys(), ...this.#given.keys()]
    const stale = known.filter((minuteMs) => minuteMs >= this.#staleFromMs)
    return [...new Set([...stale, ...covered])].sort((a, b) => a - b)
  }

  #lastOiBefore(date: string): number | null {
    const dates = new Map<string, number>()
    for (const { minuteMs, oi } of this.#rows.values()) {
      if (oi !== null) dates.set(istDate(minuteMs), oi)
    }
    for (let days = 1; days <= PREVIOUS_CLOSE_WITHIN_DAYS; days++) {
      const oi = dates.get(addDays(date, -days))
      if (oi !== undefined) return oi
    }
    return null
  }

  #cellAt(minuteMs: number): Cell | undefined {
    if (minuteMs < this.#window.fromMs || minuteMs >= this.#window.toMs) return undefined
    this.touch(minuteMs)
    const known = this.#cells.get(minuteMs)
    if (known !== undefined) return known
    const cell = newCell()
    this.#cells.set(minuteMs, cell)
    return cell
  }
}

function newCell(): Cell {
  return {
    tickCount: 0,
    ...{ quote: undefined, shown: undefined, first: undefined, last: undefined },
    ...{ high: Number.NEGATIVE_INFINITY, low: Number.POSITIVE_INFINITY },
    ...{ greatestVolume: Number.NEGATIVE_INFINITY, leastVolume: Number.POSITIVE_INFINITY },
  }
}

function addQuote(cell: Cell, packet: Packet): void {
  const { trade, oi } = packet
  cell.tickCount += 1
  if (oi !== null) cell.quote = cell.quote === undefined ? packet : newerQuote(cell.quote, packet)
  if (trade !== null) cell.shown = cell.shown === undefined ? trade : newerTrade(cell.shown, trade)
  addVolume(cell, packet.dayVolume)
}

function addTrade(cell: Cell, trade: ShownTrade): void {
  cell.first = cell.first === undefined ? trade : olderTrade(cell.first, trade)
  cell.last = cell.last === undefined ? trade : newerTrade(cell.last, trade)
  cell.high = Math.max(cell.high, trade.price)
  cell.low = Math.min(cell.low, trade.price)
}

function addVolume(cell: Cell, dayVolume: number | null): void {
  if (dayVolume === null) return
  cell.greatestVolume = Math.max(cell.greatestVolume, dayVolume)
  cell.leastVolume = Math.min(cell.leastVolume, dayVolume)
}

function closedCoveredMinutes(
  { instrument, stretches }: InstrumentFacts,
  calendar: MarketCalendar,
  marketTimeMs: number,
  window: TimeWindow,
): number[] {
  const minutes: number[] = []
  for (const stretch of stretches) {
    const fromMs = Math.max(stretch.fromMs, window.fromMs)
    const untilMs = Math.min(stretch.toMs, marketTimeMs, window.toMs)
    if (untilMs <= fromMs) continue
    for (let date = istDate(fromMs); date <= istDate(untilMs); date = addDays(date, 1)) {
      const hours = hoursOn(calendar, instrument, date)
      if (hours === undefined) continue
      const firstMs = Math.max(hours.openMs, floorToMinute(fromMs))
      const endMs = Math.min(hours.closeMs, untilMs)
      for (let minuteMs = firstMs; minuteMs < endMs; minuteMs += MINUTE_MS) {
        if (isClosed(minuteMs, marketTimeMs)) minutes.push(minuteMs)
      }
    }
  }
  return minutes
}

// ---------------------------------------------------------------- one row

interface RowInput {
  readonly facts: InstrumentFacts
  readonly cell: Cell
  /** The row before this one on the same trading date. */
  readonly previous: MinuteRow | undefined
  readonly oiPrevClose: number | null
  readonly isFirstOfSession: boolean
  readonly isClosed: boolean
}

function minuteRow(minuteMs: number, input: RowInput): MinuteRow {
  const { facts, cell, previous } = input
  // While a minute is open its packets may still come; nothing is repeated before.
  const carried = input.isClosed && cell.tickCount === 0 ? previous : undefined
  const isVolumeTold = Number.isFinite(cell.greatestVolume)
  const dayVolume = isVolumeTold ? cell.greatestVolume : (carried?.dayVolume ?? null)
  const baseVolume = isVolumeTold ? cell.leastVolume : null
  return {
    minuteMs,
    ...pricesOf(minuteMs, input),
    volume: volumeOf(minuteMs, dayVolume, baseVolume, input),
    dayVolume,
    baseVolume,
    ...(quoteOf(cell) ?? { oi: carried?.oi ?? null, bid: null, ask: null }),
    oiPrevClose: input.oiPrevClose,
    tickCount: cell.tickCount,
    complete: input.isClosed ? isWholeMinuteInFull(facts.stretches, minuteMs) : null,
    isTraded: cell.first !== undefined,
  }
}

function pricesOf(minuteMs: number, { cell, facts, previous }: RowInput) {
  const { first, last, high, low } = cell
  if (first !== undefined && last !== undefined) {
    return { open: first.price, high, low, close: last.price }
  }
  // Only what is covered is known to have stood still; a price that was shown is known anyway.
  const stoodStill = touchesMinute(facts.stretches, minuteMs) ? previous?.close : undefined
  // Here the minute's packets show only trades of other minutes.
  const flat = cell.shown?.price ?? stoodStill ?? null
  return { open: flat, high: flat, low: flat, close: flat }
}

function quoteOf({ quote }: Cell) {
  return quote && { oi: quote.oi, bid: quote.bid, ask: quote.ask }
}

function volumeOf(
  minuteMs: number,
  dayVolume: number | null,
  baseVolume: number | null,
  { facts, cell, previous, isFirstOfSession }: RowInput,
): number | null {
  const isEmpty = cell.tickCount === 0 && cell.first === undefined
  if (isEmpty || facts.instrument.kind === 'index') return 0
  if (dayVolume === null) return null
  const volumeBefore = isFirstOfSession ? 0 : (previous?.dayVolume ?? null)
  const wasCovered = holdsAt(facts.stretches, minuteMs)
  const base = wasCovered && volumeBefore !== null ? volumeBefore : baseVolume
  return base === null ? null : Math.max(0, dayVolume - base)
}

// ---------------------------------------------------------------- which is first, which is last

function compareArrival(a: Arrival, b: Arrival): number {
  return a.receivedAtMs - b.receivedAtMs || a.epoch - b.epoch || a.sequence - b.sequence
}

function compareTrade(a: ShownTrade, b: ShownTrade): number {
  return a.second - b.second || a.dayVolume - b.dayVolume
}

function olderTrade(a: ShownTrade, b: ShownTrade): ShownTrade {
  return (compareTrade(a, b) || compareArrival(a, b)) <= 0 ? a : b
}

/**
 * An exact trade is worth the same in every report of it, so its first one stands; of packets that
 * cannot be told apart by trade time and volume the last one stands.
 */
function newerTrade(a: ShownTrade, b: ShownTrade): ShownTrade {
  const order = compareTrade(a, b)
  if (order !== 0) return order > 0 ? a : b
  if (a.isExact !== b.isExact) return a.isExact ? b : a
  const isLater = compareArrival(a, b) > 0
  return isLater !== a.isExact ? a : b
}

function newerQuote(a: Packet, b: Packet): Packet {
  return (a.quoteSecond - b.quoteSecond || compareArrival(a, b)) >= 0 ? a : b
}
