/**
 * When each segment trades: sessions, trading dates, and how far the calendar can be trusted.
 *
 * Two calendars: the exchanges' own, from dated rows (`calendar-rows.ts`), and one that never
 * closes, for the simulated exchange. Neither ever refuses to say whether a session is open: past
 * the covered years it assumes Monday to Friday with the last known hours and says so. Only a
 * statement about the past needs a covered year; who makes one asks `coverageFault` first.
 */
import { CALENDAR_CSV } from './calendar-data.ts'
import {
  type CalendarRow,
  parseCalendar,
  SEGMENT_GROUPS,
  type SegmentGroup,
} from './calendar-rows.ts'
import { addDays, istDate, MINUTE_MS, startOfDateMs, weekday } from './ist.ts'

/** One trading day of one segment, [openMs, closeMs). */
export interface Session {
  readonly openMs: number
  readonly closeMs: number
  /** True where the day or its hours are inferred and not announced. */
  readonly assumed: boolean
}

/** A question about the past that the calendar's data cannot answer. */
export interface CalendarFault {
  readonly code: 'calendar_not_covered'
  readonly retryable: false
  readonly message: string
  /** The years asked for that are not covered. */
  readonly years: readonly string[]
}

/** `segment` is an instrument's segment or its exchange (`NFO-OPT`, `NFO`, `INDICES`, `MCX-FUT`, …). */
export interface MarketCalendar {
  /** Undefined where there is no session on that date. Constant time; asked once per tick. */
  session(segment: string, date: string): Session | undefined
  isOpen(segment: string, atMs: number): boolean
  /** The instant of the date from which timeframes are counted; defined without a session too. */
  anchorMs(segment: string, date: string): number
  /** Every session lies within one IST date, so this is the IST date. */
  tradingDateOf(segment: string, atMs: number): string
  /** A day with a session of any kind, Muhurat included. Without a segment: NSE F&O. */
  isTradingDay(date: string, segment?: string): boolean
  /** A day with a full session; a Muhurat day is none, and nothing expires on it. */
  isFullTradingDay(date: string, segment?: string): boolean
  previousTradingDay(date: string, segment?: string): string
  nextTradingDay(date: string, segment?: string): string
  /** When a contract of that expiry date stops trading. */
  expiryCloseMs(segment: string, expiryDate: string): number
  /** Last day of the last covered year; null where no year is. After it sessions are assumed. */
  readonly coveredThrough: string | null
  /** Why nothing can be said about [fromDate, toDate] as a matter of record; undefined if it can. */
  coverageFault(fromDate: string, toDate: string): CalendarFault | undefined
}

/** The rows that ship with the program. */
export const SHIPPED_CALENDAR: readonly CalendarRow[] = parseCalendar(CALENDAR_CSV).rows

/** The exchanges' calendar, from rows laid over each other already. */
export function exchangeCalendar(rows: readonly CalendarRow[] = SHIPPED_CALENDAR): MarketCalendar {
  return new ExchangeCalendar(rows)
}

/**
 * A calendar without closing time: the trading date is the IST date and the session all of it.
 * Timeframes stay anchored at 09:15, contracts expire at the dated F&O close.
 */
export function alwaysOpenCalendar(
  rows: readonly CalendarRow[] = SHIPPED_CALENDAR,
): MarketCalendar {
  return new AlwaysOpenCalendar(rows)
}

/** The hours and holidays that a segment or exchange shares; undefined where it is not known. */
export function segmentGroup(segment: string): SegmentGroup | undefined {
  return GROUP_OF_EXCHANGE[segment.split('-', 1)[0] ?? segment]
}

const GROUP_OF_EXCHANGE: Readonly<Record<string, SegmentGroup>> = {
  INDICES: 'index',
  NFO: 'nse_fo',
  BFO: 'bse_fo',
  NSE: 'cash',
  BSE: 'cash',
  CDS: 'currency',
  BCD: 'currency',
  MCX: 'mcx',
}

