import { beforeAll, beforeEach, expect, it } from 'vitest'
import type { StoredJob } from '../../src/backend/backfill/ports.ts'
import type { Instrument } from '../../src/market/instrument.ts'
import { createBackfillStore } from '../../src/postgres/backfill-store.ts'
import { createInstrumentStore } from '../../src/postgres/instrument-store.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { ALL } from '../backend/scenario.ts'
import { describeStores } from './stores.ts'

const T0 = Date.UTC(2026, 10, 20, 4)
const MINUTE = 60_000
const NIFTY = { exchange: 'NSE', tradingsymbol: 'NIFTY 50' }
const CALL = { exchange: 'NFO', tradingsymbol: 'NIFTY26NOV24500CE' }
const FOREVER = Number.POSITIVE_INFINITY

const job: StoredJob = {
  id: 'immediate-1',
  kind: 'immediate',
  scope: 'instrument',
  ...CALL,
  instrumentToken: 12_345,
  symbol: 'NIFTY50',
  expiry: '2026-11-23',
  instruments: [CALL],
  fromMs: T0,
  toMs: T0 + 120 * MINUTE,
  reason: 'subscribed',
  requestedBy: null,
  status: 'queued',
  progress: { instruments: 1, done: 0, failed: 0 },
  rows: 0,
  error: null,
  createdAtMs: T0,
  startedAtMs: null,
  finishedAtMs: null,
}
const series: StoredJob = {
  ...job,
  id: 'settle-1',
  kind: 'settle',
  scope: 'series',
  exchange: null,
  tradingsymbol: null,
  instrumentToken: null,
  instruments: [NIFTY, CALL],
  progress: {
    instruments: 2,
    done: 1,
    failed: 0,
    finished: ['NSE:NIFTY 50'],
    gap: { id: 'a "quoted" one', producer: 't1', partition: 3 },
  },
  createdAtMs: T0 + 1,
}

