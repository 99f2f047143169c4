import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addDays,
  DAY_MS,
  dateOfDay,
  dayNumber,
  daysBetween,
  floorToMinute,
  formatIst,
  formatIstMinute,
  isCivilDate,
  istDate,
  istMinuteOfDay,
  msOfIst,
  parseApiTime,
  parseDate,
  startOfDateMs,
  weekday,
} from '../../src/market/ist.ts'

/** Truth that this module did not write: the platform's own calendar, shifted by 5:30. */
function platformIst(ms: number): string {
  return new Date(ms + 19_800_000).toISOString()
}

const anyInstant = fc.integer({ min: -4_000_000_000_000, max: 16_000_000_000_000 })

describe('instants in IST', () => {
  it('changes the date at 18:30 UTC', () => {
    const midnight = Date.UTC(2026, 10, 22, 18, 30)
    expect(istDate(midnight - 1)).toBe('2026-11-22')
    expect(istDate(midnight)).toBe('2026-11-23')
    expect(istMinuteOfDay(midnight - 1)).toBe(1439)
    expect(istMinuteOfDay(midnight)).toBe(0)
  })

  it('has the date and minute that the platform has', () => {
    fc.assert(
      fc.property(anyInstant, (ms) => {
        const truth = platformIst(ms)
        expect(istDate(ms)).toBe(truth.slice(0, 10))
        expect(formatIstMinute(ms)).toBe(truth.slice(11, 16))
        expect(istMinuteOfDay(ms)).toBe(
          Number(truth.slice(11, 13)) * 60 + Number(truth.slice(14, 16)),
        )
      }),
      { numRuns: 2000 },
    )
  })

  it('is right whatever date was asked for before', () => {
    fc.assert(
      fc.property(fc.array(anyInstant, { minLength: 2, maxLength: 20 }), (instants) => {
        expect(instants.map(istDate)).toEqual(instants.map((ms) => platformIst(ms).slice(0, 10)))
      }),
    )
  })

  it('finds the instant of a wall time', () => {
    expect(msOfIst('2026-11-23', '15:40')).toBe(Date.UTC(2026, 10, 23, 10, 10))
    expect(msOfIst('2026-11-23', '24:00')).toBe(startOfDateMs('2026-11-24'))
    expect(msOfIst('2026-01-01', '00:00')).toBe(Date.UTC(2025, 11, 31, 18, 30))
  })

  it.each([
    ['2026-02-30', '09:15'],
    ['2026-11-23', '24:01'],
    ['2026-11-23', '09:60'],
    ['2026-11-23', '9'],
  ])('refuses %s %s', (date, time) => {
    expect(() => msOfIst(date, time)).toThrow(RangeError)
  })

  it('floors to the minute, before the epoch too', () => {
    expect(floorToMinute(119_999)).toBe(60_000)
    expect(floorToMinute(120_000)).toBe(120_000)
    expect(floorToMinute(-1)).toBe(-60_000)
  })
})

describe('ISO text', () => {
  it('carries the offset, and milliseconds only where there are any', () => {
    expect(formatIst(msOfIst('2026-11-23', '09:15'))).toBe('2026-11-23T09:15:00+05:30')
    expect(formatIst(msOfIst('2026-11-23', '09:15') + 2_007)).toBe('2026-11-23T09:15:02.007+05:30')
  })

  it('comes back as the same instant', () => {
    fc.assert(
      fc.property(anyInstant, (ms) => {
        expect(parseApiTime(formatIst(ms))).toEqual({ ok: true, ms })
        expect(Date.parse(formatIst(ms))).toBe(ms)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('times given to the API', () => {
  const opening = Date.UTC(2026, 10, 20, 3, 45)
  it.each([
    ['2026-11-20T09:15:00+05:30', opening],
    ['2026-11-20T09:15:00+0530', opening],
    ['2026-11-20T09:15:00 05:30', opening],
    ['2026-11-20T09:15+05:30', opening],
    ['2026-11-20T09:15', opening],
    ['2026-11-20 09:15:00', opening],
    ['2026-11-20T03:45:00Z', opening],
    ['2026-11-20T03:45:00.250Z', opening + 250],
    ['2026-11-19T22:45:00-05:00', opening],
    ['2026-11-20', Date.UTC(2026, 10, 19, 18, 30)],
    [String(opening / 1000), opening],
    [`${opening / 1000}.5`, opening + 500],
    [opening / 1000, opening],
    [0, 0],
  ])('%j is understood', (input, ms) => {
    expect(parseApiTime(input)).toEqual({ ok: true, ms })
  })

  it.each([
    '',
    'yesterday',
    '2026-13-01',
    '2026-02-29',
    '2026-11-20T24:00:00',
    '2026-11-20T09:60:00',
    '2026-11-20T09:15:00+99:00',
    '2026-11-20T9:15',
    '20-11-2026',
    '-5',
    'NaN',
    '1e9',
    String(opening),
    opening,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ])('%j is refused with a code', (input) => {
    expect(parseApiTime(input)).toMatchObject({
      ok: false,
      code: 'invalid_time',
      retryable: false,
      message: expect.stringMatching(/epoch seconds/),
    })
  })

  it('asks whether too large a number is in milliseconds', () => {
    expect(parseApiTime(opening)).toMatchObject({ message: expect.stringContaining('millisec') })
  })
})

describe('civil dates', () => {
  it('count days as the platform does, over four centuries', () => {
    for (let day = -80_000; day < 160_000; day += 1) {
      const date = new Date(day * DAY_MS).toISOString().slice(0, 10)
      if (dateOfDay(day) !== date || dayNumber(date) !== day) {
        expect([dateOfDay(day), dayNumber(date)]).toEqual([date, day])
      }
    }
  })

  it('add and subtract days over months and leap years', () => {
    expect(addDays('2028-02-28', 1)).toBe('2028-02-29')
    expect(addDays('2026-02-28', 1)).toBe('2026-03-01')
    expect(addDays('2026-01-01', -1)).toBe('2025-12-31')
    expect(daysBetween('2026-11-20', '2026-11-23')).toBe(3)
    expect(daysBetween('2026-11-23', '2026-11-20')).toBe(-3)
  })

  it.each([
    ['2026-11-23', 1],
    ['2026-11-22', 0],
    ['2029-12-25', 2],
    ['1970-01-01', 4],
    ['1969-12-27', 6],
  ])('%s is weekday %i', (date, day) => {
    expect(weekday(date)).toBe(day)
  })

  it.each(['2026-00-01', '2026-04-31', '2026-1-1', '2026-01-01T00:00', '1900-02-29', ''])(
    '%j is no date',
    (text) => {
      expect(isCivilDate(text)).toBe(false)
      expect(parseDate(text)).toBeUndefined()
      expect(() => dayNumber(text)).toThrow(RangeError)
    },
  )
})
