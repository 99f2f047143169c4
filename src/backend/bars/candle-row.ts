/**
 * A stored row of a minute tells two things: what it shows, and what packets said of the minute. In a
 * live row they are the same; in one that holds a broker's candle the live bar lies beneath it.
 */
import type { CandleSource } from '../candles/candle-writer.ts'
import type { BarSource, LiveBeneath, StoredBar } from '../ports.ts'

export const NOTHING_BENEATH: LiveBeneath = {
  liveOpen: null,
  liveHigh: null,
  liveLow: null,
  liveClose: null,
  liveOi: null,
}

export function isCandle(source: BarSource): source is CandleSource {
  return source !== 'live' && source !== 'snapshot'
}

/** What packets said of the minute; without a trade only the close is known. */
export interface LiveBar {
  readonly open: number | null
  readonly high: number | null
  readonly low: number | null
  readonly close: number | null
  readonly oi: number | null
}

export function liveOf(row: StoredBar): LiveBar {
  if (row.source === 'live') return row
  return {
    open: row.liveOpen,
    high: row.liveHigh,
    low: row.liveLow,
    close: row.liveClose,
    oi: row.liveOi,
  }
}

/** Whether packets said anything of the minute; a flat row only repeats the one before it. */
export function hasPackets(row: StoredBar): boolean {
  return row.tickCount > 0 || row.openKey !== null
}

/** What goes beneath a candle of a minute that is stored so. */
export function beneathOf(row: StoredBar | undefined): LiveBeneath {
  if (row === undefined || !hasPackets(row)) return NOTHING_BENEATH
  const { open, high, low, close, oi } = liveOf(row)
  return { liveOpen: open, liveHigh: high, liveLow: low, liveClose: close, liveOi: oi }
}
