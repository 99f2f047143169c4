import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { InstrumentBars } from '../../../src/backend/bars/instrument-bars.ts'
import { lookAt, PreviousOiKeeper } from '../../../src/backend/previous-oi/previous-oi.ts'
import type { HistoryAnswer } from '../../../src/backend/tickers/history-answer.ts'
import type { WaitOptions } from '../../../src/backend/tickers/ticker-client.ts'
import { TickerError } from '../../../src/backend/tickers/ticker-error.ts'
import { type Clock, systemClock } from '../../../src/kit/clock.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import { Coverage } from '../../../src/market/coverage.ts'
import { type Instrument, instrumentKey } from '../../../src/market/instrument.ts'
import { DAY_MS, startOfDateMs } from '../../../src/market/ist.ts'
import { createInstrumentStore } from '../../../src/postgres/instrument-store.ts'
import { sqlOf } from '../../../src/verify/store-answers.ts'
import { verify } from '../../../src/verify/verify.ts'
import { describeStores } from '../../postgres/stores.ts'
import { silentLog } from '../../silent-log.ts'
import { until } from '../../until.ts'
import { candle, IngestUnderTest, minute, RATE } from '../candles/ingest-under-test.ts'
import {
  ALL,
  begins,
  clockAt,
  FUTURE,
  type MemoryLog,
  NIFTY,
  OPTIONS,
  packet,
} from '../scenario.ts'

const TODAY = '2026-11-20'
const YESTERDAY = '2026-11-19'
const LEGS = OPTIONS.slice(0, 4)
const CONTRACTS = [FUTURE, ...LEGS]

describe('what a date’s contracts lack', () => {
  const calendar = exchangeCalendar()
  const streamed = (instrument: Instrument) => {
    const stretch = { fromMs: minute(0), toMs: Number.POSITIVE_INFINITY, mode: 'full' as const }
    return new InstrumentBars(instrument, new Coverage([stretch]), () => undefined)
  }
  const names = (instruments: readonly Instrument[]) => instruments.map((i) => i.tradingsymbol)
  const seen = (bars: readonly InstrumentBars[], date = TODAY) => {
    const { behind, wanted } = lookAt(bars, date, calendar)
    return {
      behind: names(behind),
      wanted: wanted.map(({ instrument, session }) => [instrument.tradingsymbol, session]),
    }
  }

  it('is a day candle of the session before where nothing of that session is stored', () => {
    const [nothing, older, fresh, unread] = CONTRACTS.map(streamed) as [
      InstrumentBars,
      InstrumentBars,
      InstrumentBars,
      InstrumentBars,
    ]
    nothing.previousOi.set(TODAY, { oi: null, date: null })
    older.previousOi.set(TODAY, { oi: 650, date: '2026-11-18' })
    older.previousOiStored = { date: TODAY, oi: 650 }
    fresh.previousOi.set(TODAY, { oi: 1_300, date: YESTERDAY })
    fresh.previousOiStored = { date: TODAY, oi: 1_300 }
    expect(seen([streamed(NIFTY), nothing, older, fresh, unread])).toEqual({
      behind: [],
      wanted: [
        [FUTURE.tradingsymbol, YESTERDAY],
        [older.instrument.tradingsymbol, YESTERDAY],
      ],
    })
  })

  it('is a session further back behind a weekend, and nothing on a day without a session', () => {
    const bars = streamed(FUTURE)
    for (const date of ['2026-11-21', '2026-11-23']) {
      bars.previousOi.set(date, { oi: null, date: null })
    }
    expect(seen([bars], '2026-11-23').wanted).toEqual([[FUTURE.tradingsymbol, TODAY]])
    expect(seen([bars], '2026-11-21')).toEqual({ behind: [], wanted: [] })
    // Its contract has ended.
    bars.previousOi.set('2026-11-25', { oi: null, date: null })
    expect(seen([bars], '2026-11-25')).toEqual({ behind: [], wanted: [] })
  })

  it('is rows that were not brought up to what is known now', () => {
    const bars = streamed(FUTURE)
    bars.previousOi.set(TODAY, { oi: 1_300, date: YESTERDAY })
    expect(seen([bars]).behind).toEqual([FUTURE.tradingsymbol])
    bars.previousOiStored = { date: YESTERDAY, oi: 1_300 }
    expect(seen([bars]).behind).toEqual([FUTURE.tradingsymbol])
    bars.previousOiStored = { date: TODAY, oi: 1_300 }
    expect(seen([bars])).toEqual({ behind: [], wanted: [] })
    bars.previousOi.delete(TODAY)
    expect(seen([bars]).behind).toEqual([])
    bars.isLoaded = true
    expect(seen([bars]).behind).toEqual([FUTURE.tradingsymbol])
  })
})

