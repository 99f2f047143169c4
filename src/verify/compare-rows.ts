/**
 * Row by row and column by column, where what the product stored is not what the reference fold
 * computed from the same journal. Pure.
 */
import { formatIst } from '../market/ist.ts'
import { isAboveLive, isFromCandle } from './given-rows.ts'
import { isClosed } from './reference-fold/minute-rows.ts'
import type { Reference } from './reference-fold/reference-rows.ts'
import {
  DELIVERY_LEDGER,
  EXPIRY_METRICS,
  FUTURES_BARS,
  KNOWN_AT_CLOSE,
  LIVE_COVERAGE,
  MINUTE_BARS,
  OPTION_BARS,
  STRIKE_DISTRIBUTION,
  type StoreRow,
  type StoreTable,
  type StoreValue,
} from './store-tables.ts'

/** One column of one row that is not what it must be; a whole row where `column` is undefined. */
export interface Difference {
  readonly table: string
  /** The row's key as a person would look it up: `NIFTY26NOV24000CE 2026-11-20T10:00:00+05:30`. */
  readonly key: string
  readonly column: string | undefined
  readonly stored: string
  readonly expected: string
}

export function sayDifference({ table, key, column, stored, expected }: Difference): string {
  if (column !== undefined) {
    return `${table} ${key}: ${column} is ${stored} in the store, ${expected} in the reference`
  }
  return `${table} ${key}: ${stored === MISSING ? 'missing in the store' : 'not in the reference'}`
}

const MISSING = 'missing'

export interface CompareOptions {
  /** Leave out minutes that are still open, which the store writes when it comes to it. */
  readonly onlyClosed?: boolean
  /** Rows that are not compared at all, since their final values are being written. */
  readonly isLeftOut?: (row: StoreRow) => boolean
}

export interface Comparison {
  readonly table: StoreTable
  readonly expected: readonly object[]
  /** Whether a row that only one side has is a difference; every row's is unless said. */
  readonly matters?: (row: StoreRow) => boolean
  /** Whether a column of an expected row is compared; every one is unless said. */
  readonly isCompared?: (expected: StoreRow, column: string) => boolean
  /** Stored rows that are taken as they are: the journal does not tell of them. */
  readonly isGiven?: (stored: StoreRow, expected: StoreRow | undefined) => boolean
  /** Brings rows of both sides to one form. */
  readonly normalise?: (rows: readonly StoreRow[]) => readonly StoreRow[]
}

type Rows = Pick<
  Reference,
  'minuteBars' | 'futuresBars' | 'optionBars' | 'expiryMetrics' | 'strikeDistribution'
>

/** How the rows of each table of minutes are compared, by the table's name. */
export function minuteComparisons(
  rows: Rows,
  marketTimes: Reference['marketTimes'],
  { onlyClosed = false, isLeftOut = () => false }: CompareOptions = {},
): Comparison[] {
  const ofOpenMinute = (row: StoreRow) => row['complete'] === null
  const bars = {
    isGiven,
    matters: (row: StoreRow) => !(onlyClosed && ofOpenMinute(row)) && !isLeftOut(row),
    isCompared: (expected: StoreRow, column: string) =>
      !isLeftOut(expected) &&
      (!ofOpenMinute(expected) || !(onlyClosed || KNOWN_AT_CLOSE.has(column))),
  }
  const chain =
    (isWanted: (row: StoreRow) => boolean = () => true) =>
    (row: StoreRow) =>
      isClosedIn(marketTimes, row) && isWanted(row) && !isLeftOut(row)
  return [
    { table: MINUTE_BARS, expected: rows.minuteBars, ...bars },
    { table: FUTURES_BARS, expected: rows.futuresBars, ...bars },
    { table: OPTION_BARS, expected: rows.optionBars, ...bars },
    {
      table: EXPIRY_METRICS,
      expected: rows.expiryMetrics,
      matters: chain(),
      isCompared: (expected) => !isLeftOut(expected),
    },
    {
      table: STRIKE_DISTRIBUTION,
      expected: rows.strikeDistribution,
      matters: chain(hasFigure),
      isCompared: (expected, column) => !isLeftOut(expected) && isOfKnownLeg(expected, column),
    },
  ]
}

export function coverageComparison(
  expected: Reference['coverage'],
  matters: (row: StoreRow) => boolean = () => true,
): Comparison {
  const isCompared = (row: StoreRow) => matters(row)
  return { table: LIVE_COVERAGE, expected, normalise: mergeTouching, matters, isCompared }
}

export function ledgerComparison(
  expected: Reference['ledger'],
  matters: (row: StoreRow) => boolean = () => true,
): Comparison {
  return {
    table: DELIVERY_LEDGER,
    expected,
    matters: (row) => hasCounts(row) && matters(row),
    isCompared: (row) => matters(row),
  }
}

/** A candle or a snapshot stands where the feed did not have the whole minute; only the day's last word elsewhere. */
function isGiven(stored: StoreRow, expected: StoreRow | undefined): boolean {
  if (!isFromCandle(stored)) return false
  return isAboveLive(stored) || expected?.['complete'] !== true
}

