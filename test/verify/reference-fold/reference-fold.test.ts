import { describe, expect, it } from 'vitest'
import { alwaysOpenCalendar } from '../../../src/market/calendar.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import type { FuturesBarRow, Reference } from '../../../src/verify/reference-fold/reference-rows.ts'
import {
  at,
  CALL_24000,
  CALL_24100,
  clock,
  covered,
  FUTURE,
  fold,
  foldRecords,
  gapClose,
  gapOpen,
  INDEX,
  NEXT_FUTURE,
  PUT_24000,
  PUT_24100,
  packet,
  uncovered,
  WrittenLog,
} from './written-log.ts'

const ONE = [FUTURE]

function bar(reference: Reference, time: string): FuturesBarRow | undefined {
  return reference.futuresBars.find((row) => row.time === at(time))
}

function ohlc(row: FuturesBarRow | undefined) {
  return [row?.open, row?.high, row?.low, row?.close]
}

describe('OHLC', () => {
  it('takes first and last by trade time, not by arrival', () => {
    const reference = foldRecords(
      covered(ONE, '10:00'),
      packet(FUTURE, { price: 103, exchange: '10:00:40', trade: '10:00:40', volume: 300 }),
      packet(FUTURE, {
        price: 101,
        exchange: '10:00:10',
        trade: '10:00:10',
        volume: 100,
        market: '10:00:41',
      }),
      packet(FUTURE, {
        price: 99,
        exchange: '10:00:20',
        trade: '10:00:20',
        volume: 200,
        market: '10:00:42',
      }),
    )
    expect(ohlc(bar(reference, '10:00'))).toEqual([101, 103, 99, 103])
  })

  it('takes trades of one second by their day volume', () => {
    const reference = foldRecords(
      covered(ONE, '10:00'),
      packet(FUTURE, { price: 102, exchange: '10:00:10', trade: '10:00:10', volume: 200 }),
      packet(FUTURE, { price: 101, exchange: '10:00:10', trade: '10:00:10', volume: 100 }),
    )
    expect(ohlc(bar(reference, '10:00'))).toEqual([101, 102, 101, 102])
  })

  it('takes a trade that is reported in the next minute', () => {
    const reference = foldRecords(
      covered(ONE, '10:00'),
      packet(FUTURE, { price: 101, exchange: '10:01:01', trade: '10:00:59', volume: 100, oi: 65 }),
      clock('10:02:05'),
    )
    expect(bar(reference, '10:00')).toMatchObject({ close: 101, tick_count: 0, oi: null })
    expect(bar(reference, '10:01')).toMatchObject({ close: 101, tick_count: 1, oi: 65, volume: 0 })
  })

  it('closes with the last of packets that are told apart by nothing but arrival', () => {
    const index = (price: number, market: string) =>
      packet(INDEX, { price, exchange: '10:00:10', market })
    const reference = foldRecords(
      covered([INDEX], '10:00'),
      index(24_000, '10:00:10.100'),
      index(24_001, '10:00:10.900'),
    )
    expect(reference.minuteBars[0]).toMatchObject({ open: 24_000, close: 24_001, volume: 0 })
  })

  it('closes with the first report of one and the same trade', () => {
    const report = (price: number, market: string) =>
      packet(FUTURE, { price, exchange: '10:00:10', trade: '10:00:10', volume: 100, market })
    const reference = foldRecords(
      covered(ONE, '10:00'),
      report(101, '10:00:10.900'),
      report(100, '10:00:10.100'),
    )
    expect(bar(reference, '10:00')).toMatchObject({ open: 100, close: 100, high: 101 })
  })

  it('closes with an unidentified packet rather than with a trade of the same second and volume', () => {
    const reference = foldRecords(
      covered(ONE, '10:00'),
      packet(FUTURE, { price: 100, mode: 'quote', volume: 100, market: '10:00:10' }),
      packet(FUTURE, {
        price: 101,
        exchange: '10:00:10',
        trade: '10:00:10',
        volume: 100,
        market: '10:00:11',
      }),
    )
    expect(bar(reference, '10:00')?.close).toBe(100)
  })

  it('is set by no trade from before coverage began', () => {
    const reference = foldRecords(
      covered(ONE, '10:00:30'),
      packet(FUTURE, { price: 95, exchange: '10:00:30', trade: '10:00:29', volume: 100 }),
      clock('10:01:05'),
    )
    const row = bar(reference, '10:00')
    expect(ohlc(row)).toEqual([95, 95, 95, 95])
    expect(row).toMatchObject({ tick_count: 1, volume: 0, base_volume: 100, complete: false })
    expect(bar(reference, '09:59')).toBeUndefined()
  })
})

