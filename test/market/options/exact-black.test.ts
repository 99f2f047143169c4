import { describe, expect, it } from 'vitest'
import {
  exactExp,
  exactLog,
  exactNormalCdf,
  exactPrice,
  exactValues,
  fixed,
  toDouble,
} from './exact-black.ts'

/** The first digits after the point of a fixed-point number below 10. */
function digits(value: bigint, count: number): string {
  const scaled = (value * 10n ** BigInt(count)) >> 256n
  return scaled.toString().padStart(count + 1, '0')
}

describe('the truth of the tests', () => {
  it('gives e, ln 2, N(1) and N(−6) as the tables print them', () => {
    expect(digits(exactExp(fixed(1)), 60)).toBe(
      '2718281828459045235360287471352662497757247093699959574966967',
    )
    expect(digits(exactLog(fixed(2)), 60)).toBe(
      '0693147180559945309417232121458176568075500134360255254120680',
    )
    expect(digits(exactNormalCdf(fixed(1)), 50)).toBe(
      '084134474606854294858523254563203792247791296672660',
    )
    expect(digits(exactNormalCdf(fixed(-6)), 48)).toBe(
      '0000000000986587645037698140700864132398042018669',
    )
  })

  it('takes doubles as they are and gives them back', () => {
    for (const value of [0.1, -26000.05, 1 / 525_600, 2 ** -60]) {
      expect(toDouble(fixed(value))).toBe(value)
    }
  })

  it('finds the volatility that it priced with', () => {
    const price = exactPrice(false, 26_012.35, 25_000, 7 / 365, 0.065, 0.14)
    const { iv } = exactValues(false, price, 26_012.35, 25_000, 7 / 365, 0.065)
    expect(Math.abs(iv / 0.14 - 1)).toBeLessThan(1e-14)
  })
})
