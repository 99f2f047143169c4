import { describe, expect, it } from 'vitest'
import {
  formatChange,
  formatChangePercent,
  formatPercent,
  formatPrice,
  formatStrike,
  formatUnits,
  formatUnitsChange,
  formatWhole,
} from '../../web/number-format.ts'

describe('numbers on the page', () => {
  it('are grouped by lakh and crore', () => {
    expect(formatWhole(11_470_117)).toBe('1,14,70,117')
    expect(formatPrice(26_012.35)).toBe('26,012.35')
    expect(formatStrike(26_000)).toBe('26,000')
    expect(formatStrike(62.5)).toBe('62.5')
  })

  it('are short from one lakh on, and never say 100 lakh', () => {
    expect(formatUnits(75_250)).toBe('75,250')
    expect(formatUnits(425_350)).toBe('4.25 L')
    expect(formatUnits(11_470_117)).toBe('1.15 Cr')
    expect(formatUnits(9_999_400)).toBe('99.99 L')
    expect(formatUnits(9_999_600)).toBe('1.00 Cr')
  })

  it('carry their sign where they are changes, with a minus as wide as the plus', () => {
    expect(formatChange(12.35)).toBe('+12.35')
    expect(formatChange(-12.35)).toBe('−12.35')
    expect(formatChange(0)).toBe('0.00')
    expect(formatUnitsChange(-644_000)).toBe('−6.44 L')
    expect(formatChangePercent(-1.254)).toBe('−1.25 %')
  })

  it('show implied volatility, a decimal, in percent', () => {
    expect(formatPercent(0.1234, 2)).toBe('12.34')
  })

  it('are a dash where they are not known, and 0 where they are 0', () => {
    expect([formatPrice(null), formatUnits(null), formatPercent(undefined)]).toEqual([
      '–',
      '–',
      '–',
    ])
    expect(formatUnits(0)).toBe('0')
  })
})