describe('a minute without trade', () => {
  const quiet = () =>
    foldRecords(
      covered(ONE, '09:14'),
      packet(FUTURE, {
        price: 101,
        exchange: '09:15:10',
        trade: '09:15:10',
        volume: 100,
        oi: 650,
        bid: 100,
        ask: 102,
      }),
      packet(FUTURE, {
        price: 101,
        exchange: '09:17:10',
        trade: '09:15:10',
        volume: 100,
        oi: 715,
        bid: 99,
        ask: 103,
      }),
      clock('09:19:04.999'),
    )

  it('repeats the price and the last OI, and is a row all the same', () => {
    expect(bar(quiet(), '09:16')).toMatchObject({
      ...{ open: 101, high: 101, low: 101, close: 101, volume: 0, tick_count: 0 },
      ...{ oi: 650, bid: null, ask: null, day_volume: 100, base_volume: null, complete: true },
    })
  })

  it('takes quote and OI from its own packets', () => {
    expect(bar(quiet(), '09:17')).toMatchObject({
      ...{ close: 101, oi: 715, bid: 99, ask: 103, tick_count: 1, volume: 0, base_volume: 100 },
    })
  })

  it('is a row only once it is closed', () => {
    expect(bar(quiet(), '09:18')).toBeUndefined()
    expect(quiet().futuresBars.map((row) => row.time)).toEqual(
      ['09:15', '09:16', '09:17'].map((time) => at(time)),
    )
  })

  it('takes a packet that is older than coverage as what holds when it begins', () => {
    const reference = foldRecords(
      covered(ONE, '10:01:00'),
      packet(FUTURE, { price: 95, exchange: '10:00:59', trade: '09:58:00', market: '10:01:00' }),
      clock('10:02:05'),
    )
    expect(reference.futuresBars).toHaveLength(1)
    expect(bar(reference, '10:01')).toMatchObject({ close: 95, complete: true, tick_count: 1 })
  })

  it('repeats nothing in a gap', () => {
    const reference = foldRecords(
      covered(ONE, '10:00'),
      packet(FUTURE, { price: 95, exchange: '10:00:10', trade: '10:00:10' }),
      gapOpen('g1', ONE, '10:00:30'),
      packet(FUTURE, { price: 0, exchange: '10:01:10' }),
      clock('10:03:05'),
    )
    expect(reference.futuresBars.map((row) => row.close)).toEqual([95, null])
  })

  it('is null as long as no price is known', () => {
    const reference = foldRecords(covered(ONE, '10:00'), clock('10:01:05'))
    expect(bar(reference, '10:00')).toMatchObject({
      close: null,
      oi: null,
      volume: 0,
      complete: true,
    })
  })

  it('is no row outside the session and where nothing is covered', () => {
    const reference = foldRecords(covered(ONE, '15:38:30'), clock('15:50'), uncovered(ONE, '15:50'))
    expect(reference.futuresBars.map((row) => row.time)).toEqual([at('15:38'), at('15:39')])
  })

  it('ends with the expiry, even where the exchange never closes', () => {
    const log = new WrittenLog()
    log.write([covered(ONE, '15:38', 'full', '2026-11-23'), clock('16:00', '2026-11-23')])
    const { futuresBars } = fold(log.batches, { calendar: alwaysOpenCalendar() })
    expect(futuresBars.map((row) => row.time)).toEqual([
      at('15:38', '2026-11-23'),
      at('15:39', '2026-11-23'),
    ])
  })
})

