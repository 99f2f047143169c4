import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { orderOf, planOf, priorityOf, type Waiting } from '../../../src/backend/backfill/plan.ts'
import { RequestRate } from '../../../src/backend/backfill/request-rate.ts'
import { JOB_KINDS } from '../../../src/contract/api/backfills.ts'
import { REQUEST_PRIORITIES } from '../../../src/contract/api/history.ts'
import { ALL, NIFTY, OPTIONS, option } from '../scenario.ts'

const price = () => 24_500

const waiting = fc.record({
  kind: fc.constantFrom(...JOB_KINDS),
  instrument: fc.constantFrom(...ALL),
  isExpiring: fc.boolean(),
  arrival: fc.constant(0),
})

describe('the order of histories', () => {
  it('is the same whatever came first, and loses nobody', () => {
    fc.assert(
      fc.property(fc.array(waiting, { maxLength: 60 }), (given) => {
        const numbered = given.map((one, arrival) => ({ ...one, arrival }))
        const planned = planOf(numbered, price)
        expect(new Set(planned)).toEqual(new Set(numbered))
        expect(planOf([...numbered].reverse(), price)).toEqual(planned)
      }),
    )
  })

  it('is by class first, and the ticker is told the same order within it', () => {
    fc.assert(
      fc.property(fc.array(waiting, { maxLength: 60 }), (given) => {
        const planned = planOf(given, price)
        const classes = planned.map((one) => REQUEST_PRIORITIES.indexOf(priorityOf(one)))
        expect(classes).toEqual([...classes].sort((a, b) => a - b))
        for (const priority of REQUEST_PRIORITIES) {
          const orders = planned
            .filter((o) => priorityOf(o) === priority)
            .map((o) => orderOf(o, price))
          expect(orders).toEqual([...orders].sort((a, b) => a - b))
          for (const order of orders) expect(order >= 0 && order <= 1_000_000).toBe(true)
        }
      }),
    )
  })

  it('puts a contract that ends today before all that is routine', () => {
    const settle = (instrument = NIFTY, isExpiring = false): Waiting => {
      return { kind: 'settle', instrument, isExpiring, arrival: 0 }
    }
    const [ending] = OPTIONS
    const planned = planOf([settle(), settle(ending, true), settle(ending)], price)
    expect(planned.map(({ isExpiring }) => isExpiring)).toEqual([true, false, false])
    expect(priorityOf(settle(ending, true))).toBe('gap')
  })

  it('goes from the money outwards, and by arrival where the price is not known', () => {
    const far = option(30_000, 'CE', 90)
    const near = option(24_500, 'CE', 91)
    const of = (instrument: typeof far, arrival: number): Waiting => {
      return { kind: 'immediate', instrument, isExpiring: false, arrival }
    }
    expect(planOf([of(far, 1), of(near, 2)], price).map(({ arrival }) => arrival)).toEqual([2, 1])
    // Without a price nobody is nearer: who came first goes first.
    const unknown = planOf([of(far, 1), of(near, 2)], () => undefined)
    expect(unknown.map(({ arrival }) => arrival)).toEqual([1, 2])
  })
})

describe('the rate of histories', () => {
  it('is what the tickers tell until enough was measured, and then what was measured', () => {
    const rate = new RequestRate()
    expect(rate.etaMs(6)).toBe(2_000)
    rate.told(9)
    rate.told(0)
    expect(rate.perSecond).toBe(9)
    for (let i = 0; i < 40; i++) rate.answered(i * 200)
    expect(rate.perSecond).toBeCloseTo(5, 10)
    expect(rate.etaMs(10)).toBe(2_000)
    rate.idle()
    expect(rate.perSecond).toBe(9)
  })

  it('follows a rate that changes', () => {
    const rate = new RequestRate()
    for (let i = 0; i < 40; i++) rate.answered(i * 100)
    for (let i = 0; i < 40; i++) rate.answered(4_000 + i * 1_000)
    expect(rate.perSecond).toBeCloseTo(1, 10)
  })
})
