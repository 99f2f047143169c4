/** What the status of every role says about the trading calendar and the session of index options. */
import type { MarketCalendar } from '../../market/calendar.ts'
import { formatIst, istDate, MINUTE_MS } from '../../market/ist.ts'
import type { CalendarStatus } from './calendar.ts'

const SEGMENT = 'NFO'
/** Futures have a pre-open of this length since 2025-12-08 (NSE/FAOP/69898). */
const PRE_OPEN_MS = 15 * MINUTE_MS
/** Where no year is covered at all. */
const NEVER = '1970-01-01'

/** @param nowMs market time, epoch ms */
export function calendarStatus(
  calendar: MarketCalendar,
  mode: CalendarStatus['mode'],
  nowMs: number,
): CalendarStatus {
  const coveredThrough = calendar.coveredThrough ?? NEVER
  const isAssumed = mode === 'exchange' && istDate(nowMs) > coveredThrough
  const session = mode === 'always' ? ALWAYS : sessionAt(calendar, nowMs)
  return { mode, covered_through: coveredThrough, assumed: isAssumed, ...session }
}

type SessionView = Pick<CalendarStatus, 'session' | 'next_change_at'>

const ALWAYS: SessionView = { session: 'open', next_change_at: null }

function sessionAt(calendar: MarketCalendar, nowMs: number): SessionView {
  const date = istDate(nowMs)
  const today = calendar.session(SEGMENT, date)
  if (today !== undefined && nowMs < today.openMs) {
    const isNear = today.openMs - nowMs <= PRE_OPEN_MS
    return { session: isNear ? 'pre_open' : 'closed', next_change_at: formatIst(today.openMs) }
  }
  if (today !== undefined && nowMs < today.closeMs) {
    return { session: 'open', next_change_at: formatIst(today.closeMs) }
  }
  const next = calendar.session(SEGMENT, calendar.nextTradingDay(date, SEGMENT))
  return { session: 'closed', next_change_at: next === undefined ? null : formatIst(next.openMs) }
}
