import { describe, expect, it } from 'vitest'
import { computeChain } from '../../../src/market/options/chain.ts'
import { computeExpiryMetrics, gammaExposure } from '../../../src/market/options/metrics.ts'
import type { LegAnalytics, StrikeInput } from '../../../src/market/options/strike.ts'
import { held, ladder, type Market, pricedChain, publishedExamples } from './fixtures.ts'

const market: Market = {
  forward: 26_030,
  timeYears: 7 / 365,
  rate: 0.065,
  volatility: () => 0.13,
}
const strikes = pricedChain(ladder(25_000, 27_000, 50), market)
const chain = computeChain({
  expiryCloseMs: 7 * 86_400_000,
  barEndMs: 0,
  rate: market.rate,
  strikes,
  spot: 26_000,
  future: 26_031,
})

const withGamma = (gamma: number | null): LegAnalytics => ({
  iv: 0.1,
  ivRaw: 0.1,
  ivReason: null,
  delta: 0.5,
  gamma,
  theta: -1,
  vega: 1,
})

describe('the metrics of an expiry', () => {
  it('are those of a flat smile priced at 13 %', () => {
    const { metrics } = chain
    const atm = strikes.find(({ strike }) => strike === 26_050)
    expect(metrics.atmStrike).toBe(26_050)
    expect(metrics.atmIv).toBeCloseTo(0.13, 9)
    expect(metrics.expectedMove).toBeCloseTo(26_030 * 0.13 * Math.sqrt(7 / 365), 5)
    expect(metrics.straddle).toBe((atm?.call?.lastPrice ?? 0) + (atm?.put?.lastPrice ?? 0))
    expect(metrics.rr25).toBeCloseTo(0, 9)
    expect(metrics.bf25).toBeCloseTo(0, 9)
    expect(metrics.forwardSource).toBe('parity')
  })

  it('total units by side', () => {
    expect(chain.metrics).toMatchObject({
      totalCallOi: 41 * 650,
      totalPutOi: 41 * 325,
      totalCallVolume: 41 * 1_300,
      totalPutVolume: 41 * 975,
      pcrOi: 0.5,
      pcrVolume: 0.75,
      strikesPresent: 41,
    })
  })

  it('are null, never 0, where nothing is known', () => {
    const unknown = { strike: 26_000, call: null, put: null }
    const metrics = computeExpiryMetrics({
      strikes: [unknown],
      analytics: [unknown],
      spot: null,
      future: null,
      forward: undefined,
      timeYears: 0.02,
    })
    const { forwardPairs, strikesPresent, ...figures } = metrics
    expect(Object.values(figures).every((figure) => figure === null)).toBe(true)
    expect({ forwardPairs, strikesPresent }).toEqual({ forwardPairs: 0, strikesPresent: 0 })
  })
})

describe('gamma exposure', () => {
  const examples = publishedExamples()?.gex ?? []
  it.skipIf(examples.length === 0)('is that of the published example', () => {
    for (const { spot, mult, legs, net } of examples) {
      const input: StrikeInput[] = []
      const analytics = legs.map(({ type, gamma, oi, gex }, i) => {
        const leg = held(oi * mult)
        const strike = 500 + i
        const isCall = type === 'c'
        input.push({ strike, call: isCall ? leg : null, put: isCall ? null : leg })
        const greeks = withGamma(gamma)
        const row = { strike, call: isCall ? greeks : null, put: isCall ? null : greeks }
        expect(gammaExposure(input.slice(-1), [row], spot)).toBeCloseTo(gex, 4)
        return row
      })
      expect(gammaExposure(input, analytics, spot)).toBeCloseTo(net, 4)
    }
  })

  it('is null without a gamma, open interest or a price of the underlying', () => {
    const input = [{ strike: 100, call: held(65), put: null }]
    const row = (gamma: number | null) => [{ strike: 100, call: withGamma(gamma), put: null }]
    expect(gammaExposure(input, row(0.01), 100)).toBeCloseTo(65, 10)
    expect(gammaExposure(input, row(null), 100)).toBeNull()
    expect(gammaExposure(input, row(0.01), null)).toBeNull()
    expect(gammaExposure([{ strike: 100, call: null, put: null }], row(0.01), 100)).toBeNull()
  })
})
