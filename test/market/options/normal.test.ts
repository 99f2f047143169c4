import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { erfcx, millsRatio, normalCdf, normalPdf } from '../../../src/market/options/normal.ts'
import { exactNormalCdf, exactNormalPdf, fixed, toDouble } from './exact-black.ts'

function relativeError(actual: number, truth: number): number {
  return Math.abs(actual / truth - 1)
}

describe('the normal distribution', () => {
  const points = Array.from({ length: 400 }, (_, i) => -9.97 + i * 0.04993)

  it('has every probability to 1e-15 relative, far out in the tail too', () => {
    for (const x of points) {
      const truth = toDouble(exactNormalCdf(fixed(x)))
      expect(relativeError(normalCdf(x), truth), `N(${x})`).toBeLessThan(1.1e-15)
    }
  })

  it("has Mills' ratio N(−u)/φ(u) to 1e-15", () => {
    for (const x of points) {
      const u = Math.abs(x)
      const tail = exactNormalCdf(fixed(-u))
      const truth = toDouble((tail << 256n) / exactNormalPdf(fixed(u)))
      expect(relativeError(millsRatio(u), truth), `u = ${u}`).toBeLessThan(1.1e-15)
    }
  })

  it('has erfcx on both sides of zero', () => {
    for (const x of points.filter((point) => Math.abs(point) < 5)) {
      const tail = toDouble(exactNormalCdf(fixed(-Math.SQRT2 * x)))
      expect(relativeError(erfcx(x), 2 * tail * Math.exp(x * x)), `x = ${x}`).toBeLessThan(2e-14)
    }
    expect(erfcx(0)).toBe(1)
    expect(erfcx(-27)).toBe(Number.POSITIVE_INFINITY)
    expect(erfcx(1e8) * 1e8 * Math.sqrt(Math.PI)).toBeCloseTo(1, 14)
  })

  it('is symmetric and rises', () => {
    fc.assert(
      fc.property(fc.double({ min: -8, max: 8, noNaN: true }), (x) => {
        expect(normalCdf(x) + normalCdf(-x)).toBeCloseTo(1, 15)
        expect(normalCdf(x + 0.01)).toBeGreaterThan(normalCdf(x))
        expect(normalPdf(x)).toBe(normalPdf(-x))
      }),
    )
  })
})
