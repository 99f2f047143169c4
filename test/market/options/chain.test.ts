import { describe, expect, it } from 'vitest'
import { black76Greeks } from '../../../src/market/options/black76.ts'
import {
  type ChainAnalytics,
  type ChainInput,
  computeChain,
  timeToExpiryYears,
} from '../../../src/market/options/chain.ts'
import type { LegAnalytics, StrikeInput } from '../../../src/market/options/strike.ts'
import { held, ladder, type Market, pricedChain, quoted, traded } from './fixtures.ts'

const MINUTE_MS = 60_000
const market: Market = {
  forward: 26_010,
  timeYears: 10_080 / 525_600,
  rate: 0.065,
  volatility: (strike) => 0.12 - 0.3 * Math.log(strike / 26_010),
}
const closeMs = Date.parse('2026-08-11T15:40:00+05:30')
const weekBefore: ChainInput = {
  expiryCloseMs: closeMs,
  barEndMs: closeMs - 10_080 * MINUTE_MS,
  rate: market.rate,
  strikes: pricedChain(ladder(25_000, 27_000, 50), market),
  spot: 25_980,
  future: null,
}

const nothingOf = (ivReason: LegAnalytics['ivReason']): LegAnalytics => ({
  iv: null,
  ivRaw: null,
  ivReason,
  delta: null,
  gamma: null,
  theta: null,
  vega: null,
})

function replaceStrike(strike: number, legs: Partial<StrikeInput>): ChainInput {
  const strikes = weekBefore.strikes.map((row) =>
    row.strike === strike ? { ...row, ...legs } : row,
  )
  return { ...weekBefore, strikes }
}

function at(chain: ChainAnalytics, strike: number) {
  const row = chain.strikes.find((candidate) => candidate.strike === strike)
  if (row?.call == null || row.put == null) throw new Error(`no strike ${strike}`)
  return { call: row.call, put: row.put }
}

describe('the chain of one minute', () => {
  const chain = computeChain(weekBefore)

  it('finds the forward and the volatility of every strike, the same for both legs', () => {
    expect(chain.forward?.forward).toBeCloseTo(26_010, 8)
    for (const { strike, call, put } of chain.strikes) {
      expect(call?.iv).toBeCloseTo(market.volatility(strike), 9)
      expect(put?.iv).toBe(call?.iv)
      expect(call?.ivReason).toBeNull()
      expect((call?.delta ?? 0) - (put?.delta ?? 0)).toBeCloseTo(Math.exp((-0.065 * 7) / 365), 12)
    }
  })

  it('has the Greeks of the formula at that volatility', () => {
    const { put } = at(chain, 25_500)
    const truth = black76Greeks(
      'PE',
      26_010,
      25_500,
      market.timeYears,
      0.065,
      market.volatility(25_500),
    )
    expect(put.delta).toBeCloseTo(truth.delta, 9)
    expect(put.gamma).toBeCloseTo(truth.gamma, 11)
    expect(put.theta).toBeCloseTo(truth.theta, 7)
    expect(put.vega).toBeCloseTo(truth.vega, 7)
  })

  it('takes the out-of-the-money volatility for both legs and keeps each own one beside it', () => {
    const { call } = at(chain, 25_500)
    const late = (call.delta ?? 0) * 30
    const moved = computeChain(replaceStrike(25_500, { call: traded(560 + late), put: traded(24) }))
    const row = at(moved, 25_500)
    expect(row.call.iv).toBe(row.put.iv)
    expect(row.put.ivRaw).toBe(row.put.iv)
    expect(row.call.ivRaw).not.toBe(row.call.iv)
  })

  it('falls back on the leg itself where the out-of-the-money leg has none', () => {
    const itm = weekBefore.strikes.find(({ strike }) => strike === 25_500)?.call ?? null
    const row = at(computeChain(replaceStrike(25_500, { call: itm, put: held(65) })), 25_500)
    expect(row.call.iv).toBeCloseTo(market.volatility(25_500), 6)
    expect(row.put).toEqual(nothingOf('no_price'))
  })

  it.each([
    ['stale', traded(20, { tradedInMinute: false })],
    ['no_price', held(65)],
    ['zero_price', traded(0)],
    ['above_max', traded(30_000)],
    ['low_confidence', traded(0.01)],
  ] as const)('says %s and not 0 where neither leg has a volatility', (reason, put) => {
    const itm = traded(400)
    const row = at(computeChain(replaceStrike(25_500, { call: itm, put })), 25_500)
    expect(row.put).toEqual(nothingOf(reason))
    expect(row.call).toEqual(nothingOf('below_intrinsic'))
  })

  it('takes the middle of the quotes where nothing was traded in the minute', () => {
    const row = at(
      computeChain(replaceStrike(26_500, { call: quoted(39.9, 40.1, { lastPrice: 77 }) })),
      26_500,
    )
    const same = at(computeChain(replaceStrike(26_500, { call: traded(40) })), 26_500)
    expect(row.call.ivRaw).toBeCloseTo(same.call.ivRaw ?? 0, 12)
  })

  it('has no volatility but open interest where nothing gives a forward', () => {
    const strikes = [{ strike: 26_000, call: traded(100, { oi: 65 }), put: held(130) }]
    const blind = computeChain({ ...weekBefore, strikes, spot: null })
    expect(at(blind, 26_000).call).toEqual(nothingOf('no_forward'))
    expect(blind.forward).toBeNull()
    expect(blind.metrics).toMatchObject({ forward: null, atmIv: null, gex: null, pcrOi: 2 })
  })

  it('refuses strikes that do not ascend', () => {
    const strikes = [...weekBefore.strikes].reverse()
    expect(() => computeChain({ ...weekBefore, strikes })).toThrow('do not ascend')
  })
})

describe('time to expiry', () => {
  it('is calendar minutes from the end of the bar over 525,600, at least one minute', () => {
    expect(timeToExpiryYears(closeMs - 10_080 * MINUTE_MS, closeMs)).toBe(10_080 / 525_600)
    expect(timeToExpiryYears(closeMs, closeMs)).toBe(1 / 525_600)
    expect(timeToExpiryYears(closeMs + 1, closeMs)).toBeNull()
  })

  it('the last bar still has Greeks, after the close they are settled', () => {
    const lastMinute = { ...market, timeYears: 1 / 525_600, volatility: () => 0.8 }
    const strikes = pricedChain(ladder(25_900, 26_100, 50), lastMinute)
    const last = computeChain({ ...weekBefore, strikes, barEndMs: closeMs })
    expect(at(last, 26_000).call.iv).toBeCloseTo(0.8, 9)

    const after = computeChain({ ...weekBefore, strikes, barEndMs: closeMs + MINUTE_MS })
    expect(after.strikes.flatMap(({ call, put }) => [call, put])).toEqual(
      Array.from({ length: 10 }, () => nothingOf('settled')),
    )
    expect(after).toMatchObject({ timeYears: null, forward: null })
    expect(after.metrics).toMatchObject({ atmStrike: 26_000, atmIv: null, gex: null, pcrOi: 0.5 })
  })
})
