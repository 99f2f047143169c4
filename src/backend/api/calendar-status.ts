/** What a status says about the trading calendar and the session of index options. */
import type { CalendarStatus } from '../../contract/api/calendar.ts'
import { formatIst, istDate, MINUTE_MS } from '../../market/ist.ts'
import type { MarketSetting } from '../chain/present-chain.ts'

const SEGMENT = 'NFO'
/** Futures have a pre-open of this length since 2025-12-08 (NSE/FAOP/69898). */
const PRE_OPEN_MS = 15 * MINUTE_MS
/** Where no year is covered at all. */
const NEVER = '1970-01-01'

export function calendarStatus(setting: MarketSetting, nowMs: number): CalendarStatus {
  const { calendar, calendarMode } = setting
  const coveredThrough = calendar.coveredThrough ?? NEVER
  return {
    mode: calendarMode,
    covered_through: coveredThrough,
    assumed: istDate(nowMs) > coveredThrough,
    ...sessionAt(setting, nowMs),
  }
}

function sessionAt(
  { calendar, calendarMode }: MarketSetting,
  nowMs: number,
): Pick<CalendarStatus, 'session' | 'next_change_at'> {
  if (calendarMode === 'always') return { session: 'open', next_change_at: null }
  const today = calendar.session(SEGMENT, istDate(nowMs))
  if (today !== undefined && nowMs < today.openMs) {
    const isNear = today.openMs - nowMs <= PRE_OPEN_MS
    return { session: isNear ? 'pre_open' : 'closed', next_change_at: formatIst(today.openMs) }
  }
  if (today !== undefined && nowMs < today.closeMs) {
    return { session: 'open', next_change_at: formatIst(today.closeMs) }
  }
  const next = calendar.session(SEGMENT, calendar.nextTradingDay(istDate(nowMs), SEGMENT))
  return { session: 'closed', next_change_at: next === undefined ? null : formatIst(next.openMs) }
}
