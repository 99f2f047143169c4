import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Held,
  type PlanInput,
  planSubscriptions,
  type SubscriptionPlan,
} from '../../../src/backend/subscriptions/plan.ts'
import type { UnderlyingPrices } from '../../../src/backend/subscriptions/window.ts'
import { alwaysOpenCalendar, exchangeCalendar } from '../../../src/market/calendar.ts'
import { type Instrument, instrumentKey } from '../../../src/market/instrument.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { istDate, msOfIst } from '../../../src/market/ist.ts'
import { EXPIRIES, LISTED, MASTER, SPOTS } from './listing.ts'

const SYMBOLS = ['NIFTY50', 'BANKNIFTY', 'FINNIFTY']
const calendar = exchangeCalendar()

function pricesOf(
  spots: Readonly<Record<string, number>> = SPOTS,
): ReadonlyMap<string, UnderlyingPrices> {
  return new Map(
    Object.entries(spots).map(([symbol, spot]) => [symbol, { spot, futures: new Map() }]),
  )
}

/** A platform that does at once what is planned; contracts end at 16:00 of their last day. */
class Desk {
  held = new Map<string, Held>()
  anchors: SubscriptionPlan['anchors'] = new Map()
  others = new Set<string>()
  capacity = 3_000
  settings: PlanInput['settings'] = { underlyings: SYMBOLS, expiries: 3, strikesEachSide: 10 }
  calendar: PlanInput['calendar'] = calendar
  master = MASTER

  input(nowMs: number, prices = pricesOf()): PlanInput {
    const streamed = new Set([...this.held.keys(), ...this.others])
    return {
      settings: this.settings,
      master: this.master,
      calendar: this.calendar,
      nowMs,
      rate: 0.065,
      prices,
      anchors: this.anchors,
      held: this.held,
      streamed,
      room: Math.max(0, this.capacity - streamed.size),
    }
  }

  step(nowMs: number, prices = pricesOf()): SubscriptionPlan {
    const plan = planSubscriptions(this.input(nowMs, prices))
    this.anchors = plan.anchors
    const wantedOn = istDate(nowMs)
    const wanted = new Set(plan.wanted.map(keyOf))
    for (const { exchange, tradingsymbol } of plan.drop) {
      this.held.delete(instrumentKey(exchange, tradingsymbol))
    }
    for (const instrument of plan.add) {
      this.held.set(keyOf(instrument), { ...instrument, wantedOn })
    }
    for (const [key, held] of this.held)
      if (wanted.has(key)) this.held.set(key, { ...held, wantedOn })
    return plan
  }

  /** The ticker ends what has expired. */
  expire(date: string): void {
    for (const [key] of this.held) if (key.includes(date)) this.held.delete(key)
  }

  strikes(symbol: string, expiry: string): number[] {
    const found = LISTED.filter(
      (each) => each.symbol === symbol && each.expiry === expiry && this.held.has(keyOf(each)),
    )
    return [...new Set(found.flatMap(({ strike }) => strike ?? []))].sort((a, b) => a - b)
  }
}

function keyOf({ exchange, tradingsymbol }: Instrument): string {
  return instrumentKey(exchange, tradingsymbol)
}

const MORNING = msOfIst('2026-11-20', '09:20')
const names = (instruments: readonly { tradingsymbol: string }[]) =>
  instruments.map(({ tradingsymbol }) => tradingsymbol)

