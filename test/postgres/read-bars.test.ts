/** Bars of every length over the same minutes, on every kind of store, against bars made here. */
import { beforeAll, expect, it } from 'vitest'
import type { BackendReads, BarIdentity, SpanBar, SpanLength } from '../../src/backend/ports.ts'
import { exchangeCalendar } from '../../src/market/calendar.ts'
import { MINUTE_MS, msOfIst } from '../../src/market/ist.ts'
import { rollUp } from '../../src/market/timeframe.ts'
import type { Store } from '../../src/postgres/connection.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { storeReads } from '../../src/postgres/read-store.ts'
import { adoptTimescale } from '../../src/postgres/timescale/adopt-timescale.ts'
import { silentLog } from '../silent-log.ts'
import { describeStores } from './stores.ts'

const OPTION: BarIdentity = {
  kind: 'option',
  exchange: 'NFO',
  tradingsymbol: 'NIFTY26NOV24500CE',
}
const FUTURE: BarIdentity = { kind: 'future', exchange: 'NFO', tradingsymbol: 'NIFTY26NOVFUT' }
const INDEX: BarIdentity = { kind: 'index', exchange: 'NSE', tradingsymbol: 'NIFTY 50' }
const BEGIN_MS = msOfIst('2026-11-09', '09:00')
const END_MS = msOfIst('2026-11-21', '00:00')
const LENGTHS: readonly SpanLength[] = ['1m', '5m', '15m', '1d']

await describeStores(
  'bars',
  (store) => {
    let reads: BackendReads
    const all = (of: BarIdentity, length: SpanLength, fromMs = BEGIN_MS, toMs = END_MS) =>
      reads.bars(of, length, fromMs, toMs, 100_000)

    beforeAll(async () => {
      const client = await store().connect()
      await migrate(client)
      await client.end()
      await adoptTimescale(store(), silentLog)
      await fill(store())
      reads = storeReads(store())
    }, 240_000)

    it('are the minutes themselves, or made of them', async () => {
      for (const of of [OPTION, FUTURE, INDEX]) {
        const minutes = await all(of, '1m')
        expect(minutes.length).toBeGreaterThan(3_000)
        expect(minutes.every((bar) => bar.minutes === 1)).toBe(true)
        for (const length of ['5m', '15m', '1d'] as const) {
          const longer = await all(of, length)
          const rolled = rollUp(minutes, length, 'NFO-OPT', exchangeCalendar())
          expect(longer.map(rollable)).toEqual(rolled.map(rollable))
          expect(longer.map((bar) => bar.minutes)).toEqual(rolled.map((bar) => bar.bars))
        }
      }
    })

    it('say what the views of the same length say', async () => {
      for (const length of ['5m', '15m', '1d'] as const) {
        const { rows } = await store().pool.query(
          `SELECT bucket_time AS "timeMs", open, high, low, close, volume, oi AS "openInterest",
             iv, delta, minutes, complete
           FROM fo_option_strike_bars_${length} WHERE tradingsymbol = $1 ORDER BY bucket_time`,
          [OPTION.tradingsymbol],
        )
        expect(await all(OPTION, length)).toEqual(rows)
      }
    })

    it('are complete where every minute is, and open where one is', async () => {
      const day = msOfIst('2026-11-09', '00:00')
      const complete = async (length: SpanLength, minute: number) => {
        const bars = await all(OPTION, length, day, day + 24 * 60 * MINUTE_MS)
        const atMs = msOfIst('2026-11-09', '09:15') + minute * MINUTE_MS
        return bars.findLast(({ timeMs }) => timeMs <= atMs)?.complete
      }
      expect(await complete('5m', 0)).toBe(true)
      expect(await complete('5m', 20)).toBe(false)
      expect(await complete('15m', 20)).toBe(false)
      expect(await complete('1d', 0)).toBe(false)
      const last = await all(OPTION, '15m', msOfIst('2026-11-20', '00:00'))
      expect(last.at(-1)?.complete).toBeNull()
    })

    it('of options tell IV and delta, of all others null', async () => {
      const [option] = await all(OPTION, '15m')
      expect(option).toMatchObject({ iv: 0.1214, delta: 0.514, openInterest: 1_014 })
      const [index] = await all(INDEX, '15m')
      expect(index).toMatchObject({ iv: null, delta: null, openInterest: null })
      const [future] = await all(FUTURE, '1m')
      expect(future).toMatchObject({ iv: null, delta: null, openInterest: 1_000 })
    })

    it('open in the time asked for, ascending, up to a limit', async () => {
      const openMs = msOfIst('2026-11-11', '09:15')
      const times = async (length: SpanLength, fromMs: number, toMs: number, limit = 9) =>
        (await reads.bars(INDEX, length, fromMs, toMs, limit)).map(({ timeMs }) => timeMs - openMs)
      const minute = MINUTE_MS
      expect(await times('1m', openMs, openMs + 2 * minute)).toEqual([0, minute])
      expect(await times('5m', openMs, openMs + 10 * minute)).toEqual([0, 5 * minute])
      expect(await times('5m', openMs, END_MS, 2)).toEqual([0, 5 * minute])
      expect(await times('1m', BEGIN_MS - 99 * minute, BEGIN_MS)).toEqual([])
      expect(await times('1d', 0, BEGIN_MS)).toEqual([])
      for (const length of LENGTHS) {
        const bars = await all(OPTION, length)
        expect(bars).toEqual(bars.toSorted((a, b) => a.timeMs - b.timeMs))
        expect(new Set(bars.map(({ timeMs }) => timeMs)).size).toBe(bars.length)
      }
    })

    it('are whole also where the first stored minute is not the first of the bar', async () => {
      const late = { ...OPTION, tradingsymbol: 'LATE' }
      for (const length of ['5m', '15m'] as const) {
        const [bar] = await all(late, length)
        expect(bar).toMatchObject({ timeMs: msOfIst('2026-11-09', '09:15'), minutes: 2 })
      }
    })

    it('of an unknown name, however it is spelt, are none', async () => {
      for (const name of ["x'; DROP TABLE minute_bars; --", 'nifty26nov24500ce', '%', '']) {
        expect(await all({ ...OPTION, tradingsymbol: name }, '5m')).toEqual([])
        expect(await all({ ...INDEX, tradingsymbol: name }, '1m')).toEqual([])
      }
      expect(await all({ ...INDEX, exchange: 'BSE' }, '1m')).toEqual([])
    })
  },
  { isForTimescale: true },
)

