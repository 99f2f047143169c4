import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  atmStrike,
  bucketOf,
  parseBucket,
  strikeOf,
  strikeStep,
  strikeWindow,
} from '../../../src/market/options/moneyness.ts'
import { ladder } from './fixtures.ts'

const strikes = [25_800, 25_850, 25_900, 25_950, 26_000, 26_100, 26_200]

describe('the ATM strike', () => {
  it('is the listed strike nearest the anchor, the lower one on a tie', () => {
    expect(atmStrike(strikes, 25_926)).toBe(25_950)
    expect(atmStrike(strikes, 25_925)).toBe(25_900)
    expect(atmStrike(strikes, 26_050)).toBe(26_000)
    expect(atmStrike(strikes, 26_050.05)).toBe(26_100)
  })

  it('is the outermost strike beyond the ladder and unknown without strikes', () => {
    expect(atmStrike(strikes, 1)).toBe(25_800)
    expect(atmStrike(strikes, 99_999)).toBe(26_200)
    expect(atmStrike([], 26_000)).toBeUndefined()
  })
})

describe('moneyness buckets', () => {
  it('count listed strikes, not points: OTM of a call is above, of a put below', () => {
    expect(bucketOf(strikes, 25_950, 25_950, 'PE')).toBe('ATM')
    expect(bucketOf(strikes, 25_950, 26_100, 'CE')).toBe('OTM2')
    expect(bucketOf(strikes, 25_950, 26_100, 'PE')).toBe('ITM2')
    expect(bucketOf(strikes, 25_950, 25_800, 'PE')).toBe('OTM3')
    expect(bucketOf(strikes, 25_950, 25_800, 'CE')).toBe('ITM3')
  })

  it('do not exist for strikes that are not listed or lie beyond the ladder', () => {
    expect(bucketOf(strikes, 25_950, 26_050, 'CE')).toBeUndefined()
    expect(bucketOf(strikes, 26_050, 26_000, 'CE')).toBeUndefined()
    expect(strikeOf(strikes, 25_950, 'OTM4', 'CE')).toBeUndefined()
    expect(strikeOf(strikes, 25_950, 'ITM4', 'CE')).toBeUndefined()
  })

  it('lead back to their strike', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...strikes),
        fc.constantFrom(...strikes),
        fc.constantFrom('CE' as const, 'PE' as const),
        (atm, strike, optionType) => {
          const bucket = bucketOf(strikes, atm, strike, optionType)
          expect(bucket && strikeOf(strikes, atm, bucket, optionType)).toBe(strike)
        },
      ),
    )
  })

  it('are spelt ATM, OTM1…OTM999, ITM1…ITM999', () => {
    expect(['ATM', 'OTM1', 'ITM20'].map(parseBucket)).toEqual(['ATM', 'OTM1', 'ITM20'])
    for (const text of ['atm', 'OTM', 'OTM0', 'OTM01', 'ATM1', 'ITM-1', 'OTM1000', '']) {
      expect(parseBucket(text)).toBeUndefined()
    }
  })
})

describe('a strike window', () => {
  it('has n strikes each side, fewer at the ends', () => {
    expect(strikeWindow(strikes, 25_960, 2)).toEqual([25_850, 25_900, 25_950, 26_000, 26_100])
    expect(strikeWindow(strikes, 25_800, 2)).toEqual([25_800, 25_850, 25_900])
    expect(strikeWindow([], 25_800, 2)).toEqual([])
  })
})

describe('the strike step', () => {
  it('is the commonest difference, the smaller one on a tie', () => {
    expect(strikeStep(strikes)).toBe(50)
    expect(strikeStep([...ladder(20_000, 24_000, 500), ...ladder(24_100, 30_000, 100)])).toBe(100)
    expect(strikeStep([100, 150, 250])).toBe(50)
    expect(strikeStep([100])).toBeUndefined()
  })
})
