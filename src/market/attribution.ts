/**
 * To which minutes a tick belongs. Uses only the tick itself, the sessions and the coverage: the
 * market time in the tick is that of its journalling, so a replay attributes it the same way.
 */
import { floorToMinute } from './ist.ts'
import type { JournalledTick } from './tick.ts'

/** How far a packet's time may run ahead of market time before it is pulled back to it. */
export const AHEAD_TOLERANCE_MS = 5_000

/** How long after midnight a packet of the date before still counts (sessions that end at midnight). */
const DATE_TOLERANCE_MS = 60_000

/** One session of a segment, [openMs, closeMs). */
export interface SessionBounds {
  readonly openMs: number
  readonly closeMs: number
}

/** Why a tick updates the latest quote but no bar. */
export type NotFoldedReason = 'no_session' | 'other_date' | 'outside_session' | 'not_covered'

/** What attribution asks about one instrument. */
export interface AttributionContext {
  /** The session of the instrument's segment on the IST date of `atMs`. */
  sessionAt(atMs: number): SessionBounds | undefined
  /** When the instrument's live coverage within that session began (it may have begun before it opened). */
  coveredFromMs(session: SessionBounds): number | undefined
}

export interface Attribution {
  /** Minute that takes the quote, the open interest and the count. */
  readonly quoteMinuteMs: number
  /** Exchange second used for the quote. */
  readonly quoteTimeS: number
  /** Minute that takes the trade; undefined where the tick shows none that counts. */
  readonly tradeMinuteMs: number | undefined
  /** Exchange second of the trade; undefined where the tick shows no trade at all. */
  readonly tradeTimeS: number | undefined
  /** Trade time and day volume identify the trade (see `TradeKey`). */
  readonly exact: boolean
  /** The trade is of the same session as the quote, so the day's cumulative volume is too. */
  readonly sameSession: boolean
  /** The packet's time was ahead of market time and was pulled back. */
  readonly ahead: boolean
}

export function attribute(
  tick: JournalledTick,
  context: AttributionContext,
): Attribution | NotFoldedReason {
  const marketMs = tick.marketTimeMs
  const latestMs = marketMs + AHEAD_TOLERANCE_MS
  const sentMs = tick.exchangeTimeS === undefined ? marketMs : tick.exchangeTimeS * 1000
  const ahead = sentMs > latestMs
  const timedMs = ahead ? marketMs : sentMs
  const session = context.sessionAt(timedMs)
  if (session === undefined) return 'no_session'
  if (timedMs < session.openMs || timedMs >= session.closeMs) return 'outside_session'
  if (isOtherDate(timedMs, session, marketMs, context)) return 'other_date'
  const coveredFromMs = context.coveredFromMs(session)
  if (coveredFromMs === undefined) return 'not_covered'
  // The first packet of a quiet contract may be many minutes old: it is what holds as coverage begins.
  const quoteMs = Math.max(timedMs, coveredFromMs)

  const tradeMs = tradeTimeOf(tick, quoteMs, latestMs)
  const trade = tradeMs === undefined ? undefined : context.sessionAt(tradeMs)
  const sameSession = trade !== undefined && trade.openMs === session.openMs
  return {
    quoteMinuteMs: floorToMinute(quoteMs),
    quoteTimeS: Math.floor(quoteMs / 1000),
    tradeMinuteMs:
      tradeMs !== undefined && trade !== undefined && counts(tradeMs, trade, marketMs, context)
        ? floorToMinute(tradeMs)
        : undefined,
    tradeTimeS: tradeMs === undefined ? undefined : Math.floor(tradeMs / 1000),
    exact: isTimed(tick) && tick.dayVolume !== undefined,
    sameSession,
    ahead,
  }
}

/** An index has no trades: every value it shows is one, at the time of its snapshot. */
function tradeTimeOf(tick: JournalledTick, quoteMs: number, latestMs: number): number | undefined {
  // A contract that never traded shows the price 0.
  if (tick.lastPrice === 0) return undefined
  if (tick.isIndex || tick.mode !== 'full') return quoteMs
  if (tick.lastTradeTimeS === undefined) return undefined
  return Math.min(tick.lastTradeTimeS * 1000, latestMs)
}

function isTimed(tick: JournalledTick): boolean {
  return !tick.isIndex && tick.mode === 'full' && tick.lastTradeTimeS !== undefined
}

function isOtherDate(
  atMs: number,
  session: SessionBounds,
  marketMs: number,
  context: AttributionContext,
): boolean {
  if (marketMs - atMs <= DATE_TOLERANCE_MS) return false
  return context.sessionAt(marketMs)?.openMs !== session.openMs
}

function counts(
  tradeMs: number,
  session: SessionBounds,
  marketMs: number,
  context: AttributionContext,
): boolean {
  if (tradeMs < session.openMs || tradeMs >= session.closeMs) return false
  if (isOtherDate(tradeMs, session, marketMs, context)) return false
  const fromMs = context.coveredFromMs(session)
  // Trade times are whole seconds: a trade in the second in which coverage began counts.
  return fromMs !== undefined && tradeMs >= Math.floor(fromMs / 1000) * 1000
}
