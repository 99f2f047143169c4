import { existsSync } from 'node:fs'
import { open, readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackendStatus } from '../../src/contract/api/backend-status.ts'
import { until } from '../until.ts'
import { isLive } from './live-chain.ts'
import { FEED_ALONE, type Platform, platform } from './platform.ts'
import { verdict } from './verdict.ts'

/** Market seconds in one second: a minute of the market passes in three. */
const SPEED = 20

describe('the platform whose embedded store is damaged', () => {
  let running: Platform

  beforeAll(async () => {
    running = await platform({ ...FEED_ALONE, EXCHANGE_SPEED: String(SPEED) })
    await running.start()
    await until(() => isLive(running), 90_000)
  }, 240_000)
  afterAll(async () => {
    await running?.dispose()
  })

  const folder = () => join(running.dataDir, 'simulated/store')
  const setAsides = async () =>
    (await readdir(folder())).filter((name) => name.includes('.set-aside-'))

  async function ask<T extends pg.QueryResultRow>(sql: string): Promise<T[]> {
    const client = new pg.Client({
      connectionString: `postgresql://postgres@127.0.0.1:${running.ports.database}/postgres`,
    })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query<T>(sql)).rows
    } finally {
      await client.end()
    }
  }

  const closedMinutes = async () =>
    (
      await ask<{ n: number }>(
        'SELECT count(DISTINCT bucket_time)::int AS n FROM fo_expiry_metrics WHERE complete IS NOT NULL',
      )
    )[0]?.n ?? 0
  const subscriptions = () =>
    ask("SELECT tradingsymbol FROM instrument_subscriptions WHERE status = 'active' ORDER BY 1")

  it('fills a new one from the journal at its start, with its subscriptions, and says so', {
    timeout: 240_000,
  }, async () => {
    await until(async () => (await closedMinutes()) > 1, 90_000)
    const before = await subscriptions()
    expect(before.length).toBeGreaterThan(20)
    await running.kill()
    await truncate(join(folder(), 'cluster/global/pg_control'), 100)
    await running.start()
    expect(running.output()).toMatch(
      /store could not be used \(.*pg_control.*filled from the journal/s,
    )
    const { store } = (await (await fetch(`${running.backendUrl}/status`)).json()) as BackendStatus
    expect(store.rebuilt_because).toMatch(/pg_control/)
    await until(() => isLive(running), 90_000)
    expect(await setAsides()).toHaveLength(1)
    await until(async () => (await closedMinutes()) > 2, 90_000)
    await until(async () => (await subscriptions()).length >= before.length, 90_000)
    expect(await subscriptions()).toEqual(expect.arrayContaining(before))
  })

  it('starts again by itself when damage shows while it runs, and stores what its journal says', {
    timeout: 240_000,
  }, async () => {
    const [row] = await ask<{ path: string }>(
      "SELECT pg_relation_filepath('stream_offsets') AS path",
    )
    // A crash in between: what is in memory is read from the damaged file again.
    await running.kill()
    const path = join(folder(), 'cluster', row?.path ?? '')
    expect(existsSync(path)).toBe(true)
    const file = await open(path, 'r+')
    await file.write(Buffer.alloc(64, 0x5a), 0, 64, 4096)
    await file.close()
    const log = join(folder(), 'cluster/pg_wal')
    expect(existsSync(log)).toBe(true)
    await running.start()
    await until(() => isLive(running), 90_000)
    const minutes = await closedMinutes()
    await until(async () => (await closedMinutes()) > minutes, 90_000)
    expect(await running.stop()).toBe(0)
    const { differences, unbalanced } = await verdict(running.dataDir)
    expect(differences.slice(0, 20)).toEqual([])
    expect(unbalanced).toBe(0)
  })
})