const DEFAULT_SEGMENT = 'NFO'
const MINUTES_IN_DAY = 1440
const DAY_ANCHOR_MINUTE = 9 * 60 + 15
/** Where a special session is announced but not its hours: the evening hour of most years. */
const ASSUMED_SPECIAL = { openMinute: 18 * 60, closeMinute: 19 * 60 }
/** Every exchange year has had more holidays; fewer rows correct a year, they do not cover it. */
const HOLIDAYS_OF_A_COVERED_YEAR = 10
/** Remembered sessions of one segment, some eight years of dates; then it starts afresh. */
const MEMO_DATES = 2_048
/** Spellings of a segment that are looked up without splitting; the dump has some twenty. */
const MEMO_SEGMENTS = 64

// ---------------------------------------------------------------- the exchanges' calendar

class ExchangeCalendar implements MarketCalendar {
  readonly coveredThrough: string | null
  private readonly coveredYears: ReadonlySet<string>
  private readonly segments = new Map<string, SegmentCalendar>()
  private readonly groups: ReadonlyMap<SegmentGroup, SegmentCalendar>
  private readonly unknownGroup: SegmentCalendar

  constructor(rows: readonly CalendarRow[]) {
    this.groups = new Map(
      SEGMENT_GROUPS.map((group) => {
        const days = daysOf(group, rows)
        return [group, new SegmentCalendar(hoursOf(group, rows), days, coveredYears(days))] as const
      }),
    )
    const days = daysOf('nse_fo', rows)
    this.unknownGroup = new SegmentCalendar(hoursOf('nse_fo', rows), days, new Set())
    this.coveredYears = coveredYears(days)
    const lastYear = [...this.coveredYears].sort().at(-1)
    this.coveredThrough = lastYear === undefined ? null : `${lastYear}-12-31`
  }

  session(segment: string, date: string): Session | undefined {
    return this.of(segment).session(date)
  }

  isOpen(segment: string, atMs: number): boolean {
    const session = this.of(segment).session(istDate(atMs))
    return session !== undefined && atMs >= session.openMs && atMs < session.closeMs
  }

  anchorMs(segment: string, date: string): number {
    const calendar = this.of(segment)
    return calendar.session(date)?.openMs ?? calendar.ordinary(date).openMs
  }

  tradingDateOf(_segment: string, atMs: number): string {
    return istDate(atMs)
  }

  isTradingDay(date: string, segment: string = DEFAULT_SEGMENT): boolean {
    return this.of(segment).session(date) !== undefined
  }

  isFullTradingDay(date: string, segment: string = DEFAULT_SEGMENT): boolean {
    return this.of(segment).isFull(date)
  }

  previousTradingDay(date: string, segment: string = DEFAULT_SEGMENT): string {
    return this.step(date, segment, -1)
  }

  nextTradingDay(date: string, segment: string = DEFAULT_SEGMENT): string {
    return this.step(date, segment, 1)
  }

  expiryCloseMs(segment: string, expiryDate: string): number {
    const calendar = this.of(segment)
    return (calendar.session(expiryDate) ?? calendar.ordinary(expiryDate)).closeMs
  }

  coverageFault(fromDate: string, toDate: string): CalendarFault | undefined {
    const years = yearsOf(fromDate, toDate).filter((year) => !this.coveredYears.has(year))
    return years.length === 0 ? undefined : notCovered(years, [...this.coveredYears])
  }

  /** Ends: rows are finite, and beyond them every weekday trades. */
  private step(date: string, segment: string, days: 1 | -1): string {
    const calendar = this.of(segment)
    let next = addDays(date, days)
    while (calendar.session(next) === undefined) next = addDays(next, days)
    return next
  }

  private of(segment: string): SegmentCalendar {
    return this.segments.get(segment) ?? this.remember(segment)
  }

