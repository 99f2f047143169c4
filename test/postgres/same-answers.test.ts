import { beforeAll, expect, it } from 'vitest'
import { DAY_MS } from '../../src/market/ist.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { adoptTimescale } from '../../src/postgres/timescale/adopt-timescale.ts'
import { BarUpkeep } from '../../src/postgres/upkeep.ts'
import { silentLog } from '../silent-log.ts'
import { describeStores } from './stores.ts'

const at = (text: string) => Date.parse(`${text}+05:30`)
const NOW_MS = at('2026-11-20T11:00:00')

/** Two whole days and the morning of a third; a quiet symbol has the first only. */
const FILL = `
  INSERT INTO fo_option_strike_bars
    (tradingsymbol, symbol, option_type, expiry, bucket_time, strike, instrument_token, open, high,
     low, close, volume, oi, iv, delta, updated_at, tick_count, complete, source)
  SELECT symbol || n, symbol, 'CE', '2026-11-24', minute, 100 * n, n,
    CASE WHEN i % 5 > 0 THEN 100 + i END, 110 + i, 90 - i, CASE WHEN i % 5 < 4 THEN 101 + i END,
    10, 1000 + i, 0.1, 0.5, now(), 6, i % 375 <> 7, 'live'
  FROM (VALUES ('NIFTY50', 2), ('BANKNIFTY', 1), ('QUIET', 1)) AS s (symbol, options),
    generate_series(1, options) AS n,
    generate_series(0, 2 * 375 + 90 - 1) AS i,
    LATERAL (SELECT '2026-11-18 09:15+05:30'::timestamptz
      + i / 375 * interval '1 day' + i % 375 * interval '1 minute') AS m (minute)
  WHERE symbol <> 'QUIET' OR i < 375;
  INSERT INTO minute_bars
    (exchange, symbol, time, open, high, low, close, volume, updated_at, tick_count, complete, source)
  SELECT 'NSE', 'NIFTY 50', bucket_time, open, high, low, close, 0, now(), 3, complete, 'live'
  FROM fo_option_strike_bars WHERE tradingsymbol = 'NIFTY501';
  INSERT INTO futures_bars
    (tradingsymbol, symbol, expiry, time, instrument_token, open, high, low, close, volume, oi,
     updated_at, tick_count, complete, source)
  SELECT 'NIFTY26NOVFUT', 'NIFTY50', expiry, bucket_time, 9, open, high, low, close, 20, 5000,
    now(), 4, complete, 'live'
  FROM fo_option_strike_bars WHERE tradingsymbol = 'NIFTY501';
  INSERT INTO fo_expiry_metrics (symbol, expiry, bucket_time, updated_at)
  SELECT DISTINCT symbol, expiry, bucket_time, now() FROM fo_option_strike_bars;
  INSERT INTO fo_strike_distribution (symbol, expiry, strike, bucket_time, updated_at)
  SELECT symbol, expiry, strike, bucket_time, now() FROM fo_option_strike_bars`

