import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import type { ExpiryMetricsRow } from '../../../src/backend/ports.ts'
import { Expiries } from '../../../src/contract/api/expiries.ts'
import { ExpiryMetrics } from '../../../src/contract/api/expiry-metrics.ts'
import { Marks } from '../../../src/contract/api/marks.ts'
import { StrikeDistribution } from '../../../src/contract/api/strike-distribution.ts'
import { EXPIRY, FUTURE, NIFTY, OPEN_MS, OPTIONS } from '../scenario.ts'
import { emptyReads, LiveMarket, NEXT_EXPIRY, servers } from './live-market.ts'

const start = servers()
const MINUTE_MS = 60_000

function expectSchema(schema: TSchema, value: unknown): void {
  const check = Compile(schema)
  expect(check.Errors(value)).toEqual([])
}

describe('GET /fo/expiries', () => {
  it('lists the expiries to come of any spelling, nearest first', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    for (const spelling of ['NIFTY', 'NIFTY50', 'NIFTY%2050', 'nifty%2050', 'nifty-50']) {
      const { status, body } = await api.get(`/fo/expiries?symbol=${spelling}`)
      expect(status).toBe(200)
      expectSchema(Expiries, body)
      expect(body).toEqual({
        symbol: 'NIFTY50',
        expiries: [
          { expiry: EXPIRY, days_to_expiry: 3, kind: 'monthly', lot_size: 65 },
          { expiry: NEXT_EXPIRY, days_to_expiry: 11, kind: 'weekly', lot_size: 65 },
        ],
      })
    }
  })

  it('keeps the expiring series until its close at 15:40 and not longer', async () => {
    const before = await start(new LiveMarket(), Date.parse('2026-11-23T15:39:50+05:30'))
    const after = await start(new LiveMarket(), Date.parse('2026-11-23T15:40:00+05:30'))
    const nearest = async (api: typeof before) =>
      (await api.get('/fo/expiries?symbol=NIFTY')).body.expiries[0].expiry
    expect(await nearest(before)).toBe(EXPIRY)
    expect(await nearest(after)).toBe(NEXT_EXPIRY)
  })
})

