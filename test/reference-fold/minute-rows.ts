/**
 * The minutes of one instrument, each computed from the set of packets that belong to it. Nothing
 * here depends on the order in which packets came.
 */
import type { MarketCalendar } from '../../src/market/calendar.ts'
import { addDays, floorToMinute, istDate, MINUTE_MS } from '../../src/market/ist.ts'
import { type Arrival, hoursOn, type Packet, type ShownTrade } from './attribution.ts'
import { holdsAt, isWholeMinuteInFull, touchesMinute } from './live-coverage.ts'
import type { InstrumentFacts } from './log-facts.ts'

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

/** What was folded into one minute. */
interface Cell {
  /** Packets whose quote is of this minute. */
  readonly quotes: Packet[]
  /** Trades of this minute, whenever they were reported. */
  readonly trades: ShownTrade[]
  /** The day's volume as all of these packets say it. */
  readonly dayVolumes: number[]
}

/** All minutes that were folded into or are covered and closed, ascending. */
export function minuteRows(
  facts: InstrumentFacts,
  packets: readonly Packet[],
  calendar: MarketCalendar,
  marketTimeMs: number,
): MinuteRow[] {
  const cells = cellsOf(packets)
  const covered = closedCoveredMinutes(facts, calendar, marketTimeMs)
  const minutes = [...new Set([...cells.keys(), ...covered])].sort((a, b) => a - b)
  const lastOiByDate = new Map<string, number>()
  const rows: MinuteRow[] = []
  for (const minuteMs of minutes) {
    const date = istDate(minuteMs)
    const last = rows.at(-1)
    const row = minuteRow(minuteMs, {
      facts,
      cell: cells.get(minuteMs) ?? newCell(),
      previous: last !== undefined && istDate(last.minuteMs) === date ? last : undefined,
      oiPrevClose: lastOiBefore(lastOiByDate, date),
      isFirstOfSession: hoursOn(calendar, facts.instrument, date)?.openMs === minuteMs,
      isClosed: isClosed(minuteMs, marketTimeMs),
    })
    if (row.oi !== null) lastOiByDate.set(date, row.oi)
    rows.push(row)
  }
  return rows
}

function cellsOf(packets: readonly Packet[]): Map<number, Cell> {
  const cells = new Map<number, Cell>()
  const cellAt = (minuteMs: number) => {
    const cell = cells.get(minuteMs) ?? newCell()
    cells.set(minuteMs, cell)
    return cell
  }
  for (const packet of packets) {
    const { dayVolume, trade, tradeMinuteMs } = packet
    const ofQuote = cellAt(packet.quoteMinuteMs)
    ofQuote.quotes.push(packet)
    if (dayVolume !== null) ofQuote.dayVolumes.push(dayVolume)
    if (trade === null || tradeMinuteMs === null) continue
    const ofTrade = cellAt(tradeMinuteMs)
    ofTrade.trades.push(trade)
    if (dayVolume !== null && packet.isTradeOfSameSession) ofTrade.dayVolumes.push(dayVolume)
  }
  return cells
}

function newCell(): Cell {
  return { quotes: [], trades: [], dayVolumes: [] }
}

function closedCoveredMinutes(
  { instrument, stretches }: InstrumentFacts,
  calendar: MarketCalendar,
  marketTimeMs: number,
): number[] {
  const minutes: number[] = []
  for (const stretch of stretches) {
    const untilMs = Math.min(stretch.toMs, marketTimeMs)
    for (let date = istDate(stretch.fromMs); date <= dateOf(untilMs); date = addDays(date, 1)) {
      const hours = hoursOn(calendar, instrument, date)
      if (hours === undefined) continue
      const firstMs = Math.max(hours.openMs, floorToMinute(stretch.fromMs))
      const endMs = Math.min(hours.closeMs, untilMs)
      for (let minuteMs = firstMs; minuteMs < endMs; minuteMs += MINUTE_MS) {
        if (isClosed(minuteMs, marketTimeMs)) minutes.push(minuteMs)
      }
    }
  }
  return minutes
}

/** Before every date where market time was never told. */
function dateOf(ms: number): string {
  return Number.isFinite(ms) ? istDate(ms) : ''
}

function lastOiBefore(lastOiByDate: ReadonlyMap<string, number>, date: string): number | null {
  for (let days = 1; days <= PREVIOUS_CLOSE_WITHIN_DAYS; days++) {
    const oi = lastOiByDate.get(addDays(date, -days))
    if (oi !== undefined) return oi
  }
  return null
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
  const carried = input.isClosed && cell.quotes.length === 0 ? previous : undefined
  const dayVolume = cell.dayVolumes.length > 0 ? greatest(cell.dayVolumes) : carried?.dayVolume
  const baseVolume = cell.dayVolumes.length === 0 ? null : least(cell.dayVolumes)
  return {
    minuteMs,
    ...pricesOf(minuteMs, input),
    volume: volumeOf(minuteMs, dayVolume ?? null, baseVolume, input),
    dayVolume: dayVolume ?? null,
    baseVolume,
    ...(newestQuote(cell) ?? { oi: carried?.oi ?? null, bid: null, ask: null }),
    oiPrevClose: input.oiPrevClose,
    tickCount: cell.quotes.length,
    complete: input.isClosed ? isWholeMinuteInFull(facts.stretches, minuteMs) : null,
    isTraded: cell.trades.length > 0,
  }
}

function pricesOf(minuteMs: number, { cell, facts, previous }: RowInput) {
  const { trades } = cell
  const first = trades.length === 0 ? undefined : trades.reduce(olderTrade)
  const last = trades.length === 0 ? undefined : trades.reduce(newerTrade)
  if (first !== undefined && last !== undefined) {
    const prices = trades.map((trade) => trade.price)
    return { open: first.price, high: greatest(prices), low: least(prices), close: last.price }
  }
  // Only what is covered is known to have stood still; a price that was shown is known anyway.
  const stoodStill = touchesMinute(facts.stretches, minuteMs) ? previous?.close : undefined
  const flat = shownPrice(cell.quotes) ?? stoodStill ?? null
  return { open: flat, high: flat, low: flat, close: flat }
}

/** The newest price that the minute's packets show; here they show only trades of other minutes. */
function shownPrice(quotes: readonly Packet[]): number | undefined {
  const trades = quotes.map((packet) => packet.trade).filter((trade) => trade !== null)
  return trades.length === 0 ? undefined : trades.reduce(newerTrade).price
}

function newestQuote({ quotes }: Cell) {
  const withOi = quotes.filter((packet) => packet.oi !== null)
  if (withOi.length === 0) return undefined
  const { oi, bid, ask } = withOi.reduce(newerQuote)
  return { oi, bid, ask }
}

function volumeOf(
  minuteMs: number,
  dayVolume: number | null,
  baseVolume: number | null,
  { facts, cell, previous, isFirstOfSession }: RowInput,
): number | null {
  const isEmpty = cell.quotes.length === 0 && cell.trades.length === 0
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

function greatest(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b))
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b))
}
