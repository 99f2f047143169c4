import type pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LogSet } from '../../../src/backend/ingest/log-set.ts'
import { type Ingest, startIngest } from '../../../src/backend/ingest/start-ingest.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { barStore } from '../../../src/postgres/bar-writer.ts'
import { openStore, type Store } from '../../../src/postgres/connection.ts'
import { migrate } from '../../../src/postgres/migrate.ts'
import { postgresUrl } from '../../services.ts'
import { silentLog } from '../../silent-log.ts'
import { until } from '../../until.ts'
import {
  ALL,
  begins,
  clockAt,
  FUTURE,
  MemoryLog,
  NIFTY,
  OPEN_MS,
  OPTIONS,
  packet,
} from '../scenario.ts'
import { storedRows } from '../stored-rows.ts'

const url = await postgresUrl()
const MINUTE_MS = 60_000

describe.skipIf(url === undefined)('ingest', () => {
  let store: Store
  let client: pg.Client
  let log: MemoryLog
  let running: Ingest[] = []

  beforeAll(async () => {
    store = openStore(
      { kind: 'url', url: url ?? '' },
      { applicationName: 'fostream test', log: silentLog },
    )
    client = await store.connect()
    await migrate(client)
  })
  afterAll(async () => {
    await client?.end()
    await store?.close()
  })
  beforeEach(async () => {
    await client.query(
      `TRUNCATE minute_bars, futures_bars, fo_option_strike_bars, fo_expiry_metrics,
       fo_strike_distribution, coverage, feed_gaps, stream_offsets, delivery_ledger, dead_letters,
       finalise_queue`,
    )
    log = new MemoryLog()
  })
  afterEach(async () => {
    for (const ingest of running) await ingest.stop()
    running = []
  })

  function start(logs = new LogSet([log])): Ingest {
    const ingest = startIngest({
      logs,
      stores: barStore(store, 'bars'),
      master: new InstrumentMaster(ALL),
      calendar: exchangeCalendar(),
      riskFreeRate: 0.065,
      partitions: 1,
      ownPartitions: [0],
      clock: systemClock,
      log: silentLog,
    })
    ingest.ended.catch((e) => silentLog.error({ err: e }, 'ended'))
    running.push(ingest)
    return ingest
  }

  async function rows<T extends object>(sql: string): Promise<T[]> {
    return (await client.query<T>(sql)).rows
  }

  /** Waits until everything appended is committed and no minute is due. */
  async function settled(): Promise<void> {
    await until(async () => {
      const [offset] = await rows<{ epoch: number; sequence: number }>(
        'SELECT epoch, sequence FROM stream_offsets',
      )
      const [queue] = await rows<{ n: number }>('SELECT count(*)::int AS n FROM finalise_queue')
      return (
        offset?.epoch === log.position.epoch &&
        offset.sequence === log.position.sequence &&
        queue?.n === 0
      )
    })
  }

  /** Two minutes of the whole market, trades every ten seconds, covered from before the open. */
  function tradeTwoMinutes(): void {
    log.startEpoch(100)
    log.append([...begins(ALL, OPEN_MS - 1000), clockAt(OPEN_MS - 500)])
    for (let s = 0; s < 120; s += 10) {
      const atMs = OPEN_MS + s * 1000
      log.append([
        packet(NIFTY, atMs, 24_500 + s / 10),
        packet(FUTURE, atMs, 24_510 + s / 10, { dayVolume: 65 * (s + 1) }),
        ...OPTIONS.map((o, i) =>
          packet(o, atMs, premium(o.strike ?? 0, o.optionType ?? 'CE') + (s % 30) / 10, {
            dayVolume: 65 * (s + 10),
            openInterest: 6500 * (i + 1),
          }),
        ),
        clockAt(atMs + 50),
      ])
    }
    log.append([clockAt(OPEN_MS + 2 * MINUTE_MS + 5_000)])
  }

  function premium(strike: number, type: 'CE' | 'PE'): number {
    const intrinsic = Math.max(0, type === 'CE' ? 24_512 - strike : strike - 24_512)
    return Math.round((intrinsic + 60) * 20) / 20
  }

  it('folds, commits and closes two minutes of a chain', async () => {
    tradeTwoMinutes()
    start()
    await settled()
    const index = await rows<Record<string, unknown>>(
      'SELECT time, open, high, low, close, volume, complete, tick_count, source FROM minute_bars ORDER BY time',
    )
    expect(index).toEqual([
      {
        time: OPEN_MS,
        open: 24_500,
        high: 24_505,
        low: 24_500,
        close: 24_505,
        volume: 0,
        complete: true,
        tick_count: 6,
        source: 'live',
      },
      {
        time: OPEN_MS + MINUTE_MS,
        open: 24_506,
        high: 24_511,
        low: 24_506,
        close: 24_511,
        volume: 0,
        complete: true,
        tick_count: 6,
        source: 'live',
      },
    ])
    const futures = await rows<Record<string, unknown>>(
      'SELECT volume, day_volume, basis, complete FROM futures_bars ORDER BY time',
    )
    expect(futures).toEqual([
      { volume: 65 * 51, day_volume: 65 * 51, basis: 10, complete: true },
      { volume: 65 * 60, day_volume: 65 * 111, basis: 10, complete: true },
    ])
    const [options] = await rows<{ n: number; ivs: number; volume: number }>(
      `SELECT count(*)::int AS n, count(iv)::int AS ivs, sum(volume)::int AS volume
       FROM fo_option_strike_bars WHERE complete AND forward_source = 'parity'`,
    )
    expect(options).toEqual({ n: 20, ivs: 20, volume: 10 * 65 * (60 + 60) })
    const metrics = await rows<{ strikes_present: number; pcr_oi: number; atm_strike: number }>(
      'SELECT strikes_present, pcr_oi, atm_strike FROM fo_expiry_metrics ORDER BY bucket_time',
    )
    expect(metrics).toHaveLength(2)
    expect(metrics[0]).toMatchObject({ strikes_present: 5, atm_strike: 24_500 })
    expect(metrics[0]?.pcr_oi).toBeCloseTo((2 + 4 + 6 + 8 + 10) / (1 + 3 + 5 + 7 + 9), 12)
    const [distribution] = await rows<{ n: number }>(
      'SELECT count(*)::int AS n FROM fo_strike_distribution WHERE call_oi IS NOT NULL',
    )
    expect(distribution?.n).toBe(10)
  })

  it('begins with the first ticker that is found, and takes another in without losing a tick', async () => {
    const logs = new LogSet()
    const ingest = start(logs)
    tradeTwoMinutes()
    logs.add(log)
    await settled()
    const other = new MemoryLog('t2')
    other.startEpoch(7)
    const atMs = OPEN_MS + 2 * MINUTE_MS + 6_000
    other.append([packet(NIFTY, atMs, 24_600), clockAt(atMs)])
    log.append([packet(NIFTY, atMs, 24_601), clockAt(atMs)])
    logs.add(other)
    log.append([packet(NIFTY, atMs + 1_000, 24_602), clockAt(atMs + 1_000)])
    await until(async () => {
      const offsets = await rows<{ producer: string; generation: number; sequence: number }>(
        'SELECT producer, generation, sequence FROM stream_offsets ORDER BY producer',
      )
      return (
        offsets.length === 2 &&
        offsets[0]?.sequence === log.position.sequence &&
        offsets[1]?.sequence === other.position.sequence
      )
    })
    const ledger = await rows<{ producer: string; journaled: number; accounted: number }>(
      `SELECT producer, sum(journaled)::int AS journaled,
         sum(folded)::int + sum((SELECT coalesce(sum(v::int), 0) FROM jsonb_each_text(not_folded) AS e(k, v)))::int
           AS accounted
       FROM delivery_ledger GROUP BY producer ORDER BY producer`,
    )
    for (const { journaled, accounted } of ledger) expect(accounted).toBe(journaled)
    expect(ledger.map(({ producer }) => producer)).toEqual(['t1', 't2'])
    expect(() => logs.add(new MemoryLog('t2'))).toThrow(/TICKER_ID/)
    expect(ingest.counters.restarts).toBe(0)
  })

  it('balances the books to the tick', async () => {
    tradeTwoMinutes()
    start()
    await settled()
    const [books] = await rows<Record<string, number>>(
      `SELECT sum(received)::int AS received, sum(journaled)::int AS journaled,
              sum(folded)::int AS folded, sum(lost)::int AS lost FROM delivery_ledger`,
    )
    expect(books).toEqual({ received: 144, journaled: 144, folded: 144, lost: 0 })
  })

  it('goes on from the stored position after it ended anywhere, with the same rows', async () => {
    tradeTwoMinutes()
    start()
    await settled()
    const wanted = await storedRows(client)
    for (let cut = 1; cut < log.batches.length; cut += 3) {
      await running.pop()?.stop()
      const whole = log
      const part = new MemoryLog()
      await truncate()
      Object.assign(part, { batches: whole.batches.slice(0, cut) })
      log = part
      const first = start()
      await until(async () => {
        const last = part.batches.at(-1)?.header
        const [offset] = await rows<{ sequence: number; epoch: number }>(
          'SELECT epoch, sequence FROM stream_offsets',
        )
        return offset?.sequence === (last ? last.firstSequence + last.recordCount - 1 : 0)
      })
      await first.stop()
      log = whole
      start()
      await settled()
      expect(await storedRows(client), `cut before batch ${cut}`).toEqual(wanted)
    }
  })

  async function truncate(): Promise<void> {
    await client.query(
      `TRUNCATE minute_bars, futures_bars, fo_option_strike_bars, fo_expiry_metrics,
       fo_strike_distribution, coverage, feed_gaps, stream_offsets, delivery_ledger, finalise_queue`,
    )
  }

  it('writes no metrics of a minute in which only the index has ticked: nobody may come to close it', async () => {
    tradeTwoMinutes()
    start()
    const atMs = OPEN_MS + 2 * MINUTE_MS + 6_000
    for (let i = 0; i < 3; i++) {
      log.append([packet(NIFTY, atMs + i * 1000, 24_520 + i), clockAt(atMs + i * 1000)])
      await settled()
    }
    const metrics = await rows<{ minute: number }>(
      'SELECT DISTINCT bucket_time AS minute FROM fo_expiry_metrics ORDER BY 1',
    )
    expect(metrics.map(({ minute }) => minute)).toEqual([OPEN_MS, OPEN_MS + MINUTE_MS])
  })

  it('gives a quiet minute a flat row and no missing one', async () => {
    log.startEpoch(100)
    log.append([...begins([NIFTY, FUTURE], OPEN_MS - 1000), clockAt(OPEN_MS - 500)])
    log.append([
      packet(NIFTY, OPEN_MS, 24_500),
      packet(FUTURE, OPEN_MS, 24_510, { dayVolume: 650 }),
    ])
    log.append([clockAt(OPEN_MS + 3 * MINUTE_MS + 5_000)])
    start()
    await settled()
    expect(
      await rows(
        'SELECT open, close, volume, day_volume, oi, tick_count, complete FROM futures_bars ORDER BY time',
      ),
    ).toEqual([
      {
        open: 24_510,
        close: 24_510,
        volume: 650,
        day_volume: 650,
        oi: 650,
        tick_count: 1,
        complete: true,
      },
      {
        open: 24_510,
        close: 24_510,
        volume: 0,
        day_volume: 650,
        oi: 650,
        tick_count: 0,
        complete: true,
      },
      {
        open: 24_510,
        close: 24_510,
        volume: 0,
        day_volume: 650,
        oi: 650,
        tick_count: 0,
        complete: true,
      },
    ])
  })

  it('takes the flat row of a minute away that a gap turns out to cover', async () => {
    log.startEpoch(100)
    log.append([...begins([FUTURE], OPEN_MS - 1000), clockAt(OPEN_MS - 500)])
    log.append([packet(FUTURE, OPEN_MS + 1000, 24_500, { dayVolume: 65 })])
    log.append([clockAt(OPEN_MS + 3 * MINUTE_MS + 5_000)])
    start()
    await settled()
    expect(await rows('SELECT complete FROM futures_bars')).toHaveLength(3)
    log.append([
      {
        kind: 'gap_open',
        gapId: 'g1',
        reason: 'mute',
        account: 'a',
        connection: 1,
        fromMs: OPEN_MS + 50_000,
        tokens: [FUTURE.token],
      },
      clockAt(OPEN_MS + 3 * MINUTE_MS + 6_000),
    ])
    await settled()
    expect(await rows('SELECT time, complete FROM futures_bars')).toEqual([
      { time: OPEN_MS, complete: false },
    ])
  })

  it('revokes complete of every minute that a gap touches, also of closed ones, and covers again after it', async () => {
    log.startEpoch(100)
    log.append([...begins([FUTURE], OPEN_MS - 1000), clockAt(OPEN_MS - 500)])
    for (let m = 0; m < 5; m++) {
      if (m !== 2)
        log.append([
          packet(FUTURE, OPEN_MS + m * MINUTE_MS + 1000, 24_500 + m, { dayVolume: 65 * (m + 1) }),
        ])
      log.append([clockAt(OPEN_MS + (m + 1) * MINUTE_MS + 5_000)])
      if (m === 2) {
        log.append([
          {
            kind: 'gap_open',
            gapId: 'g1',
            reason: 'disconnect',
            account: 'a',
            connection: 1,
            fromMs: OPEN_MS + MINUTE_MS + 30_000,
            tokens: [FUTURE.token],
          },
          {
            kind: 'gap_close',
            gapId: 'g1',
            ends: [{ token: FUTURE.token, toMs: OPEN_MS + 3 * MINUTE_MS + 500, mode: 'full' }],
          },
        ])
      }
    }
    start()
    await settled()
    expect(
      await rows('SELECT time, complete FROM futures_bars ORDER BY time'),
      'the minute wholly inside the gap has no row',
    ).toEqual([
      { time: OPEN_MS, complete: true },
      { time: OPEN_MS + MINUTE_MS, complete: false },
      { time: OPEN_MS + 3 * MINUTE_MS, complete: false },
      { time: OPEN_MS + 4 * MINUTE_MS, complete: true },
    ])
    expect(await rows(`SELECT status, reason FROM feed_gaps`)).toEqual([
      { status: 'closed', reason: 'disconnect' },
    ])
    expect(await rows(`SELECT count(*)::int AS n FROM coverage`)).toEqual([{ n: 2 }])
  })

  it('merges a late trade into its closed minute and into the volumes after it', async () => {
    log.startEpoch(100)
    log.append([...begins([FUTURE], OPEN_MS - 1000), clockAt(OPEN_MS - 500)])
    log.append([packet(FUTURE, OPEN_MS + 1000, 100, { dayVolume: 65 })])
    log.append([packet(FUTURE, OPEN_MS + MINUTE_MS + 1000, 101, { dayVolume: 650 })])
    log.append([clockAt(OPEN_MS + 4 * MINUTE_MS + 5_000)])
    const ingest = start()
    await settled()
    log.append([
      packet(FUTURE, OPEN_MS + 40_000, 105, {
        dayVolume: 195,
        marketTimeMs: OPEN_MS + 4 * MINUTE_MS + 6_000,
      }),
      clockAt(OPEN_MS + 4 * MINUTE_MS + 7_000),
    ])
    await settled()
    expect(ingest.writers[0]?.books?.counters.late).toBeGreaterThan(0)
    expect(await rows('SELECT high, close, volume FROM futures_bars ORDER BY time')).toEqual([
      { high: 105, close: 105, volume: 195 },
      { high: 101, close: 101, volume: 455 },
      { high: 101, close: 101, volume: 0 },
      { high: 101, close: 101, volume: 0 },
    ])
  })

  it('refuses the commits of a writer that was superseded', async () => {
    tradeTwoMinutes()
    const first = start()
    await settled()
    const second = start()
    await until(
      async () =>
        (await rows<{ generation: number }>('SELECT generation FROM stream_offsets'))[0]
          ?.generation === 2,
    )
    log.append([
      packet(FUTURE, OPEN_MS + 130_000, 1, { dayVolume: 65 * 200 }),
      clockAt(OPEN_MS + 130_500),
    ])
    await expect(first.ended).rejects.toMatchObject({ code: 'superseded' })
    await settled()
    expect(
      await rows('SELECT close, tick_count FROM futures_bars ORDER BY time DESC LIMIT 1'),
    ).toEqual([{ close: 1, tick_count: 1 }])
    expect(second.counters.restarts).toBe(0)
  })

  it('goes on where the store refuses the final values of a minute', async () => {
    await client.query(
      'ALTER TABLE fo_expiry_metrics ADD CONSTRAINT odd CHECK (complete IS NULL) NOT VALID',
    )
    try {
      tradeTwoMinutes()
      const ingest = start()
      await until(() => ingest.counters.refusedFinals >= 2)
      await until(async () => {
        const [offset] = await rows<{ sequence: number }>('SELECT sequence FROM stream_offsets')
        return offset?.sequence === log.position.sequence
      })
      expect(await rows('SELECT complete FROM futures_bars')).toEqual([
        { complete: true },
        { complete: true },
      ])
      expect(await rows('SELECT reason FROM finalise_queue')).toHaveLength(2)
    } finally {
      await client.query('ALTER TABLE fo_expiry_metrics DROP CONSTRAINT odd')
    }
  })

  it('sets exactly the record aside that the store refuses, with its bytes, and goes on', async () => {
    await client.query(`ALTER TABLE futures_bars ADD CONSTRAINT sane CHECK (high < 1000000)`)
    try {
      log.startEpoch(100)
      log.append([...begins(ALL, OPEN_MS - 1000), clockAt(OPEN_MS - 500)])
      log.append(OPTIONS.map((o) => packet(o, OPEN_MS + 1000, 50, { dayVolume: 65 })))
      log.append([packet(FUTURE, OPEN_MS + 1000, 24_500, { dayVolume: 65 })])
      log.append([packet(FUTURE, OPEN_MS + 2000, 2_000_000, { dayVolume: 130 })])
      log.append([
        packet(FUTURE, OPEN_MS + 3000, 24_600, { dayVolume: 195 }),
        clockAt(OPEN_MS + 4000),
      ])
      start()
      await settled()
      const letters = await rows<{ sequence: number; record: Buffer; reason: string }>(
        'SELECT sequence, record, reason FROM dead_letters',
      )
      expect(letters).toHaveLength(1)
      expect(JSON.parse(String(letters[0]?.record))).toMatchObject({ lastPrice: 200_000_000 })
      expect(letters[0]?.reason).toMatch(/sane/)
      expect(await rows('SELECT high, close, day_volume FROM futures_bars')).toEqual([
        { high: 24_600, close: 24_600, day_volume: 195 },
      ])
      expect(
        await rows(
          "SELECT sum(journaled - folded)::int AS n, sum((not_folded->>'dead_letter')::int)::int AS d FROM delivery_ledger",
        ),
      ).toEqual([{ n: 1, d: 1 }])
    } finally {
      await client.query('ALTER TABLE futures_bars DROP CONSTRAINT sane')
    }
  })
})