  private remember(segment: string): SegmentCalendar {
    const group = segmentGroup(segment)
    const known = group === undefined ? undefined : this.groups.get(group)
    if (known === undefined) return this.unknownGroup
    if (this.segments.size < MEMO_SEGMENTS) this.segments.set(segment, known)
    return known
  }
}

/** One group's days. Outside its covered years it answers all the same and marks it assumed. */
class SegmentCalendar {
  private readonly hours: readonly Hours[]
  private readonly days: DayRows
  private readonly covered: ReadonlySet<string>
  private readonly memo = new Map<string, Session | null>()

  constructor(hours: readonly Hours[], days: DayRows, covered: ReadonlySet<string>) {
    this.hours = hours
    this.days = days
    this.covered = covered
  }

  session(date: string): Session | undefined {
    const known = this.memo.get(date)
    if (known !== undefined) return known ?? undefined
    const session = this.resolve(date)
    if (this.memo.size >= MEMO_DATES) this.memo.clear()
    this.memo.set(date, session ?? null)
    return session
  }

  /** The hours that the date would have, were it an ordinary day. */
  ordinary(date: string): Session {
    const { openMinute, closeMinute, assumed } = hoursOn(this.hours, date)
    return sessionOf(date, openMinute, closeMinute, assumed || !this.isCovered(date))
  }

  isFull(date: string): boolean {
    const rows = this.days.get(date)
    if (rows === undefined) return isWeekday(date)
    return rows.some((row) => row.kind === 'special_full_session')
  }

  private resolve(date: string): Session | undefined {
    const rows = this.days.get(date)
    if (rows === undefined) return isWeekday(date) ? this.ordinary(date) : undefined
    const sessions = rows.filter((row) => row.kind !== 'holiday')
    if (sessions.length === 0) return undefined
    const parts = sessions.map((row) => this.special(row))
    return {
      openMs: Math.min(...parts.map((part) => part.openMs)),
      closeMs: Math.max(...parts.map((part) => part.closeMs)),
      assumed: parts.some((part) => part.assumed),
    }
  }

  private special({ date, kind, openMinute, closeMinute, assumed }: CalendarRow): Session {
    const ordinary = hoursOn(this.hours, date)
    const unknown = openMinute === null && kind === 'special_session'
    const fallback = unknown ? ASSUMED_SPECIAL : ordinary
    return sessionOf(
      date,
      openMinute ?? fallback.openMinute,
      closeMinute ?? fallback.closeMinute,
      assumed || unknown || (closeMinute === null && ordinary.assumed),
    )
  }

  private isCovered(date: string): boolean {
    return this.covered.has(date.slice(0, 4))
  }
}

// ---------------------------------------------------------------- the calendar that never closes

class AlwaysOpenCalendar implements MarketCalendar {
  readonly coveredThrough = '9999-12-31'
  private readonly fnoHours: readonly Hours[]
  private readonly memo = new Map<string, Session>()

  constructor(rows: readonly CalendarRow[]) {
    this.fnoHours = hoursOf('nse_fo', rows)
  }

  session(_segment: string, date: string): Session {
    const known = this.memo.get(date)
    if (known !== undefined) return known
    const session = sessionOf(date, 0, MINUTES_IN_DAY, false)
    if (this.memo.size >= MEMO_DATES) this.memo.clear()
    this.memo.set(date, session)
    return session
  }

  isOpen(): boolean {
    return true
  }

  anchorMs(segment: string, date: string): number {
    return this.session(segment, date).openMs + DAY_ANCHOR_MINUTE * MINUTE_MS
  }

  tradingDateOf(_segment: string, atMs: number): string {
    return istDate(atMs)
  }

  isTradingDay(): boolean {
    return true
  }

  isFullTradingDay(): boolean {
    return true
  }

  previousTradingDay(date: string): string {
    return addDays(date, -1)
  }

  nextTradingDay(date: string): string {
    return addDays(date, 1)
  }

