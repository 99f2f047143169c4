import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LatencyHistogram } from '../../src/kit/latency-histogram.ts'

function histogramOf(durationsMs: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram()
  for (const durationMs of durationsMs) histogram.record(durationMs)
  return histogram
}

describe('a latency histogram', () => {
  it('knows nothing before the first duration', () => {
    expect(new LatencyHistogram().summary()).toEqual({
      count: 0,
      p50Ms: null,
      p99Ms: null,
      maxMs: null,
    })
  })

  it('gives P50, P99 and the longest of 1 to 1000 ms', () => {
    const { count, p50Ms, p99Ms, maxMs } = histogramOf(
      Array.from({ length: 1000 }, (_, index) => index + 1),
    ).summary()
    expect(count).toBe(1000)
    expect(Math.abs((p50Ms ?? 0) / 500 - 1)).toBeLessThan(1 / 32)
    expect(Math.abs((p99Ms ?? 0) / 990 - 1)).toBeLessThan(1 / 32)
    expect(maxMs).toBe(1000)
  })

  it('is right to 3 % or a microsecond for any durations and any quantile', () => {
    const durations = fc.array(fc.double({ min: 0, max: 2_000_000, noNaN: true }), { minLength: 1 })
    fc.assert(
      fc.property(
        durations,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (durationsMs, quantile) => {
          const sorted = durationsMs.toSorted((a, b) => a - b)
          const exact = sorted[Math.max(1, Math.ceil(quantile * sorted.length)) - 1] ?? Number.NaN
          const found = histogramOf(durationsMs).quantileMs(quantile) ?? Number.NaN
          expect(found).toBeGreaterThanOrEqual(exact * (1 - 1e-12))
          expect(found).toBeLessThanOrEqual(exact * (1 + 1 / 32) + 0.001)
        },
      ),
    )
  })

  it('counts exactly how many were below a power of two of microseconds', () => {
    const histogram = histogramOf([0.01, 0.063, 0.064, 1.023, 1.024, 1.1, 5_000_000])
    expect([6, 10, 11, 31].map((exponent) => histogram.countBelow(exponent))).toEqual([2, 4, 6, 7])
  })

  it('counts a duration for many ticks at once, and a negative one as zero', () => {
    const histogram = new LatencyHistogram()
    histogram.record(4, 99)
    histogram.record(-3)
    expect(histogram.summary()).toMatchObject({ count: 100, p50Ms: 4, maxMs: 4 })
    expect(histogram.quantileMs(0)).toBeLessThan(0.002)
  })

  it('forgets everything when it is reset', () => {
    const histogram = histogramOf([1, 2, 3])
    histogram.reset()
    expect([histogram.count, histogram.sumMs, histogram.countBelow(31)]).toEqual([0, 0, 0])
  })
})
