/** The API's reads over rows that the writer itself has written, on every kind of store. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LogSet } from '../../src/backend/ingest/log-set.ts'
import { startIngest } from '../../src/backend/ingest/start-ingest.ts'
import type { BackendReads } from '../../src/backend/ports.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { exchangeCalendar } from '../../src/market/calendar.ts'
import { InstrumentMaster } from '../../src/market/instrument-master.ts'
import { barStore } from '../../src/postgres/bar-writer.ts'
import type { Store } from '../../src/postgres/connection.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { storeReads } from '../../src/postgres/read-store.ts'
import { ask, INDIA_VIX, LiveMarket, premium, servers } from '../backend/api/live-market.ts'
import {
  ALL,
  begins,
  clockAt,
  EXPIRY,
  FUTURE,
  MemoryLog,
  NIFTY,
  OPEN_MS,
  OPTIONS,
  packet,
} from '../backend/scenario.ts'
import { silentLog } from '../silent-log.ts'
import { until } from '../until.ts'
import { describeStores } from './stores.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const SERIES = { symbol: 'NIFTY50', expiry: EXPIRY, index: 'NIFTY 50' }
const start = servers()

/** Spot moves by a rupee every ten seconds. */
const spotAt = (second: number) => 24_500 + second / 10

await describeStores('the reads of the API', (store) => {
  let reads: BackendReads

  beforeAll(async () => {
    const client = await store().connect()
    await migrate(client)
    await client.end()
    await fill(store())
    reads = storeReads(store())
  })

  it('describe the store', async () => {
    const { kind, version } = await reads.describe()
    expect(kind).toBe(store().kind === 'embedded' ? 'pglite' : 'postgresql')
    expect(version).toMatch(/^PostgreSQL \d+/)
  })

  describe('of a chain', () => {
    it('bring the minute that the time lies in, with every leg', async () => {
      const chain = await reads.chainAt(SERIES, OPEN_MS + MINUTE_MS + 30_000, OPEN_MS - DAY_MS)
      expect(chain?.metrics).toMatchObject({
        symbol: 'NIFTY50',
        expiry: EXPIRY,
        minuteMs: OPEN_MS + MINUTE_MS,
        spot: spotAt(110),
        strikesListed: 5,
        strikesPresent: 5,
      })
      expect(chain?.spotTicked).toBe(true)
      expect(chain?.indiaVix).toBe(13.5)
      expect(chain?.legs.map(({ tradingsymbol }) => tradingsymbol)).toEqual(
        OPTIONS.map(({ tradingsymbol }) => tradingsymbol),
      )
      const [leg] = chain?.legs ?? []
      const [option] = OPTIONS
      expect(leg).toMatchObject({
        strike: 24_400,
        optionType: 'CE',
        instrumentToken: option?.token,
        lastPrice: premium(option as typeof NIFTY, spotAt(110)),
        oi: 6_500,
        oiPrevClose: 1_300,
        oiChange: 5_200,
        volume: 65 * 120,
        source: 'live',
        complete: true,
        ivReason: null,
      })
      expect(leg?.iv).toBeGreaterThan(0)
      expect(leg?.closeKey).toBeInstanceOf(Uint8Array)
    })

    it('take the newest one where the time is later, and none that is too old', async () => {
      const nextDay = OPEN_MS + DAY_MS
      const newest = await reads.chainAt(SERIES, nextDay, OPEN_MS - DAY_MS)
      expect(newest?.metrics.minuteMs).toBe(OPEN_MS + MINUTE_MS)
      expect(await reads.chainAt(SERIES, OPEN_MS - 1, OPEN_MS - DAY_MS)).toBeUndefined()
      expect(await reads.chainAt(SERIES, nextDay, OPEN_MS + 2 * MINUTE_MS)).toBeUndefined()
      const other = { ...SERIES, expiry: '2026-12-01' }
      expect(await reads.chainAt(other, nextDay, OPEN_MS - DAY_MS)).toBeUndefined()
    })

    it('know the first stored expiry on or after a date', async () => {
      expect(await reads.firstStoredExpiry('NIFTY50', '2026-11-20')).toBe(EXPIRY)
      expect(await reads.firstStoredExpiry('NIFTY50', EXPIRY)).toBe(EXPIRY)
      expect(await reads.firstStoredExpiry('NIFTY50', '2026-11-24')).toBeUndefined()
      expect(await reads.firstStoredExpiry('SENSEX', '2026-11-20')).toBeUndefined()
    })

    it('bring what options did on the day, up to a minute', async () => {
      const names = OPTIONS.map(({ tradingsymbol }) => tradingsymbol)
      const dayMs = Date.parse('2026-11-20T00:00:00+05:30')
      const days = await reads.optionDays(
        [...names, 'NIFTY26NOV1CE'],
        dayMs,
        OPEN_MS,
        dayMs - 10 * DAY_MS,
      )
      const [option] = OPTIONS
      const day = days.find(({ tradingsymbol }) => tradingsymbol === option?.tradingsymbol)
      expect(day).toEqual({
        tradingsymbol: option?.tradingsymbol,
        open: premium(option as typeof NIFTY, spotAt(0)),
        high: premium(option as typeof NIFTY, spotAt(50)),
        low: premium(option as typeof NIFTY, spotAt(0)),
        previousClose: 111,
      })
      expect(days.at(-1)).toEqual({
        tradingsymbol: 'NIFTY26NOV1CE',
        open: null,
        high: null,
        low: null,
        previousClose: null,
      })
      const near = await reads.optionDays(names.slice(0, 1), dayMs, OPEN_MS, dayMs - 1_000)
      expect(near[0]?.previousClose).toBeNull()
    })

    it('make the chain that the API answers for a time', async () => {
      const market = new LiveMarket()
      market.tickAll(OPEN_MS + 10 * MINUTE_MS, 24_600)
      const api = await start(market, OPEN_MS + 10 * MINUTE_MS, { reads })
      const at = OPEN_MS / 1000 + 61
      const path = `/fo/strike-distribution?symbol=NIFTY&at=${at}&strikes=1`
      const { status, body } = await ask(api.url, path)
      expect(status).toBe(200)
      expect(body).toMatchObject({
        expiry: EXPIRY,
        bucket_time: '2026-11-20T09:16:00+05:30',
        as_of: '2026-11-20T09:17:00+05:30',
        spot: spotAt(110),
        spot_stale: false,
        india_vix: 13.5,
        atm_strike: 24_500,
        lot_size: 65,
      })
      expect(body.age_ms).toBeGreaterThanOrEqual(8 * MINUTE_MS)
      expect(body.strikes.map((s: { strike: number }) => s.strike)).toEqual([
        24_450, 24_500, 24_550,
      ])
      const atm = OPTIONS[4] as typeof NIFTY
      const last = premium(atm, spotAt(110))
      expect(body.strikes[1].call).toMatchObject({
        tradingsymbol: atm.tradingsymbol,
        instrument_token: atm.token,
        ltp: last,
        prev_close: 111,
        change: Math.round((last - 111) * 1e4) / 1e4,
        open: premium(atm, spotAt(0)),
        high: last,
        low: premium(atm, spotAt(0)),
        bid: last - 0.05,
        bid_quantity: null,
        oi: 6_500 * 5,
        oi_change: 6_500 * 5 - 1_300,
        buildup: 'short_buildup',
        last_trade_at: '2026-11-20T09:16:50+05:30',
        age_ms: 10_000,
        source: 'live',
        complete: true,
      })
      const before = await ask(
        api.url,
        `/fo/strike-distribution?symbol=NIFTY&at=${at - DAY_MS / 1000}`,
      )
      expect(before.body.error.code).toBe('not_covered')
    })
  })

  it('bring metrics of a range, ascending, up to a limit', async () => {
    const minutes = async (fromMs: number, toMs: number, limit = 10) => {
      const rows = await reads.expiryMetrics('NIFTY50', EXPIRY, fromMs, toMs, limit)
      return rows.map(({ minuteMs }) => minuteMs)
    }
    expect(await minutes(OPEN_MS, OPEN_MS + DAY_MS)).toEqual([OPEN_MS, OPEN_MS + MINUTE_MS])
    expect(await minutes(OPEN_MS, OPEN_MS + MINUTE_MS)).toEqual([OPEN_MS])
    expect(await minutes(OPEN_MS + 1, OPEN_MS + DAY_MS)).toEqual([OPEN_MS + MINUTE_MS])
    expect(await minutes(OPEN_MS, OPEN_MS + DAY_MS, 1)).toEqual([OPEN_MS])
    const [row] = await reads.expiryMetrics('NIFTY50', EXPIRY, OPEN_MS, OPEN_MS + 1, 1)
    expect(row?.complete).toBe(true)
    expect(row?.maxPain).toBeGreaterThan(0)
    expect(row?.totalCallOi).toBe(6_500 * (1 + 3 + 5 + 7 + 9))
  })

  it('tell the newest row of each table, and none that is too old', async () => {
    const newest = await reads.newestRows(['NIFTY 50', 'SENSEX'], ['NIFTY50'], OPEN_MS - DAY_MS)
    const lastMinute = OPEN_MS + MINUTE_MS
    expect(newest).toEqual([
      { table: 'minute_bars', symbol: 'NIFTY 50', newestMs: lastMinute },
      { table: 'minute_bars', symbol: 'SENSEX', newestMs: null },
      { table: 'futures_bars', symbol: 'NIFTY50', newestMs: lastMinute },
      { table: 'fo_option_strike_bars', symbol: 'NIFTY50', newestMs: lastMinute },
      { table: 'fo_expiry_metrics', symbol: 'NIFTY50', newestMs: lastMinute },
      { table: 'fo_strike_distribution', symbol: 'NIFTY50', newestMs: lastMinute },
    ])
    const later = await reads.newestRows(['NIFTY 50'], ['NIFTY50'], OPEN_MS + DAY_MS)
    expect(later.map(({ newestMs }) => newestMs)).toEqual([null, null, null, null, null])
  })

  it('sum the books since a time', async () => {
    const sums = await reads.ledgerSums(OPEN_MS)
    expect(sums.sinceMs).toBe(OPEN_MS)
    const elsewhere = Object.values(sums.notFolded).reduce((sum, count) => sum + count, 0)
    expect(sums.journaled).toBe(12 * (ALL.length + 1))
    expect(sums.folded + elsewhere + sums.lost).toBe(sums.journaled)
    expect(await reads.ledgerSums(OPEN_MS + DAY_MS)).toEqual({
      sinceMs: null,
      received: 0,
      rejected: 0,
      dropped: 0,
      journaled: 0,
      folded: 0,
      lost: 0,
      notFolded: {},
    })
  })

  it('count a gap over several partitions once, and letters that nobody could read', async () => {
    await store().pool.query(`INSERT INTO feed_gaps
      (id, producer, partition, reason, status, "from", "to", instruments, opened_at) VALUES
      ('g1', 't1', 0, 'mute', 'open', '2026-11-20 10:00+05:30', NULL, '[]', now()),
      ('g1', 't1', 1, 'mute', 'closed', '2026-11-20 09:59+05:30', now(), '[]', now()),
      ('g2', 't1', 0, 'mute', 'closed', '2026-11-20 09:30+05:30', now(), '[]', now()),
      ('g3', 't1', 0, 'mute', 'repaired', '2026-11-20 09:20+05:30', now(), '[]', now()),
      ('g4', 't1', 0, 'mute', 'unrepairable', '2026-11-20 09:20+05:30', now(), '[]', now())`)
    await store().pool.query(
      `INSERT INTO dead_letters (record, reason, time) VALUES ('\\x00', 'test', now())`,
    )
    expect(await reads.gapSums()).toEqual({
      open: 1,
      closed: 1,
      unrepairable: 1,
      oldestOpenFromMs: Date.parse('2026-11-20T09:59:00+05:30'),
    })
    expect(await reads.deadLetters()).toBe(1)
  })

  /** Two minutes of a market, written by ingest, after a day of which one bar an option is stored. */
  async function fill(target: Store): Promise<void> {
    const { pool } = target
    await pool.query(
      `INSERT INTO fo_option_strike_bars
        (tradingsymbol, symbol, option_type, expiry, bucket_time, strike, instrument_token,
         close, oi, updated_at, tick_count, source)
       SELECT name, 'NIFTY50', 'CE', $2, '2026-11-19 15:39+05:30', 0, 1, 111, 1300, now(), 1, 'settled'
       FROM unnest($1::text[]) AS n (name)`,
      [OPTIONS.map(({ tradingsymbol }) => tradingsymbol), EXPIRY],
    )
    const log = new MemoryLog()
    const listed = [...ALL, INDIA_VIX]
    log.startEpoch(100)
    log.append([...begins(listed, OPEN_MS - 1_000), clockAt(OPEN_MS - 500)])
    for (let second = 0; second < 120; second += 10) log.append(packetsAt(second))
    log.append([clockAt(OPEN_MS + 2 * MINUTE_MS + 5_000)])
    const ingest = startIngest({
      logs: new LogSet([log]),
      stores: barStore(target, 'bars'),
      master: new InstrumentMaster(listed),
      calendar: exchangeCalendar(),
      riskFreeRate: 0.065,
      partitions: 1,
      ownPartitions: [0],
      clock: systemClock,
      log: silentLog,
    })
    afterAll(() => ingest.stop())
    await until(async () => {
      const offsets = await pool.query<{ sequence: number }>('SELECT sequence FROM stream_offsets')
      const queue = await pool.query('SELECT 1 FROM finalise_queue')
      return offsets.rows[0]?.sequence === log.position.sequence && queue.rowCount === 0
    })
    await ingest.stop()
  }
})

function packetsAt(second: number) {
  const atMs = OPEN_MS + second * 1_000
  const spot = spotAt(second)
  return [
    packet(NIFTY, atMs, spot),
    packet(INDIA_VIX, atMs, 13.5),
    packet(FUTURE, atMs, spot + 10, { dayVolume: 65 * (second + 1) }),
    ...OPTIONS.map((option, i) =>
      packet(option, atMs, premium(option, spot), {
        dayVolume: 65 * (second + 10),
        openInterest: 6_500 * (i + 1),
      }),
    ),
    clockAt(atMs + 50),
  ]
}
