/**
 * When index contracts expire: the exchanges' rules with their dates, and what is near.
 *
 * The instrument dump is the authority for listed contracts. The rules are for what is not in a
 * dump: the simulated exchange lists by them, and they tell which expiries are to come.
 */
import type { MarketCalendar } from './calendar.ts'
import {
  addDays,
  DAY_MS,
  daysBetween,
  daysInMonth,
  istDate,
  MINUTE_MS,
  parseDate,
  startOfDateMs,
  weekday,
} from './ist.ts'

export type ExpiryKind = 'weekly' | 'monthly'

export interface Expiry {
  /** `YYYY-MM-DD`, IST. */
  readonly expiry: string
  readonly kind: ExpiryKind
}

/** An expiry with the day that it would fall on, were that no holiday. */
export interface RuledExpiry extends Expiry {
  readonly nominal: string
}

/** Exchange of the contracts. */
export type ExpiryExchange = 'NFO' | 'BFO'

interface WeekdayRule {
  readonly from: string
  /** 0 Sunday … 6 Saturday. */
  readonly weekday: number
}

const TUESDAY = 2
const THURSDAY = 4

/** SEBI/HO/MRD/TPD-1/P/CIR/2025/76; contracts expiring up to 31 Aug 2025 kept their day. */
const WEEKDAY_RULES: Readonly<Record<ExpiryExchange, readonly WeekdayRule[]>> = {
  NFO: [
    { from: '2025-01-01', weekday: THURSDAY },
    { from: '2025-09-01', weekday: TUESDAY },
  ],
  BFO: [
    { from: '2025-01-01', weekday: TUESDAY },
    { from: '2025-09-01', weekday: THURSDAY },
  ],
}

/** One index per exchange has weekly options since 20 Nov 2024 (NSE/FAOP/64506). */
const WEEKLY_SYMBOLS: ReadonlySet<string> = new Set(['NIFTY50', 'SENSEX'])

/** The first date that the rules speak about. */
export const RULES_BEGIN = '2025-01-01'

export function hasWeeklies(symbol: string): boolean {
  return WEEKLY_SYMBOLS.has(symbol)
}

/**
 * The expiries of an underlying with `fromDate` ≤ expiry ≤ `toDate`, ascending. On a holiday (a
 * Muhurat day is one) a contract expires on the full trading day before. Dates before the rules
 * begin have none.
 *
 * @param symbol canonical; a stock's dump name too
 */
export function expiriesBetween(
  symbol: string,
  exchange: ExpiryExchange,
  fromDate: string,
  toDate: string,
  calendar: MarketCalendar,
): RuledExpiry[] {
  const expiries: RuledExpiry[] = []
  const rules = WEEKDAY_RULES[exchange]
  const begin = fromDate > RULES_BEGIN ? fromDate : RULES_BEGIN
  // A nominal day after the range may be moved into it by holidays.
  for (let date = begin; date <= addDays(toDate, LONGEST_SHIFT_DAYS); date = addDays(date, 1)) {
    if (weekday(date) !== weekdayOn(rules, date)) continue
    const kind = kindOf(date)
    if (kind === 'weekly' && !hasWeeklies(symbol)) continue
    const expiry = shifted(date, exchange, calendar)
    if (expiry >= fromDate && expiry <= toDate) expiries.push({ expiry, kind, nominal: date })
  }
  return expiries
}

/** Closed days in a row have never been more. */
const LONGEST_SHIFT_DAYS = 10

/**
 * The expiry that is traded at `atMs`: today's until its close, then the next. Undefined where all
 * have passed.
 *
 * @param expiries in any order
 */
export function nearestExpiry<T extends { readonly expiry: string }>(
  expiries: Iterable<T>,
  atMs: number,
  calendar: MarketCalendar,
  segment: string,
): T | undefined {
  let nearest: T | undefined
  for (const candidate of expiries) {
    if (nearest !== undefined && candidate.expiry >= nearest.expiry) continue
    if (!hasExpired(candidate.expiry, atMs, calendar, segment)) nearest = candidate
  }
  return nearest
}

/** True from the close of the expiry date on. */
export function hasExpired(
  expiry: string,
  atMs: number,
  calendar: MarketCalendar,
  segment: string,
): boolean {
  const today = istDate(atMs)
  if (expiry !== today) return expiry < today
  return atMs >= calendar.expiryCloseMs(segment, expiry)
}

/** Contracts that have ended are let go at this minute of their last day, or when they close. */
const ROLL_MINUTE = 16 * 60

/** The instant from which the next expiry takes the place of this one. */
export function rollMs(expiry: string, calendar: MarketCalendar, segment: string): number {
  const earliestMs = startOfDateMs(expiry) + ROLL_MINUTE * MINUTE_MS
  return Math.max(earliestMs, calendar.expiryCloseMs(segment, expiry))
}

/** Calendar days from the IST date of `atMs`; 0 on the day itself, negative after it. */
export function daysToExpiry(expiry: string, atMs: number): number {
  return daysBetween(istDate(atMs), expiry)
}

/** Whole minutes that are left to the contract's last close, never negative. */
export function minutesToExpiry(
  expiry: string,
  atMs: number,
  calendar: MarketCalendar,
  segment: string,
): number {
  const leftMs = calendar.expiryCloseMs(segment, expiry) - atMs
  return Math.max(0, Math.floor(leftMs / MINUTE_MS))
}

/** Time to the last close in years of 365 days, never negative: the T of the pricing formulas. */
export function yearsToExpiry(
  expiry: string,
  atMs: number,
  calendar: MarketCalendar,
  segment: string,
): number {
  const leftMs = calendar.expiryCloseMs(segment, expiry) - atMs
  return Math.max(0, leftMs / (365 * DAY_MS))
}

/** Monthly is the last such weekday of its month. */
function kindOf(nominal: string): ExpiryKind {
  const civil = parseDate(nominal)
  if (civil === undefined) throw new RangeError(`not a date: ${nominal}`)
  return civil.day + 7 > daysInMonth(civil.year, civil.month) ? 'monthly' : 'weekly'
}

function weekdayOn(rules: readonly WeekdayRule[], date: string): number | undefined {
  return rules.findLast((rule) => rule.from <= date)?.weekday
}

function shifted(nominal: string, segment: string, calendar: MarketCalendar): string {
  let date = nominal
  while (!calendar.isFullTradingDay(date, segment)) date = addDays(date, -1)
  return date
}
