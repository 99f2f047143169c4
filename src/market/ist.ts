/**
 * Indian Standard Time at the edges: civil dates, minutes of the day, ISO text.
 *
 * Inside, an instant is epoch milliseconds (UTC). IST is UTC+5:30 all year, so everything here is
 * integer arithmetic on a day number; no time-zone data and no `Date`, which market/ may not use.
 * A civil date is `YYYY-MM-DD`; such dates compare as text.
 */

export const SECOND_MS = 1_000
export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000
export const IST_OFFSET_MS = 19_800_000

export interface CivilDate {
  readonly year: number
  /** 1 … 12 */
  readonly month: number
  /** 1 … 31 */
  readonly day: number
}

export type ParsedTime =
  | { readonly ok: true; readonly ms: number }
  | {
      readonly ok: false
      readonly code: 'invalid_time'
      readonly retryable: false
      readonly message: string
    }

// ---------------------------------------------------------------- instants

let memoDay = Number.NaN
let memoDate = ''

/** IST calendar date of an instant. */
export function istDate(ms: number): string {
  const day = istDayNumber(ms)
  if (day !== memoDay) {
    memoDate = formatDate(civilOfDay(day))
    memoDay = day
  }
  return memoDate
}

/** Minutes since IST midnight, 0 … 1439. */
export function istMinuteOfDay(ms: number): number {
  return Math.floor((ms + IST_OFFSET_MS - istDayNumber(ms) * DAY_MS) / MINUTE_MS)
}

/** The opening instant of the minute that `ms` lies in. */
export function floorToMinute(ms: number): number {
  return Math.floor(ms / MINUTE_MS) * MINUTE_MS
}

/** IST midnight at the beginning of a civil date. */
export function startOfDateMs(date: string): number {
  return dayNumber(date) * DAY_MS - IST_OFFSET_MS
}

/**
 * The instant of an IST wall time on a date; `24:00` is the next midnight.
 *
 * @throws RangeError where either is not what it should be
 */
export function msOfIst(date: string, hhmm: string): number {
  const minute = parseMinuteOfDay(hhmm)
  if (minute === undefined) throw new RangeError(`not an IST time of day: ${hhmm}`)
  return startOfDateMs(date) + minute * MINUTE_MS
}

/** `HH:MM` as minutes since midnight, 0 … 1440; undefined where it is not a time of day. */
export function parseMinuteOfDay(hhmm: string): number | undefined {
  const match = /^(\d{1,2}):(\d{2})$/.exec(hhmm)
  if (match === null) return undefined
  const minute = Number(match[1]) * 60 + Number(match[2])
  return Number(match[2]) < 60 && minute <= 1440 ? minute : undefined
}

// ---------------------------------------------------------------- text

/** `2026-11-23T09:15:00+05:30`; milliseconds only where there are any. */
export function formatIst(ms: number): string {
  const inDay = ms + IST_OFFSET_MS - istDayNumber(ms) * DAY_MS
  const millis = Math.floor(inDay % SECOND_MS)
  const fraction = millis === 0 ? '' : `.${String(millis).padStart(3, '0')}`
  return `${istDate(ms)}T${formatTimeOfDay(inDay)}${fraction}+05:30`
}