describe('volume', () => {
  const report = (time: string, volume: number) =>
    packet(FUTURE, { price: 100, exchange: time, trade: time, volume })

  it('is the difference of cumulative volumes, from 0 where the open was seen', () => {
    const reference = foldRecords(
      covered(ONE, '09:10'),
      report('09:15:20', 100),
      report('09:15:40', 165),
      report('09:16:30', 300),
      clock('09:18:05'),
    )
    expect(bar(reference, '09:15')).toMatchObject({
      volume: 165,
      day_volume: 165,
      base_volume: 100,
    })
    expect(bar(reference, '09:16')).toMatchObject({
      volume: 135,
      day_volume: 300,
      base_volume: 300,
    })
    expect(bar(reference, '09:17')).toMatchObject({ volume: 0, day_volume: 300, base_volume: null })
  })

  it('is counted from the smallest seen where the minute before was not covered', () => {
    const reference = foldRecords(
      covered(ONE, '10:00:15'),
      report('10:00:20', 1_000),
      report('10:00:40', 1_065),
      clock('10:01:05'),
    )
    expect(bar(reference, '10:00')).toMatchObject({ volume: 65, complete: false })
  })

  it('is counted from the smallest seen after a gap', () => {
    const reference = foldRecords(
      covered(ONE, '10:00'),
      report('10:00:20', 1_000),
      gapOpen('g1', ONE, '10:00:30'),
      gapClose('g1', ONE, '10:02:10'),
      report('10:02:20', 5_000),
      report('10:02:30', 5_065),
      clock('10:03:05'),
    )
    expect(bar(reference, '10:02')).toMatchObject({
      volume: 65,
      day_volume: 5_065,
      complete: false,
    })
    expect(bar(reference, '10:01')).toBeUndefined()
  })

  it('is not known where packets do not carry it', () => {
    const reference = foldRecords(
      covered(ONE, '10:00'),
      report('10:00:20', 1_000),
      uncovered(ONE, '10:01'),
      covered(ONE, '10:01', 'ltp'),
      packet(FUTURE, { price: 99, mode: 'ltp', market: '10:01:10' }),
      clock('10:03:05'),
    )
    const unknown = { volume: null, day_volume: null, oi: null, close: 99 }
    expect(bar(reference, '10:01')).toMatchObject(unknown)
    expect(bar(reference, '10:02')).toMatchObject({ volume: 0, close: 99, tick_count: 0 })
  })

  it('is never negative', () => {
    const reference = foldRecords(
      covered(ONE, '10:00'),
      report('10:00:20', 1_000),
      report('10:01:20', 900),
    )
    expect(bar(reference, '10:01')).toMatchObject({ volume: 0, day_volume: 900 })
  })
})

describe('a minute', () => {
  it('is complete only where one full-mode stretch spans it', () => {
    const reference = foldRecords(
      covered(ONE, '10:00'),
      uncovered(ONE, '10:02'),
      covered(ONE, '10:02', 'quote'),
      clock('10:03:05'),
    )
    const found = ['10:00', '10:01', '10:02'].map((time) => bar(reference, time)?.complete)
    expect(found).toEqual([true, true, false])
  })

  it('is touched by a gap that is told after it was closed', () => {
    const reference = foldRecords(
      covered(ONE, '10:00'),
      clock('10:02:05'),
      gapOpen('g1', ONE, '10:01:30'),
    )
    expect(bar(reference, '10:00')?.complete).toBe(true)
    expect(bar(reference, '10:01')?.complete).toBe(false)
  })

  it('is open until market time is 5 s beyond its end, and longer while another producer lags', () => {
    const first = new WrittenLog({ producer: 't1' })
    const second = new WrittenLog({ producer: 't2' })
    first.write([covered(ONE, '10:00'), clock('10:01:05')])
    second.write([clock('10:01:04.999')])
    expect(bar(fold(first.batches), '10:00')?.complete).toBe(true)
    const both = [...first.batches, ...second.batches]
    expect(bar(fold(both), '10:00')).toBeUndefined()
    second.write([{ kind: 'epoch_end', wallTimeMs: at('10:01:05') }])
    expect(bar(fold([...first.batches, ...second.batches]), '10:00')?.complete).toBe(true)
  })
})

