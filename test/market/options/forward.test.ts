import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { computeForward, type ForwardInput } from '../../../src/market/options/forward.ts'
import { atmStrike } from '../../../src/market/options/moneyness.ts'
import { ladder, pricedChain, publishedExamples, quoted, traded } from './fixtures.ts'

const nothing: ForwardInput = {
  strikes: [],
  timeYears: 7 / 365,
  rate: 0.065,
  spot: null,
  future: null,
  otherForwards: [],
}

describe('the forward by put–call parity', () => {
  it('is the one that the whole chain was priced with', () => {
    fc.assert(
      fc.property(fc.integer({ min: 25_500, max: 26_500 }), (forward) => {
        const strikes = pricedChain(ladder(25_000, 27_000, 50), {
          ...nothing,
          forward,
          volatility: () => 0.13,
        })
        const found = computeForward({ ...nothing, strikes, spot: forward - 30 })
        expect(found?.source).toBe('parity')
        expect(found?.pairs).toBe(5)
        expect(found?.forward).toBeCloseTo(forward, 8)
      }),
    )
  })

  it('takes the median of the five strikes nearest the anchor, so one stale leg does no harm', () => {
    const strikes = [25_900, 25_950, 26_000, 26_050, 26_100, 26_150].map((strike) => ({
      strike,
      call: traded(26_020 - strike + 200 + (strike === 26_000 ? 40 : 0)),
      put: traded(200),
    }))
    const found = computeForward({ ...nothing, rate: 0, strikes, spot: 26_000 })
    expect(found).toEqual({ forward: 26_020, source: 'parity', pairs: 5 })
  })

  it('prefers the middle of a close quote to a trade that may be most of a minute old', () => {
    const strikes = [
      { strike: 100, call: traded(9, { bid: 6.9, ask: 7.1 }), put: quoted(4.9, 5.1) },
    ]
    expect(computeForward({ ...nothing, rate: 0, strikes })?.forward).toBeCloseTo(102, 12)
  })

  it('takes the trade where the quote is wide, crossed or one-sided', () => {
    for (const [bid, ask] of [
      [70, 90],
      [85, 84],
      [70, null],
      [0, 0],
    ] as const) {
      const strikes = [{ strike: 1_000, call: traded(77, { bid, ask }), put: traded(75) }]
      expect(computeForward({ ...nothing, rate: 0, strikes })?.forward).toBe(1_002)
    }
  })

  it('passes over strikes with a leg that neither traded nor is quoted', () => {
    const stale = traded(500, { tradedInMinute: false })
    const strikes = [
      { strike: 100, call: stale, put: traded(5) },
      { strike: 110, call: null, put: traded(9) },
      { strike: 120, call: traded(2), put: traded(16) },
    ]
    expect(computeForward({ ...nothing, rate: 0, strikes, spot: 100 })).toEqual({
      forward: 106,
      source: 'parity',
      pairs: 1,
    })
  })

  it('finds the money without spot or future where call and put differ least', () => {
    const strikes = ladder(25_000, 27_000, 50).map((strike) => ({
      strike,
      // Far strikes say something else here, as old deep in-the-money prices do.
      call: traded(Math.max(26_310 - strike, 0) + (Math.abs(strike - 26_300) > 200 ? 90 : 30)),
      put: traded(Math.max(strike - 26_310, 0) + 30),
    }))
    expect(computeForward({ ...nothing, rate: 0, strikes })?.forward).toBe(26_310)
  })

  it('is anchored on the future rather than on a spot that stands still', () => {
    const strikes = ladder(25_000, 27_000, 50).map((strike) => ({
      strike,
      call: traded(Math.max(26_500 - strike, 0) + (Math.abs(strike - 26_500) > 150 ? 60 : 30)),
      put: traded(Math.max(strike - 26_500, 0) + 30),
    }))
    const found = computeForward({ ...nothing, rate: 0, strikes, spot: 25_500, future: 26_510 })
    expect(found?.forward).toBe(26_500)
  })

  const examples = publishedExamples()?.synthetic_future ?? []
  it.skipIf(examples.length === 0)('is the synthetic future of the published example', () => {
    for (const { spot, step, spot_atm, ce, pe, synthetic, synthetic_atm } of examples) {
      const strikes = [{ strike: spot_atm, call: traded(ce), put: traded(pe) }]
      const found = computeForward({ ...nothing, rate: 0, strikes, spot })
      expect(found?.forward).toBe(synthetic)
      // The example takes the upper of two strikes that are near; nearest by distance is the same.
      expect(atmStrike(ladder(44_000, 46_000, step), synthetic)).toBe(synthetic_atm)
    }
  })
})

describe('the forward without pairs', () => {
  const spot = 26_000
  const at = (timeYears: number, carry: number) => ({
    timeYears,
    forward: spot * Math.exp(carry * timeYears),
  })

  it('is the future of the same expiry', () => {
    const found = computeForward({ ...nothing, spot, future: 26_040 })
    expect(found).toEqual({ forward: 26_040, source: 'future', pairs: 0 })
  })

  it('else has the carry that the neighbouring expiries have, linear in time', () => {
    const otherForwards = [at(0.2, 0.06), at(0.1, 0.04)]
    const found = computeForward({ ...nothing, spot, timeYears: 0.125, otherForwards })
    expect(found?.source).toBe('carry')
    expect(Math.log((found?.forward ?? 0) / spot) / 0.125).toBeCloseTo(0.045, 12)
  })

  it('keeps the carry of the first and the last expiry beyond them', () => {
    const otherForwards = [at(0.1, 0.04), at(0.2, 0.06)]
    for (const [timeYears, carry] of [
      [0.02, 0.04],
      [0.1, 0.04],
      [0.5, 0.06],
    ] as const) {
      const found = computeForward({ ...nothing, spot, timeYears, otherForwards })
      expect(Math.log((found?.forward ?? 0) / spot) / timeYears).toBeCloseTo(carry, 10)
    }
  })

  it('else grows from spot at the rate', () => {
    const found = computeForward({ ...nothing, spot })
    expect(found?.source).toBe('spot')
    expect(found?.forward).toBeCloseTo(spot * Math.exp((0.065 * 7) / 365), 10)
  })

  it('is not known without any of them, and a spot of 0 is no spot', () => {
    expect(computeForward(nothing)).toBeUndefined()
    expect(computeForward({ ...nothing, spot: 0, otherForwards: [at(0.1, 0.04)] })).toBeUndefined()
  })
})
