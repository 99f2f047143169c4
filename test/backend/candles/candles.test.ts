import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { Candle } from '../../../src/backend/candles/candle-writer.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { MINUTE_MS } from '../../../src/market/ist.ts'
import { computeChain } from '../../../src/market/options/chain.ts'
import { describeStores } from '../../postgres/stores.ts'
import { until } from '../../until.ts'
import { begins, clockAt, EXPIRY, FUTURE, NIFTY, OPTIONS, packet } from '../scenario.ts'
import { candle, IngestUnderTest, minute, RATE } from './ingest-under-test.ts'

const OPTION = OPTIONS[4] as Instrument

await describeStores('candles', (store) => {
  let test: IngestUnderTest

  beforeAll(async () => {
    test = await IngestUnderTest.over(store())
  })
  afterEach(() => test.clear())
  afterAll(() => test.close())

  /** A log that streams these and has passed the minute. */
  async function streaming(
    instruments: readonly Instrument[],
    untilMinute: number,
    fromMs = minute(0) - 1_000,
  ): Promise<void> {
    test.log.startEpoch(100)
    test.log.append([...begins(instruments, fromMs), clockAt(minute(0))])
    test.start()
    await test.passed(minute(untilMinute))
  }

  it('stores minutes that are over and hands back those that are open in the log', async () => {
    await streaming([NIFTY], 2)
    const outcome = await test.write(
      OPTION,
      [1, 2, 3, 4].map((n) => candle(n, 70 + n)),
    )
    expect(outcome).toEqual({ written: 2, tooEarly: [minute(3), minute(4)], kept: 0 })
    expect(await test.bars(OPTION)).toMatchObject([
      { open: 70, high: 73, low: 68, close: 71, volume: 650, oi: 13_001, source: 'backfill' },
      { close: 72, oi: 13_002, complete: false, tick_count: 0, open_key: null },
    ])
    await test.passed(minute(4))
    expect(await test.write(OPTION, [candle(3, 73), candle(4, 74)])).toMatchObject({ written: 2 })
    expect(await test.coverage(OPTION)).toEqual([
      { from: minute(1), to: minute(5), source: 'broker' },
    ])
  })

  it('computes a chain of which only candles exist, as if it were computed from them', async () => {
    await streaming([], 5)
    const n = 3
    const spot = 24_512.3
    const candles = new Map<Instrument, Candle>(
      OPTIONS.map((option, i) => {
        const strike = option.strike ?? 0
        const intrinsic = Math.max(0, option.optionType === 'CE' ? spot - strike : strike - spot)
        const close = Math.round((intrinsic + 61 + 1.7 * i) * 20) / 20
        return [option, candle(n, close, { oi: 6_500 * (i + 1), volume: 65 * (i + 3) })]
      }),
    )
    const future = candle(n, 24_519.5)
    // The options come first, and of the first of them nothing more is known by the time it is stored.
    for (const [option, one] of candles) {
      await test.write(option, [one], { moreFollows: option !== OPTIONS.at(-1) })
    }
    await test.write(FUTURE, [future])
    await test.write(NIFTY, [candle(n, spot, { volume: 0, oi: null })])
    await test.settled()

    const strikes = [24_400, 24_450, 24_500, 24_550, 24_600].map((strike) => {
      const leg = (type: 'CE' | 'PE') => {
        const option = OPTIONS.find((o) => o.strike === strike && o.optionType === type)
        const { close, oi } = candles.get(option as Instrument) as Candle
        const book = { bid: null, ask: null, volume: null, oi }
        return { lastPrice: close, tradedInMinute: true, ...book }
      }
      return { strike, call: leg('CE'), put: leg('PE') }
    })
    const wanted = computeChain({
      expiryCloseMs: exchangeCalendar().expiryCloseMs('NFO-OPT', EXPIRY),
      barEndMs: minute(n) + MINUTE_MS,
      rate: RATE,
      strikes,
      spot,
      future: future.close,
      tickSize: 0.05,
    })
    const stored = await test.rows<Record<string, number>>(
      `SELECT strike, option_type, iv, delta, theta, forward, underlying_price
       FROM fo_option_strike_bars ORDER BY strike, option_type`,
    )
    const legs = wanted.strikes.flatMap(({ call, put }) => [call, put])
    expect(stored).toHaveLength(10)
    stored.forEach((row, i) => {
      expect(row['iv']).toBeGreaterThan(0)
      for (const figure of ['iv', 'delta', 'theta'] as const) {
        const direct = legs[i]?.[figure] ?? Number.NaN
        expect(Math.abs((row[figure] ?? 0) - direct)).toBeLessThan(1e-9)
      }
      expect(row['forward']).toBeCloseTo(wanted.forward?.forward ?? 0, 9)
      expect(row['underlying_price']).toBe(spot)
    })
    const [metrics] = await test.rows(
      `SELECT pcr_oi, max_pain, strikes_listed, strikes_present, strikes_streamed, spot, future,
         complete FROM fo_expiry_metrics`,
    )
    expect(metrics).toMatchObject({
      ...{ pcr_oi: wanted.metrics.pcrOi, max_pain: wanted.metrics.maxPain },
      ...{ strikes_listed: 5, strikes_present: 5, strikes_streamed: 0 },
      ...{ spot, future: future.close, complete: false },
    })
    const [distribution] = await test.rows<{ n: number }>(
      'SELECT count(call_iv)::int AS n FROM fo_strike_distribution',
    )
    expect(distribution?.n).toBe(5)
  })

  it('finds the instruments of candles again after it ended before their finals', async () => {
    await streaming([], 5)
    for (const option of OPTIONS) {
      await test.write(option, [candle(2, 80)], { moreFollows: true })
    }
    await test.restart()
    await test.settled()
    const [metrics] = await test.rows('SELECT strikes_present, total_put_oi FROM fo_expiry_metrics')
    expect(metrics).toEqual({ strikes_present: 5, total_put_oi: 5 * 13_002 })
  })

  it('lets finals of a series wait for its next candles, not those of others', async () => {
    await streaming([NIFTY], 5)
    await test.write(OPTION, [candle(2, 80)], { moreFollows: true })
    await test.write(FUTURE, [candle(2, 24_500)])
    const due = () => test.rows('SELECT expiry::text AS expiry FROM finalise_queue')
    await until(async () => (await due()).length === 1)
    expect(await due()).toEqual([{ expiry: EXPIRY }])
    await test.write(OPTIONS[5] as Instrument, [candle(2, 81)])
    await test.settled()
    const [metrics] = await test.rows('SELECT strikes_present, future FROM fo_expiry_metrics')
    expect(metrics).toEqual({ strikes_present: 1, future: 24_500 })
  })

  it('writes finals when no further candles come in time', async () => {
    // Long waits are short here.
    const after = (ms: number, task: () => void) => systemClock.after(Math.min(ms, 300), task)
    test.clock = { ...systemClock, after }
    await streaming([], 5)
    await test.write(OPTION, [candle(2, 80)], { moreFollows: true })
    await test.settled()
    const [metrics] = await test.rows('SELECT strikes_present FROM fo_expiry_metrics')
    expect(metrics).toEqual({ strikes_present: 1 })
  })

  it('gives a minute without a candle the price before it, also when that comes later', async () => {
    await streaming([], 8)
    await test.write(OPTION, [candle(4, 74)], { none: [minute(5), minute(6)] })
    await test.write(OPTION, [], { none: [minute(3)] })
    await test.write(OPTION, [candle(2, 72)])
    await test.settled()
    expect(await test.bars(OPTION)).toMatchObject([
      { close: 72, volume: 650, oi: 13_002 },
      { open: 72, high: 72, low: 72, close: 72, volume: 0, oi: 13_002, iv_reason: 'stale' },
      { close: 74, volume: 650, oi: 13_004 },
      { open: 74, close: 74, volume: 0, oi: 13_004 },
      { open: 74, close: 74, volume: 0, oi: 13_004 },
    ])
    expect(await test.coverage(OPTION)).toEqual([
      { from: minute(2), to: minute(3), source: 'broker' },
      { from: minute(3), to: minute(4), source: 'none' },
      { from: minute(4), to: minute(5), source: 'broker' },
      { from: minute(5), to: minute(7), source: 'none' },
    ])
    // The broker has one after all, and corrects another.
    await test.write(OPTION, [candle(4, 75), candle(5, 76)], { source: 'repair' })
    await test.settled()
    expect((await test.bars(OPTION)).map(({ close }) => close)).toEqual([72, 72, 75, 76, 76])
    expect(await test.coverage(OPTION)).toMatchObject([
      { source: 'broker' },
      { source: 'none' },
      { from: minute(4), to: minute(6), source: 'broker' },
      { from: minute(6), to: minute(7), source: 'none' },
    ])
  })

  it('leaves live minutes alone, and lets their volume follow on from candles before them', async () => {
    const beganMs = minute(3) + 20_000
    test.log.startEpoch(100)
    test.log.append([...begins([OPTION], beganMs), clockAt(beganMs)])
    test.log.append([packet(OPTION, beganMs, 80, { dayVolume: 2_400 })])
    test.log.append([packet(OPTION, beganMs + 30_000, 81, { dayVolume: 2_600 })])
    test.log.append([packet(OPTION, minute(4) + 5_000, 82, { dayVolume: 2_800 })])
    test.start()
    await test.passed(minute(4))
    const outcome = await test.write(OPTION, [
      ...[0, 1, 2].map((n) => candle(n, 70 + n, { volume: 700 })),
      candle(3, 81, { volume: 500 }),
      candle(4, 99),
    ])
    expect(outcome).toEqual({ written: 4, tooEarly: [], kept: 1 })
    await test.settled()
    expect(await test.bars(OPTION)).toMatchObject([
      { day_volume: 700, base_volume: null },
      { day_volume: 1_400 },
      { day_volume: 2_100 },
      { volume: 500, day_volume: 2_600, base_volume: 2_400, source: 'backfill' },
      { volume: 200, day_volume: 2_800, close: 82, source: 'live', complete: true },
    ])
    expect(await test.coverage(OPTION)).toEqual([
      { from: minute(0), to: beganMs, source: 'broker' },
      { from: beganMs, to: Number.POSITIVE_INFINITY, source: 'live' },
    ])
  })

  it('counts a gap as repaired when the last of its instruments is whole, and not before', async () => {
    const gapped = [OPTIONS[0], OPTIONS[1]] as Instrument[]
    const [first, second] = gapped as [Instrument, Instrument]
    test.log.startEpoch(100)
    test.log.append([...begins(gapped, minute(0) - 1_000), clockAt(minute(0))])
    const gap = { gapId: 'g1', reason: 'disconnect', account: 'a', connection: 1 } as const
    const tokens = gapped.map(({ token }) => token)
    const ends = tokens.map((token, i) => ({
      ...{ token, toMs: minute(4) + 10_000 * (i + 1), mode: 'full' as const },
    }))
    test.log.append([{ kind: 'gap_open', ...gap, fromMs: minute(1) + 30_000, tokens }])
    test.start()
    await test.passed(minute(2))
    const status = async () => (await test.rows('SELECT status, rows FROM feed_gaps'))[0]
    const fill = (instrument: Instrument, minutes: readonly number[]) =>
      test.write(
        instrument,
        minutes.map((n) => candle(n, 70 + n)),
        { source: 'repair', gaps: ['g1'] },
      )
    await fill(first, [1, 2])
    expect(await status()).toEqual({ status: 'open', rows: null })
    test.log.append([{ kind: 'gap_close', gapId: 'g1', ends }])
    await test.passed(minute(4))
    await fill(first, [3, 4])
    await fill(second, [1, 2, 4])
    expect(await status()).toEqual({ status: 'closed', rows: null })
    // Whoever fills it: that it is whole is found when somebody asks, with any of its instruments.
    await test.write(second, [], { none: [minute(3)] })
    expect(await status()).toEqual({ status: 'closed', rows: null })
    await test.write(first, [], { source: 'repair', gaps: ['g1'] })
    expect(await status()).toEqual({ status: 'repaired', rows: 8 })
    await test.settled()
    expect((await test.bars(second)).map(({ source }) => source)).toEqual([
      ...['live', 'repair', 'repair', 'backfill', 'repair'],
    ])
    await test.restart()
    await test.settled()
    expect(await status()).toEqual({ status: 'repaired', rows: 8 })
  })

  it('finalises old days from what was streamed then, not from what memory still knows', async () => {
    await streaming([OPTION], 3)
    const before = await test.bars(OPTION)
    expect(before.map(({ complete }) => complete)).toEqual([true, true, true, true])
    test.log.append([
      { kind: 'covered', begin: [], end: [{ token: OPTION.token, toMs: minute(4) }] },
      clockAt(minute(0) + 26 * 60 * MINUTE_MS),
    ])
    await test.settled()
    await test.write(OPTIONS[5] as Instrument, [candle(1, 90), candle(2, 91)])
    await test.settled()
    expect((await test.bars(OPTION)).map(({ complete }) => complete)).toEqual([
      ...[true, true, true, true],
    ])
    const streamed = await test.rows(
      'SELECT strikes_streamed, strikes_present FROM fo_expiry_metrics ORDER BY bucket_time LIMIT 2',
    )
    expect(streamed[1]).toMatchObject({ strikes_streamed: 1 })
  })

  it('refuses what it does not write, and what waits when it ends', async () => {
    await streaming([NIFTY], 2)
    await test.ingest.stop()
    await expect(test.write(OPTION, [candle(1, 70)])).rejects.toMatchObject({
      code: 'ended',
      retryable: true,
    })
  })

  it('goes on after a batch that the store refuses', async () => {
    await streaming([NIFTY], 2)
    const bad = test.write(OPTION, [candle(1, Number.NaN)])
    await expect(bad).rejects.toMatchObject({ code: 'refused', retryable: false })
    expect(await test.write(OPTION, [candle(1, 70)])).toMatchObject({ written: 1 })
    expect(test.ingest.counters.restarts).toBe(0)
  })
})