describe('records of a restarted producer', () => {
  const written = (isSplit: boolean) => {
    const log = new WrittenLog()
    const instruments = [FUTURE, CALL_24000].map(
      (instrument) => ({ kind: 'instrument', instrument }) as const,
    )
    log.write([
      covered(ONE, '10:00'),
      packet(FUTURE, { price: 100, exchange: '10:00:10', trade: '10:00:10', volume: 65 }),
    ])
    if (isSplit) log.nextEpoch()
    log.write(instruments)
    log.write([
      packet(FUTURE, { price: 101, exchange: '10:00:20', trade: '10:00:20', volume: 130 }),
    ])
    return log.batches
  }

  it('make one row with those of the epoch before', () => {
    const one = fold(written(false))
    const split = fold(written(true).toReversed())
    expect(split.futuresBars).toEqual(one.futuresBars)
    expect(split.ledger.map(({ epoch, folded }) => [epoch, folded])).toEqual([
      [1, 1],
      [2, 1],
    ])
  })

  it('are not folded with a hole in them', () => {
    const batches = written(false)
    expect(() => fold(batches.toSpliced(1, 1))).toThrow(/not whole.*expected/)
  })
})

describe('the previous close of OI', () => {
  const held = (date: string, oi: number) => [
    covered(ONE, '10:00', 'full', date),
    packet(FUTURE, { price: 100, date, exchange: '10:00:10', trade: '10:00:10', oi }),
    uncovered(ONE, '10:01', date),
  ]

  it('is the last of an earlier date within 10 days', () => {
    const reference = foldRecords(
      ...held('2026-11-18', 650),
      ...held('2026-11-20', 780),
      clock('11:00'),
    )
    expect(reference.futuresBars.map((row) => [row.oi_prev_close, row.oi_change])).toEqual([
      [null, null],
      [650, 130],
    ])
  })

  it('is not known from longer ago', () => {
    const reference = foldRecords(
      ...held('2026-11-09', 650),
      ...held('2026-11-20', 780),
      clock('11:00'),
    )
    expect(reference.futuresBars.at(-1)).toMatchObject({ oi_prev_close: null, oi_change: null })
  })
})

