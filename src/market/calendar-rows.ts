/**
 * The dated calendar as rows: what a row may say, how its CSV is read, and how a user's own rows
 * are laid over the shipped ones. `calendar.ts` gives the rows their meaning.
 *
 *   date       IST date; of a rule_change the first day it holds
 *   kind       holiday               no session
 *              special_full_session  a whole trading day that would have been none (a Budget Sunday),
 *                                    or one with other hours; without hours the ordinary ones
 *              special_session       a session with hours of its own (Muhurat, an evening only);
 *                                    without any hours they are assumed, without a close it is the
 *                                    ordinary one
 *              rule_change           new ordinary hours of one segment; without hours a mere note
 *   segment    one of the groups below; empty means all of them but mcx, which has its own holidays
 *   name       for people
 *   open_ist, close_ist   HH:MM
 *   assumed    `yes` where the row is inferred and not announced
 *   source     where it is written
 *
 * Only `date` and `kind` must be there; columns are found by name, in any order.
 */
import { isCivilDate, parseMinuteOfDay } from './ist.ts'

/** What shares hours and holidays. */
export type SegmentGroup = 'index' | 'nse_fo' | 'bse_fo' | 'cash' | 'currency' | 'mcx'
export const SEGMENT_GROUPS: readonly SegmentGroup[] = [
  'index',
  'nse_fo',
  'bse_fo',
  'cash',
  'currency',
  'mcx',
]

export type CalendarKind = 'holiday' | 'special_full_session' | 'special_session' | 'rule_change'
const KINDS: readonly CalendarKind[] = [
  'holiday',
  'special_full_session',
  'special_session',
  'rule_change',
]

export interface CalendarRow {
  /** `YYYY-MM-DD`, IST. */
  readonly date: string
  readonly kind: CalendarKind
  /** Null means all groups but `mcx`. */
  readonly segment: SegmentGroup | null
  readonly name: string
  /** Minutes since IST midnight. */
  readonly openMinute: number | null
  readonly closeMinute: number | null
  readonly assumed: boolean
  readonly source: string
}

/** A line that says nothing, or not all that its author meant. */
export interface CalendarRowFault {
  /** 1 is the header. */
  readonly line: number
  readonly message: string
}

export interface ParsedCalendar {
  readonly rows: readonly CalendarRow[]
  readonly faults: readonly CalendarRowFault[]
}

/** Reads calendar CSV. A line at fault is left out and reported; the others count. */
export function parseCalendar(text: string): ParsedCalendar {
  const rows: CalendarRow[] = []
  const faults: CalendarRowFault[] = []
  const [header = '', ...lines] = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const columns = splitCsvLine(header)?.map((name) => name.trim().toLowerCase())
  if (columns === undefined || !columns.includes('date') || !columns.includes('kind')) {
    return {
      rows,
      faults: [{ line: 1, message: 'the header must name the columns date and kind' }],
    }
  }
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const parsed = parseRow(columns, line)
    if (typeof parsed === 'string') faults.push({ line: index + 2, message: parsed })
    else rows.push(parsed)
  }
  return { rows, faults }
}

/**
 * Rows of `overlay` win per date: a date that the overlay speaks about is taken from it alone, per
 * scope (rows without a segment replace every NSE and BSE row of the date, a row for one segment
 * replaces what is said of that segment). A rule change replaces the one of its date and segment.
 */
export function layOver(
  base: readonly CalendarRow[],
  overlay: readonly CalendarRow[],
): readonly CalendarRow[] {
  const replaced = new Set(overlay.flatMap(replacedKeys))
  return [...base.filter((row) => !replaced.has(rowKey(row))), ...overlay]
}

function rowKey({ kind, date, segment }: CalendarRow): string {
  const about = kind === 'rule_change' ? 'rule' : 'day'
  return `${about} ${date} ${segment ?? ''}`
}

function replacedKeys(row: CalendarRow): string[] {
  if (row.kind === 'rule_change' || row.segment !== null) return [rowKey(row)]
  const groups = SEGMENT_GROUPS.filter((group) => group !== 'mcx')
  return [rowKey(row), ...groups.map((segment) => rowKey({ ...row, segment }))]
}

/** The row, or what is wrong with it. */
function parseRow(columns: readonly string[], line: string): CalendarRow | string {
  const fields = splitCsvLine(line)
  if (fields === undefined) return 'a quote is not closed'
  const field = (name: string) => fields[columns.indexOf(name)]?.trim() ?? ''
  const date = field('date')
  const kind = KINDS.find((known) => known === field('kind').toLowerCase())
  const segment = parseSegment(field('segment'))
  const openMinute = parseHours(field('open_ist'))
  const closeMinute = parseHours(field('close_ist'))
  if (!isCivilDate(date)) return `"${date}" is not a date (YYYY-MM-DD)`
  if (kind === undefined) return `"${field('kind')}" is none of ${KINDS.join(', ')}`
  if (segment === undefined) return `"${field('segment')}" is none of ${SEGMENT_GROUPS.join(', ')}`
  if (openMinute === undefined) return `"${field('open_ist')}" is not a time (HH:MM)`
  if (closeMinute === undefined) return `"${field('close_ist')}" is not a time (HH:MM)`
  const row = {
    date,
    kind,
    segment,
    name: field('name'),
    openMinute,
    closeMinute,
    assumed: isYes(field('assumed')),
    source: field('source'),
  }
  return faultOfHours(row) ?? row
}

function faultOfHours({ kind, segment, openMinute, closeMinute }: CalendarRow): string | undefined {
  if (openMinute !== null && closeMinute !== null && closeMinute <= openMinute) {
    return 'the close is not after the open'
  }
  if (kind === 'holiday' && (openMinute !== null || closeMinute !== null)) {
    return 'a holiday has no hours; write a second row special_session for its session'
  }
  if (openMinute === null && closeMinute !== null) return 'there is a close but no open'
  if (kind !== 'rule_change' || openMinute === null) return undefined
  if (closeMinute === null) return 'a rule_change with an open needs its close'
  return segment === null ? 'new hours need the segment that they hold for' : undefined
}

function parseSegment(text: string): SegmentGroup | null | undefined {
  if (text === '') return null
  return SEGMENT_GROUPS.find((group) => group === text.toLowerCase())
}

function parseHours(text: string): number | null | undefined {
  return text === '' ? null : parseMinuteOfDay(text)
}

function isYes(text: string): boolean {
  return ['yes', 'true', '1', 'on'].includes(text.toLowerCase())
}

/** Fields of one CSV line; undefined where a quote is left open. */
function splitCsvLine(line: string): string[] | undefined {
  const fields: string[] = []
  const pattern = /(?:"((?:[^"]|"")*)"|([^,"]*))(,|$)/y
  while (pattern.lastIndex <= line.length) {
    const match = pattern.exec(line)
    if (match === null) return undefined
    fields.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'))
    if (match[3] === '') return fields
  }
  return fields
}
