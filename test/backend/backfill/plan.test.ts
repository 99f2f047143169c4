import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { forecast } from '../../../src/backend/backfill/forecast.ts'
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
  it('is what the tickers tell, as far as the last seconds were not measured', () => {
    const rate = new RequestRate()
    expect(rate.perSecond(0)).toBe(3)
    rate.told(9)
    rate.told(0)
    expect(rate.perSecond(0)).toBe(9)
    rate.begun(0)
    // The first answers are slow to come.
    rate.answered(900)
    expect(rate.perSecond(1_000)).toBe(9)
    for (const ms of [1_400, 1_800]) rate.answered(ms)
    expect(rate.perSecond(2_000)).toBeCloseTo((2 + 9 * 9) / 10, 10)
    for (let ms = 2_200; ms <= 20_000; ms += 200) rate.answered(ms)
    expect(rate.perSecond(20_000)).toBeCloseTo(5, 0)
    rate.idle()
    expect(rate.perSecond(21_000)).toBe(9)
  })

  it('follows a rate that changes, and is never none', () => {
    const rate = new RequestRate()
    rate.told(9)
    rate.begun(0)
    for (let i = 1; i <= 40; i++) rate.answered(i * 100)
    for (let i = 1; i <= 20; i++) rate.answered(4_000 + i * 1_000)
    expect(rate.perSecond(24_000)).toBeCloseTo(1, 10)
    expect(rate.perSecond(60_000)).toBeCloseTo(0.1, 10)
  })

  it('is what was measured alone where no ticker tells its own', () => {
    const rate = new RequestRate()
    rate.begun(0)
    for (let i = 1; i <= 14; i++) rate.answered(i * 100)
    expect(rate.perSecond(1_400)).toBe(3)
    rate.answered(1_500)
    expect(rate.perSecond(1_500)).toBeCloseTo(10, 10)
  })
})

describe('the time to an answer', () => {
  const NONE = { running: [], ready: [], later: [] }
  const urgent = (name: string) => (name.startsWith('new') ? 0 : 1)

  it('is a place in line, one request after the other', () => {
    const waits = { ...NONE, running: ['running'], ready: ['new 1', 'new 2', 'old'] }
    expect([...forecast(waits, urgent, 2)]).toEqual([
      ['running', 500],
      ['new 1', 1_000],
      ['new 2', 1_500],
      ['old', 2_000],
    ])
    expect(forecast(NONE, urgent, 2).size).toBe(0)
  })

  it('of what is asked again begins when it may be, and it goes before what is less urgent', () => {
    const waits = {
      ...NONE,
      ready: ['old 1', 'old 2', 'old 3'],
      later: [
        { one: 'old again', inMs: 60_000 },
        { one: 'new again', inMs: 900 },
      ],
    }
    expect([...forecast(waits, urgent, 1)]).toEqual([
      ['old 1', 1_000],
      ['new again', 2_000],
      ['old 2', 3_000],
      ['old 3', 4_000],
      ['old again', 61_000],
    ])
  })
})