describe('the plan', () => {
  it('wants ATM ± 10 strikes of three expiries, index and futures of each, and INDIA VIX', () => {
    const desk = new Desk()
    const plan = desk.step(MORNING)
    expect(plan.add).toHaveLength(3 * 3 * 21 * 2 + 3 + 3 * 3 + 1)
    expect(plan.add).toEqual(plan.wanted)
    expect([plan.drop, plan.unplaced]).toEqual([[], []])
    expect(desk.strikes('NIFTY50', '2026-11-23')).toEqual(
      Array.from({ length: 21 }, (_, i) => 24_000 + 50 * i),
    )
    expect(desk.strikes('NIFTY50', '2026-12-15')).toEqual([])
    expect(plan.underlyings.map(({ state, series }) => [state, series.length])).toEqual([
      ['ok', 3],
      ['ok', 3],
      ['ok', 3],
    ])
    expect(desk.step(MORNING + 60_000)).toMatchObject({ add: [], drop: [] })
  })

  it('lays the window around the forward and not around the spot', () => {
    const futures = new Map([
      ['2026-11-23', 24_520],
      ['2026-12-29', 24_760],
    ])
    const desk = new Desk()
    const plan = desk.step(MORNING, new Map([['NIFTY50', { spot: 24_510, futures }]]))
    const anchors = plan.underlyings[0]?.series.map(({ anchor }) => anchor?.strike)
    expect(anchors).toEqual([24_500, 24_550, 24_600])
  })

  it('takes all strikes where all are asked for', () => {
    const desk = new Desk()
    desk.settings = { underlyings: ['NIFTY50'], expiries: 1, strikesEachSide: 'all' }
    desk.step(MORNING)
    expect(desk.strikes('NIFTY50', '2026-11-23')).toHaveLength(81)
  })

  it('asks first for indices and futures, then for the nearest expiry from the money outwards', () => {
    const order = new Desk().step(MORNING).add
    expect(names(order).slice(0, 4)).toEqual([
      'INDIA VIX',
      'NIFTY 50',
      'NIFTY BANK',
      'NIFTY FIN SERVICE',
    ])
    expect(order.slice(4, 13).every(({ kind }) => kind === 'future')).toBe(true)
    expect(
      order.slice(13, 19).map(({ symbol, expiry, strike }) => [symbol, expiry, strike]),
    ).toEqual([
      ['NIFTY50', '2026-11-23', 24_500],
      ['NIFTY50', '2026-11-23', 24_500],
      ['BANKNIFTY', '2026-11-23', 52_100],
      ['BANKNIFTY', '2026-11-23', 52_100],
      ['FINNIFTY', '2026-11-23', 24_050],
      ['FINNIFTY', '2026-11-23', 24_050],
    ])
    const expiries = order
      .slice(13)
      .map(({ symbol, expiry }) => EXPIRIES[symbol]?.indexOf(expiry ?? ''))
    expect(expiries).toEqual(expiries.toSorted())
  })

  it('never asks for more than there is room, and lists what does not fit by its importance', () => {
    const desk = new Desk()
    desk.capacity = 100
    const whole = new Desk().step(MORNING).add
    const plan = desk.step(MORNING)
    expect(plan.add).toEqual(whole.slice(0, 100))
    expect(plan.unplaced).toEqual(whole.slice(100))
    desk.capacity = 150
    expect(desk.step(MORNING + 1_000).add).toEqual(whole.slice(100, 150))
  })

  it('holds what others stream already without taking room', () => {
    const desk = new Desk()
    const whole = new Desk().step(MORNING).add
    desk.others = new Set(whole.slice(20, 40).map(keyOf))
    desk.capacity = 20
    expect(desk.step(MORNING).add).toEqual(whole.slice(20, 40))
  })

  it('moves with the market, late and not twice in a minute, and keeps what it had', () => {
    const desk = new Desk()
    desk.settings = { underlyings: ['NIFTY50'], expiries: 1, strikesEachSide: 1 }
    const at = (spot: number, seconds: number) => {
      desk.step(MORNING + seconds * 1_000, pricesOf({ NIFTY50: spot }))
      return desk.strikes('NIFTY50', '2026-11-23')
    }
    expect(at(24_500, 0)).toEqual([24_450, 24_500, 24_550])
    // Carry is some ten rupees over the three days.
    expect(at(24_518, 90)).toEqual([24_450, 24_500, 24_550])
    expect(at(24_530, 91)).toEqual([24_450, 24_500, 24_550, 24_600])
    expect(at(24_590, 92)).toEqual([24_450, 24_500, 24_550, 24_600])
    expect(at(24_590, 152)).toEqual([24_450, 24_500, 24_550, 24_600, 24_650])
    expect(at(24_300, 153)).toEqual([
      24_250, 24_300, 24_350, 24_450, 24_500, 24_550, 24_600, 24_650,
    ])
  })

  it('lets strikes go at 16:00 that the market has left, and not before', () => {
    const desk = new Desk()
    const kept = (time: string, spot: number, date = '2026-11-20') => {
      desk.step(msOfIst(date, time), pricesOf({ ...SPOTS, NIFTY50: spot }))
      return desk.strikes('NIFTY50', '2026-12-01').length
    }
    expect(kept('09:20', 24_510)).toBe(21)
    expect(kept('11:00', 24_810)).toBe(27)
    expect(kept('13:00', 24_410)).toBe(29)
    expect(kept('15:59', 24_410)).toBe(29)
    expect(kept('16:00', 24_410)).toBe(21)
  })

  it('changes nothing of an underlying whose price is not known, and says so', () => {
    const desk = new Desk()
    desk.step(MORNING)
    const before = new Set(desk.held.keys())
    for (const time of ['12:00', '16:30', '20:00']) {
      const plan = desk.step(msOfIst('2026-11-20', time), pricesOf({ BANKNIFTY: 52_040 }))
      expect(plan.underlyings.map(({ state }) => state)).toEqual(['no_price', 'ok', 'no_price'])
      expect([plan.add, plan.drop]).toEqual([[], []])
    }
    expect(new Set(desk.held.keys())).toEqual(before)
    const first = new Desk().step(MORNING, new Map())
    expect(first.add.every(({ kind }) => kind !== 'option')).toBe(true)
    expect(first.add).toHaveLength(13)
  })

  it('says of an underlying that nobody lists that it is not listed', () => {
    const desk = new Desk()
    desk.settings = { underlyings: ['MIDCPNIFTY', 'NIFTY50'], expiries: 1, strikesEachSide: 1 }
    const plan = desk.step(MORNING)
    expect(plan.underlyings.map(({ state }) => state)).toEqual(['not_listed', 'ok'])
    expect(plan.add).toHaveLength(1 + 1 + 1 + 6)
  })

  it('lets go of an underlying that is not asked for any more when the day is over', () => {
    const desk = new Desk()
    desk.step(MORNING)
    desk.settings = { ...desk.settings, underlyings: ['NIFTY50'] }
    expect(desk.step(MORNING + 60_000).drop).toEqual([])
    expect(desk.step(msOfIst('2026-11-20', '16:00')).drop).toHaveLength(2 * (3 * 42 + 4))
  })

  it('keeps strikes of a market that never closes to the end of the date', () => {
    const desk = new Desk()
    desk.calendar = alwaysOpenCalendar()
    const spots = (spot: number) => pricesOf({ ...SPOTS, NIFTY50: spot })
    desk.step(msOfIst('2026-11-20', '10:00'), spots(24_510))
    desk.step(msOfIst('2026-11-20', '18:00'), spots(24_810))
    desk.step(msOfIst('2026-11-20', '23:59'), spots(24_810))
    expect(desk.strikes('NIFTY50', '2026-12-01')).toHaveLength(27)
    desk.step(msOfIst('2026-11-21', '00:00'), spots(24_810))
    expect(desk.strikes('NIFTY50', '2026-12-01')).toHaveLength(21)
  })
})

