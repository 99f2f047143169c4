/** Compares a store that stands still with the reference fold of its whole journal. */
import type pg from 'pg'
import {
  type CompareOptions,
  type Comparison,
  coverageComparison,
  differencesOf,
  ledgerComparison,
  minuteComparisons,
  sayDifference,
} from '../../src/verify/compare-rows.ts'
import type { Reference } from '../../src/verify/reference-fold/reference-rows.ts'
import {
  columnsAsJson,
  rowOfJson,
  type StoreRow,
  type StoreTable,
  type StoreValue,
} from '../../src/verify/store-tables.ts'

/** What is different, one sentence each; empty where the store is what the reference says. */
export async function compareWithStore(
  client: pg.Client,
  reference: Reference,
  options: CompareOptions = {},
): Promise<string[]> {
  const comparisons: Comparison[] = [
    ...minuteComparisons(reference, reference.marketTimes, options),
    coverageComparison(reference.coverage),
    ledgerComparison(reference.ledger),
  ]
  const differences: string[] = []
  for (const comparison of comparisons) {
    const stored = await readTable(client, comparison.table)
    differences.push(...differencesOf(comparison, stored).map(sayDifference))
  }
  return differences
}

async function readTable(client: pg.Client, table: StoreTable): Promise<StoreRow[]> {
  const condition = table.where === undefined ? '' : ` WHERE ${table.where}`
  const { rows } = await client.query<{ row: string }>(
    `SELECT ${columnsAsJson(table)}::text AS row FROM ${table.name}${condition}`,
  )
  return rows.map(({ row }) => rowOfJson(table, JSON.parse(row) as StoreValue[]))
}
