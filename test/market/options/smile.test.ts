import { describe, expect, it } from 'vitest'
import { computeChain } from '../../../src/market/options/chain.ts'
import {
  atmVolatility,
  butterfly,
  riskReversal,
  type Smile,
  smileOf,
  wingVolatility,
} from '../../../src/market/options/smile.ts'
import { ladder, type Market, pricedChain, publishedExamples } from './fixtures.ts'

const DAY_MS = 86_400_000
const market: Market = {
  forward: 26_010,
  timeYears: 7 / 365,
  rate: 0.065,
  volatility: (strike) =>
    0.12 - 0.4 * Math.log(strike / 26_010) + 3 * Math.log(strike / 26_010) ** 2,
}

function smileOfMarket(strikes: readonly number[], of: Market): Smile {
  const { strikes: analysed } = computeChain({
    expiryCloseMs: of.timeYears * 365 * DAY_MS,
    barEndMs: 0,
    rate: of.rate,
    strikes: pricedChain(strikes, of),
    spot: null,
    future: null,
  })
  return smileOf(analysed, of.forward, of.timeYears)
}

describe('volatility at the forward', () => {
  const smile = smileOfMarket(ladder(24_000, 28_000, 50), market)

  it('is close to the smile there, between the strikes on either side', () => {
    expect(atmVolatility(smile)).toBeCloseTo(0.12, 5)
  })

  it('hardly moves as another strike becomes the nearest', () => {
    const at = (forward: number) =>
      atmVolatility(smileOfMarket(ladder(24_000, 28_000, 50), { ...market, forward })) ?? 0
    expect(Math.abs(at(26_025.01) - at(26_024.99))).toBeLessThan(1e-6)
  })

  it('is linear in variance', () => {
    const point = (logMoneyness: number, iv: number) => ({ logMoneyness, delta: 0.5, iv })
    const between = { puts: [point(-0.01, 0.2)], calls: [point(0.03, 0.1)] }
    expect(atmVolatility(between)).toBeCloseTo(Math.sqrt(0.04 - 0.25 * 0.03), 12)
  })

  it('is that of a strike at the forward itself, and null with one side only', () => {
    const point = { logMoneyness: 0, delta: 0.5, iv: 0.11 }
    expect(atmVolatility({ calls: [point], puts: [] })).toBe(0.11)
    expect(atmVolatility({ calls: [{ ...point, logMoneyness: 0.01 }], puts: [] })).toBeNull()
    expect(atmVolatility({ calls: [], puts: [] })).toBeNull()
  })
})

describe('volatility at 25 delta', () => {
  it('lies on the smile, a higher one for puts when the skew is down', () => {
    const smile = smileOfMarket(ladder(24_000, 28_000, 50), market)
    const put = wingVolatility(smile.puts) ?? 0
    const call = wingVolatility(smile.calls) ?? 0
    const nearestPut = smile.puts.find((point) => point.delta <= 0.25)
    expect(Math.abs(put - (nearestPut?.iv ?? 0))).toBeLessThan(0.002)
    expect(riskReversal(call, put)).toBeLessThan(0)
  })

  it('is null with fewer than two strikes between the forward and it', () => {
    expect(wingVolatility(smileOfMarket(ladder(24_000, 28_000, 50), market).calls)).not.toBeNull()
    expect(wingVolatility(smileOfMarket(ladder(24_000, 28_000, 500), market).calls)).toBeNull()
  })

  it('is null where the strikes end before it', () => {
    expect(wingVolatility(smileOfMarket(ladder(25_900, 26_100, 50), market).calls)).toBeNull()
    expect(wingVolatility([])).toBeNull()
  })

  const examples = publishedExamples()?.risk_reversal_butterfly ?? []
  it.skipIf(examples.length === 0)('gives the published risk reversals and butterflies', () => {
    for (const { atm, put25, call25, rr_call_minus_put, bf } of examples) {
      expect(riskReversal(call25, put25)).toBeCloseTo(rr_call_minus_put, 10)
      if (bf !== undefined) expect(butterfly(call25, put25, atm ?? null)).toBeCloseTo(bf, 10)
    }
  })

  it('says nothing where a part is not known', () => {
    expect(riskReversal(null, 0.1)).toBeNull()
    expect(butterfly(0.1, 0.1, null)).toBeNull()
  })
})
