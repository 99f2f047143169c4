import { describe, expect, it } from 'vitest'
import { classify } from '../../src/postgres/classify-error.ts'
import { openStore } from '../../src/postgres/connection.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { postgresUrl } from '../services.ts'
import { describeStores } from './stores.ts'

const options = { applicationName: 'fostream test', log: { warn: () => undefined } }

describe('the description of a store', () => {
  it('has the address and no password', async () => {
    const url = 'postgresql://desk:s3cret@db.example:6432/market?sslmode=no-verify'
    const store = openStore({ kind: 'url', url }, options)
    expect(store.describe()).toBe('PostgreSQL desk@db.example:6432/market')
    await store.close()
  })
})

await describeStores('a connection', (store) => {
  it('shows times in India’s zone', async () => {
    const client = await store().connect()
    expect((await client.query('SHOW timezone')).rows).toEqual([{ TimeZone: 'Asia/Kolkata' }])
    await client.end()
  })

  it('of the pool does so too, and several work at once', async () => {
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        store().pool.query({
          name: 'n',
          text: 'SELECT $1::int AS n, current_setting($2) AS zone',
          values: [n, 'timezone'],
        }),
      ),
    )
    expect(results.map(({ rows }) => rows[0])).toEqual(
      Array.from({ length: 8 }, (_, n) => ({ n, zone: 'Asia/Kolkata' })),
    )
  })
})

await describeStores('maintenance', (store) => {
  it('vacuums the embedded store, and leaves a server to itself', async () => {
    const { pool, kind, maintain } = store()
    await pool.query(
      'CREATE TABLE upkeep WITH (autovacuum_enabled = false) AS SELECT n FROM generate_series(1, 1000) n',
    )
    const analysed = async () => {
      const { rows } = await pool.query("SELECT reltuples FROM pg_class WHERE relname = 'upkeep'")
      return rows[0].reltuples
    }
    expect(await analysed()).toBe(-1)
    await maintain()
    expect(await analysed()).toBe(kind === 'embedded' ? 1000 : -1)
  })

  it('lets new minutes of the embedded store be read from their index, and leaves a server to itself', async () => {
    const { pool, kind, maintainNewest } = store()
    const client = await store().connect()
    await migrate(client)
    await client.end()
    await pool.query(
      `INSERT INTO minute_bars (exchange, symbol, time, updated_at, tick_count, source)
       SELECT 'NSE', 'NIFTY 50', '2026-11-20 09:15+05:30'::timestamptz + n * interval '1 minute', now(), 1, 'live'
       FROM generate_series(0, 374) AS n`,
    )
    const visible = async () => {
      const { rows } = await pool.query(
        "SELECT relpages = relallvisible AND relpages > 0 AS all FROM pg_class WHERE relname = 'minute_bars'",
      )
      return rows[0].all
    }
    expect(await visible()).toBe(false)
    await maintainNewest()
    expect(await visible()).toBe(kind === 'embedded')
  })
})

const url = await postgresUrl()

describe.skipIf(url === undefined)('a connection to a server', () => {
  it('keeps the options that its URL has', async () => {
    const withOptions = new URL(url ?? '')
    withOptions.searchParams.set('options', '-c work_mem=7MB')
    const store = openStore({ kind: 'url', url: withOptions.href }, options)
    const { rows } = await store.pool.query(
      "SELECT current_setting('work_mem') AS mem, current_setting('timezone') AS zone, current_setting('application_name') AS name",
    )
    expect(rows).toEqual([{ mem: '7MB', zone: 'Asia/Kolkata', name: 'fostream test' }])
    await store.close()
  })

  it('that the server ends fails its statements, and the pool goes on', async () => {
    const lost: string[] = []
    const log = { warn: (...said: unknown[]) => void lost.push(String(said.at(-1))) }
    const store = openStore({ kind: 'url', url: url ?? '' }, { ...options, log })
    const client = await store.connect()
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
    await store.pool.query('SELECT pg_terminate_backend($1)', [rows[0].pid])
    await expect.poll(() => lost).toEqual(['Database connection lost'])
    const failure = await client.query('SELECT 1').then(() => undefined, classify)
    expect(failure).toMatchObject({ kind: 'connection', retryable: true })
    expect((await store.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await store.close()
  })
})
