/**
 * Which minutes one packet belongs to: that of its quote (OI, bid, ask, the count) and that of the
 * trade it shows, or why it is not folded at all.
 */
import type { MarketCalendar } from '../../market/calendar.ts'
import type { Instrument } from '../../market/instrument.ts'
import { floorToMinute, istDate, SECOND_MS } from '../../market/ist.ts'
import { type JournalledTick, priceDivisor } from '../../market/tick.ts'
import type { InstrumentFacts } from './instrument-facts.ts'
import type { Stretch } from './live-coverage.ts'

export type NotFoldedReason =
  | 'no_instrument'
  | 'no_session'
  | 'outside_session'
  | 'other_date'
  | 'not_covered'
  /** The store refused it. */
  | 'dead_letter'

/** Where a packet stands among all; the later one is the newer. */
export interface Arrival {
  readonly receivedAtMs: number
  readonly epoch: number
  readonly sequence: number
}

/** The last trade that a packet tells of. */
export interface ShownTrade extends Arrival {
  /** Epoch seconds; 0 where its time is not told, since it may be of any earlier day. */
  readonly second: number
  /** Of the day up to it; 0 where the packet does not say. */
  readonly dayVolume: number
  /** Rupees. */
  readonly price: number
  /** Known by its own time and volume, so that a second report of it adds nothing. */
  readonly isExact: boolean
}

export interface Packet extends Arrival {
  readonly quoteMinuteMs: number
  readonly quoteSecond: number
  /** Units; null where the packet does not carry it. */
  readonly oi: number | null
  /** Rupees. */
  readonly bid: number | null
  readonly ask: number | null
  readonly dayVolume: number | null
  readonly trade: ShownTrade | null
  /** The minute whose OHLC the trade belongs to; null where it belongs to none. */
  readonly tradeMinuteMs: number | null
  /** Whether `dayVolume` also speaks for that minute. */
  readonly isTradeOfSameSession: boolean
}

/** One tick record, with its place in the log. */
export interface LoggedTick {
  readonly tick: JournalledTick
  readonly epoch: number
  readonly sequence: number
}

export interface TradingHours {
  readonly openMs: number
  readonly closeMs: number
}

/** The session of a contract, which on its last day ends with its expiry and after it is none. */
export function hoursOn(
  calendar: MarketCalendar,
  instrument: Instrument,
  date: string,
): TradingHours | undefined {
  const session = calendar.session(instrument.segment, date)
  if (session === undefined || instrument.expiry === null) return session
  if (date > instrument.expiry) return undefined
  const lastCloseMs = calendar.expiryCloseMs(instrument.segment, instrument.expiry)
  return { openMs: session.openMs, closeMs: Math.min(session.closeMs, lastCloseMs) }
}

const MAX_AHEAD_MS = 5_000
const OTHER_DATE_AFTER_MS = 60_000

export function attribute(
  logged: LoggedTick,
  facts: InstrumentFacts | undefined,
  calendar: MarketCalendar,
): Packet | NotFoldedReason {
  if (facts === undefined) return 'no_instrument'
  const { tick } = logged
  const quoteMs = quoteTimeMs(logged)
  const hours = hoursOn(calendar, facts.instrument, istDate(quoteMs))
  if (hours === undefined) return 'no_session'
  if (!isWithin(hours, quoteMs)) return 'outside_session'
  if (isOfOtherDate(quoteMs, tick.marketTimeMs)) return 'other_date'
  const covered = coverageIn(facts.stretches, hours)
  if (covered === undefined) return 'not_covered'
  // An older state is what holds as coverage begins.
  return packetOf(logged, Math.max(quoteMs, covered.fromMs), facts, calendar)
}

