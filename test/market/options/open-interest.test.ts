import { describe, expect, it } from 'vitest'
import {
  buildupOf,
  openInterestChange,
  putCallRatio,
  sideTotals,
} from '../../../src/market/options/open-interest.ts'
import { held, publishedExamples, traded } from './fixtures.ts'

describe('totals and PCR', () => {
  const chain = [
    { strike: 100, call: held(650), put: null },
    { strike: 110, call: traded(3, { volume: 1_300 }), put: held(1_300) },
  ]

  it('sum what is known', () => {
    expect(sideTotals(chain, 'oi')).toEqual({ call: 650, put: 1_300 })
    expect(sideTotals(chain, 'volume')).toEqual({ call: 1_300, put: null })
    expect(sideTotals([], 'oi')).toEqual({ call: null, put: null })
  })

  it('PCR is put over call, null without a call side', () => {
    expect(putCallRatio({ call: 650, put: 1_300 })).toBe(2)
    expect(putCallRatio({ call: 650, put: 0 })).toBe(0)
    expect(putCallRatio({ call: 0, put: 1_300 })).toBeNull()
    expect(putCallRatio({ call: 650, put: null })).toBeNull()
  })

  const examples = publishedExamples()?.oi_units ?? []
  it.skipIf(examples.length === 0)('are in units: contracts times lot', () => {
    for (const { contracts, lot, units } of examples) {
      const chainOfUnits = [{ strike: 100, call: held(contracts * lot), put: null }]
      expect(sideTotals(chainOfUnits, 'oi').call).toBe(units)
    }
  })
})

describe('OI change', () => {
  it('is null until the base is known', () => {
    expect(openInterestChange(1_300, 650)).toBe(650)
    expect(openInterestChange(1_300, null)).toBeNull()
    expect(openInterestChange(null, 650)).toBeNull()
  })
})

describe('buildup', () => {
  it.each([
    [101, 1_100, 'long_buildup'],
    [99, 1_100, 'short_buildup'],
    [101, 900, 'short_covering'],
    [99, 900, 'long_unwinding'],
  ] as const)('price %d from 100, OI %d from 1,000 is %s', (price, oi, quadrant) => {
    expect(buildupOf(price, 100, oi, 1_000, 0.05)).toBe(quadrant)
  })

  it('is neutral within a tick or within 0.5 % of OI', () => {
    expect(buildupOf(100.04, 100, 2_000, 1_000, 0.05)).toBe('neutral')
    expect(buildupOf(105, 100, 1_004, 1_000, 0.05)).toBe('neutral')
    expect(buildupOf(105, 100, 0, 0, 0.05)).toBe('neutral')
    expect(buildupOf(100.05, 100, 1_005, 1_000, 0.05)).toBe('long_buildup')
    expect(buildupOf(105, 100, 65, 0, 0.05)).toBe('long_buildup')
  })

  it('is null where any of the four is not known', () => {
    expect(buildupOf(null, 100, 1, 1, 0.05)).toBeNull()
    expect(buildupOf(100, null, 1, 1, 0.05)).toBeNull()
    expect(buildupOf(100, 100, null, 1, 0.05)).toBeNull()
    expect(buildupOf(100, 100, 1, null, 0.05)).toBeNull()
  })
})