describe('GET /fo/strike-distribution', () => {
  it('answers the chain with every listed strike and its figures', async () => {
    const market = new LiveMarket()
    market.tickAll(OPEN_MS + 30_000, 24_500)
    const api = await start(market, OPEN_MS + 31_000)
    const { status, body } = await api.get('/fo/strike-distribution?symbol=NIFTY')
    expect(status).toBe(200)
    expectSchema(StrikeDistribution, body)
    expect(body).toMatchObject({
      symbol: 'NIFTY50',
      expiry: EXPIRY,
      bucket_time: '2026-11-20T09:15:00+05:30',
      as_of: '2026-11-20T09:15:30+05:30',
      feed: 'kite',
      spot: 24_500,
      spot_stale: false,
      future: 24_510,
      forward_source: 'parity',
      india_vix: 13.5,
      atm_strike: 24_500,
      lot_size: 65,
      days_to_expiry: 3,
      total_call_oi: 6_500 * (1 + 3 + 5 + 7 + 9),
      total_put_oi: 6_500 * (2 + 4 + 6 + 8 + 10),
      pcr_oi: 1.2,
      completeness: {
        strikes_listed: 5,
        strikes_streamed: 5,
        strikes_present: 5,
        complete: true,
      },
    })
    expect(body.minutes_to_expiry).toBe(3 * 1440 + 6 * 60 + 24)
    expect(body.forward).toBeGreaterThan(24_505)
    expect(body.forward).toBeLessThan(24_515)
    expect(body.age_ms).toBeGreaterThanOrEqual(1_000)
    expect(body.age_ms).toBeLessThan(6_000)
    expect(body.strikes.map((s: { moneyness: string }) => s.moneyness)).toEqual([
      'ITM2',
      'ITM1',
      'ATM',
      'OTM1',
      'OTM2',
    ])
    const { call, put } = body.strikes[2]
    expect(call).toMatchObject({
      tradingsymbol: 'NIFTY26NOV24500CE',
      ltp: 70,
      prev_close: 70,
      change: 0,
      change_percent: 0,
      bid: 69.95,
      ask: 70.05,
      bid_quantity: 65,
      ask_quantity: 130,
      volume: 650 * 5,
      oi: 6_500 * 5,
      oi_prev_close: null,
      oi_change: null,
      buildup: null,
      iv_reason: null,
      last_trade_at: '2026-11-20T09:15:30+05:30',
      age_ms: 0,
      source: 'live',
      complete: null,
    })
    expect(put).toMatchObject({ ltp: 60, change: -10, change_percent: -14.2857 })
    expect(call.iv).toBeGreaterThan(0.05)
    expect(call.iv).toBe(put.iv)
    expect(call.delta - put.delta).toBeCloseTo(1, 2)
  })

  it('shows a buildup once the previous close of OI is known', async () => {
    const market = new LiveMarket()
    const atm = OPTIONS[4] as (typeof OPTIONS)[number]
    market.barsOf(atm).previousOi.set('2026-11-20', { oi: 13_000, date: '2026-11-19' })
    market.tickAll(OPEN_MS + 1_000, 24_500)
    market.tick(atm, OPEN_MS + 2_000, 80, { previousClose: 7_000, openInterest: 26_000 })
    const api = await start(market, OPEN_MS + 2_000)
    const { body } = await api.get('/fo/strike-distribution?symbol=NIFTY')
    expect(body.strikes[2].call).toMatchObject({
      oi_prev_close: 13_000,
      oi_change: 13_000,
      change: 10,
      buildup: 'long_buildup',
    })
  })

  it('shows as many strikes each side of ATM as asked, with totals of the whole chain', async () => {
    const market = new LiveMarket()
    market.tickAll(OPEN_MS, 24_560)
    const api = await start(market, OPEN_MS)
    const whole = (await api.get('/fo/strike-distribution?symbol=NIFTY')).body
    const { body } = await api.get('/fo/strike-distribution?symbol=NIFTY&strikes=1')
    expect(body.atm_strike).toBe(24_550)
    expect(body.strikes.map((s: { strike: number }) => s.strike)).toEqual([24_500, 24_550, 24_600])
    expect(body.total_call_oi).toBe(whole.total_call_oi)
    expect(body.completeness).toEqual(whole.completeness)
    expect(body.strikes).toEqual(whole.strikes.slice(2, 5))
  })

  it('answers a listed series of which nothing is known yet with nulls, never zeros', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    const { status, body } = await api.get(
      `/fo/strike-distribution?symbol=NIFTY&expiry=${NEXT_EXPIRY}&strikes=3`,
    )
    expect(status).toBe(200)
    expectSchema(StrikeDistribution, body)
    expect(body).toMatchObject({ as_of: null, bucket_time: null, age_ms: null, spot: null })
    expect(body).toMatchObject({ atm_strike: null, pcr_oi: null, spot_stale: true })
    expect(body.days_to_expiry).toBe(11)
    expect(body.strikes).toHaveLength(2)
    expect(body.strikes[0].call).toMatchObject({ ltp: null, iv: null, source: null, age_ms: null })
  })

  it('calls the spot stale when the index fell silent, and in the closing auction', async () => {
    const silent = new LiveMarket()
    silent.tickAll(OPEN_MS, 24_500)
    silent.tick(FUTURE, OPEN_MS + 61_000, 24_510)
    const auction = new LiveMarket()
    auction.tickAll(Date.parse('2026-11-20T15:15:00+05:30'), 24_500)
    const before = new LiveMarket()
    before.tickAll(Date.parse('2026-11-20T15:14:59+05:30'), 24_500)
    const stale = async (market: LiveMarket) => {
      const api = await start(market, market.chains.marketTimeMs)
      return (await api.get('/fo/strike-distribution?symbol=NIFTY')).body.spot_stale
    }
    expect(await stale(silent)).toBe(true)
    expect(await stale(auction)).toBe(true)
    expect(await stale(before)).toBe(false)
  })

  it('never calls the spot of a simulated market stale for the hour of the day', async () => {
    const atMs = Date.parse('2026-11-20T15:20:00+05:30')
    const market = new LiveMarket()
    market.tickAll(atMs, 24_500)
    const api = await start(market, atMs, { calendarMode: 'always', feed: 'simulated' })
    const { body } = await api.get('/fo/strike-distribution?symbol=NIFTY')
    expect(body.spot_stale).toBe(false)
    expect(body.feed).toBe('simulated')
  })

  it('grows old when nothing comes any more, though time passes', async () => {
    const market = new LiveMarket()
    market.tickAll(OPEN_MS, 24_500)
    market.chains.advance(OPEN_MS + 10 * MINUTE_MS)
    const api = await start(market, OPEN_MS + 10 * MINUTE_MS)
    const { body } = await api.get('/fo/strike-distribution?symbol=NIFTY')
    expect(body.as_of).toBe('2026-11-20T09:15:00+05:30')
    expect(body.bucket_time).toBe('2026-11-20T09:15:00+05:30')
    expect(body.age_ms).toBeGreaterThanOrEqual(10 * MINUTE_MS)
  })

  it('calls the spot stale when the log itself stands still', async () => {
    const market = new LiveMarket()
    market.tickAll(OPEN_MS, 24_500)
    const api = await start(market, OPEN_MS + 2 * MINUTE_MS)
    const { body } = await api.get('/fo/strike-distribution?symbol=NIFTY')
    expect(body.spot_stale).toBe(true)
    expect(body.minutes_to_expiry).toBe(3 * 1440 + 6 * 60 + 22)
  })

  it('tells the age of a simulated market at another date by its newest packet', async () => {
    const nowMs = OPEN_MS + 400 * 86_400_000
    const market = new LiveMarket()
    market.tick(NIFTY, OPEN_MS, 24_500, { receivedAtMs: nowMs - 250 })
    const api = await start(market, nowMs, { feed: 'simulated', calendarMode: 'always' })
    const { body } = await api.get('/fo/strike-distribution?symbol=NIFTY')
    expect(body.expiry).toBe(EXPIRY)
    expect(body.age_ms).toBeGreaterThanOrEqual(250)
    expect(body.age_ms).toBeLessThan(10_000)
  })

  it('says what has changed soon after it changed', async () => {
    const market = new LiveMarket()
    market.tickAll(OPEN_MS, 24_500)
    const api = await start(market, OPEN_MS)
    await api.get('/fo/strike-distribution?symbol=NIFTY')
    market.tick(NIFTY, OPEN_MS + 1_000, 24_501)
    await expect
      .poll(async () => (await api.get('/fo/strike-distribution?symbol=NIFTY')).body.spot)
      .toBe(24_501)
  })
})

