/**
 * Transactions that change the schema. An advisory lock that the transaction holds keeps two starts
 * apart, also through a connection pooler.
 */
import type { ClientBase } from 'pg'

/** `fostrmig` in ASCII, halved: the two keys of the advisory lock. */
export const SCHEMA_LOCK = [0x666f7374, 0x726d6967]

/** Commits what `act` did, or nothing of it. */
export async function changeSchema<T>(client: ClientBase, act: () => Promise<T>): Promise<T> {
  await client.query('BEGIN')
  try {
    await client.query('SELECT pg_advisory_xact_lock($1::int, $2::int)', SCHEMA_LOCK)
    const result = await act()
    await client.query('COMMIT')
    return result
  } catch (error) {
    await rollBack(client, error)
    throw error
  }
}

/** What failed first is what is reported, whatever becomes of the connection. */
async function rollBack(client: ClientBase, reason: unknown): Promise<void> {
  try {
    await client.query('ROLLBACK')
  } catch (error) {
    throw new AggregateError([reason, error], String(reason), { cause: reason })
  }
}