  expiryCloseMs(_segment: string, expiryDate: string): number {
    return startOfDateMs(expiryDate) + hoursOn(this.fnoHours, expiryDate).closeMinute * MINUTE_MS
  }

  coverageFault(): undefined {
    return undefined
  }
}

// ---------------------------------------------------------------- rows to days and hours

/** What is said of single dates, by date. */
type DayRows = ReadonlyMap<string, readonly CalendarRow[]>

/** Ordinary hours from a date on. */
interface Hours {
  readonly from: string
  readonly openMinute: number
  readonly closeMinute: number
  readonly assumed: boolean
}

/** Before anything is known; no shipped segment is without rows. */
const UNKNOWN_HOURS: Hours = { from: '', openMinute: 555, closeMinute: 930, assumed: true }

function hoursOf(group: SegmentGroup, rows: readonly CalendarRow[]): Hours[] {
  const hours: Hours[] = []
  for (const { kind, segment, date, openMinute, closeMinute, assumed } of rows) {
    if (kind !== 'rule_change' || segment !== group) continue
    if (openMinute === null || closeMinute === null) continue
    hours.push({ from: date, openMinute, closeMinute, assumed })
  }
  return hours.sort((a, b) => (a.from < b.from ? -1 : 1))
}

/** The newest rule that has begun; before the first one, the first. */
function hoursOn(hours: readonly Hours[], date: string): Hours {
  return hours.findLast(({ from }) => from <= date) ?? hours[0] ?? UNKNOWN_HOURS
}

/** What is said of single dates; rows that name the group outweigh those that name none. */
function daysOf(group: SegmentGroup, rows: readonly CalendarRow[]): DayRows {
  const days = rows.filter((row) => row.kind !== 'rule_change')
  const general = group === 'mcx' ? [] : days.filter((row) => row.segment === null)
  const named = days.filter((row) => row.segment === group)
  return new Map([...byDate(general), ...byDate(named)])
}

function byDate(rows: readonly CalendarRow[]): Map<string, CalendarRow[]> {
  const dates = new Map<string, CalendarRow[]>()
  for (const row of rows) {
    const sameDate = dates.get(row.date)
    if (sameDate === undefined) dates.set(row.date, [row])
    else sameDate.push(row)
  }
  return dates
}

/** Years with a whole list of holidays (of MCX: of days that are not whole). */
function coveredYears(days: DayRows): Set<string> {
  const counts = new Map<string, number>()
  for (const [date, rows] of days) {
    if (rows.every((row) => row.kind === 'special_full_session')) continue
    const year = date.slice(0, 4)
    counts.set(year, (counts.get(year) ?? 0) + 1)
  }
  return new Set([...counts.keys()].filter((year) => isWholeList(counts.get(year))))
}

function isWholeList(holidays: number | undefined): boolean {
  return holidays !== undefined && holidays >= HOLIDAYS_OF_A_COVERED_YEAR
}

function yearsOf(fromDate: string, toDate: string): string[] {
  const first = Number(fromDate.slice(0, 4))
  const last = Number(toDate.slice(0, 4))
  const count = Math.max(0, last - first + 1)
  return Array.from({ length: count }, (_, i) => String(first + i).padStart(4, '0'))
}

function notCovered(years: readonly string[], covered: readonly string[]): CalendarFault {
  const shown = years.length > 3 ? `${years[0]} to ${years.at(-1)}` : years.join(', ')
  const known = covered.length === 0 ? 'no year' : covered.join(', ')
  const message = `the trading calendar has no holidays of ${shown}; it covers ${known}`
  return { code: 'calendar_not_covered', retryable: false, message, years }
}

function sessionOf(date: string, open: number, close: number, assumed: boolean): Session {
  const midnightMs = startOfDateMs(date)
  return { openMs: midnightMs + open * MINUTE_MS, closeMs: midnightMs + close * MINUTE_MS, assumed }
}

function isWeekday(date: string): boolean {
  const day = weekday(date)
  return day !== 0 && day !== 6
}