describe('a chain', () => {
  const STREAMED = [INDEX, FUTURE, NEXT_FUTURE, CALL_24000, PUT_24000, CALL_24100]
  const traded = (instrument: typeof FUTURE, price: number, oi: number, volume: number) =>
    packet(instrument, {
      price,
      exchange: '10:00:30',
      trade: '10:00:30',
      oi,
      volume,
      bid: price - 0.05,
      ask: price + 0.05,
    })
  const reference = foldRecords(
    covered(STREAMED, '09:59'),
    packet(INDEX, { price: 24_010, exchange: '10:00:30' }),
    traded(FUTURE, 24_020, 6_500, 650),
    traded(NEXT_FUTURE, 24_200, 6_500, 650),
    traded(CALL_24000, 160, 1_000, 65),
    traded(PUT_24000, 130, 3_000, 195),
    traded(CALL_24100, 110, 2_000, 130),
    clock('10:01:05'),
  )
  const metrics = reference.expiryMetrics.find((row) => row.bucket_time === at('10:00'))

  it('has a forward by parity from the pair that is whole', () => {
    const years = (3 * 1440 + 339) / 525_600
    const forward = 24_000 + Math.exp(0.065 * years) * 30
    expect(metrics?.forward).toBeCloseTo(forward, 9)
    expect(metrics).toMatchObject({ forward_source: 'parity', spot: 24_010, future: 24_020 })
  })

  it('sums what is known of every listed strike', () => {
    expect(metrics).toMatchObject({
      ...{ total_call_oi: 3_000, total_put_oi: 3_000, pcr_oi: 1, pcr_volume: 1 },
      ...{ max_pain: 24_000, max_pain_high: 24_000, atm_strike: 24_000, straddle: 290 },
      ...{ strikes_listed: 2, strikes_streamed: 2, strikes_present: 2, complete: true },
    })
  })

  it('is in every option row and in the distribution', () => {
    const call = reference.optionBars.find(
      (row) => row.tradingsymbol === CALL_24000.tradingsymbol && row.bucket_time === at('10:00'),
    )
    expect(call).toMatchObject({ underlying_price: 24_010, forward: metrics?.forward })
    expect(call?.iv).toBeGreaterThan(0)
    expect(call?.delta).toBeGreaterThan(0.5)
    const strikes = reference.strikeDistribution.filter((row) => row.bucket_time === at('10:00'))
    expect(strikes.map((row) => row.strike)).toEqual([24_000, 24_100])
    expect(strikes[0]).toMatchObject({ call_ltp: 160, call_iv: call?.iv, put_oi: 3_000 })
    expect(strikes[1]).toMatchObject({
      ...{ put_tradingsymbol: PUT_24100.tradingsymbol, put_ltp: null, put_oi: null },
    })
  })

  it('gives the future its basis', () => {
    const ofMinute = reference.futuresBars.filter((row) => row.time === at('10:00'))
    expect(ofMinute.map((row) => [row.tradingsymbol, row.basis])).toEqual([
      [NEXT_FUTURE.tradingsymbol, 190],
      [FUTURE.tradingsymbol, 10],
    ])
  })

  it('carries the next expiry where its own options do not say', () => {
    const alone = foldRecords(
      covered([INDEX, NEXT_FUTURE, CALL_24000], '09:59'),
      packet(INDEX, { price: 24_000, exchange: '10:00:30' }),
      traded(NEXT_FUTURE, 24_240, 6_500, 650),
      traded(CALL_24000, 160, 1_000, 65),
      clock('10:01:05'),
    )
    const found = alone.expiryMetrics.find((row) => row.bucket_time === at('10:00'))
    const own = (at('15:40', '2026-11-23') - at('10:01')) / 60_000
    const next = (at('15:40', '2026-12-29') - at('10:01')) / 60_000
    expect(found?.forward_source).toBe('carry')
    expect(found?.forward).toBeCloseTo(24_000 * 1.01 ** (own / next), 6)
    expect(found).toMatchObject({ strikes_present: 1, strikes_streamed: 1, complete: false })
  })

  it('is not made of an open minute', () => {
    const open = foldRecords(covered(STREAMED, '09:59'), traded(CALL_24000, 160, 1_000, 65))
    expect(open.expiryMetrics).toEqual([])
    expect(open.optionBars).toMatchObject([{ close: 160, iv: null, complete: null }])
  })

  it('needs the list of instruments once a minute is closed, and says so', () => {
    const log = new WrittenLog()
    const master = new InstrumentMaster([])
    log.write([covered([CALL_24000], '09:59'), traded(CALL_24000, 160, 1_000, 65)])
    expect(fold(log.batches, { master }).optionBars).toMatchObject([{ close: 160 }])
    log.write([clock('10:01:05')])
    expect(() => fold(log.batches, { master })).toThrow(
      `the list of instruments does not have NFO:${CALL_24000.tradingsymbol}`,
    )
  })
})

describe('the ledger', () => {
  it('balances what was received with what became of it', () => {
    const log = new WrittenLog()
    log.write(
      [
        covered([FUTURE], '10:00'),
        packet(FUTURE, { price: 100, exchange: '10:00:10' }),
        packet(FUTURE, { price: 100, exchange: '09:10:00', market: '10:00:20' }),
        packet(CALL_24000, { price: 100, exchange: '10:00:20' }),
        packet({ ...FUTURE, token: 99 }, { price: 100, exchange: '10:00:30' }),
      ],
      [
        { journaled: 3, rejected: 2, dropped: 1 },
        { connection: 2, journaled: 1 },
      ],
    )
    expect(fold(log.batches).ledger.find((row) => row.minute === at('10:00'))).toEqual({
      ...{ minute: at('10:00'), producer: 't1', epoch: 1, partition: 0 },
      ...{ received: 7, rejected: 2, dropped: 1, journaled: 4, folded: 1, lost: 0 },
      not_folded: { outside_session: 1, not_covered: 1, no_instrument: 1 },
    })
  })
})

describe('coverage', () => {
  it('is told as the stretches that are left', () => {
    const { coverage } = foldRecords(
      covered(ONE, '10:00'),
      gapOpen('g1', ONE, '10:01'),
      gapClose('g1', ONE, '10:02', 'quote'),
    )
    const of = { exchange: 'NFO', tradingsymbol: FUTURE.tradingsymbol, source: 'live' }
    expect(coverage).toEqual([
      { ...of, from: at('10:00'), to: at('10:01'), mode: 'full' },
      { ...of, from: at('10:02'), to: Infinity, mode: 'quote' },
    ])
  })
})