describe('GET /fo/expiry-metrics', () => {
  const row = (minute: number, over: Partial<ExpiryMetricsRow> = {}): ExpiryMetricsRow => ({
    symbol: 'NIFTY50',
    expiry: EXPIRY,
    minuteMs: OPEN_MS + minute * MINUTE_MS,
    spot: 24_500 + minute,
    future: null,
    forward: 24_510 + minute,
    forwardSource: 'parity',
    atmStrike: 24_500,
    atmIv: 0.12,
    straddle: 130,
    expectedMove: 200,
    rr25: null,
    bf25: null,
    gex: 2.5e9,
    totalCallOi: 100,
    totalPutOi: 120,
    totalCallVolume: 10,
    totalPutVolume: 12,
    pcrOi: 1.2,
    pcrVolume: 1.2,
    maxPain: 24_500,
    maxPainHigh: 24_500,
    strikesListed: 5,
    strikesStreamed: 5,
    strikesPresent: 5,
    complete: true,
    ...over,
  })

  it('rolls minutes up to the last value of each bar, anchored at the open', async () => {
    const asked: unknown[] = []
    const reads = emptyReads({
      expiryMetrics: async (...args) => {
        asked.push(args)
        return [row(0), row(1), row(4, { pcrOi: null, pcrVolume: 1.3 }), row(5), row(11)]
      },
    })
    const api = await start(new LiveMarket(), OPEN_MS + 12 * MINUTE_MS, { reads })
    const { status, body } = await api.get('/fo/expiry-metrics?symbol=NIFTY&timeframe=5m')
    expect(status).toBe(200)
    expectSchema(ExpiryMetrics, body)
    expect(body).toMatchObject({ symbol: 'NIFTY50', expiry: EXPIRY, timeframe: '5m' })
    expect(body.points.map((p: { time: string; spot: number }) => [p.time, p.spot])).toEqual([
      ['2026-11-20T09:15:00+05:30', 24_504],
      ['2026-11-20T09:20:00+05:30', 24_505],
      ['2026-11-20T09:25:00+05:30', 24_511],
    ])
    expect(body.points[0]).toMatchObject({ pcr_oi: 1.2, pcr_volume: 1.3, gex: 250 })
    expect((asked[0] as unknown[]).slice(0, 3)).toEqual(['NIFTY50', EXPIRY, OPEN_MS])
  })

  it('asks for the time that is given, in ISO text or epoch seconds', async () => {
    const asked: number[][] = []
    const reads = emptyReads({
      expiryMetrics: async (_symbol, _expiry, fromMs, toMs) => {
        asked.push([fromMs, toMs])
        return []
      },
    })
    const api = await start(new LiveMarket(), OPEN_MS, { reads })
    const base = `/fo/expiry-metrics?symbol=NIFTY&expiry=2026-10-27`
    const to = OPEN_MS / 1000 - 3600
    expect((await api.get(`${base}&from=2026-10-26T09:15:00&to=${to}`)).status).toBe(200)
    expect((await api.get(`${base}&from=2026-10-26T09:15:00%2B05:30&to=${to}`)).status).toBe(200)
    const fromMs = Date.parse('2026-10-26T09:15:00+05:30')
    expect(asked).toEqual([
      [fromMs, to * 1000],
      [fromMs, to * 1000],
    ])
  })

  it('refuses more minutes than one answer holds', async () => {
    const reads = emptyReads({
      expiryMetrics: async (_s, _e, _f, _t, limit) => Array.from({ length: limit }, () => row(0)),
    })
    const api = await start(new LiveMarket(), OPEN_MS, { reads })
    const { status, body } = await api.get('/fo/expiry-metrics?symbol=NIFTY&from=2026-01-01')
    expect(status).toBe(400)
    expect(body.error.code).toBe('too_large')
  })
})

