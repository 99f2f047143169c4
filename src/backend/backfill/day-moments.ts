/** The moments of a date at which its minutes can be read for the last time. Pure. */
import { OPENING_MINUTES, OPENING_READ_AFTER_MS, SETTLE_AFTER_CLOSE_MS } from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { DAY_MS, MINUTE_MS, startOfDateMs } from '../../market/ist.ts'
import type { Interval } from '../../market/session-time.ts'

export interface DayMoment {
  /** `opening`: the first minutes, which the broker has corrected by then; `settle`: the whole day. */
  readonly kind: 'opening' | 'settle'
  readonly date: string
  /** From this market time on. */
  readonly atMs: number
  /** What was streamed in it is read. */
  readonly window: Interval
}

/** One segment of each kind of hours. */
const SEGMENTS = ['INDICES', 'NFO', 'BFO', 'MCX']
/** Exchanges whose contracts have a last close on their expiry day, which may be before the session's. */
const EXPIRING = ['NFO', 'BFO']

/** Ascending, each once. */
export function momentsOf(date: string, calendar: MarketCalendar): DayMoment[] {
  const moments = new Map<string, DayMoment>()
  const add = (kind: DayMoment['kind'], atMs: number, window: Interval) => {
    moments.set(`${kind} ${atMs}`, { kind, date, atMs, window })
  }
  const day = { fromMs: startOfDateMs(date), toMs: startOfDateMs(date) + DAY_MS }
  for (const segment of SEGMENTS) {
    const session = calendar.session(segment, date)
    if (session === undefined) continue
    const { openMs, closeMs } = session
    const opening = { fromMs: openMs, toMs: openMs + OPENING_MINUTES * MINUTE_MS }
    add('opening', openMs + OPENING_READ_AFTER_MS, opening)
    add('settle', closeMs + SETTLE_AFTER_CLOSE_MS, day)
  }
  for (const segment of EXPIRING) {
    if (calendar.session(segment, date) === undefined) continue
    const lastCloseMs = calendar.expiryCloseMs(segment, date)
    add('settle', lastCloseMs + SETTLE_AFTER_CLOSE_MS, day)
  }
  return [...moments.values()].sort((a, b) => a.atMs - b.atMs)
}
