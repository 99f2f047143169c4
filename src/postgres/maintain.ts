/**
 * What a server's autovacuum does by itself and the embedded engine does not: give the space of dead
 * rows back, keep the planner's figures fresh, and above all keep old transaction ids from running
 * out, at which the engine would refuse to write.
 */
import type { ClientBase } from 'pg'

type Queryable = Pick<ClientBase, 'query'>

/** One statement a table, so that others' statements come between. For quiet hours. */
export async function vacuumTables(database: Queryable): Promise<void> {
  const { rows } = await database.query<{ name: string }>(TABLES)
  for (const { name } of rows) await database.query(`VACUUM (ANALYZE) ${name}`)
}

/** All there are, the catalog's too: the oldest transaction id of any of them counts. */
const TABLES = `
  SELECT oid::regclass::text AS name
  FROM pg_class
  WHERE relkind IN ('r', 'm') AND relpersistence <> 't'
  ORDER BY age(relfrozenxid) DESC, 1`