await describeStores('what backfill keeps', (store) => {
  const backfill = () => createBackfillStore(store().pool)
  const run = (sql: string, values: unknown[] = []) => store().pool.query(sql, values)

  beforeAll(async () => {
    const client = await store().connect()
    await migrate(client)
    await client.end()
  })
  beforeEach(() =>
    run('TRUNCATE backfill_jobs, feed_gaps, coverage, instrument_subscriptions, finalise_queue'),
  )

  it('gives jobs back as they were saved, the unfinished ones oldest first', async () => {
    await backfill().saveJobs([series, job, { ...job, id: 'other', status: 'done' }])
    expect(await backfill().unfinishedJobs()).toEqual([job, series])
    expect((await backfill().newestJobs(1)).map(({ id }) => id)).toEqual(['settle-1'])
    expect(await backfill().knownJobs(['settle-1', 'unheard of'])).toEqual(['settle-1'])
  })

  it('follows a job, and forgets it some time after its end', async () => {
    await backfill().saveJobs([job])
    const done: StoredJob = {
      ...job,
      status: 'done',
      rows: 121,
      progress: { instruments: 1, done: 1, failed: 0 },
      startedAtMs: T0 + 5,
      finishedAtMs: T0 + 9,
    }
    await backfill().saveJobs([done])
    expect(await backfill().newestJobs(10)).toEqual([done])
    await backfill().forgetJobs(T0 + 9)
    expect(await backfill().newestJobs(10)).toHaveLength(1)
    await backfill().forgetJobs(T0 + 10)
    expect(await backfill().newestJobs(10)).toEqual([])
  })

  it('names contracts that are gone from the list as they were listed last', async () => {
    await run('TRUNCATE instruments')
    const instruments = createInstrumentStore(store().pool)
    const [future, call, put] = ALL.slice(1, 4) as [Instrument, Instrument, Instrument]
    const longer = { ...call, lotSize: 75 }
    await instruments.apply({ date: '2026-11-20', added: [future, call], changed: [], removed: [] })
    await instruments.apply({ date: '2026-11-23', added: [], changed: [longer], removed: [] })
    await instruments.apply({ date: '2026-11-24', added: [], changed: [], removed: [future, call] })
    const known = await backfill().lastListed([call, put, future])
    expect(new Set(known)).toEqual(new Set([longer, future]))
    expect(await backfill().lastListed([])).toEqual([])
  })

  it('tells what is known of the instruments asked for, and nothing outside the window', async () => {
    const rows = [
      [NIFTY, T0, T0 + MINUTE, 'live', 'full'],
      [NIFTY, T0 + 5 * MINUTE, FOREVER, 'live', 'quote'],
      [CALL, T0 + 2 * MINUTE, T0 + 3 * MINUTE, 'none', null],
      [CALL, T0 + 9 * MINUTE, T0 + 10 * MINUTE, 'broker', null],
    ] as const
    for (const [name, from, to, source, mode] of rows) {
      await run('INSERT INTO coverage VALUES ($1, $2, $3, $4, $5, $6)', [
        name.exchange,
        name.tradingsymbol,
        new Date(from),
        to === FOREVER ? 'infinity' : new Date(to),
        source,
        mode,
      ])
    }
    const window = { fromMs: T0 + MINUTE, toMs: T0 + 9 * MINUTE }
    const known = await backfill().coverage([CALL, NIFTY], window)
    expect(known).toHaveLength(2)
    expect(known).toContainEqual({
      ...NIFTY,
      fromMs: T0 + 5 * MINUTE,
      toMs: FOREVER,
      source: 'live',
      mode: 'quote',
    })
    expect(known).toContainEqual({
      ...CALL,
      fromMs: T0 + 2 * MINUTE,
      toMs: T0 + 3 * MINUTE,
      source: 'none',
      mode: null,
    })
    expect(await backfill().streamedWithin(window)).toEqual([NIFTY])
    expect(await backfill().streamedWithin({ fromMs: T0 + MINUTE, toMs: T0 + 2 * MINUTE })).toEqual(
      [],
    )
  })

  it('ends a closed gap once, and no other', async () => {
    const gap = `INSERT INTO feed_gaps (id, producer, partition, reason, status, "from", "to", instruments, opened_at)
      VALUES ($1, 't1', $2, 'disconnect', $3, $4, $5, $6, $4)`
    const instruments = JSON.stringify([{ ...CALL, instrument_token: 1, to: T0 + 4_000 }])
    const times = [new Date(T0), new Date(T0 + 4_000), instruments]
    await run(gap, ['closed', 0, 'closed', ...times])
    await run(gap, ['open', 0, 'open', ...times])
    await run(gap, ['elsewhere', 1, 'closed', ...times])
    const closed = await backfill().closedGaps([0, 2])
    expect(closed).toEqual([
      {
        id: 'closed',
        producer: 't1',
        partition: 0,
        reason: 'disconnect',
        fromMs: T0,
        toMs: T0 + 4_000,
        instruments: [{ ...CALL, instrument_token: 1, to: T0 + 4_000 }],
      },
    ])
    const key = { id: 'closed', producer: 't1', partition: 0 }
    await backfill().endGap(key, { status: 'repaired', rows: 3, error: null, atMs: T0 + 9_000 })
    await backfill().endGap(key, { status: 'unrepairable', rows: 0, error: 'x', atMs: T0 })
    await backfill().endGap(
      { ...key, id: 'open' },
      { status: 'repaired', rows: 3, error: null, atMs: T0 },
    )
    const { rows } = await run('SELECT id, status, rows, error FROM feed_gaps ORDER BY id')
    expect(rows).toEqual([
      { id: 'closed', status: 'repaired', rows: 3, error: null },
      { id: 'elsewhere', status: 'closed', rows: null, error: null },
      { id: 'open', status: 'open', rows: null, error: null },
    ])
  })

  it('makes the day of a series of what is stored of it, again and again', async () => {
    await run('TRUNCATE fo_expiry_metrics, minute_bars, futures_bars, fo_option_strike_bars')
    const metrics = `INSERT INTO fo_expiry_metrics
      (symbol, expiry, bucket_time, straddle, atm_iv, pcr_oi, max_pain, total_call_oi, total_put_oi, updated_at)
      VALUES ('NIFTY50', $1, $2, $3, $4, $5, $6, $7, $7, now())`
    const minute = (n: number) => new Date(T0 + n * MINUTE)
    await run(metrics, ['2026-11-23', minute(0), 100, 0.14, 0.9, 24_000, 10])
    await run(metrics, ['2026-11-23', minute(1), 120, 0.18, 1.1, 24_100, 20])
    await run(metrics, ['2026-11-23', minute(2), 90, null, null, null, 0])
    await run(metrics, ['2026-12-29', minute(1), 300, 0.12, 1, 24_500, 30])
    const index = `INSERT INTO minute_bars (exchange, symbol, time, open, high, low, close, source, complete, tick_count, updated_at)
      VALUES ('NSE', 'NIFTY 50', $1, $2, $3, $4, $5, 'live', true, 1, now())`
    await run(index, [minute(0), 24_000, 24_020, 23_990, 24_010])
    await run(index, [minute(1), 24_010, 24_100, 24_000, 24_050])
    const future = `INSERT INTO futures_bars (tradingsymbol, symbol, expiry, time, instrument_token, open, high, low, close, source, complete, tick_count, updated_at)
      VALUES ($1, 'NIFTY50', $2, $3, 1, $4, $4, $4, $4, $5, $6, 1, now())`
    await run(future, ['NIFTY26NOVFUT', '2026-11-23', minute(0), 24_100, 'live', true])
    await run(future, ['NIFTY26NOVFUT', '2026-11-23', minute(1), 24_150, 'settled', false])
    await run(future, ['NIFTY26DECFUT', '2026-12-29', minute(0), 24_300, 'live', true])
    const window = { fromMs: T0, toMs: T0 + 3 * MINUTE }
    expect(await backfill().closingIvs('NIFTY50', window)).toEqual([
      { expiry: '2026-11-23', iv: 0.18 },
      { expiry: '2026-12-29', iv: 0.12 },
    ])
    const day = {
      ...window,
      symbol: 'NIFTY50',
      expiry: '2026-11-23',
      date: '2026-11-20',
      index: NIFTY,
      minutes: 3,
    }
    await backfill().writeDailyMetrics(day, { iv7d: 1, iv30d: null })
    await backfill().writeDailyMetrics(day, { iv7d: 0.17, iv30d: 0.13 })
    const { rows } = await run('SELECT * FROM fo_daily_metrics')
    expect(rows).toMatchObject([
      {
        symbol: 'NIFTY50',
        expiry: '2026-11-23',
        trade_date: '2026-11-20',
        spot_open: 24_000,
        spot_high: 24_100,
        spot_low: 23_990,
        spot_close: 24_050,
        future_open: 24_100,
        future_close: 24_150,
        straddle_open: 100,
        straddle_high: 120,
        straddle_low: 90,
        straddle_close: 90,
        atm_iv_high: 0.18,
        atm_iv_close: 0.18,
        pcr_oi: 1.1,
        max_pain: 24_100,
        total_call_oi: 20,
        iv_7d: 0.17,
        iv_30d: 0.13,
        bars_complete: 1,
        bars_repaired: 1,
        bars_missing: 1,
      },
    ])
  })

  it('knows whether final values of a series are due', async () => {
    const due = `INSERT INTO finalise_queue VALUES ('NIFTY50', $1, $2, $2, 'candle')`
    await run(due, ['2026-11-23', new Date(T0)])
    await run(due, ['-infinity', new Date(T0 + MINUTE)])
    const first = { fromMs: T0, toMs: T0 + MINUTE }
    const second = { fromMs: T0 + MINUTE, toMs: T0 + 2 * MINUTE }
    expect(await backfill().hasFinalsDue('NIFTY50', '2026-11-23', first)).toBe(true)
    expect(await backfill().hasFinalsDue('NIFTY50', '2026-11-23', second)).toBe(false)
    expect(await backfill().hasFinalsDue('NIFTY50', null, second)).toBe(true)
    expect(await backfill().hasFinalsDue('BANKNIFTY', null, second)).toBe(false)
  })
})
