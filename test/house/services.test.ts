import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { postgresUrl, redisUrl } from '../services.ts'

const databaseUrl = await postgresUrl()
const redis = await redisUrl()

describe.skipIf(databaseUrl === undefined)('a test file', () => {
  it('has a PostgreSQL database of its own', async () => {
    const client = new pg.Client({ connectionString: databaseUrl })
    await client.connect()
    const { rows } = await client.query('SELECT current_database() AS name')
    const tables = await client.query("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")
    await client.end()
    expect(rows[0].name).toMatch(/^fostream_test_\d+_[0-9a-f]{8}$/)
    expect(tables.rowCount).toBe(0)
  })
})

describe.skipIf(redis === undefined)('the Redis of the tests', () => {
  it('is named by a URL', () => {
    expect(new URL(redis ?? '').protocol).toMatch(/^rediss?:$/)
  })
})
