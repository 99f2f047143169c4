import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { computeMaxPain, type StrikeOpenInterest } from '../../../src/market/options/max-pain.ts'
import { publishedExamples } from './fixtures.ts'

function payoutAt(strikes: readonly StrikeOpenInterest[], settlement: number): number {
  return strikes.reduce(
    (sum, { strike, callOi, putOi }) =>
      sum + callOi * Math.max(settlement - strike, 0) + putOi * Math.max(strike - settlement, 0),
    0,
  )
}

const oiOf = (strike: number, callOi: number, putOi: number) => ({ strike, callOi, putOi })

describe('max pain', () => {
  const examples = publishedExamples()?.max_pain ?? []
  it.skipIf(examples.length === 0)('is that of the published example, with its payouts', () => {
    for (const example of examples) {
      const chain = example.strikes.map((strike, i) =>
        oiOf(
          strike,
          (example.call_oi[i] ?? 0) * example.multiplier,
          (example.put_oi[i] ?? 0) * example.multiplier,
        ),
      )
      const least = Math.min(...example.payout)
      expect(computeMaxPain(chain)).toEqual({
        low: example.max_pain,
        high: example.max_pain,
        payout: least,
      })
      expect(chain.map(({ strike }) => payoutAt(chain, strike))).toEqual(example.payout)
    }
  })

  it('is the least payout over all strikes, whatever the open interest', () => {
    const oi = fc.nat({ max: 40 }).map((contracts) => contracts * 65)
    fc.assert(
      fc.property(fc.array(fc.tuple(oi, oi), { minLength: 1, maxLength: 30 }), (pairs) => {
        const chain = pairs.map(([callOi, putOi], i) => oiOf(1_000 + 50 * i, callOi, putOi))
        const payouts = chain.map(({ strike }) => payoutAt(chain, strike))
        const least = Math.min(...payouts)
        const found = computeMaxPain(chain)
        if (pairs.every(([callOi, putOi]) => callOi + putOi === 0)) {
          expect(found).toBeNull()
          return
        }
        expect(found).toEqual({
          low: chain[payouts.indexOf(least)]?.strike,
          high: chain[payouts.lastIndexOf(least)]?.strike,
          payout: least,
        })
      }),
      { numRuns: 1_000 },
    )
  })

  it('is an interval where settlements pay out alike', () => {
    const chain = [oiOf(100, 5, 0), oiOf(110, 0, 0), oiOf(120, 0, 5)]
    expect(computeMaxPain(chain)).toEqual({ low: 100, high: 120, payout: 100 })
  })

  it('is at the end of the ladder with calls alone or puts alone, and null with neither', () => {
    expect(computeMaxPain([oiOf(100, 5, 0), oiOf(110, 5, 0)])).toMatchObject({
      low: 100,
      high: 100,
    })
    expect(computeMaxPain([oiOf(100, 0, 5), oiOf(110, 0, 5)])).toMatchObject({
      low: 110,
      high: 110,
    })
    expect(computeMaxPain([oiOf(100, 0, 0)])).toBeNull()
    expect(computeMaxPain([])).toBeNull()
  })
})