function rollable({ timeMs, open, high, low, close, volume, openInterest }: Partial<SpanBar>) {
  return { timeMs, open, high, low, close, volume, openInterest }
}

/** Two weeks of minutes in session; every seventh has no price, the 20th of a day is not complete. */
async function fill({ pool }: Store): Promise<void> {
  const minutes = `
    FROM generate_series('2026-11-09 09:15+05:30'::timestamptz, '2026-11-20 15:39+05:30',
      '1 minute') AS minute,
    LATERAL (SELECT
      (extract(epoch FROM minute - date_trunc('day', minute, 'Asia/Kolkata')) / 60)::int - 555 AS n,
      minute = '2026-11-20 15:39+05:30' AS is_open
    ) AS m,
    LATERAL (SELECT CASE WHEN n % 7 = 6 THEN NULL ELSE 100 + (n * 37) % 50 END::float8 AS p) AS price
    WHERE n >= 0 AND n < 385 AND extract(isodow FROM minute AT TIME ZONE 'Asia/Kolkata') < 6`
  const ohlc = 'p, p + n % 3, p - n % 5, p + n % 2, CASE WHEN n % 11 = 10 THEN NULL ELSE n END'
  const rest = `now(), 1, CASE WHEN is_open THEN NULL ELSE n <> 20 END,
    CASE WHEN n % 2 = 0 THEN 'live' ELSE 'backfill' END`
  const common = 'open, high, low, close, volume, updated_at, tick_count, complete, source'
  await pool.query(`INSERT INTO minute_bars (exchange, symbol, time, ${common})
    SELECT 'NSE', 'NIFTY 50', minute, ${ohlc}, ${rest} ${minutes}`)
  await pool.query(`INSERT INTO futures_bars
    (tradingsymbol, symbol, expiry, time, instrument_token, oi, ${common})
    SELECT 'NIFTY26NOVFUT', 'NIFTY50', '2026-11-23', minute, 7, 1000 + n, ${ohlc}, ${rest} ${minutes}`)
  await pool.query(`INSERT INTO fo_option_strike_bars
    (tradingsymbol, symbol, option_type, expiry, bucket_time, strike, instrument_token, oi, iv, delta, ${common})
    SELECT 'NIFTY26NOV24500CE', 'NIFTY50', 'CE', '2026-11-23', minute, 24500, 8, 1000 + n,
      0.12 + n / 10000.0, 0.5 + n / 1000.0, ${ohlc}, ${rest} ${minutes}`)
  await pool.query(`INSERT INTO fo_option_strike_bars
    (tradingsymbol, symbol, option_type, expiry, bucket_time, strike, instrument_token, ${common})
    SELECT 'LATE', 'NIFTY50', 'CE', '2026-11-23', minute, 1, 9, 1, 1, 1, 1, 1, now(), 1, true, 'live'
    FROM unnest('{2026-11-09 09:17+05:30,2026-11-09 09:18+05:30}'::timestamptz[]) AS minute`)
}
