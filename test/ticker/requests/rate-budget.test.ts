import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RateLimits } from '../../../src/exchange/rate-limits.ts'
import { BUDGET_RECOVERY_MS } from '../../../src/limits.ts'
import { departureMs } from '../../../src/ticker/requests/departures.ts'
import {
  fullBudget,
  presentRate,
  type RateBudget,
  transition,
  waitMs,
} from '../../../src/ticker/requests/rate-budget.ts'

/** Departures where somebody always waits and every timer is late by so much. */
function departures(perSecond: number, speed: number, latenessMs: readonly number[]): number[] {
  let budget = fullBudget(perSecond, speed)
  let nowMs = 0
  return latenessMs.map((lateMs) => {
    nowMs += waitMs(budget, nowMs) + lateMs
    budget = transition(budget, { kind: 'sent' }, nowMs)
    return nowMs
  })
}

const RATES = fc.constantFrom(1, 2, 3, 10)
const LATENESS = fc.array(fc.double({ min: 0, max: 200, noNaN: true }), {
  minLength: 5,
  maxLength: 80,
})

describe('a request budget', () => {
  it('is never refused by the exchange, however late timers are', () => {
    fc.assert(
      fc.property(RATES, fc.constantFrom(1, 10, 60), LATENESS, (perSecond, speed, lateness) => {
        const kind = { 1: 'quote', 3: 'historical' }[perSecond as 1 | 3] as 'quote' | undefined
        fc.pre(kind !== undefined)
        const limits = new RateLimits()
        for (const atMs of departures(perSecond, speed, lateness)) {
          expect(limits.take('key', kind ?? 'quote', atMs)).toBe(true)
        }
      }),
    )
  })

  it('never lets more leave in any window than the rate and its slack', () => {
    fc.assert(
      fc.property(RATES, LATENESS, (perSecond, lateness) => {
        const sent = departures(perSecond, 1, lateness)
        const { slackMs } = fullBudget(perSecond, 1)
        for (const [i, fromMs] of sent.entries()) {
          for (const [j, toMs] of sent.slice(i).entries()) {
            const allowed = ((toMs - fromMs + slackMs) * perSecond) / 1_000 + 1
            expect(j + 1).toBeLessThanOrEqual(allowed + 1e-6)
          }
        }
      }),
    )
  })

  it('makes up for late timers, so that the whole rate is used', () => {
    const sent = departures(3, 1, Array(301).fill(20))
    expect(300 / ((sent.at(-1) ?? 0) / 1_000)).toBeGreaterThan(2.95)
  })

  it('shrinks once for all that was on its way when it was refused, and waits as told', () => {
    const sent = transition(fullBudget(3, 1), { kind: 'sent' }, 0)
    const once = refused(sent, 0, 5_000, 100)
    expect(waitMs(once, 100)).toBe(5_000)
    expect(presentRate(once, 100)).toBeCloseTo(2.1)
    const twice = refused(once, 50, 6_000, 110)
    expect(presentRate(twice, 110)).toBe(presentRate(once, 110))
    expect(waitMs(twice, 110)).toBe(6_000)
  })

  it('waits twice as long after each refusal in a row that names no time', () => {
    let budget = fullBudget(3, 1)
    let nowMs = 0
    const waits = Array.from({ length: 7 }, () => {
      budget = refused(budget, nowMs, undefined, nowMs)
      const restMs = waitMs(budget, nowMs)
      nowMs += restMs
      return restMs
    })
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
    budget = transition(budget, { kind: 'answered', sentAtMs: nowMs }, nowMs)
    expect(waitMs(refused(budget, nowMs, undefined, nowMs), nowMs)).toBe(1_000)
  })

  it('recovers slowly, and no further than configured', () => {
    const budget = refused(fullBudget(3, 1), 0, 1_000, 0)
    expect(presentRate(budget, 1_000)).toBeCloseTo(2.1)
    expect(presentRate(budget, 1_000 + BUDGET_RECOVERY_MS / 10)).toBeCloseTo(2.4)
    expect(presentRate(budget, 1_000 + BUDGET_RECOVERY_MS)).toBe(3)
  })
})

describe('the expected time of departure', () => {
  it('is that of the real departures at a constant rate, of one account and of several', () => {
    const lanes = [
      { waitMs: 0, ratePerSecond: 3 },
      { waitMs: 500, ratePerSecond: 1 },
    ]
    expect(departureMs([], 1)).toBeUndefined()
    expect(departureMs(lanes.slice(0, 1), 31)).toBeCloseTo(10_000, -1)
    // 0, 333, 500, 667, 1000, 1333, 1500
    expect(departureMs(lanes, 1)).toBe(0)
    expect(departureMs(lanes, 3)).toBeCloseTo(500, -1)
    expect(departureMs(lanes, 7)).toBeCloseTo(1_500, -1)
  })
})

function refused(
  budget: RateBudget,
  sentAtMs: number,
  retryAfterMs: number | undefined,
  nowMs: number,
): RateBudget {
  return transition(budget, { kind: 'refused', sentAtMs, retryAfterMs }, nowMs)
}
