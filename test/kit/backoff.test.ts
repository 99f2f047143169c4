import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffDelayMs } from '../../src/kit/backoff.ts'

const reconnect = { firstMs: 250, capMs: 30_000 }

describe('a backoff', () => {
  it('doubles its wait with every attempt up to the cap', () => {
    const longest = [0, 1, 2, 6, 7, 50, 5_000].map((attempt) =>
      backoffDelayMs(reconnect, attempt, () => 1),
    )
    expect(longest).toEqual([250, 500, 1_000, 16_000, 30_000, 30_000, 30_000])
  })

  it('spreads waits over the upper half, never above the cap', () => {
    fc.assert(
      fc.property(
        fc.nat(2_000),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, chance) => {
          const full = backoffDelayMs(reconnect, attempt, () => 1)
          const delay = backoffDelayMs(reconnect, attempt, () => chance)
          expect(delay).toBeGreaterThanOrEqual(full / 2)
          expect(delay).toBeLessThanOrEqual(reconnect.capMs)
        },
      ),
    )
  })

  it('is the same for the same chance', () => {
    expect(backoffDelayMs(reconnect, 3, () => 0.25)).toBe(backoffDelayMs(reconnect, 3, () => 0.25))
    expect(backoffDelayMs(reconnect, 3, () => 0.25)).not.toBe(
      backoffDelayMs(reconnect, 3, () => 0.75),
    )
  })
})