describe('over the expiry of Monday 23 November 2026, with the 24th a holiday', () => {
  it('rolls at 16:00 and not before, hour by hour', () => {
    const desk = new Desk()
    const windows = new Map<string, string>()
    for (const date of ['2026-11-23', '2026-11-24', '2026-11-25']) {
      for (let hour = 0; hour < 24; hour++) {
        for (const minute of hour === 15 ? ['00', '40', '59'] : ['00']) {
          const time = `${String(hour).padStart(2, '0')}:${minute}`
          if (date === '2026-11-23' && time === '16:00') desk.expire('2026-11-23')
          const plan = desk.step(msOfIst(date, time))
          expect(plan.unplaced).toEqual([])
          const held = (EXPIRIES['NIFTY50'] ?? []).filter((e) => desk.strikes('NIFTY50', e).length)
          windows.set(`${date} ${time}`, held.map((e) => e.slice(5)).join(' '))
        }
      }
    }
    const before = '11-23 12-01 12-08'
    const after = '12-01 12-08 12-15'
    for (const [time, window] of windows) {
      expect([time, window]).toEqual([time, time < '2026-11-23 16:00' ? before : after])
    }
    expect(desk.strikes('BANKNIFTY', '2027-02-23')).toHaveLength(21)
    expect([...desk.held.keys()].filter((key) => key.includes('2026-11-23'))).toEqual([])
  })

  it('asks for nothing that has closed, and drops nothing of it before the roll', () => {
    const desk = new Desk()
    const late = desk.step(msOfIst('2026-11-23', '15:45'))
    expect(late.add.filter(({ expiry }) => expiry === '2026-11-23')).toEqual([])
    expect(late.add.filter(({ expiry }) => expiry === '2026-12-01')).toHaveLength(42)
    const held = new Desk()
    held.step(msOfIst('2026-11-23', '15:30'))
    const closed = held.step(msOfIst('2026-11-23', '15:45'))
    expect([closed.add, closed.drop]).toEqual([[], []])
  })
})

