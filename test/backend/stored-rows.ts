/** What a writer has stored, table by table, without what says when. */
import type pg from 'pg'

export type Row = Record<string, unknown>

export const BAR_TABLES = ['minute_bars', 'futures_bars', 'fo_option_strike_bars'] as const

const WRITTEN_TABLES = [
  ...BAR_TABLES,
  ...['fo_expiry_metrics', 'fo_strike_distribution', 'coverage', 'delivery_ledger'],
]

/** Each table's rows in an order of their own. */
export async function storedRows(
  client: pg.Client,
  tables: readonly string[] = WRITTEN_TABLES,
): Promise<Record<string, Row[]>> {
  const all: Record<string, Row[]> = {}
  for (const table of tables) {
    const { rows } = await client.query<{ row: Row }>(
      `SELECT to_jsonb(t) - 'updated_at' AS row FROM ${table} t ORDER BY 1`,
    )
    all[table] = rows.map(({ row }) => row)
  }
  return all
}