await describeStores(
  'stored bars',
  (store) => {
    beforeAll(async () => {
      const client = await store().connect()
      await migrate(client)
      await client.end()
      await adoptTimescale(store(), silentLog)
      for (const statement of FILL.split(';\n')) await store().pool.query(statement)
    })

    const rows = async (sql: string) => (await store().pool.query(sql)).rows
    const upkeep = (nowMs = NOW_MS, retentionDays?: number) =>
      new BarUpkeep(store().pool, { retentionDays, log: silentLog }).run(nowMs)

    async function expectAnswers(): Promise<void> {
      expect(await rows('SELECT * FROM freshness ORDER BY table_name, symbol')).toEqual(FRESH)
      for (const [bar, length] of [
        ['5m', 5],
        ['15m', 15],
        ['1d', 375],
      ] as const) {
        expect(
          await rows(`SELECT * FROM fo_option_strike_bars_${bar} ${OF_THE_FIRST_DAY}`),
        ).toEqual(firstDayOf(length))
      }
    }

    it('are as fresh as their newest minute, and gathered into longer bars, from the first row on', async () => {
      await expectAnswers()
    })

    it('are gathered alike into longer bars of indices and futures', async () => {
      expect(
        await rows(
          `SELECT time, open, close, high, low, volume, minutes, complete FROM minute_bars_15m
           WHERE time >= '2026-11-19 09:15+05:30' ORDER BY time LIMIT 1`,
        ),
      ).toEqual([
        {
          ...{ time: at('2026-11-19T09:15:00'), open: 476, close: 489, high: 499, low: -299 },
          ...{ volume: 0, minutes: 15, complete: false },
        },
      ])
      expect(
        await rows(
          'SELECT time, open, close, volume, oi, minutes FROM futures_bars_1d ORDER BY time',
        ),
      ).toEqual([
        {
          time: at('2026-11-18T00:00:00'),
          open: 101,
          close: 474,
          volume: 7500,
          oi: 5000,
          minutes: 375,
        },
        {
          time: at('2026-11-19T00:00:00'),
          open: 476,
          close: 849,
          volume: 7500,
          oi: 5000,
          minutes: 375,
        },
        {
          time: at('2026-11-20T00:00:00'),
          open: 851,
          close: 939,
          volume: 1800,
          oi: 5000,
          minutes: 90,
        },
      ])
    })

    it('say how many minutes of a symbol there are, and of how many options each', async () => {
      const window =
        "bucket_time >= '2026-11-20 09:00+05:30' AND bucket_time < '2026-11-20 11:00+05:30'"
      const counts = `SELECT symbol, count(*) AS n FROM fo_option_strike_bars WHERE ${window} GROUP BY symbol ORDER BY symbol`
      expect(await rows(counts)).toEqual([
        { symbol: 'BANKNIFTY', n: 90 },
        { symbol: 'NIFTY50', n: 180 },
      ])
      const options = `SELECT bucket_time, count(DISTINCT tradingsymbol) AS n FROM fo_option_strike_bars WHERE ${window} GROUP BY bucket_time`
      const minutes = await rows(options)
      expect(minutes).toHaveLength(90)
      expect(new Set(minutes.map(({ n }) => n))).toEqual(new Set([3]))
    })

    it('answer the same when the days before have been looked after', async () => {
      await upkeep()
      await expectAnswers()
    })

    it('show a late change of an old day after the next upkeep', async () => {
      await store().pool.query(
        `UPDATE fo_option_strike_bars SET volume = 1010
         WHERE tradingsymbol = 'NIFTY501' AND bucket_time = '2026-11-18 09:15+05:30'`,
      )
      await upkeep()
      const longer = ['5m', '15m', '1d'].map((length) =>
        rows(`SELECT volume FROM fo_option_strike_bars_${length} ${OF_THE_FIRST_DAY}`),
      )
      expect(await Promise.all(longer)).toEqual([
        [{ volume: 1050 }],
        [{ volume: 1150 }],
        [{ volume: 4750 }],
      ])
    })

    it('are kept for the days that are asked for and no longer, the longer bars too', async () => {
      await upkeep(NOW_MS + DAY_MS, 1)
      for (const [table, time] of TABLES) {
        expect(await rows(`SELECT min(${time}) AS oldest FROM ${table}`), table).toEqual([
          { oldest: at(`2026-11-19T${table.endsWith('_1d') ? '00:00' : '09:15'}:00`) },
        ])
      }
      expect(await rows('SELECT count(*) AS n FROM fo_option_strike_bars')).toEqual([
        { n: 3 * (375 + 90) },
      ])
      expect(await rows("SELECT FROM freshness WHERE symbol = 'QUIET'")).toEqual([])
      expect(await rows("SELECT FROM bar_symbols WHERE symbol = 'QUIET'")).toEqual([])
    })

    it('are as fresh as the first row of a symbol that was gone, however old, and lose that again', async () => {
      const newest = `SELECT table_name, newest FROM freshness WHERE symbol = 'QUIET' ORDER BY 1`
      await store().pool.query(
        `INSERT INTO futures_bars
           (tradingsymbol, symbol, expiry, time, instrument_token, updated_at, tick_count, source)
         VALUES ('QUIET26NOVFUT', 'QUIET', '2026-11-24', '2026-08-03 09:15+05:30', 7, now(), 1, 'backfill')`,
      )
      expect(await rows(newest)).toEqual([
        { table_name: 'futures_bars', newest: at('2026-08-03T09:15:00') },
      ])
      await store().pool.query("DELETE FROM futures_bars WHERE symbol = 'QUIET'")
      expect(await rows(newest)).toEqual([])
    })
  },
  { isForTimescale: true },
)

const TABLES = [
  ['minute_bars', 'time'],
  ['minute_bars_1d', 'time'],
  ['futures_bars', 'time'],
  ['futures_bars_15m', 'time'],
  ['fo_option_strike_bars', 'bucket_time'],
  ['fo_option_strike_bars_5m', 'bucket_time'],
  ['fo_option_strike_bars_1d', 'bucket_time'],
  ['fo_expiry_metrics', 'bucket_time'],
  ['fo_strike_distribution', 'bucket_time'],
] as const

const NEWEST = { BANKNIFTY: at('2026-11-20T10:44:00'), NIFTY50: at('2026-11-20T10:44:00') }
const OF_OPTIONS = { ...NEWEST, QUIET: at('2026-11-18T15:29:00') }
const FRESH = [
  ...fresh('fo_expiry_metrics', OF_OPTIONS),
  ...fresh('fo_option_strike_bars', OF_OPTIONS),
  ...fresh('fo_strike_distribution', OF_OPTIONS),
  ...fresh('futures_bars', { NIFTY50: NEWEST.NIFTY50 }),
  ...fresh('minute_bars', { 'NIFTY 50': NEWEST.NIFTY50 }),
]

function fresh(table_name: string, symbols: Readonly<Record<string, number>>) {
  return Object.entries(symbols).map(([symbol, newest]) => ({ table_name, symbol, newest }))
}

const OF_THE_FIRST_DAY = "WHERE tradingsymbol = 'NIFTY501' ORDER BY bucket_time LIMIT 1"

/** The first bar of so many minutes; its first opening is not known, nor the closing of every fifth. */
function firstDayOf(minutes: number) {
  const last = minutes - 1
  return [
    {
      tradingsymbol: 'NIFTY501',
      symbol: 'NIFTY50',
      expiry: '2026-11-24',
      strike: 100,
      option_type: 'CE',
      bucket_time: minutes < 375 ? at('2026-11-18T09:15:00') : at('2026-11-18T00:00:00'),
      open: 101,
      high: 110 + last,
      low: 90 - last,
      close: 101 + last - 1,
      volume: 10 * minutes,
      oi: 1_000 + last,
      iv: 0.1,
      delta: 0.5,
      tick_count: 6 * minutes,
      minutes,
      complete: minutes <= 5,
    },
  ]
}
