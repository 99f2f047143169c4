import { afterAll, beforeAll, expect, it } from 'vitest'
import { exchangeCalendar } from '../../src/market/calendar.ts'
import { DAY_MS } from '../../src/market/ist.ts'
import { createInstrumentStore } from '../../src/postgres/instrument-store.ts'
import type { StoreQuestion } from '../../src/verify/ports.ts'
import { sqlOf } from '../../src/verify/store-answers.ts'
import { isFaultless, type VerifyInput, verify } from '../../src/verify/verify.ts'
import { candle, IngestUnderTest, minute, RATE } from '../backend/candles/ingest-under-test.ts'
import { ALL, begins, clockAt, NIFTY, packet } from '../backend/scenario.ts'
import { describeStores } from '../postgres/stores.ts'

const DATE = '2026-11-20'
const DAY_BEFORE = '2026-11-19'
const A_SUNDAY = '2026-11-22'
const MONDAY = '2026-11-23'

await describeStores('a verification of a date without data', (store) => {
  let test: IngestUnderTest

  beforeAll(async () => {
    test = await IngestUnderTest.over(store())
    await createInstrumentStore(test.client).apply({
      ...{ date: DAY_BEFORE, added: ALL, changed: [], removed: [] },
    })
    test.log.startEpoch(100)
    test.log.append([...begins([NIFTY], minute(0) - 1_000), clockAt(minute(0))])
    test.start()
    test.log.append([packet(NIFTY, minute(0) + 12_000, 24_500), clockAt(minute(0) + 12_050)])
    await test.passed(minute(0))
  })
  afterAll(() => test.close())

  const of = (date: string, more: Partial<VerifyInput> = {}) =>
    verify({
      ask: async (question: StoreQuestion) => {
        const [row] = await test.rows<{ answer: string }>(sqlOf(question))
        return row?.answer ?? ''
      },
      journals: [{ producer: test.log.producer, partitions: [0], read: () => batches() }],
      feed: 'simulated',
      calendar: exchangeCalendar(),
      riskFreeRate: RATE,
      date,
      ...more,
    })

  async function* batches() {
    yield* test.log.batches
  }

  it('says so and names the dates that have some', async () => {
    await expect(of(A_SUNDAY)).rejects.toMatchObject({
      code: 'nothing_of_date',
      retryable: false,
      message: `there is nothing of ${A_SUNDAY} to verify: nothing of it was received or stored. There is something of ${DATE}`,
    })
    expect(isFaultless(await of(DATE))).toBe(true)
  })

  it('takes a day of which only history is stored for one with data', async () => {
    await expect(of(DAY_BEFORE)).rejects.toMatchObject({ code: 'nothing_of_date' })
    await test.write(NIFTY, [candle(-DAY_MS / 60_000, 24_400)])
    await test.settled()
    expect(await of(DAY_BEFORE)).toMatchObject({ date: DAY_BEFORE, differences: [], rowsGiven: 1 })
    const known = new RegExp(`something of ${DAY_BEFORE}, ${DATE}$`)
    await expect(of(A_SUNDAY)).rejects.toThrow(known)
  })

  it('refuses to go on behind a name that nothing had', async () => {
    await expect(of(DATE, { known: 'NIFTY 5' })).rejects.toMatchObject({
      code: 'unknown_instrument',
      message: `nothing was listed as NIFTY 5 on ${DATE}; the nearest name is NIFTY 50`,
    })
    expect(isFaultless(await of(DATE, { known: 'NIFTY 50' }))).toBe(true)
  })

  it('tells it from a day whose rows are gone, and from one on which only time passed', async () => {
    await test.rows('DELETE FROM minute_bars')
    await test.rows('DELETE FROM coverage')
    await test.rows('DELETE FROM delivery_ledger')
    expect(Object.keys((await of(DATE)).differenceCounts)).toContain('minute_bars.row')
    await test.clear()
    test.log.startEpoch(200)
    test.log.append([clockAt(minute(0) + 2 * DAY_MS)])
    test.start()
    await test.settled()
    expect(await of(A_SUNDAY)).toMatchObject({ date: A_SUNDAY, differences: [] })
    await expect(of(MONDAY)).rejects.toThrow(`, ${A_SUNDAY}`)
  })
})
