import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { valueTypes } from '../../src/postgres/value-types.ts'
import { isLong } from '../faults/extent.ts'
import { postgresUrl } from '../services.ts'
import { until } from '../until.ts'
import { isLive, liveChain } from './live-chain.ts'
import { FEED_ALONE, type Platform, platform } from './platform.ts'
import { verdict } from './verdict.ts'

/** Market seconds in one second: a minute of the market passes in three. */
const SPEED = 20
const KILLS = 3
const LAST_RUN =
  /Last run +did not end in order: ticks are missing from \d{4}-\d\d-\d\dT.* on, a gap/

const serverUrl = await postgresUrl()

// With a server each role is killed alone in test/faults/split.test.ts, with the same verdict.
const STORES = [
  { store: 'the embedded store', databaseUrl: undefined },
  { store: 'PostgreSQL', databaseUrl: serverUrl },
].filter(({ store }) => isLong || store !== 'PostgreSQL')

describe.each(STORES)(
  'the platform on $store, killed with kill -9 in mid-minute',
  ({ store, databaseUrl }) => {
    let running: Platform
    let client: pg.Client
    const isSkipped = store === 'PostgreSQL' && databaseUrl === undefined

    beforeAll(async () => {
      if (isSkipped) return
      running = await platform({
        ...FEED_ALONE,
        EXCHANGE_SPEED: String(SPEED),
        ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
      })
      await running.start()
    })
    afterAll(async () => {
      await client?.end()
      await running?.dispose()
    })

    async function connect(): Promise<pg.Client> {
      const opened = new pg.Client({
        connectionString:
          databaseUrl ?? `postgresql://postgres@127.0.0.1:${running.ports.database}/postgres`,
        types: valueTypes,
      })
      opened.on('error', () => undefined)
      await opened.connect()
      return opened
    }

    async function count(sql: string): Promise<number> {
      const { rows } = await client.query<{ n: number }>(sql)
      return rows[0]?.n ?? 0
    }

    /** Waits until another minute of the market has been closed in the store. */
    async function anotherMinuteCloses(): Promise<void> {
      const closed = () =>
        count(
          'SELECT count(DISTINCT bucket_time)::int AS n FROM fo_expiry_metrics WHERE complete IS NOT NULL',
        )
      const before = await closed()
      await until(async () => (await closed()) > before, 90_000)
    }

    it.skipIf(isSkipped)(
      'goes on by itself, shows the time away as gaps, and stores what a second fold of its journal says',
      {
        timeout: 180_000,
      },
      async () => {
        await until(() => isLive(running), 90_000)
        client = await connect()
        const completeRows = 'SELECT count(*)::int AS n FROM fo_option_strike_bars WHERE complete'
        await until(async () => (await count(completeRows)) > 0, 90_000)
        for (let kill = 0; kill < KILLS; kill++) {
          // Somewhere within the minute, each time elsewhere.
          const second = (kill * 17 + 11) % 60
          await until(async () => {
            const chain = await liveChain(running)
            return Math.floor(Date.parse(chain?.as_of ?? '') / 1000) % 60 >= second
          }, 90_000)
          await client.end()
          await running.kill()
          await running.start()
          await until(() => isLive(running), 90_000)
          expect(running.output()).toMatch(LAST_RUN)
          client = await connect()
          await anotherMinuteCloses()
        }
        await client.end()
        expect(await running.stop()).toBe(0)

        // The store is looked at through the program's own door, with a market that has moved on.
        await running.start()
        client = await connect()
        await until(() => isLive(running), 90_000)
        expect(running.output()).not.toMatch(LAST_RUN)
        await client.end()
        expect(await running.stop()).toBe(0)
        const { differences, gaps, states, unbalanced } = await verdict(
          running.dataDir,
          databaseUrl,
        )
        expect(differences.slice(0, 20)).toEqual([])
        // Each kill and the orderly stop: the time away is a gap.
        expect(gaps).toEqual([{ reason: 'restart', n: KILLS + 1 }])
        expect(states).toEqual([false, true])
        expect(unbalanced).toBe(0)
      },
    )
  },
)