describe('GET /marks/latest', () => {
  it('answers the last price of what is named, in that order', async () => {
    const market = new LiveMarket()
    market.tickAll(OPEN_MS, 24_500)
    const api = await start(market, OPEN_MS + 1_000)
    const { status, body } = await api.get('/marks/latest?symbols=NIFTY26NOV24500PE,NIFTY')
    expect(status).toBe(200)
    expectSchema(Marks, body)
    expect(body.marks).toHaveLength(2)
    expect(body.marks[0]).toMatchObject({
      symbol: 'NIFTY50',
      tradingsymbol: 'NIFTY26NOV24500PE',
      ltp: 60,
      prev_close: 70,
      change: -10,
      oi: 6_500 * 6,
      exchange_time: '2026-11-20T09:15:00+05:30',
      stale: false,
    })
    expect(body.marks[1]).toMatchObject({ tradingsymbol: 'NIFTY 50', volume: null, oi: null })
    expect(body.marks[1].change).toBe(100)
  })

  it('answers everything that is streamed where nothing is named', async () => {
    const market = new LiveMarket()
    market.tickAll(OPEN_MS, 24_500)
    const api = await start(market, OPEN_MS + 60_000)
    const { body } = await api.get('/marks/latest')
    expect(body.marks).toHaveLength(13)
    expect(body.marks.every((mark: { stale: boolean }) => mark.stale)).toBe(true)
  })

  it('knows a listed instrument that has not ticked, and refuses one that is not listed', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    const silent = await api.get(`/marks/latest?symbols=${encodeURIComponent(NIFTY.tradingsymbol)}`)
    expect(silent.body.marks[0]).toMatchObject({ ltp: null, age_ms: null, stale: true })
    const unknown = await api.get('/marks/latest?symbols=NIFTY,NIFTY26NOV99999CE')
    expect(unknown.status).toBe(404)
    expect(unknown.body.error).toMatchObject({
      code: 'unknown_instrument',
      details: { unknown: ['NIFTY26NOV99999CE'] },
    })
  })
})
