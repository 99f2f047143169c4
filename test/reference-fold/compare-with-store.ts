/**
 * Reads what the product stored and says, row by row and column by column, where it is not what the
 * reference fold computed from the same journal.
 */
import { formatIst } from '../../src/market/ist.ts'
import { isClosed } from './minute-rows.ts'
import type { Reference } from './reference-rows.ts'
import {
  DELIVERY_LEDGER,
  EXPIRY_METRICS,
  FUTURES_BARS,
  KNOWN_AT_CLOSE,
  LIVE_COVERAGE,
  MINUTE_BARS,
  OPTION_BARS,
  readTable,
  type SqlReader,
  STRIKE_DISTRIBUTION,
  type StoreRow,
  type StoreTable,
  type StoreValue,
} from './store-tables.ts'

export interface CompareOptions {
  /** Leave out minutes that are still open, which the store writes when it comes to it. */
  readonly onlyClosed?: boolean
}

interface Comparison {
  readonly table: StoreTable
  readonly expected: readonly object[]
  /** Whether a row that only one side has is a difference; every row's is unless said. */
  readonly matters?: (row: StoreRow) => boolean
  /** Whether a column of an expected row is compared; every one is unless said. */
  readonly isCompared?: (expected: StoreRow, column: string) => boolean
  /** Brings rows of both sides to one form. */
  readonly normalise?: (rows: readonly StoreRow[]) => readonly StoreRow[]
}

/** What is different, one sentence each; empty where the store is what the reference says. */
export async function compareWithStore(
  client: SqlReader,
  reference: Reference,
  { onlyClosed = false }: CompareOptions = {},
): Promise<string[]> {
  const differences: string[] = []
  for (const comparison of comparisons(reference, onlyClosed)) {
    const found = await readTable(client, comparison.table)
    differences.push(...differencesOf(comparison, found))
  }
  return differences
}

function comparisons(reference: Reference, onlyClosed: boolean): Comparison[] {
  const ofOpenMinute = (row: StoreRow) => row['complete'] === null
  const bars = {
    matters: (row: StoreRow) => !(onlyClosed && ofOpenMinute(row)),
    isCompared: (expected: StoreRow, column: string) =>
      !ofOpenMinute(expected) || !(onlyClosed || KNOWN_AT_CLOSE.has(column)),
  }
  const isOfClosedMinute = (row: StoreRow) => isClosedIn(reference, row)
  return [
    { table: MINUTE_BARS, expected: reference.minuteBars, ...bars },
    { table: FUTURES_BARS, expected: reference.futuresBars, ...bars },
    { table: OPTION_BARS, expected: reference.optionBars, ...bars },
    { table: EXPIRY_METRICS, expected: reference.expiryMetrics, matters: isOfClosedMinute },
    {
      table: STRIKE_DISTRIBUTION,
      expected: reference.strikeDistribution,
      matters: (row) => isOfClosedMinute(row) && hasFigure(row),
      isCompared: isOfKnownLeg,
    },
    { table: LIVE_COVERAGE, expected: reference.coverage, normalise: mergeTouching },
    { table: DELIVERY_LEDGER, expected: reference.ledger, matters: hasCounts },
  ]
}

/** Of an underlying that the journal does not know everything matters. */
function isClosedIn({ marketTimes }: Reference, row: StoreRow): boolean {
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

function differencesOf(comparison: Comparison, stored: readonly StoreRow[]): string[] {
  const { table, matters = () => true, normalise = (rows) => rows } = comparison
  const expected = normalise(comparison.expected as readonly StoreRow[])
  const found = new Map(normalise(stored).map((row) => [keyOf(table, row), row]))
  const differences: string[] = []
  for (const row of expected) {
    const key = keyOf(table, row)
    const other = found.get(key)
    found.delete(key)
    if (other !== undefined) differences.push(...columnDifferences(comparison, key, row, other))
    else if (matters(row)) differences.push(`${key}: missing in the store`)
  }
  for (const [key, row] of found) {
    if (matters(row)) differences.push(`${key}: not in the reference`)
  }
  return differences
}

function columnDifferences(
  { table, isCompared = () => true }: Comparison,
  key: string,
  expected: StoreRow,
  found: StoreRow,
): string[] {
  return Object.keys(table.columns)
    .filter((column) => isCompared(expected, column))
    .filter((column) => !isEqual(table, column, expected[column], found[column]))
    .map((column) => {
      const [stored, wanted] = [found[column], expected[column]].map((value) =>
        show(table, column, value),
      )
      return `${key}: ${column} is ${stored} in the store, ${wanted} in the reference`
    })
}

/** Table and key as a person would look them up. */
function keyOf(table: StoreTable, row: StoreRow): string {
  return [table.name, ...table.key.map((column) => show(table, column, row[column]))].join(' ')
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
