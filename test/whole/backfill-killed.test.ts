/**
 * `kill -9` of the backend between two statements of one history. The database itself holds the
 * second one, so that the process dies with it under way; what becomes of it then is as it may be:
 * the server may never run it to its end, or run it although nobody waits for it any more.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Backfill, Backfills } from '../../src/contract/api/backfills.ts'
import type { History } from '../../src/contract/api/history.ts'
import { CANDLES_PER_STATEMENT } from '../../src/limits.ts'
import { addDays, istDate, MINUTE_MS, startOfDateMs } from '../../src/market/ist.ts'
import { Role } from '../faults/role.ts'
import { freePort } from '../free-port.ts'
import { postgresUrl } from '../services.ts'
import { until } from '../until.ts'
import { HistoryProxy } from './history-proxy.ts'

interface Listed {
  readonly instrument_token: number
  readonly tradingsymbol: string
}

interface Row {
  readonly minuteMs: number
  readonly prices: readonly (number | null)[]
  readonly volume: number
  readonly dayVolume: number
}

const MINUTES = 3 * CANDLES_PER_STATEMENT + 50
const HELD = 4_711
const url = await postgresUrl()

describe.skipIf(url === undefined)('a backend that is killed in the middle of a history', () => {
  /** From the session's opening, on a day that is over. */
  const fromMs = startOfDateMs(addDays(istDate(Date.now()), -1))
  const toMs = fromMs + MINUTES * MINUTE_MS
  let dataDir: string
  let exchange: Role
  let ticker: Role
  let backend: Role
  let proxy: HistoryProxy
  let tickerUrl: string
  let backendUrl: string
  let database: pg.Client
  let futures: readonly Listed[]

  async function ask<Answer>(path: string, body?: object): Promise<Answer> {
    const response = await fetch(path, {
      ...(body === undefined
        ? {}
        : {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(body),
          }),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as Answer
  }

  async function jobOf(id: string): Promise<Backfill | undefined> {
    const { backfills } = await ask<Backfills>(`${backendUrl}/backfills?kind=on_demand`)
    return backfills.find((job) => job.id === id)
  }

  async function rowsOf({ tradingsymbol }: Listed): Promise<Row[]> {
    const { rows } = await database.query<Row>(
      `SELECT extract(epoch FROM time)::float8 * 1000 AS "minuteMs",
              ARRAY[open, high, low, close] AS prices, volume::float8,
              day_volume::float8 AS "dayVolume"
       FROM futures_bars WHERE tradingsymbol = $1 AND source = 'backfill' ORDER BY 1`,
      [tradingsymbol],
    )
    return rows
  }

  /** Minutes that the store claims to know. */
  async function knownOf({ tradingsymbol }: Listed): Promise<number> {
    const { rows } = await database.query<{ minutes: number }>(
      `SELECT coalesce(sum(extract(epoch FROM "to" - "from")), 0)::float8 / 60 AS minutes
       FROM coverage WHERE tradingsymbol = $1`,
      [tradingsymbol],
    )
    return Math.round(rows[0]?.minutes ?? 0)
  }

  /** As the exchange tells them; a minute without a trade is flat. */
  async function expectedOf({ instrument_token: token }: Listed): Promise<Row[]> {
    const span = `from=${fromMs / 1_000}&to=${(toMs - MINUTE_MS) / 1_000}`
    const { candles } = await ask<History>(`${tickerUrl}/history/${token}?${span}`)
    const byMinute = new Map(candles.map((candle) => [Date.parse(candle[0]), candle]))
    let dayVolume = 0
    // Before a contract's first trade of the day there is no price.
    let last: number | null = null
    return Array.from({ length: MINUTES }, (_, i) => {
      const minuteMs = fromMs + i * MINUTE_MS
      const [, open, high, low, close, volume] = byMinute.get(minuteMs) ?? [
        '',
        last,
        last,
        last,
        last,
        0,
      ]
      dayVolume += volume
      last = close
      return { minuteMs, prices: [open, high, low, close], volume, dayVolume }
    })
  }

  /** Any statement that writes the contract's candles waits, from the second one on. */
  async function holdSecondStatement({ tradingsymbol }: Listed): Promise<void> {
    await database.query(`
      CREATE OR REPLACE FUNCTION hold_second() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF EXISTS (SELECT 1 FROM futures_bars WHERE tradingsymbol = '${tradingsymbol}') THEN
          PERFORM pg_advisory_xact_lock_shared(${HELD});
        END IF;
        RETURN NULL;
      END $$`)
    await database.query(`CREATE OR REPLACE TRIGGER hold_second
      BEFORE INSERT OR UPDATE ON futures_bars FOR EACH STATEMENT EXECUTE FUNCTION hold_second()`)
    await database.query('SELECT pg_advisory_lock($1)', [HELD])
  }

  async function isSaved(id: string): Promise<boolean> {
    const { rows } = await database.query(`SELECT 1 FROM backfill_jobs WHERE id = $1`, [id])
    return rows.length > 0
  }

  /** The server's process that holds a statement. */
  async function holder(): Promise<number | undefined> {
    const { rows } = await database.query<{ pid: number }>(
      `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted`,
      [HELD],
    )
    return rows[0]?.pid
  }

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'fostream-'))
    const ports = [await freePort(), await freePort(), await freePort()] as const
    const env = {
      FOSTREAM_DATA_DIR: dataDir,
      DATABASE_URL: url ?? '',
      EXCHANGE_PORT: String(ports[0]),
      TICKER_PORT: String(ports[1]),
      BACKEND_PORT: String(ports[2]),
      SMART_SUBSCRIPTION_ENABLED: 'false',
      CHAIN_SNAPSHOT_SECONDS: '0',
    }
    tickerUrl = `http://127.0.0.1:${ports[1]}`
    backendUrl = `http://127.0.0.1:${ports[2]}`
    proxy = await HistoryProxy.start(tickerUrl)
    exchange = new Role('exchange', dataDir, env)
    ticker = new Role('ticker', dataDir, env)
    backend = new Role('backend', dataDir, { ...env, TICKER_SERVICE_URL: proxy.url })
    await exchange.start()
    await ticker.start()
    await backend.start()
    database = new pg.Client({ connectionString: url })
    await database.connect()
    const query = 'symbol=BANKNIFTY&segment=NFO-FUT&limit=2'
    await until(async () => (await fetch(`${tickerUrl}/instruments?${query}`)).ok, 60_000)
    futures = await ask<Listed[]>(`${tickerUrl}/instruments?${query}`)
    await until(async () => {
      return (await fetch(`${backendUrl}/fo/expiries?symbol=BANKNIFTY`)).ok
    }, 60_000)
  }, 180_000)

  afterAll(async () => {
    for (const role of [backend, ticker, exchange]) if (role?.isRunning) await role.kill()
    await proxy?.stop()
    await database?.end()
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
  }, 60_000)

  it.each([
    ['is never run to its end', 0, CANDLES_PER_STATEMENT],
    ['is run to its end all the same', 1, 2 * CANDLES_PER_STATEMENT],
  ] as const)(
    'goes on behind what is stored when its last statement %s',
    async (_, nth, stored) => {
      const future = futures[nth]
      if (future === undefined) throw new Error('BANKNIFTY has fewer futures')
      const expected = await expectedOf(future)
      await holdSecondStatement(future)
      const { id } = await ask<Backfill>(`${backendUrl}/backfills`, {
        instrument_token: future.instrument_token,
        from: String(fromMs / 1_000),
        to: String(toMs / 1_000),
      })
      await until(async () => (await holder()) !== undefined && (await isSaved(id)), 60_000)
      await backend.kill()
      const isLost = stored === CANDLES_PER_STATEMENT
      if (isLost) await database.query('SELECT pg_terminate_backend($1)', [await holder()])
      await database.query('SELECT pg_advisory_unlock($1)', [HELD])
      await until(async () => (await rowsOf(future)).length >= stored, 60_000)
      // Whole minutes in order, and no word of any other.
      expect(await rowsOf(future)).toEqual(expected.slice(0, stored))
      expect(await knownOf(future)).toBe(stored)

      const before = proxy.asked.length
      await backend.start()
      await until(async () => (await jobOf(id))?.status === 'done', 120_000)
      expect(await jobOf(id)).toMatchObject({ rows: MINUTES, instruments_done: 1, error: null })
      expect(await rowsOf(future)).toEqual(expected)
      expect(await knownOf(future)).toBe(MINUTES)
      const again = proxy.asked
        .slice(before)
        .filter(({ token }) => token === future.instrument_token)
      expect(again).toMatchObject([{ fromMs: fromMs + stored * MINUTE_MS }])
    },
    240_000,
  )
})
