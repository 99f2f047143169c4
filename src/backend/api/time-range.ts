/** The range of time that a request of points or bars means: whole bars, without `from` the session's. */
import { DAY_MS, formatIst, istDate, startOfDateMs } from '../../market/ist.ts'
import { type Timeframe, wholeBuckets } from '../../market/timeframe.ts'
import { ApiError, badField } from './api-error.ts'
import { type MarketView, marketNowMs, requireTime } from './series-lookup.ts'

export interface RangeQuery {
  readonly timeframe?: Timeframe
  readonly from?: string
  readonly to?: string
}

export interface TimeRange {
  readonly timeframe: Timeframe
  readonly fromMs: number
  /** Exclusive. */
  readonly toMs: number
}

/** @throws ApiError where it is empty or no time */
export function requireRange(market: MarketView, segment: string, query: RangeQuery): TimeRange {
  const nowMs = marketNowMs(market)
  // The minute that is open now belongs to the answer.
  const toMs = query.to === undefined ? nowMs + 1 : requireTime('to', query.to)
  const fromMs =
    query.from === undefined
      ? sessionOpenMs(market, segment, Math.min(nowMs, toMs))
      : requireTime('from', query.from)
  if (fromMs >= toMs) {
    throw badField('from', `"from" (${formatIst(fromMs)}) is not before "to" (${formatIst(toMs)}).`)
  }
  const timeframe = query.timeframe ?? '1m'
  // Nothing is stored beyond; bars of the year 9999 need no calendar.
  const lastMs = nowMs + DAY_MS
  if (fromMs >= lastMs) throw badField('from', `"from" (${formatIst(fromMs)}) is yet to come.`)
  const { startMs, endMs } = wholeBuckets(
    timeframe,
    Math.max(fromMs, 0),
    Math.max(1, Math.min(toMs, lastMs)),
    segment,
    market.calendar,
  )
  return { timeframe, fromMs: startMs, toMs: endMs }
}

/** More than one answer may hold: `what` are rows, bars, … */
export function tooMany(limit: number, what: string): ApiError {
  const message = `More than ${limit} ${what} would have to be read for this; ask for a shorter time.`
  return new ApiError(400, 'too_large', message, { field: 'from', limit })
}

/** The open of the session that runs, or of the last one. */
function sessionOpenMs({ calendar }: MarketView, segment: string, atMs: number): number {
  const today = istDate(atMs)
  const session = calendar.session(segment, today)
  if (session !== undefined && session.openMs <= atMs) return session.openMs
  const before = calendar.previousTradingDay(today, segment)
  return calendar.session(segment, before)?.openMs ?? startOfDateMs(before)
}
