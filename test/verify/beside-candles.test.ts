import { afterAll, beforeAll, expect, it } from 'vitest'
import { VERIFY_WINDOW_MINUTES } from '../../src/limits.ts'
import { exchangeCalendar } from '../../src/market/calendar.ts'
import type { Instrument } from '../../src/market/instrument.ts'
import { createInstrumentStore } from '../../src/postgres/instrument-store.ts'
import type { StoreQuestion } from '../../src/verify/ports.ts'
import { sqlOf } from '../../src/verify/store-answers.ts'
import { type VerifyProgress, verify } from '../../src/verify/verify.ts'
import { candle, IngestUnderTest, minute, RATE } from '../backend/candles/ingest-under-test.ts'
import { ALL, begins, clockAt, FUTURE, NIFTY, OPTIONS, packet } from '../backend/scenario.ts'
import { describeStores } from '../postgres/stores.ts'

const DATE = '2026-11-20'
const STREAMED = [NIFTY, FUTURE, ...OPTIONS.slice(0, 4)]
const FILLED = OPTIONS[6] as Instrument
const MINUTES = 6
const BYTES_TOLD = 1_234_567

await describeStores('a verification beside a backfill', (store) => {
  let test: IngestUnderTest

  beforeAll(async () => {
    test = await IngestUnderTest.over(store())
    await createInstrumentStore(test.client).apply({
      ...{ date: DATE, added: ALL, changed: [], removed: [] },
    })
    test.log.startEpoch(100)
    test.log.append([...begins(STREAMED, minute(0) - 1_000), clockAt(minute(0))])
    test.start()
    for (let n = 0; n < MINUTES; n++) trade(n)
    await test.passed(minute(MINUTES - 1))
  })
  afterAll(() => test.close())

  it('finds nothing, though a candle and its chain are written before each of its reads', async () => {
    let written = 0
    const ask = async (question: StoreQuestion) => {
      if (question.ask === 'rows') {
        const n = Math.round((question.span.fromMs - minute(0)) / 60_000)
        written += 1
        await test.write(FILLED, [candle(n, 40 + written)])
        await test.settled()
      }
      const [row] = await test.rows<{ answer: string }>(sqlOf(question))
      return row?.answer ?? ''
    }
    const told: VerifyProgress[] = []
    const verdict = await verify({
      ask,
      journals: [
        {
          ...{ producer: test.log.producer, partitions: [0] },
          bytes: async () => BYTES_TOLD,
          read: () => batches(),
        },
      ],
      feed: 'simulated',
      calendar: exchangeCalendar(),
      riskFreeRate: RATE,
      date: DATE,
      onProgress: (progress) => told.push(progress),
    })
    const whole = test.log.batches.reduce((sum, { bytes }) => sum + bytes.length, 0)
    const folded = told.filter(({ doing }) => doing === 'fold')
    expect(folded.at(-1)).toEqual({ doing: 'fold', bytes: whole, ofBytes: BYTES_TOLD })
    const ofMinutes = VERIFY_WINDOW_MINUTES * written
    const compared = Array.from({ length: written }, (_, n) => {
      return { doing: 'compare', minutes: VERIFY_WINDOW_MINUTES * n, ofMinutes }
    })
    expect(told).toEqual([...folded, ...compared])
    expect(verdict.differenceCounts).toEqual({})
    expect(verdict.rowsGiven).toBe(written)
    expect(written).toBeGreaterThan(1)
    const [chain] = await test.rows<{ n: number }>(
      `SELECT count(*)::int AS n FROM fo_strike_distribution
       WHERE call_tradingsymbol = $1 OR put_tradingsymbol = $1`,
      [FILLED.tradingsymbol],
    )
    expect(chain?.n).toBeGreaterThanOrEqual(written)
  })

  function trade(n: number): void {
    for (const atMs of [minute(n) + 12_000, minute(n) + 41_000]) {
      test.log.append([
        packet(NIFTY, atMs, 24_500 + n),
        packet(FUTURE, atMs, 24_510 + n, { dayVolume: 65 * (100 + n) }),
        ...STREAMED.slice(2).map((leg, i) => packet(leg, atMs, 60 + i)),
        clockAt(atMs + 50),
      ])
    }
  }

  async function* batches() {
    yield* test.log.batches
  }
})
