/**
 * What a server's autovacuum does by itself and the embedded engine does not: give the space of dead
 * rows back, keep the planner's figures fresh, and above all keep old transaction ids from running
 * out, at which the engine would refuse to write.
 */
import type { ClientBase } from 'pg'
import { MINUTE_TABLES } from './minute-tables.ts'

type Queryable = Pick<ClientBase, 'query'>

/** One statement a table, so that others' statements come between. For quiet hours. */
export async function vacuumTables(database: Queryable): Promise<void> {
  const { rows } = await database.query<{ name: string }>(TABLES)
  for (const { name } of rows) await database.query(`VACUUM (ANALYZE) ${name}`)
}

/**
 * Marks what was written since the last time as visible to all, which is what lets a question about
 * the last hours be answered from an index: without it each row's page is read, and the engine's cache
 * holds few of them. It touches the new pages alone; space is given back by `vacuumTables`.
 */
export async function vacuumNewMinutes(database: Queryable): Promise<void> {
  for (const { name } of MINUTE_TABLES) {
    await database.query(`VACUUM (INDEX_CLEANUP OFF, TRUNCATE OFF) ${name}`)
  }
}

/** All there are, the catalog's too: the oldest transaction id of any of them counts. */
const TABLES = `
  SELECT oid::regclass::text AS name
  FROM pg_class
  WHERE relkind IN ('r', 'm') AND relpersistence <> 't'
  ORDER BY age(relfrozenxid) DESC, 1`