await describeStores('the open interest of the session before', (store) => {
  let test: IngestUnderTest
  let keeper: PreviousOiKeeper | undefined
  let look: () => void
  let asked: string[]
  let candles: Map<number, number>
  let failure: Error | undefined

  beforeAll(async () => {
    test = await IngestUnderTest.over(store())
  })
  beforeEach(() => {
    asked = []
    candles = new Map(CONTRACTS.map(({ token }, i) => [token, 6_500 * (i + 1)]))
    failure = undefined
  })
  afterEach(async () => {
    await keeper?.stop()
    keeper = undefined
    await test.clear()
  })
  afterAll(() => test.close())

  function keep(): void {
    const clock: Clock = {
      ...systemClock,
      elapsedMs: () => 0,
      every: (_periodMs, task) => {
        look = task
        return () => undefined
      },
    }
    keeper = new PreviousOiKeeper({
      books: () => test.ingest.writers.flatMap(({ books }) => books ?? []),
      writer: test.ingest.previousOi,
      tickers: { dayCandles },
      isAsking: () => true,
      priceOf: () => undefined,
      calendar: exchangeCalendar(),
      clock,
      random: () => 0,
      log: silentLog,
    })
    keeper.start()
  }

  async function dayCandles(
    token: number,
    fromMs: number,
    toMs: number,
    { priority }: WaitOptions,
  ): Promise<HistoryAnswer> {
    const day = startOfDateMs(YESTERDAY)
    expect([fromMs, priority]).toEqual([day, 'on_demand'])
    expect(toMs).toBeLessThan(day + DAY_MS)
    asked.push(CONTRACTS.find((each) => each.token === token)?.tradingsymbol ?? '')
    if (failure !== undefined) throw failure
    const oi = candles.get(token)
    const price = { open: 60, high: 61, low: 59, close: 60, volume: 650 }
    return {
      candles: oi === undefined ? [] : [{ minuteMs: day, ...price, oi }],
      finalUntilMs: minute(0),
    }
  }

  function trade(n: number): void {
    for (const atMs of [minute(n) + 12_000, minute(n) + 41_000]) {
      test.log.append([
        packet(NIFTY, atMs, 24_500 + n),
        ...CONTRACTS.map((contract, i) =>
          packet(contract, atMs, contract === FUTURE ? 24_510 : 60 + i, {
            ...{ dayVolume: 650 * (n + 1), openInterest: 6_500 * (i + 1) + 65 * n },
          }),
        ),
        clockAt(atMs + 50),
      ])
    }
  }

  async function stream(minutes: number): Promise<void> {
    test.log.startEpoch(100)
    test.log.append([...begins([NIFTY, ...CONTRACTS], minute(0) - 1_000), clockAt(minute(0))])
    test.start()
    for (let n = 0; n < minutes; n++) trade(n)
    await test.passed(minute(minutes - 1))
  }

  /** Looks until it holds: nothing here waits for the clock. */
  const lookUntil = (isDone: () => Promise<boolean>) =>
    until(async () => {
      look()
      return isDone()
    })
  /** Of today's rows. */
  const changes = async (contract: Instrument) =>
    (await test.bars(contract))
      .filter((row) => String(row['bucket_time'] ?? row['time']) >= TODAY)
      .map((row) => [row['oi_prev_close'], row['oi_change']])
  const isCarried = async () => {
    for (const contract of CONTRACTS) {
      if ((await changes(contract)).some(([before]) => before === null)) return false
    }
    return true
  }
  /** What `fostream verify` finds wrong with the date. */
  async function differences(): Promise<Readonly<Record<string, number>>> {
    const instruments = createInstrumentStore(test.client)
    await instruments.apply({ date: TODAY, added: ALL, changed: [], removed: [] })
    const { log } = test
    const verdict = await verify({
      ask: async (question) => {
        const [row] = await test.rows<{ answer: string }>(sqlOf(question))
        return row?.answer ?? ''
      },
      journals: [{ producer: log.producer, partitions: [0], read: () => batchesOf(log) }],
      feed: 'simulated',
      calendar: exchangeCalendar(),
      riskFreeRate: RATE,
      date: TODAY,
    })
    expect(verdict.rowsCompared).toBeGreaterThan(0)
    return verdict.differenceCounts
  }

  it('comes from day candles on a fresh store, into rows old and new, and is asked for once', async () => {
    await stream(3)
    expect(await changes(FUTURE)).toEqual([
      [null, null],
      [null, null],
      [null, null],
    ])
    expect(await differences()).toEqual({})
    keep()
    await lookUntil(isCarried)
    expect(asked.toSorted()).toEqual(CONTRACTS.map((c) => c.tradingsymbol).toSorted())
    expect(asked[0]).toBe(FUTURE.tradingsymbol)
    trade(3)
    await test.passed(minute(3))
    expect(await changes(FUTURE)).toEqual([0, 65, 130, 195].map((change) => [6_500, change]))
    expect(await changes(LEGS[1] as Instrument)).toEqual(
      [0, 65, 130, 195].map((change) => [19_500, change]),
    )
    expect(await differences()).toEqual({})
    // The second opinion holds the rows against it.
    await test.rows('UPDATE day_open_interest SET oi = oi + 65 WHERE tradingsymbol = $1', [
      FUTURE.tradingsymbol,
    ])
    expect(await differences()).toEqual({
      'futures_bars.oi_prev_close': 4,
      'futures_bars.oi_change': 4,
    })
    await test.rows('UPDATE day_open_interest SET oi = oi - 65 WHERE tradingsymbol = $1', [
      FUTURE.tradingsymbol,
    ])

    // What comes of a day further back changes nothing of it.
    const earlier = { ...candle(0, 60), minuteMs: startOfDateMs('2026-11-18') + 43_200_000 }
    await test.write(FUTURE, [{ ...earlier, oi: 1 }])
    await test.settled()
    const key = instrumentKey(FUTURE.exchange, FUTURE.tradingsymbol)
    const [books] = test.ingest.writers.flatMap((writer) => writer.books ?? [])
    const known = books?.instruments.get(key)?.previousOi.get(TODAY)
    expect(known).toEqual({ oi: 6_500, date: YESTERDAY })
    expect(await differences()).toEqual({})

    await keeper?.stop()
    await test.restart()
    keep()
    trade(4)
    await test.passed(minute(4))
    await lookUntil(async () => {
      const books = test.ingest.writers[0]?.books
      const { behind, wanted } = lookAt(
        books?.instruments.values() ?? [],
        TODAY,
        exchangeCalendar(),
      )
      return books !== undefined && behind.length + wanted.length === 0
    })
    expect(asked).toHaveLength(CONTRACTS.length)
    expect(await differences()).toEqual({})
  })

  it('comes from yesterday’s bars as soon as those are there', async () => {
    candles.clear()
    await stream(2)
    keep()
    await lookUntil(async () => asked.length === CONTRACTS.length)
    expect(await isCarried()).toBe(false)
    const close = startOfDateMs(YESTERDAY) + (15 * 60 + 29) * 60_000
    for (const [i, contract] of CONTRACTS.entries()) {
      await test.write(contract, [{ ...candle(0, 60), minuteMs: close, oi: 650 * (i + 2) }])
    }
    await lookUntil(isCarried)
    const expected = new Map(CONTRACTS.map((c, i) => [c.tradingsymbol, 650 * (i + 2)]))
    await test.settled()
    expect((await changes(FUTURE)).map(([before]) => before)).toEqual([1_300, 1_300])
    const [chain] = await test.rows(
      `SELECT call_oi_change, put_oi_change FROM fo_strike_distribution
       WHERE strike = $1 AND bucket_time = to_timestamp($2)`,
      [LEGS[0]?.strike, minute(0) / 1_000],
    )
    expect(chain).toEqual({
      call_oi_change: 13_000 - (expected.get(LEGS[0]?.tradingsymbol ?? '') ?? 0),
      put_oi_change: 19_500 - (expected.get(LEGS[1]?.tradingsymbol ?? '') ?? 0),
    })
    expect(await differences()).toEqual({})
    // The broker has no candle of them, and is not asked again and again.
    expect(asked).toHaveLength(CONTRACTS.length)
  })

  it('waits for a ticker that is away, and does not insist where it refuses', async () => {
    await stream(1)
    keep()
    failure = new TickerError('refused', 'a replay has no history', { url: '' })
    await lookUntil(async () => asked.length === 1)
    failure = undefined
    await lookUntil(async () => asked.length === CONTRACTS.length)
    expect(new Set(asked).size).toBe(CONTRACTS.length)
    expect((await changes(FUTURE))[0]).toEqual([null, null])
    await until(async () => (await changes(LEGS[3] as Instrument))[0]?.[0] === 6_500 * 5)
  })
})

async function* batchesOf({ batches }: MemoryLog) {
  yield* batches
}