/** `HH:MM` of an instant, in IST. */
export function formatIstMinute(ms: number): string {
  const minute = istMinuteOfDay(ms)
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`
}

const ISO_TIME =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s?(Z|[+\- ]?\d{2}:?\d{2})?)?$/i

/** Seconds beyond this are milliseconds by mistake (it is the year 5138). */
const MAX_EPOCH_SECONDS = 1e11

/**
 * A time as the API accepts it: ISO 8601 or epoch seconds. ISO text without an offset is IST, a
 * bare date is its IST midnight. A space in place of the offset's `+` is taken as `+`, which is
 * what an unescaped query string makes of it.
 */
export function parseApiTime(input: string | number): ParsedTime {
  const text = typeof input === 'number' ? String(input) : input.trim()
  if (/^\d+(\.\d+)?$/.test(text)) return parseEpochSeconds(Number(text))
  const match = ISO_TIME.exec(text)
  return match === null ? notATime(text) : isoTime(text, match)
}

function parseEpochSeconds(seconds: number): ParsedTime {
  if (seconds >= MAX_EPOCH_SECONDS) {
    return invalid(`${seconds} is too large for epoch seconds; are these milliseconds?`)
  }
  return { ok: true, ms: Math.round(seconds * SECOND_MS) }
}

function isoTime(text: string, match: RegExpExecArray): ParsedTime {
  const [, date = '', hh = '00', mm = '00', ss = '00', fraction = '', offset] = match
  const offsetMs = offset === undefined ? IST_OFFSET_MS : parseOffset(offset)
  const inRange = Number(hh) < 24 && Number(mm) < 60 && Number(ss) < 60
  if (!isCivilDate(date) || !inRange || offsetMs === undefined) return notATime(text)
  const inDay = Number(hh) * HOUR_MS + Number(mm) * MINUTE_MS + Number(ss) * SECOND_MS
  const millis = Number(fraction.slice(0, 3).padEnd(3, '0'))
  return { ok: true, ms: dayNumber(date) * DAY_MS + inDay + millis - offsetMs }
}

function parseOffset(text: string): number | undefined {
  if (text.toUpperCase() === 'Z') return 0
  const digits = text.replace(/\D/g, '')
  const hours = Number(digits.slice(0, 2))
  const minutes = Number(digits.slice(2))
  if (hours > 14 || minutes > 59) return undefined
  return (text.startsWith('-') ? -1 : 1) * (hours * HOUR_MS + minutes * MINUTE_MS)
}

function notATime(text: string): ParsedTime {
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text
  return invalid(`"${shown}" is neither an ISO 8601 time nor epoch seconds`)
}

function invalid(message: string): ParsedTime {
  return { ok: false, code: 'invalid_time', retryable: false, message }
}

function formatTimeOfDay(inDayMs: number): string {
  const second = Math.floor(inDayMs / SECOND_MS)
  return `${two(Math.floor(second / 3600))}:${two(Math.floor(second / 60) % 60)}:${two(second % 60)}`
}

// ---------------------------------------------------------------- civil dates

/** Days since 1970-01-01. @throws RangeError where the text is not a date of the calendar */
export function dayNumber(date: string): number {
  const civil = parseDate(date)
  if (civil === undefined) throw new RangeError(`not a date: ${date}`)
  return dayOfCivil(civil)
}

/** The date of a day number. */
export function dateOfDay(day: number): string {
  return formatDate(civilOfDay(day))
}

export function addDays(date: string, days: number): string {
  return dateOfDay(dayNumber(date) + days)
}

/** Whole days from one date to another; negative where `to` is earlier. */
export function daysBetween(from: string, to: string): number {
  return dayNumber(to) - dayNumber(from)
}

/** 0 Sunday … 6 Saturday. */
export function weekday(date: string): number {
  return weekdayOfDay(dayNumber(date))
}

/** Weekday of a day number, 0 Sunday … 6 Saturday; 1970-01-01 was a Thursday. */
export function weekdayOfDay(day: number): number {
  return (((day + 4) % 7) + 7) % 7
}

export function isCivilDate(text: string): boolean {
  return parseDate(text) !== undefined
}

/** Undefined where the text is not `YYYY-MM-DD` or names a day that its month does not have. */
export function parseDate(text: string): CivilDate | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  if (match === null) return undefined
  const civil = { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) }
  return isDayOfMonth(civil) ? civil : undefined
}

export function formatDate({ year, month, day }: CivilDate): string {
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`
}

export function isDayOfMonth({ year, month, day }: CivilDate): boolean {
  return month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month)
}

export function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

function istDayNumber(ms: number): number {
  return Math.floor((ms + IST_OFFSET_MS) / DAY_MS)
}

/** Days of the 400-year cycle of the Gregorian calendar, and from 0000-03-01 to 1970-01-01. */
const CYCLE_DAYS = 146_097
const EPOCH_SHIFT_DAYS = 719_468

/** Years begin in March here, so that the leap day is the last of its year. */
function dayOfCivil({ year, month, day }: CivilDate): number {
  const marchYear = month <= 2 ? year - 1 : year
  const cycle = Math.floor(marchYear / 400)
  const yearOfCycle = marchYear - cycle * 400
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  const leapDays = Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100)
  return cycle * CYCLE_DAYS + yearOfCycle * 365 + leapDays + dayOfYear - EPOCH_SHIFT_DAYS
}

function civilOfDay(dayNumberSinceEpoch: number): CivilDate {
  const shifted = dayNumberSinceEpoch + EPOCH_SHIFT_DAYS
  const cycle = Math.floor(shifted / CYCLE_DAYS)
  const dayOfCycle = shifted - cycle * CYCLE_DAYS
  const yearOfCycle = yearInCycle(dayOfCycle)
  const leapDays = Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100)
  const dayOfYear = dayOfCycle - (365 * yearOfCycle + leapDays)
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1
  return { year: cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0), month, day }
}

function yearInCycle(dayOfCycle: number): number {
  const withoutLeapDays =
    dayOfCycle -
    Math.floor(dayOfCycle / 1_460) +
    Math.floor(dayOfCycle / 36_524) -
    Math.floor(dayOfCycle / 146_096)
  return Math.floor(withoutLeapDays / 365)
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
}
