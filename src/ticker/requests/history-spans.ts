/**
 * A span of history as the broker can be asked for it, and its candles as they are given out. Pure.
 *
 * The broker builds longer candles from minutes of the span alone, so a span that begins or ends
 * within one makes a partial candle: they are asked for by whole days, and cut here.
 */
import { type CandleInterval, HISTORY_SPAN_DAYS, TIMEFRAME_OF } from '../../kite/rest.ts'
import type { KiteCandle } from '../../kite/rest-answers.ts'
import { HISTORY_SETTLE_MS } from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { DAY_MS, floorToMinute, istDate, MINUTE_MS, startOfDateMs } from '../../market/ist.ts'
import { bucketAt } from '../../market/timeframe.ts'

/** Both ends inclusive, epoch ms, by the opening instant of a candle. */
export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** Spans of at most what the broker answers at once, without overlap, oldest first. */
export function partsOf({ fromMs, toMs }: Span, interval: CandleInterval): Span[] {
  const startMs = interval === 'minute' ? Math.ceil(fromMs / MINUTE_MS) * MINUTE_MS : dayOf(fromMs)
  const endMs = interval === 'minute' ? floorToMinute(toMs) : dayOf(toMs) + DAY_MS - MINUTE_MS
  const widthMs = HISTORY_SPAN_DAYS[interval] * DAY_MS
  const parts: Span[] = []
  for (let partMs = startMs; partMs <= endMs; partMs += widthMs) {
    parts.push({ fromMs: partMs, toMs: Math.min(endMs, partMs + widthMs - MINUTE_MS) })
  }
  return parts
}

/** One span over both, where they meet and the broker answers so much at once. */
export function joinSpans(a: Span, b: Span, interval: CandleInterval): Span | undefined {
  const doMeet = a.fromMs <= b.toMs + MINUTE_MS && b.fromMs <= a.toMs + MINUTE_MS
  const joined = { fromMs: Math.min(a.fromMs, b.fromMs), toMs: Math.max(a.toMs, b.toMs) }
  const isTooLong = joined.toMs - joined.fromMs >= HISTORY_SPAN_DAYS[interval] * DAY_MS
  return doMeet && !isTooLong ? joined : undefined
}

/** The instant up to which the broker corrects nothing any more. */
export function finalUntil(askedAtMs: number): number {
  return floorToMinute(askedAtMs - HISTORY_SETTLE_MS)
}

/** Those of the span that end by `untilMs`, oldest first, each once. */
export function finalCandles(
  candles: readonly KiteCandle[],
  { fromMs, toMs }: Span,
  untilMs: number,
  endOf: (openMs: number) => number,
): KiteCandle[] {
  const byTime = new Map<number, KiteCandle>()
  for (const candle of candles) {
    const { timeMs } = candle
    if (timeMs >= fromMs && timeMs <= toMs && endOf(timeMs) <= untilMs) byTime.set(timeMs, candle)
  }
  return [...byTime.values()].sort((a, b) => a.timeMs - b.timeMs)
}

/** When a candle is over: the last one of a session is short, a day ends with its session. */
export function candleEnd(
  openMs: number,
  interval: CandleInterval,
  segment: string,
  calendar: MarketCalendar,
): number {
  if (interval === 'minute') return openMs + MINUTE_MS
  if (interval !== 'day') return bucketAt(TIMEFRAME_OF[interval], openMs, segment, calendar).endMs
  const session = calendar.session(segment, istDate(openMs))
  return session?.closeMs ?? openMs + DAY_MS
}

/** IST midnight before. */
function dayOf(ms: number): number {
  return startOfDateMs(istDate(ms))
}