/** Of an underlying that the journal does not know everything matters. */
function isClosedIn(marketTimes: Reference['marketTimes'], row: StoreRow): boolean {
  const marketTimeMs = marketTimes.get(String(row['symbol'])) ?? Number.POSITIVE_INFINITY
  return isClosed(Number(row['bucket_time']), marketTimeMs)
}

/** A strike of which nothing is known may be stored or left out: both say the same. */
function hasFigure(row: StoreRow): boolean {
  return isKnownLeg(row, 'call') || isKnownLeg(row, 'put')
}

/** So may the name of an option of which nothing is known. */
function isOfKnownLeg(expected: StoreRow, column: string): boolean {
  if (column === 'call_tradingsymbol') return isKnownLeg(expected, 'call')
  return column !== 'put_tradingsymbol' || isKnownLeg(expected, 'put')
}

function isKnownLeg(row: StoreRow, side: 'call' | 'put'): boolean {
  const name = `${side}_tradingsymbol`
  return Object.entries(row).some(
    ([column, value]) => column.startsWith(`${side}_`) && column !== name && value !== null,
  )
}

const LEDGER_KEY = new Set(DELIVERY_LEDGER.key)

/** A minute in which no tick came may be booked or left out. */
function hasCounts(row: StoreRow): boolean {
  return Object.entries(row)
    .filter(([column]) => !LEDGER_KEY.has(column))
    .some(([, value]) => value !== 0 && !(isCounts(value) && haveEqualCounts(value, {})))
}

/** Two stretches of one mode that touch say the same as one. */
function mergeTouching(rows: readonly StoreRow[]): StoreRow[] {
  const merged: StoreRow[] = []
  for (const row of rows.toSorted(byStart)) {
    const before = merged.at(-1)
    const touches =
      before !== undefined &&
      before['to'] === row['from'] &&
      ['exchange', 'tradingsymbol', 'mode'].every((column) => before[column] === row[column])
    if (touches) merged.splice(-1, 1, { ...before, to: row['to'] ?? null })
    else merged.push(row)
  }
  return merged
}

function byStart(a: StoreRow, b: StoreRow): number {
  const instrument = (row: StoreRow) => `${row['exchange']}:${row['tradingsymbol']}`
  if (instrument(a) !== instrument(b)) return instrument(a) < instrument(b) ? -1 : 1
  return Number(a['from']) - Number(b['from'])
}

// ---------------------------------------------------------------- rows

export function differencesOf(comparison: Comparison, stored: readonly StoreRow[]): Difference[] {
  const { table, matters = () => true, normalise = (rows) => rows } = comparison
  const { isGiven = () => false } = comparison
  const expected = normalise(comparison.expected as readonly StoreRow[])
  const found = new Map(normalise(stored).map((row) => [keyOf(table, row), row]))
  const differences: Difference[] = []
  for (const row of expected) {
    const key = keyOf(table, row)
    const other = found.get(key)
    found.delete(key)
    if (other !== undefined) {
      if (!isGiven(other, row)) differences.push(...columnDifferences(comparison, key, row, other))
    } else if (matters(row)) differences.push(ofRow(table, key, MISSING, 'a row'))
  }
  for (const [key, row] of found) {
    if (matters(row) && !isGiven(row, undefined))
      differences.push(ofRow(table, key, 'a row', 'none'))
  }
  return differences
}

function ofRow({ name }: StoreTable, key: string, stored: string, expected: string): Difference {
  return { table: name, key, column: undefined, stored, expected }
}

function columnDifferences(
  { table, isCompared = () => true }: Comparison,
  key: string,
  expected: StoreRow,
  found: StoreRow,
): Difference[] {
  return Object.keys(table.columns)
    .filter((column) => isCompared(expected, column))
    .filter((column) => !isEqual(table, column, expected[column], found[column]))
    .map((column) => ({
      table: table.name,
      key,
      column,
      stored: show(table, column, found[column]),
      expected: show(table, column, expected[column]),
    }))
}

/** The key as a person would look it up. */
function keyOf(table: StoreTable, row: StoreRow): string {
  return table.key.map((column) => show(table, column, row[column])).join(' ')
}

function show(table: StoreTable, column: string, value: StoreValue | undefined): string {
  const isInstant = table.columns[column] === 'time' && Number.isFinite(value)
  if (isInstant) return formatIst(Number(value))
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

const RELATIVE_TOLERANCE = 1e-9

function isEqual(
  table: StoreTable,
  column: string,
  a: StoreValue | undefined,
  b: StoreValue | undefined,
): boolean {
  if (isCounts(a) && isCounts(b)) return haveEqualCounts(a, b)
  if (table.columns[column] !== 'double' || a === null || b === null) return a === b
  const [x, y] = [Number(a), Number(b)]
  return Math.abs(x - y) <= RELATIVE_TOLERANCE * Math.max(Math.abs(x), Math.abs(y))
}

function isCounts(value: StoreValue | undefined): value is Readonly<Record<string, number>> {
  return typeof value === 'object' && value !== null
}

/** A reason without ticks may be told as 0 or not at all. */
function haveEqualCounts(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): boolean {
  return [...Object.keys(a), ...Object.keys(b)].every((name) => (a[name] ?? 0) === (b[name] ?? 0))
}
