import { describe, expect, it } from 'vitest'
import {
  formatAge,
  formatDate,
  formatDay,
  formatDays,
  formatDuration,
  formatTimeOfDay,
} from '../../web/time-format.ts'

describe('times on the page', () => {
  it('show the IST time of day of an instant, with or without milliseconds', () => {
    expect(formatTimeOfDay('2026-11-23T10:15:02.120+05:30')).toBe('10:15:02')
    expect(formatTimeOfDay('2026-11-23T10:15:02+05:30')).toBe('10:15:02')
  })

  it('show an expiry by day and month, and in full with its weekday', () => {
    expect(formatDay('2026-11-23')).toBe('23 Nov')
    expect(formatDate('2026-11-23')).toBe('Mon 23 Nov 2026')
  })

  it('say how old data is in one or two units', () => {
    expect(formatAge(400)).toBe('under 1 s old')
    expect(formatAge(14_900)).toBe('14 s old')
    expect(formatDuration(125_000)).toBe('2 min 5 s')
    expect(formatDuration(3 * 3_600_000 + 12 * 60_000)).toBe('3 h 12 min')
    expect(formatDuration(2 * 86_400_000 + 3 * 3_600_000)).toBe('2 d 3 h')
    expect(formatDuration(-5)).toBe('0 s')
  })

  it('call the expiry day today', () => {
    expect([0, 1, 9].map(formatDays)).toEqual(['today', '1 day', '9 days'])
  })
})
