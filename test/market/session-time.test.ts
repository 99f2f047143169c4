import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { alwaysOpenCalendar, exchangeCalendar } from '../../src/market/calendar.ts'
import { formatIst, MINUTE_MS, msOfIst } from '../../src/market/ist.ts'
import { sessionsWithin, sessionTimeBack } from '../../src/market/session-time.ts'

const calendar = exchangeCalendar()
const INDEX = { segment: 'INDICES', expiry: null }
const OPTION = { segment: 'NFO-OPT', expiry: '2026-11-23' }

function back(instrument: typeof INDEX | typeof OPTION, date: string, time: string, minutes = 120) {
  return formatIst(sessionTimeBack(instrument, msOfIst(date, time), minutes, calendar)).slice(0, 16)
}

describe('session time, counted back', () => {
  it('stays within the session where there was enough of it', () => {
    expect(back(OPTION, '2026-11-20', '13:00')).toBe('2026-11-20T11:00')
  })

  it('goes on with the session before, over a night', () => {
    expect(back(INDEX, '2026-11-20', '10:15')).toBe('2026-11-19T14:40')
  })

  it('goes over a weekend', () => {
    // 15 minutes of Monday and 105 of Friday, which ends at 15:40.
    expect(back(OPTION, '2026-11-23', '09:30')).toBe('2026-11-20T13:55')
  })

  it('goes over a holiday', () => {
    // Tuesday 24 November 2026 is none of trading.
    expect(back(INDEX, '2026-11-25', '09:25')).toBe('2026-11-23T13:50')
  })

  it('counts from the close while the market is shut', () => {
    expect(back(INDEX, '2026-11-22', '12:00')).toBe('2026-11-20T13:40')
  })

  it('counts from the last close of a contract that has expired', () => {
    expect(back(OPTION, '2027-03-01', '12:00')).toBe('2026-11-23T13:40')
  })

  it('is plain time where the market never closes', () => {
    const open = alwaysOpenCalendar()
    const untilMs = msOfIst('2026-11-22', '01:00')
    expect(sessionTimeBack(INDEX, untilMs, 120, open)).toBe(untilMs - 120 * MINUTE_MS)
  })

  it('leaves exactly so many minutes of sessions behind it', () => {
    const from = msOfIst('2026-01-05', '00:00')
    const until = fc.integer({ min: 0, max: 300 * 1440 }).map((n) => from + n * MINUTE_MS)
    fc.assert(
      fc.property(until, fc.integer({ min: 1, max: 3_000 }), (untilMs, minutes) => {
        const fromMs = sessionTimeBack(INDEX, untilMs, minutes, calendar)
        const sum = sessionsWithin(INDEX, { fromMs, toMs: untilMs }, calendar).reduce(
          (total, part) => total + part.toMs - part.fromMs,
          0,
        )
        expect(sum).toBe(minutes * MINUTE_MS)
      }),
      { numRuns: 200 },
    )
  })
})

describe('sessions within a window', () => {
  it('are cut at both ends, and at the last close on the expiry day', () => {
    const open = alwaysOpenCalendar()
    const window = { fromMs: msOfIst('2026-11-22', '20:00'), toMs: msOfIst('2026-11-24', '10:00') }
    expect(sessionsWithin(OPTION, window, open)).toEqual([
      { fromMs: window.fromMs, toMs: msOfIst('2026-11-23', '00:00') },
      { fromMs: msOfIst('2026-11-23', '00:00'), toMs: msOfIst('2026-11-23', '15:40') },
    ])
  })

  it('are none on a Sunday, and none in an empty window', () => {
    const sunday = msOfIst('2026-11-22', '00:00')
    expect(sessionsWithin(INDEX, { fromMs: sunday, toMs: sunday + 86_400_000 }, calendar)).toEqual(
      [],
    )
    expect(sessionsWithin(INDEX, { fromMs: sunday, toMs: sunday }, calendar)).toEqual([])
  })
})
