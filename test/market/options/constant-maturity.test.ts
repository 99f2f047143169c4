import { describe, expect, it } from 'vitest'
import { constantMaturityIv } from '../../../src/market/options/constant-maturity.ts'

const days = (n: number) => n / 365

describe('constant-maturity IV', () => {
  const week = { years: days(4), iv: 0.2 }
  const month = { years: days(32), iv: 0.12 }

  it('is that of a series which has the maturity', () => {
    expect(constantMaturityIv([month, week], days(4))).toBeCloseTo(0.2, 12)
  })

  it('is linear in total variance between two series', () => {
    const variance = (0.2 ** 2 * 4 + (0.12 ** 2 * 32 - 0.2 ** 2 * 4) * (3 / 28)) / 7
    expect(constantMaturityIv([month, week], days(7))).toBeCloseTo(Math.sqrt(variance), 12)
  })

  it('is the same everywhere on a flat term structure', () => {
    const flat = [week, month].map((point) => ({ ...point, iv: 0.15 }))
    for (const n of [5, 7, 20, 30]) expect(constantMaturityIv(flat, days(n))).toBeCloseTo(0.15, 12)
  })

  it('is not known outside the series, and an expired one counts for nothing', () => {
    expect(constantMaturityIv([week, month], days(33))).toBeNull()
    expect(constantMaturityIv([{ years: 0, iv: 0.5 }, month], days(7))).toBeNull()
    expect(constantMaturityIv([], days(7))).toBeNull()
  })
})
