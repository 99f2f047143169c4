import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CandleRow, MinuteBarRow } from '../../../src/backend/ports.ts'
import { MINUTE_MS } from '../../../src/market/ist.ts'
import { preparedStatement, upsert } from '../../../src/postgres/bar-statements.ts'
import { MINUTE_BARS } from '../../../src/postgres/bar-tables.ts'
import { barStore } from '../../../src/postgres/bar-writer.ts'
import { openStore, type Store } from '../../../src/postgres/connection.ts'
import { migrate } from '../../../src/postgres/migrate.ts'
import { adoptTimescale } from '../../../src/postgres/timescale/adopt-timescale.ts'
import { BarUpkeep } from '../../../src/postgres/upkeep.ts'
import { silentLog } from '../../silent-log.ts'
import { openTimescale } from './timescale-store.ts'

const at = (text: string) => Date.parse(`${text}+05:30`)
const OPEN_MS = at('2026-11-18T09:15:00')
const NEXT_DAY_MS = at('2026-11-19T10:00:00')
const DAY_AFTER_MS = at('2026-11-20T00:00:30')

describe('a day of bars', () => {
  let store: Store
  let client: pg.Client
  let said: string[] = []

  beforeAll(async () => {
    const target = { kind: 'embedded', store: await openTimescale() } as const
    store = openStore(target, { applicationName: 'fostream test', log: silentLog })
    client = await store.connect()
    await migrate(client)
    await adoptTimescale(store, silentLog)
  }, 240_000)
  afterAll(async () => {
    await client?.end()
    await store?.close()
  })
  beforeEach(async () => {
    said = []
    await client.query(
      'TRUNCATE minute_bars, fo_option_strike_bars, feed_gaps, backfill_jobs, finalise_queue',
    )
    await write([OPEN_MS, OPEN_MS + MINUTE_MS, OPEN_MS + 2 * MINUTE_MS], 100)
  })

  async function write(minutes: readonly number[], close: number, complete: boolean | null = true) {
    const part = upsert(
      MINUTE_BARS,
      minutes.map((minuteMs) => barAt(minuteMs, close, complete)),
    )
    const { rows } = await client.query(preparedStatement('bars', 0, undefined, [part])([]))
    expect(rows).toEqual([{ ok: true }])
  }

  const closes = async () => {
    const { rows } = await client.query('SELECT close FROM minute_bars ORDER BY time')
    return rows.map(({ close }) => close)
  }

  /** Status bits of the chunks: 1 compressed, 8 partly. */
  const chunks = async () => {
    const { rows } = await client.query(
      `SELECT _timescaledb_functions.chunk_status(c) AS status
       FROM show_chunks('minute_bars') AS c`,
    )
    return rows.map(({ status }) => status)
  }

  async function keep(nowMs: number): Promise<void> {
    const log = {
      info: (fields: object, message?: string) => {
        said.push(`${message} ${JSON.stringify(fields)}`)
      },
    }
    await new BarUpkeep(client, { retentionDays: undefined, log: log as never }).run(nowMs)
  }

  it('is compressed once it is over, and reads the same', async () => {
    await keep(NEXT_DAY_MS)
    expect(await chunks()).toEqual([0])
    await keep(DAY_AFTER_MS)
    expect(await chunks()).toEqual([1])
    expect(await closes()).toEqual([100, 100, 100])
    expect(said).toEqual([expect.stringMatching(/^Settled day compressed .*2026-11-18/)])
  })

  it.each([
    [
      'a gap is open',
      `INSERT INTO feed_gaps (id, producer, partition, reason, status, "from", instruments, opened_at)
       VALUES ('g', 't1', 0, 'drop', 'open', '2026-11-17 10:00+05:30', '[]', now())`,
      "UPDATE feed_gaps SET status = 'repaired'",
      'gaps',
    ],
    [
      'a gap is not repaired',
      `INSERT INTO feed_gaps (id, producer, partition, reason, status, "from", "to", instruments, opened_at)
       VALUES ('g', 't1', 0, 'drop', 'closed', '2026-11-18 10:00+05:30', '2026-11-18 10:01+05:30', '[]', now())`,
      "UPDATE feed_gaps SET status = 'unrepairable'",
      'gaps',
    ],
    [
      'a repair waits',
      `INSERT INTO backfill_jobs (id, kind, scope, "from", "to", status, created_at, updated_at)
       VALUES ('j', 'repair', 'instrument', '2026-11-18 09:00+05:30', '2026-11-18 16:00+05:30', 'queued', now(), now())`,
      "UPDATE backfill_jobs SET status = 'done'",
      'backfill jobs',
    ],
    [
      'final values are due',
      `INSERT INTO finalise_queue VALUES ('NIFTY50', '2026-11-24', '2026-11-18 15:29+05:30', now(), 'closed')`,
      'DELETE FROM finalise_queue',
      'due minutes',
    ],
    [
      'a minute is still open',
      'UPDATE minute_bars SET complete = NULL',
      'UPDATE minute_bars SET complete = false',
      'open minutes',
    ],
  ])('stays as it is while %s', async (_name, owe, pay, owed) => {
    await client.query(owe)
    await keep(DAY_AFTER_MS)
    expect(await chunks()).toEqual([0])
    expect(said).toEqual([expect.stringContaining(`"owed":"${owed}"`)])
    await client.query(pay)
    await keep(DAY_AFTER_MS)
    expect(await chunks()).toEqual([1])
  })

  it('takes late rows after it was compressed, and is compressed again by the next upkeep', async () => {
    await keep(DAY_AFTER_MS)
    await write([OPEN_MS + MINUTE_MS, OPEN_MS + 3 * MINUTE_MS], 200)
    expect(await closes()).toEqual([100, 200, 100, 200])
    expect(await chunks()).toEqual([9])
    await keep(DAY_AFTER_MS)
    expect(await chunks()).toEqual([1])
    expect(await closes()).toEqual([100, 200, 100, 200])
  })

  it('takes a broker’s candles into a compressed day beneath what is complete, and says that it waits for their finals', async () => {
    await write([OPEN_MS + MINUTE_MS], 110, false)
    await keep(DAY_AFTER_MS)
    expect(await chunks()).toEqual([1])
    said = []
    const writer = await barStore(store, 'bars').openPartition(0)
    const { sources } = await writer.claim(['t1'])
    const minutes = [0, 1, 2, 3].map((minute) => OPEN_MS + minute * MINUTE_MS)
    const commit = {
      partition: 0,
      expected: sources,
      rows: { minuteBars: minutes.map(candleAt), futureBars: [], optionBars: [] },
      coverage: [],
      coverageRemoved: [],
      gapsRepaired: [],
      due: [
        {
          symbol: 'NIFTY50',
          expiry: '2026-11-24',
          minuteMs: OPEN_MS + MINUTE_MS,
          dueSinceMs: DAY_AFTER_MS,
          reason: 'candle' as const,
        },
      ],
    }
    expect(await writer.writeCandles(commit)).toBe('committed')
    await writer.close()
    // Complete live rows stand; the broken one and the missing one are the broker's now.
    expect(await closes()).toEqual([100, 300, 100, 300])
    await keep(DAY_AFTER_MS)
    expect(said).toEqual([expect.stringContaining('"owed":"due minutes"')])
    await client.query('DELETE FROM finalise_queue')
    await keep(DAY_AFTER_MS)
    expect(said[1]).toMatch(/^Settled day compressed .*2026-11-18/)
    expect(await chunks()).toEqual([1])
    expect(await closes()).toEqual([100, 300, 100, 300])
  })

  it('keeps a settled price against a live row also where it is compressed', async () => {
    await client.query("UPDATE minute_bars SET source = 'settled'")
    await keep(DAY_AFTER_MS)
    await write([OPEN_MS], 200)
    expect(await closes()).toEqual([100, 100, 100])
  })

  it('takes any number of late rows from a writer', async () => {
    await keep(DAY_AFTER_MS)
    await client.query('SET timescaledb.max_tuples_decompressed_per_dml_transaction = 1')
    await expect(write([OPEN_MS], 200)).rejects.toThrow(/decompress/)
    const writer = await barStore(store, 'bars').openPartition(0)
    await write([OPEN_MS], 200)
    expect(await closes()).toEqual([200, 100, 100])
    await writer.close()
  })
})

function candleAt(minuteMs: number): CandleRow<MinuteBarRow> {
  const beneath = { liveOpen: null, liveHigh: null, liveLow: null, liveClose: null, liveOi: null }
  return { ...barAt(minuteMs, 300, false), source: 'backfill', tickCount: 0, ...beneath }
}

function barAt(minuteMs: number, close: number, complete: boolean | null): MinuteBarRow {
  return {
    exchange: 'NSE',
    symbol: 'NIFTY 50',
    minuteMs,
    ...{ open: close, high: close, low: close, close, volume: 0, dayVolume: 0, baseVolume: 0 },
    ...{ tickCount: 1, complete, source: 'live' },
    ...{ openKey: null, closeKey: null, quoteKey: null },
  }
}
