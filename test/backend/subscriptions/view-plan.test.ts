import { describe, expect, it } from 'vitest'
import { keyOf } from '../../../src/backend/subscriptions/plan.ts'
import { planView, type ViewInput } from '../../../src/backend/subscriptions/view-plan.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import type { Series } from '../../../src/market/instrument-master.ts'
import { msOfIst } from '../../../src/market/ist.ts'
import { MASTER, SPOTS } from './listing.ts'

const seriesOf = (expiry: string) => MASTER.series('NIFTY50', expiry) as Series

function plan(over: Partial<ViewInput> = {}) {
  return planView({
    series: seriesOf('2026-11-23'),
    strikesEachSide: 1,
    master: MASTER,
    calendar: exchangeCalendar(),
    nowMs: msOfIst('2026-11-20', '10:00'),
    rate: 0.065,
    prices: { spot: SPOTS['NIFTY50'] ?? 0, futures: new Map() },
    held: new Map(),
    streamed: new Set(),
    room: 1_000,
    ...over,
  })
}

const names = (instruments: readonly { readonly tradingsymbol: string }[]) =>
  instruments.map(({ tradingsymbol }) => tradingsymbol)

const WINDOW = [
  'NIFTY 50',
  'NIFTY2026-11-23FUT',
  'NIFTY2026-11-2324500CE',
  'NIFTY2026-11-2324500PE',
  'NIFTY2026-11-2324450CE',
  'NIFTY2026-11-2324450PE',
  'NIFTY2026-11-2324550CE',
  'NIFTY2026-11-2324550PE',
]

describe('a view', () => {
  it('wants the index, its future, and options from the money outwards', () => {
    const { wanted, add, unplaced, atmStrike, forward, problem } = plan()
    expect(names(wanted)).toEqual(WINDOW)
    expect([add, unplaced, atmStrike, problem]).toEqual([wanted, [], 24_500, undefined])
    expect(forward).toBeGreaterThan(24_510)
  })

  it('is priced by the next later future where the series has none of its own', () => {
    const [, future] = plan({ series: seriesOf('2026-12-08') }).wanted
    expect(future?.expiry).toBe('2026-12-29')
  })

  it('lies around the forward, not around the spot', () => {
    const futures = new Map([['2026-11-23', 24_640]])
    expect(plan({ prices: { spot: 24_510, futures } }).atmStrike).toBe(24_650)
  })

  it('names what has no room, the farthest from the money', () => {
    const { add, unplaced } = plan({ room: 4 })
    expect(names(add)).toEqual(WINDOW.slice(0, 4))
    expect(names(unplaced)).toEqual(WINDOW.slice(4))
  })

  it('holds what others stream, without taking room, and nothing twice', () => {
    const [index, future, call, ...rest] = plan().wanted
    const streamed = new Set(
      [index, future, call].flatMap((each) => each && keyOf(each)) as string[],
    )
    const held = new Map([[index && keyOf(index), {}]]) as ViewInput['held']
    const { add, unplaced } = plan({ streamed, held, room: 0 })
    expect(names(add)).toEqual(WINDOW.slice(1, 3))
    expect(unplaced).toEqual(rest)
  })

  it('is of every listed strike where all are asked for', () => {
    expect(plan({ strikesEachSide: 'all' }).wanted).toHaveLength(2 + 2 * 81)
  })

  it('is of the underlying alone while its price is not known, and says so', () => {
    const { wanted, atmStrike, problem } = plan({ prices: undefined })
    expect([names(wanted), atmStrike]).toEqual([WINDOW.slice(0, 2), undefined])
    expect(problem).toBe('The price of NIFTY50 is not known yet.')
  })

  it('wants nothing of a series that has expired', () => {
    const { wanted, add, problem } = plan({ nowMs: msOfIst('2026-11-23', '15:41') })
    expect([wanted, add]).toEqual([[], []])
    expect(problem).toContain('has expired')
  })
})
