import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { Instrument } from '../../../src/market/instrument.ts'
import type { JournalledTick } from '../../../src/market/tick.ts'
import { describeStores } from '../../postgres/stores.ts'
import { begins, clockAt, FUTURE, MemoryLog, NIFTY, OPTIONS, packet } from '../scenario.ts'
import { candle, IngestUnderTest, minute, type Row } from './ingest-under-test.ts'

const OPTION = OPTIONS[4] as Instrument
/** The minute in question: streamed up to its twentieth second. */
const AT = 3
const PRICES = [71.5, 69.25, 74, 70.05]

/** Packets of the minute, as late as one likes: they say when they were sent. */
const packets: readonly JournalledTick[] = PRICES.map((price, i) =>
  packet(OPTION, minute(AT) + 2_000 + 4_000 * i, price, {
    dayVolume: 65 * (100 + i),
    openInterest: 6_500 + i,
    marketTimeMs: minute(AT + 1) + 10_000 + i,
  }),
)

await describeStores('precedence', (store) => {
  let test: IngestUnderTest

  beforeAll(async () => {
    test = await IngestUnderTest.over(store())
  })
  afterEach(() => test.clear())
  afterAll(() => test.close())

  /** A session that is streamed until a gap in the minute, and has passed it. */
  async function streamed(): Promise<void> {
    test.log.startEpoch(100)
    test.log.append([...begins([NIFTY, FUTURE, OPTION], minute(0) - 1_000), clockAt(minute(0))])
    test.log.append([packet(OPTION, minute(1), 72, { dayVolume: 65 * 40 })])
    test.log.append([
      {
        kind: 'gap_open',
        gapId: 'g1',
        reason: 'disconnect',
        account: 'a',
        connection: 1,
        fromMs: minute(AT) + 20_000,
        tokens: [OPTION.token],
      },
    ])
    test.start()
    await test.passed(minute(AT))
  }

  const arrivals = {
    ticks: (which: readonly number[]) => async () => {
      test.log.append(which.map((i) => packets[i] as JournalledTick))
      await test.settled()
    },
    candle: async () => {
      await test.write(OPTION, [candle(AT, 73, { volume: 4_550 })])
      await test.settled()
    },
    settled: async () => {
      await test.write(OPTION, [candle(AT, 73.5, { volume: 5_200 })], { source: 'settled' })
      await test.settled()
    },
    restart: () => test.restart(),
  }

  async function rowAfter(arriving: readonly (() => Promise<unknown>)[]): Promise<Row | undefined> {
    await streamed()
    for (const arrive of arriving) await arrive()
    const row = await rowOfMinute()
    await test.clear()
    return row
  }

  /** Keys without their last part, the place in the journal, which is another in each order. */
  async function rowOfMinute(): Promise<Row | undefined> {
    const rows = await test.bars(OPTION)
    const row = rows.find((one) => Date.parse(String(one['bucket_time'])) === minute(AT))
    const keys = ['open_key', 'close_key', 'quote_key']
    return row && { ...row, ...Object.fromEntries(keys.map((key) => [key, placeless(row[key])])) }
  }

  function placeless(key: unknown): unknown {
    return typeof key === 'string' ? key.slice(0, -12) : key
  }

  it('gives the same candle row whatever came first of it and of live packets that are not all', async () => {
    const { ticks, candle: fill, restart } = arrivals
    const wanted = await rowAfter([ticks([0, 1, 2, 3]), fill])
    expect(wanted).toMatchObject({
      ...{ open: 72, high: 75, low: 70, close: 73, volume: 4_550, oi: 13_003 },
      ...{ source: 'backfill', complete: false, tick_count: 4, day_volume: 65 * 103 },
      ...{ live_open: 71.5, live_high: 74, live_low: 69.25, live_close: 70.05, live_oi: 6_503 },
      ...{ bid: 70, ask: 70.1 },
    })
    expect(await rowAfter([fill, ticks([0, 1, 2, 3])])).toEqual(wanted)
    expect(await rowAfter([ticks([2]), fill, ticks([0, 3, 1])])).toEqual(wanted)
    expect(await rowAfter([ticks([2, 3]), fill, restart, ticks([1]), ticks([0])])).toEqual(wanted)
    expect(await rowAfter([fill, restart, ticks([3, 0]), fill, ticks([1, 2])])).toEqual(wanted)
  })

  it('lets the day’s last word stand above everything, whatever came first', async () => {
    const { ticks, candle: fill, settled, restart } = arrivals
    const wanted = await rowAfter([ticks([0, 1, 2, 3]), fill, settled])
    expect(wanted).toMatchObject({
      ...{ close: 73.5, volume: 5_200, source: 'settled', complete: false, tick_count: 4 },
      ...{ open_key: null, close_key: null, live_open: null, live_close: null, live_oi: null },
    })
    expect(await rowAfter([settled, fill, ticks([0, 1, 2, 3])])).toEqual(wanted)
    expect(await rowAfter([settled, ticks([3, 2]), restart, ticks([1, 0]), fill])).toEqual(wanted)
    expect(await rowAfter([fill, ticks([0]), settled, ticks([1, 2, 3])])).toEqual(wanted)
    expect(await rowAfter([ticks([1, 3]), settled, fill, restart, ticks([0, 2])])).toEqual(wanted)
  })

  it('gives the same row in any order of arrival, with restarts anywhere', async () => {
    const { ticks, candle: fill, settled, restart } = arrivals
    const wanted = {
      filled: await rowAfter([ticks([0, 1, 2, 3]), fill]),
      settled: await rowAfter([ticks([0, 1, 2, 3]), settled]),
    }
    const random = seeded(20_261_120)
    for (let run = 0; run < 6; run++) {
      const isSettled = run % 2 === 0
      const arriving = [...[0, 1, 2, 3].map((i) => ticks([i])), fill, restart]
      if (isSettled) arriving.push(settled)
      const order = shuffled(arriving.length, random)
      const row = await rowAfter(order.map((i) => arriving[i] as () => Promise<unknown>))
      expect(row, order.join()).toEqual(isSettled ? wanted.settled : wanted.filled)
    }
  }, 60_000)

  it('puts a live bar that turns out complete above the candle that came before it', async () => {
    const rows: unknown[] = []
    for (const isCandleFirst of [true, false]) {
      // Another ticker streams the option and is found later: its journal has the whole minute.
      test.log.startEpoch(100)
      test.log.append([...begins([NIFTY], minute(0) - 1_000), clockAt(minute(AT + 2))])
      const other = new MemoryLog('t2')
      other.startEpoch(7)
      other.append([...begins([OPTION], minute(0) - 1_000), clockAt(minute(0))])
      other.append(packets.map((p) => ({ ...p, marketTimeMs: p.receivedAtMs })))
      other.append([clockAt(minute(AT + 2))])
      test.start()
      await test.settled()
      const fill = () => test.write(OPTION, [candle(AT, 73)])
      if (isCandleFirst) expect(await fill()).toEqual({ written: 1, tooEarly: [], kept: 0 })
      test.logs.add(other)
      await test.settled([test.log, other])
      if (!isCandleFirst) expect(await fill()).toEqual({ written: 0, tooEarly: [], kept: 1 })
      await test.settled([test.log, other])
      rows.push(await rowOfMinute())
      await test.clear()
    }
    expect(rows[0]).toMatchObject({
      ...{ open: 71.5, high: 74, low: 69.25, close: 70.05, source: 'live', complete: true },
      ...{ live_open: null, live_close: null },
    })
    expect(rows[0]).toEqual(rows[1])
  })
})

/** Mulberry32: the same numbers in every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function shuffled(length: number, random: () => number): number[] {
  const order = Array.from({ length }, (_, i) => i)
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j] as number, order[i] as number]
  }
  return order
}