/** A day of steps: minutes that pass, how the market moves, how the room changes. */
const day = fc.array(
  fc.record({
    minutes: fc.integer({ min: 0, max: 90 }),
    moves: fc.integer({ min: -400, max: 400 }),
    capacity: fc.integer({ min: 0, max: 700 }),
    isPriced: fc.boolean(),
  }),
  { minLength: 1, maxLength: 25 },
)

const small = new InstrumentMaster(
  LISTED.filter(({ symbol, expiry }) => symbol !== 'FINNIFTY' && (expiry ?? '') < '2027'),
)

describe('whatever the market does, the plan', () => {
  it('never asks for more than there is room, and for nothing twice', () => {
    fc.assert(
      fc.property(day, (steps) => {
        const desk = new Desk()
        desk.master = small
        let nowMs = MORNING
        let spot = 24_500
        for (const { minutes, moves, capacity, isPriced } of steps) {
          nowMs += minutes * 60_000
          spot += moves
          desk.capacity = capacity
          const prices = isPriced ? pricesOf({ ...SPOTS, NIFTY50: spot }) : new Map()
          const input = desk.input(nowMs, prices)
          const { add, unplaced, wanted } = planSubscriptions(input)
          const fresh = add.filter((each) => !input.streamed.has(keyOf(each)))
          expect(fresh.length).toBeLessThanOrEqual(input.room)
          expect(new Set(add.map(keyOf)).size).toBe(add.length)
          expect(new Set(wanted.map(keyOf)).size).toBe(wanted.length)
          if (unplaced.length > 0) expect(fresh.length).toBe(input.room)
          desk.step(nowMs, prices)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('keeps until the close what was wanted that day', () => {
    fc.assert(
      fc.property(day, (steps) => {
        const desk = new Desk()
        desk.master = small
        let nowMs = MORNING
        let spot = 24_500
        const wanted = new Set<string>()
        for (const { minutes, moves, isPriced } of steps) {
          nowMs += minutes * 60_000
          spot += moves
          if (nowMs >= msOfIst('2026-11-20', '16:00')) break
          desk.step(nowMs, isPriced ? pricesOf({ ...SPOTS, NIFTY50: spot }) : new Map())
          for (const key of desk.held.keys()) wanted.add(key)
          expect(new Set(desk.held.keys())).toEqual(wanted)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('does not flap: around a boundary between strikes it moves once at most', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -12, max: 12 }), { minLength: 5, maxLength: 60 }),
        fc.integer({ min: -15, max: 15 }),
        (noise, off) => {
          const desk = new Desk()
          desk.settings = { underlyings: ['NIFTY50'], expiries: 1, strikesEachSide: 10 }
          let moves = 0
          let last: number | undefined
          noise.forEach((around, i) => {
            const futures = new Map([['2026-11-23', 24_525 + off + around]])
            const prices = new Map([['NIFTY50', { spot: 24_500, futures }]])
            const plan = desk.step(MORNING + i * 61_000, prices)
            const strike = plan.underlyings[0]?.series[0]?.anchor?.strike
            if (last !== undefined && strike !== last) moves++
            last = strike
          })
          expect(moves).toBeLessThanOrEqual(1)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('stays near the forward all the same', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -300, max: 300 }), { maxLength: 60 }), (walk) => {
        const desk = new Desk()
        desk.settings = { underlyings: ['NIFTY50'], expiries: 1, strikesEachSide: 10 }
        let forward = 24_500
        walk.forEach((step, i) => {
          forward = Math.min(26_000, Math.max(23_000, forward + step))
          const futures = new Map([['2026-11-23', forward]])
          const prices = new Map([['NIFTY50', { spot: forward, futures }]])
          const plan = desk.step(MORNING + i * 1_000, prices)
          const strike = plan.underlyings[0]?.series[0]?.anchor?.strike ?? 0
          expect(Math.abs(strike - forward)).toBeLessThanOrEqual(3 * 50)
        })
      }),
      { numRuns: 100 },
    )
  })
})
