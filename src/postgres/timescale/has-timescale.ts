/** Whether a database is one of TimescaleDB. */
import type { ClientBase } from 'pg'

/** Whether the database has the extension; asked anew each time, since it may come later. */
export async function hasTimescale(database: Pick<ClientBase, 'query'>): Promise<boolean> {
  const { rows } = await database.query("SELECT FROM pg_extension WHERE extname = 'timescaledb'")
  return rows.length > 0
}