function packetOf(
  logged: LoggedTick,
  quoteMs: number,
  facts: InstrumentFacts,
  calendar: MarketCalendar,
): Packet {
  const { tick, epoch, sequence } = logged
  const rupees = (price: number | undefined) =>
    price === undefined ? null : price / priceDivisor(tick.token)
  const tradeMs = tradeTimeMs(logged, quoteMs)
  const counts = tradeMs !== null && isCounted(tradeMs, tick.marketTimeMs, facts, calendar)
  return {
    quoteMinuteMs: floorToMinute(quoteMs),
    quoteSecond: Math.floor(quoteMs / SECOND_MS),
    oi: tick.openInterest ?? null,
    bid: rupees(tick.bidPrice),
    ask: rupees(tick.askPrice),
    dayVolume: tick.dayVolume ?? null,
    trade: tick.lastPrice > 0 ? shownTrade(logged, tradeMs) : null,
    tradeMinuteMs: counts ? floorToMinute(tradeMs) : null,
    isTradeOfSameSession: counts && istDate(tradeMs) === istDate(quoteMs),
    receivedAtMs: tick.receivedAtMs,
    epoch,
    sequence,
  }
}

function quoteTimeMs({ tick }: LoggedTick): number {
  if (tick.exchangeTimeS === undefined) return tick.marketTimeMs
  const exchangeMs = tick.exchangeTimeS * SECOND_MS
  return exchangeMs > tick.marketTimeMs + MAX_AHEAD_MS ? tick.marketTimeMs : exchangeMs
}

/**
 * An index has no trades of its own and a short packet no trade time: there every packet is one.
 * Without a price there is no trade.
 */
function tradeTimeMs({ tick }: LoggedTick, quoteMs: number): number | null {
  if (tick.lastPrice <= 0) return null
  const latestMs = tick.marketTimeMs + MAX_AHEAD_MS
  if (!hasTradeTime(tick)) return Math.min(quoteMs, latestMs)
  return tick.lastTradeTimeS === undefined
    ? null
    : Math.min(tick.lastTradeTimeS * SECOND_MS, latestMs)
}

function hasTradeTime({ isIndex, mode }: LoggedTick['tick']): boolean {
  return !isIndex && mode === 'full'
}

function shownTrade({ tick, epoch, sequence }: LoggedTick, tradeMs: number | null): ShownTrade {
  return {
    second: tradeMs === null ? 0 : Math.floor(tradeMs / SECOND_MS),
    dayVolume: tick.dayVolume ?? 0,
    price: tick.lastPrice / priceDivisor(tick.token),
    isExact: hasTradeTime(tick) && tradeMs !== null && tick.dayVolume !== undefined,
    receivedAtMs: tick.receivedAtMs,
    epoch,
    sequence,
  }
}

/** Trade times are whole seconds, so the second in which coverage began is let in whole. */
function isCounted(
  tradeMs: number,
  marketTimeMs: number,
  { instrument, stretches }: InstrumentFacts,
  calendar: MarketCalendar,
): boolean {
  const hours = hoursOn(calendar, instrument, istDate(tradeMs))
  if (hours === undefined || !isWithin(hours, tradeMs)) return false
  if (isOfOtherDate(tradeMs, marketTimeMs)) return false
  const covered = coverageIn(stretches, hours)
  if (covered === undefined) return false
  return tradeMs >= Math.floor(covered.fromMs / SECOND_MS) * SECOND_MS
}

/** Around midnight the newest packets are still of the date before. */
function isOfOtherDate(atMs: number, marketTimeMs: number): boolean {
  return istDate(atMs) !== istDate(marketTimeMs) && marketTimeMs - atMs > OTHER_DATE_AFTER_MS
}

function isWithin({ openMs, closeMs }: TradingHours, atMs: number): boolean {
  return openMs <= atMs && atMs < closeMs
}

/** The first that was told of; a gap that is noticed later does not move it. */
function coverageIn(
  stretches: readonly Stretch[],
  { openMs, closeMs }: TradingHours,
): Stretch | undefined {
  return stretches.find(({ fromMs, toMs }) => fromMs < closeMs && toMs >= openMs)
}
