import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import { migrate, stampFeed } from '../../src/postgres/migrate.ts'
import { describeStores } from './stores.ts'

const folders: string[] = []

async function twoFiles(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fostream-sql-'))
  folders.push(folder)
  await writeFile(join(folder, '0001_first.sql'), 'CREATE TABLE first (a int);\nSELECT 1;\n')
  await writeFile(join(folder, '0002_second.sql'), 'CREATE TABLE second (a int);\n')
  return folder
}

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

await describeStores('the schema', (store) => {
  let client: pg.Client

  beforeEach(async () => {
    client = await store().connect()
    await client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  })
  afterEach(() => client.end())

  const tables = async () => {
    const { rows } = await client.query(
      "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace ORDER BY 1",
    )
    return rows.map(({ relname }) => relname)
  }

  it('is made from nothing, file by file, and then left alone', async () => {
    const first = await migrate(client)
    expect(first.applied[0]).toBe('0001_settings_and_feed.sql')
    expect(first.version).toBe(first.applied.length)
    expect(await tables()).toEqual([
      'backfill_jobs',
      'bar_symbols',
      'coverage',
      'day_open_interest',
      'dead_letters',
      'delivery_ledger',
      'feed_gaps',
      'feed_stamp',
      'finalise_queue',
      'fo_daily_metrics',
      'fo_expiry_metrics',
      'fo_option_strike_bars',
      'fo_option_strike_bars_15m',
      'fo_option_strike_bars_1d',
      'fo_option_strike_bars_5m',
      'fo_strike_distribution',
      'freshness',
      'futures_bars',
      'futures_bars_15m',
      'futures_bars_1d',
      'futures_bars_5m',
      'instrument_subscriptions',
      'instruments',
      'minute_bars',
      'minute_bars_15m',
      'minute_bars_1d',
      'minute_bars_5m',
      'nifty50_ohlc',
      'schema_migrations',
      'stream_offsets',
      'system_config',
    ])
    const second = await migrate(client)
    expect(second).toEqual({ ...first, applied: [] })
  })

  it('is made once when several start at the same time', async () => {
    const others = await Promise.all([store().connect(), store().connect()])
    const results = await Promise.all([client, ...others].map((one) => migrate(one)))
    expect(new Set(results.map(({ version }) => version)).size).toBe(1)
    const applied = results.flatMap((result) => result.applied)
    expect(applied.length).toBe(results[0]?.version)
    await Promise.all(others.map((one) => one.end()))
  })

  it('stops the start, naming the file, when an applied file has changed', async () => {
    const folder = await twoFiles()
    await migrate(client, folder)
    const file = join(folder, '0001_first.sql')
    await writeFile(file, `${await readFile(file, 'utf8')}\n-- changed`)
    await expect(migrate(client, folder)).rejects.toMatchObject({
      name: 'MigrationError',
      code: 'changed',
      message: expect.stringContaining('0001_first.sql'),
    })
  })

  it('takes a file with other line ends for the same', async () => {
    const folder = await twoFiles()
    await migrate(client, folder)
    const file = join(folder, '0001_first.sql')
    await writeFile(file, (await readFile(file, 'utf8')).replaceAll('\n', '\r\n'))
    expect((await migrate(client, folder)).applied).toEqual([])
  })

  it('is refused when a newer program has migrated it', async () => {
    const { version } = await migrate(client)
    await client.query("INSERT INTO schema_migrations VALUES ($1, '0099_new.sql', 'x')", [
      version + 1,
    ])
    await expect(migrate(client)).rejects.toMatchObject({
      code: 'newer',
      message: expect.stringMatching(new RegExp(`version ${version + 1} .*knows ${version}`)),
    })
  })

  it('keeps nothing of a file that fails, and all of those before', async () => {
    const folder = await twoFiles()
    await migrate(client, folder)
    await writeFile(join(folder, '0003_broken.sql'), 'CREATE TABLE half (a int); SELECT 1/0')
    await expect(migrate(client, folder)).rejects.toThrow(
      /0003_broken.sql failed.*division by zero/,
    )
    expect(await tables()).toEqual(['first', 'schema_migrations', 'second'])
  })

  it('refuses a file whose number is out of order', async () => {
    const folder = await twoFiles()
    await writeFile(join(folder, '0042_far.sql'), 'SELECT 1')
    await expect(migrate(client, folder)).rejects.toMatchObject({ code: 'misnamed' })
  })

  it('shows times in India’s zone', async () => {
    expect((await migrate(client)).hasTimeZone).toBe(true)
    const fresh = await store().connect()
    const { rows } = await fresh.query("SELECT '2026-11-23T04:00:00Z'::timestamptz::text AS open")
    expect(rows).toEqual([{ open: '2026-11-23 09:30:00+05:30' }])
    await fresh.end()
  })

  it('lets a flag be set by a plain UPDATE, whose time it notes', async () => {
    await migrate(client)
    const before = await client.query(
      "SELECT value, updated_at FROM system_config WHERE key = 'subscription_events_enabled'",
    )
    expect(before.rows).toMatchObject([{ value: null }])
    await client.query(
      "UPDATE system_config SET value = 'false' WHERE key = 'subscription_events_enabled'",
    )
    const { rows } = await client.query("SELECT * FROM system_config WHERE value = 'false'")
    expect(rows).toMatchObject([{ key: 'subscription_events_enabled' }])
    expect(rows[0].updated_at).toBeGreaterThanOrEqual(before.rows[0].updated_at)
    const untouched = await client.query(
      'SELECT count(*) AS n FROM system_config WHERE value IS NULL',
    )
    expect(untouched.rows).toEqual([{ n: 10 }])
  })

  it('belongs to the feed of its first start', async () => {
    await migrate(client)
    await stampFeed(client, 'simulated')
    await stampFeed(client, 'simulated')
    await expect(stampFeed(client, 'kite')).rejects.toMatchObject({
      code: 'feed_mismatch',
      storedFeed: 'simulated',
      feed: 'kite',
      message: expect.stringMatching(/FOSTREAM_DATA_DIR or DATABASE_URL/),
    })
    await expect(
      client.query("INSERT INTO feed_stamp VALUES (false, 'kite')"),
    ).rejects.toMatchObject({
      code: '23514',
    })
  })

  it('indexes no column that changes, so that updates stay inside their page', async () => {
    await migrate(client)
    const { rows } = await client.query(`
      SELECT c.relname AS table, a.attname AS column
      FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
      WHERE c.relname IN ('minute_bars', 'futures_bars', 'fo_option_strike_bars', 'fo_expiry_metrics', 'fo_strike_distribution')`)
    const indexed = new Set(rows.map(({ column }) => column))
    expect([...indexed].sort()).toEqual(
      ['bucket_time', 'exchange', 'expiry', 'strike', 'symbol', 'time', 'tradingsymbol'].sort(),
    )
  })
})
