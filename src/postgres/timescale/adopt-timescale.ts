/**
 * Makes a store use TimescaleDB where the server has it: at every start, after the migrations, it
 * brings what is still plain into TimescaleDB's form, each table and view in a transaction of its own.
 *
 *   bar tables           → hypertables of one-day chunks, with their rows
 *   views of longer bars → continuous aggregates of the same name, made from the view's own text
 *
 * The numbered migrations stay plain SQL for every store; so a database that gains the extension later
 * is converted by its next start. Where the extension cannot be used everything stays as it is.
 */
import type pg from 'pg'
import type { Log } from '../../kit/log.ts'
import { classify } from '../classify-error.ts'
import type { Store } from '../connection.ts'
import { AGGREGATES, MINUTE_TABLES, type MinuteTable } from '../minute-tables.ts'
import { changeSchema } from '../schema-lock.ts'
import { aggregateOf } from './aggregate-sql.ts'

type AdoptLog = Pick<Log, 'info' | 'warn' | 'error'>

/**
 * True where the store is in TimescaleDB's form now. What goes wrong with the extension is logged and
 * leaves the store plain; rejects only when the connection is lost.
 */
export async function adoptTimescale(
  store: Pick<Store, 'connectForUpkeep'>,
  log: AdoptLog,
): Promise<boolean> {
  const client = await store.connectForUpkeep()
  try {
    if (!(await isUsable(client, log))) return false
    for (const table of MINUTE_TABLES) await makeHypertable(client, table, log)
    for (const view of AGGREGATES) await makeContinuous(client, view, log)
    return true
  } catch (err) {
    if (classify(err).kind === 'connection') throw err
    log.error({ err }, 'Store could not be brought into TimescaleDB’s form and stays plain')
    return false
  } finally {
    await client.end()
  }
}

interface Availability {
  readonly installed: string | null
}

async function isUsable(client: pg.Client, log: AdoptLog): Promise<boolean> {
  const { rows } = await client.query<Availability>(AVAILABILITY)
  const [available] = rows
  if (available === undefined) return false
  // A server that does not preload the library ends the connection here.
  if (available.installed === null) await client.query('CREATE EXTENSION IF NOT EXISTS timescaledb')
  const license = await client.query<{ license: string | null }>(LICENSE)
  if (license.rows[0]?.license === 'timescale') return true
  log.warn({}, 'This TimescaleDB has neither compression nor continuous aggregates: not used')
  return false
}

async function makeHypertable(client: pg.Client, table: MinuteTable, log: AdoptLog): Promise<void> {
  await changeSchema(client, async () => {
    if (await exists(client, IS_HYPERTABLE, table.name)) return
    log.info({ table: table.name }, 'Making a hypertable; its rows are moved, which may take long')
    await client.query(`
      SELECT create_hypertable('${table.name}', '${table.time}',
        chunk_time_interval => interval '1 day', create_default_indexes => false,
        migrate_data => true)`)
    await client.query(`
      ALTER TABLE ${table.name} SET (
        timescaledb.compress,
        timescaledb.compress_segmentby = '${table.series.join(', ')}',
        timescaledb.compress_orderby = '${table.time}'
      )`)
    log.info({ table: table.name }, 'Table is a hypertable now')
  })
}

async function makeContinuous(client: pg.Client, view: string, log: AdoptLog): Promise<void> {
  await changeSchema(client, async () => {
    if (await exists(client, IS_CONTINUOUS, view)) return
    const { rows } = await client.query<{ text: string }>(
      'SELECT pg_get_viewdef($1::regclass) AS text',
      [view],
    )
    const text = rows[0]?.text ?? ''
    await client.query(`DROP VIEW ${view}`)
    await client.query(aggregateOf(view, text))
    log.info({ view }, 'View is a continuous aggregate now')
  })
}

async function exists(client: pg.Client, sql: string, name: string): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>(sql, [name])
  return rows[0]?.found === true
}

const AVAILABILITY = `
  SELECT installed_version AS installed FROM pg_available_extensions WHERE name = 'timescaledb'`

const LICENSE = `SELECT current_setting('timescaledb.license', true) AS license`

const IS_HYPERTABLE = `
  SELECT EXISTS (
    SELECT FROM timescaledb_information.hypertables
    WHERE hypertable_schema = current_schema() AND hypertable_name = $1
  ) AS found`

const IS_CONTINUOUS = `
  SELECT EXISTS (
    SELECT FROM timescaledb_information.continuous_aggregates
    WHERE view_schema = current_schema() AND view_name = $1
  ) AS found`
