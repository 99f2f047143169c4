/**
 * Time in which an instrument trades: its sessions within a window, and how far back so many minutes
 * of session time reach, over nights, weekends and holidays.
 */
import type { SessionBounds } from './attribution.ts'
import type { MarketCalendar } from './calendar.ts'
import type { Instrument } from './instrument.ts'
import { addDays, istDate, MINUTE_MS } from './ist.ts'

/** [fromMs, toMs) */
export interface Interval {
  readonly fromMs: number
  readonly toMs: number
}

/** What decides when an instrument trades. */
export type Traded = Pick<Instrument, 'segment' | 'expiry'>

/** No market has been closed for longer; before that there is nothing to be found. */
const CLOSED_DAYS_MAX = 30

/** The instrument's session of an IST date: its segment's, on the expiry day up to the last close. */
export function sessionOn(
  { segment, expiry }: Traded,
  date: string,
  calendar: MarketCalendar,
): SessionBounds | undefined {
  const session = calendar.session(segment, date)
  if (session === undefined || expiry === null || date < expiry) return session
  if (date > expiry) return undefined
  const closeMs = Math.min(session.closeMs, calendar.expiryCloseMs(segment, expiry))
  return { openMs: session.openMs, closeMs }
}

/** The parts of the window in which the instrument trades, ascending. */
export function sessionsWithin(
  instrument: Traded,
  { fromMs, toMs }: Interval,
  calendar: MarketCalendar,
): Interval[] {
  const parts: Interval[] = []
  if (fromMs >= toMs) return parts
  const lastDate = istDate(toMs - 1)
  for (let date = istDate(fromMs); date <= lastDate; date = addDays(date, 1)) {
    const session = sessionOn(instrument, date, calendar)
    if (session === undefined) continue
    const part = {
      fromMs: Math.max(fromMs, session.openMs),
      toMs: Math.min(toMs, session.closeMs),
    }
    if (part.fromMs < part.toMs) parts.push(part)
  }
  return parts
}

/**
 * The instant from which on, up to `untilMs`, the instrument has traded for `minutes`. Where there
 * were fewer since trading began (or since the calendar knows of it), the first session's opening;
 * `untilMs` where there was none.
 */
export function sessionTimeBack(
  instrument: Traded,
  untilMs: number,
  minutes: number,
  calendar: MarketCalendar,
): number {
  let leftMs = minutes * MINUTE_MS
  let beginMs = untilMs
  let closedDays = 0
  for (let date = istDate(untilMs); closedDays < CLOSED_DAYS_MAX; date = addDays(date, -1)) {
    const session = sessionOn(instrument, date, calendar)
    const endMs = session === undefined ? 0 : Math.min(session.closeMs, untilMs)
    if (session === undefined || endMs <= session.openMs) {
      // After its expiry a contract waits for nothing: its last day may be long ago.
      if (!isAfterExpiry(instrument, date)) closedDays++
      else date = addDays(instrument.expiry ?? date, 1)
      continue
    }
    closedDays = 0
    beginMs = Math.max(session.openMs, endMs - leftMs)
    leftMs -= endMs - beginMs
    if (leftMs <= 0) return beginMs
  }
  return beginMs
}

function isAfterExpiry({ expiry }: Traded, date: string): boolean {
  return expiry !== null && date > expiry
}
