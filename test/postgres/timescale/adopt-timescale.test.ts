import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openStore, type Store } from '../../../src/postgres/connection.ts'
import { migrate } from '../../../src/postgres/migrate.ts'
import { MINUTE_TABLES } from '../../../src/postgres/minute-tables.ts'
import { adoptTimescale } from '../../../src/postgres/timescale/adopt-timescale.ts'
import { silentLog } from '../../silent-log.ts'
import { openTimescale } from './timescale-store.ts'

let store: Store
let client: pg.Client

beforeAll(async () => {
  const target = { kind: 'embedded', store: await openTimescale() } as const
  store = openStore(target, { applicationName: 'fostream test', log: silentLog })
  client = await store.connect()
  await migrate(client)
}, 240_000)
afterAll(async () => {
  await client?.end()
  await store?.close()
})

/** Adopts, and returns what was said of which tables and views. */
async function adopt(): Promise<{ isUsed: boolean; said: string[] }> {
  const said: string[] = []
  const say = (fields: object, message?: string) => {
    said.push(`${Object.values(fields).join()}: ${message}`)
  }
  const isUsed = await adoptTimescale(store, { info: say, warn: say, error: say } as never)
  return { isUsed, said }
}

it('takes a database with its rows over at the start after the extension has come, and says so', async () => {
  await client.query(`
    INSERT INTO minute_bars (exchange, symbol, time, close, updated_at, tick_count, complete, source)
    SELECT 'NSE', 'NIFTY 50', minute, 1, now(), 1, true, 'live'
    FROM generate_series('2026-11-18 09:15+05:30'::timestamptz, '2026-11-20 15:29+05:30', '1 minute')
      AS g (minute)`)
  const before = await client.query('SELECT * FROM minute_bars ORDER BY time')
  const { isUsed, said } = await adopt()
  expect(isUsed).toBe(true)
  expect(said).toContain('minute_bars: Table is a hypertable now')
  expect(said).toContain('fo_option_strike_bars_1d: View is a continuous aggregate now')
  expect((await client.query('SELECT * FROM minute_bars ORDER BY time')).rows).toEqual(before.rows)
  const hypertables = await client.query(
    `SELECT hypertable_name AS name, num_chunks AS chunks, compression_enabled AS is_compressed
     FROM timescaledb_information.hypertables ORDER BY hypertable_name`,
  )
  expect(hypertables.rows).toEqual(
    MINUTE_TABLES.map(({ name }) => ({
      name,
      chunks: name === 'minute_bars' ? 3 : 0,
      is_compressed: true,
    })).sort((a, b) => (a.name < b.name ? -1 : 1)),
  )
  const aggregates = await client.query(
    'SELECT FROM timescaledb_information.continuous_aggregates WHERE NOT materialized_only',
  )
  expect(aggregates.rowCount).toBe(9)
})

it('keeps the room in pages that lets updates stay where they are', async () => {
  const { rows } = await client.query(
    "SELECT DISTINCT reloptions FROM pg_class WHERE relname LIKE '_hyper_%_chunk' AND relkind = 'r'",
  )
  expect(rows).toEqual([{ reloptions: ['fillfactor=50'] }])
})

it('has nothing to do or to say at the next start', async () => {
  expect((await migrate(client)).applied).toEqual([])
  expect(await adopt()).toEqual({ isUsed: true, said: [] })
})
