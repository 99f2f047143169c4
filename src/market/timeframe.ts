/**
 * Timeframes: which bucket a minute falls into, and minute bars rolled up into one.
 *
 * Buckets are counted from the session's open (09:15, 10:15 … for `1h`), so they differ by segment
 * and date; the last one of a session may be short. A day is the IST trading date, stamped with its
 * IST midnight. Minutes outside a session (a pre-open candle) keep the same raster.
 */
import type { MarketCalendar, Session } from './calendar.ts'
import { addDays, MINUTE_MS, startOfDateMs } from './ist.ts'

export const TIMEFRAMES = ['1m', '3m', '5m', '10m', '15m', '30m', '1h', '1d'] as const
export type Timeframe = (typeof TIMEFRAMES)[number]

const MINUTES: Readonly<Record<Exclude<Timeframe, '1d'>, number>> = {
  '1m': 1,
  '3m': 3,
  '5m': 5,
  '10m': 10,
  '15m': 15,
  '30m': 30,
  '1h': 60,
}

/** [startMs, endMs), within one trading date. */
export interface Bucket {
  readonly startMs: number
  readonly endMs: number
}

/** What is rolled up. Null means not known; prices in whatever unit they come in. */
export interface RollableBar {
  /** Opening instant. */
  readonly timeMs: number
  readonly open: number | null
  readonly high: number | null
  readonly low: number | null
  readonly close: number | null
  /** Units traded within the bar. */
  readonly volume: number | null
  /** Units at the bar's end. */
  readonly openInterest: number | null
}

export interface RolledBar extends RollableBar {
  /** How many bars went into it. */
  readonly bars: number
}

/** Any case; undefined where it is none of `TIMEFRAMES`. */
export function parseTimeframe(text: string): Timeframe | undefined {
  const wanted = text.toLowerCase()
  return TIMEFRAMES.find((timeframe) => timeframe === wanted)
}

/** Minutes of a full bucket; undefined for a day, whose length is the session's. */
export function timeframeMinutes(timeframe: Timeframe): number | undefined {
  return timeframe === '1d' ? undefined : MINUTES[timeframe]
}

/** The bucket that the instant lies in, cut at the session's open and close and at midnight. */
export function bucketAt(
  timeframe: Timeframe,
  atMs: number,
  segment: string,
  calendar: MarketCalendar,
): Bucket {
  const date = calendar.tradingDateOf(segment, atMs)
  if (timeframe === '1d') return dayBucket(date)
  const widthMs = MINUTES[timeframe] * MINUTE_MS
  const anchorMs = calendar.anchorMs(segment, date)
  const startMs = anchorMs + Math.floor((atMs - anchorMs) / widthMs) * widthMs
  const stretch = stretchAt(atMs, date, calendar.session(segment, date))
  return {
    startMs: Math.max(startMs, stretch.startMs),
    endMs: Math.min(startMs + widthMs, stretch.endMs),
  }
}

/** Whole buckets: the widest range of them that [fromMs, toMs) touches. */
export function wholeBuckets(
  timeframe: Timeframe,
  fromMs: number,
  toMs: number,
  segment: string,
  calendar: MarketCalendar,
): Bucket {
  return {
    startMs: bucketAt(timeframe, fromMs, segment, calendar).startMs,
    endMs: bucketAt(timeframe, toMs - 1, segment, calendar).endMs,
  }
}

/** What lies in one bucket, together; buckets in which nothing lies are left out. */
export function* byBucket<T>(
  items: Iterable<T>,
  timeMs: (item: T) => number,
  timeframe: Timeframe,
  segment: string,
  calendar: MarketCalendar,
): Generator<{ readonly bucket: Bucket; readonly items: readonly [T, ...T[]] }> {
  let group: { readonly bucket: Bucket; readonly items: [T, ...T[]] } | undefined
  for (const item of items) {
    const atMs = timeMs(item)
    if (group !== undefined && atMs < group.bucket.endMs) {
      group.items.push(item)
      continue
    }
    if (group !== undefined) yield group
    group = { bucket: bucketAt(timeframe, atMs, segment, calendar), items: [item] }
  }
  if (group !== undefined) yield group
}

/**
 * Rolls bars up. Volume is the sum and the OHLC the extremes of what is known, as SQL's aggregates
 * have it; open interest is the last known. A bucket without bars is left out.
 *
 * @param bars ascending by time, all of one instrument
 */
export function rollUp(
  bars: Iterable<RollableBar>,
  timeframe: Timeframe,
  segment: string,
  calendar: MarketCalendar,
): RolledBar[] {
  const rolled: RolledBar[] = []
  for (const { bucket, items } of byBucket(bars, openingOf, timeframe, segment, calendar)) {
    const [first, ...rest] = items
    const whole = rest.reduce(joinBars, { ...first, timeMs: bucket.startMs })
    rolled.push({ ...whole, bars: items.length })
  }
  return rolled
}

function dayBucket(date: string): Bucket {
  return { startMs: startOfDateMs(date), endMs: startOfDateMs(addDays(date, 1)) }
}

/** The part of the date, before, in or after its session, that the instant lies in. */
function stretchAt(atMs: number, date: string, session: Session | undefined): Bucket {
  if (session !== undefined && atMs >= session.openMs && atMs < session.closeMs) {
    return { startMs: session.openMs, endMs: session.closeMs }
  }
  const day = dayBucket(date)
  if (session === undefined) return day
  return atMs < session.openMs
    ? { startMs: day.startMs, endMs: session.openMs }
    : { startMs: session.closeMs, endMs: day.endMs }
}

/** Two bars of one instrument as one that opens with the earlier. */
export function joinBars(earlier: RollableBar, later: RollableBar): RollableBar {
  return {
    timeMs: earlier.timeMs,
    open: earlier.open ?? later.open,
    high: combine(earlier.high, later.high, Math.max),
    low: combine(earlier.low, later.low, Math.min),
    close: later.close ?? earlier.close,
    volume: combine(earlier.volume, later.volume, sum),
    openInterest: later.openInterest ?? earlier.openInterest,
  }
}

function openingOf({ timeMs }: RollableBar): number {
  return timeMs
}

function combine(
  a: number | null,
  b: number | null,
  by: (a: number, b: number) => number,
): number | null {
  if (a === null) return b
  return b === null ? a : by(a, b)
}

function sum(a: number, b: number): number {
  return a + b
}
