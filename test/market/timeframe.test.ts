import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { alwaysOpenCalendar, exchangeCalendar } from '../../src/market/calendar.ts'
import {
  formatIst,
  formatIstMinute,
  MINUTE_MS,
  msOfIst,
  parseApiTime,
} from '../../src/market/ist.ts'
import {
  bucketAt,
  parseTimeframe,
  type RollableBar,
  rollUp,
  TIMEFRAMES,
  type Timeframe,
  timeframeMinutes,
} from '../../src/market/timeframe.ts'
import { referenceData } from '../reference-data.ts'

const calendar = exchangeCalendar()
const always = alwaysOpenCalendar()
const DATE = '2026-11-20'

function bucket(timeframe: Timeframe, segment: string, time: string, of = calendar, date = DATE) {
  const { startMs, endMs } = bucketAt(timeframe, msOfIst(date, time), segment, of)
  const length = (endMs - startMs) / MINUTE_MS
  return `${formatIstMinute(startMs)} +${length}`
}

/** Every minute of a session, each with its number as price and 10 as volume. */
function minutes(segment: string, date: string): RollableBar[] {
  const session = calendar.session(segment, date)
  if (session === undefined) return []
  const count = (session.closeMs - session.openMs) / MINUTE_MS
  return Array.from({ length: count }, (_, i) => ({
    timeMs: session.openMs + i * MINUTE_MS,
    open: i,
    high: i + 0.5,
    low: i - 0.5,
    close: i + 0.25,
    volume: 10,
    openInterest: 1000 + i,
  }))
}

describe('buckets', () => {
  it.each([
    ['1m', 'NFO-OPT', '09:17', '09:17 +1'],
    ['3m', 'NFO-OPT', '09:17', '09:15 +3'],
    ['5m', 'NFO-OPT', '09:20', '09:20 +5'],
    ['10m', 'NFO-OPT', '15:39', '15:35 +5'],
    ['15m', 'NFO-OPT', '15:39', '15:30 +10'],
    ['30m', 'NFO-OPT', '15:39', '15:15 +25'],
    ['1h', 'NFO-OPT', '10:14', '09:15 +60'],
    ['1h', 'NFO-OPT', '10:15', '10:15 +60'],
    ['1h', 'NFO-OPT', '15:39', '15:15 +25'],
    ['1h', 'MCX-FUT', '09:15', '09:00 +60'],
    ['1h', 'MCX-FUT', '23:54', '23:00 +55'],
    ['1d', 'NFO-OPT', '10:14', '00:00 +1440'],
    ['5m', 'NFO-FUT', '09:08', '09:05 +5'],
    ['1h', 'NFO-FUT', '09:08', '08:15 +60'],
    ['1h', 'NFO-OPT', '15:45', '15:40 +35'],
  ] as const)('%s of %s at %s: %s', (timeframe, segment, time, expected) => {
    expect(bucket(timeframe, segment, time)).toBe(expected)
  })

  it('begin with the session on a Muhurat day', () => {
    expect(bucket('1h', 'NFO-OPT', '14:44', calendar, '2025-10-21')).toBe('13:45 +60')
    expect(bucket('1h', 'MCX-FUT', '17:20', calendar, '2026-11-24')).toBe('17:00 +60')
  })

  it('keep the raster of an ordinary day where there is no session', () => {
    expect(bucket('1h', 'NFO-OPT', '10:00', calendar, '2026-11-21')).toBe('09:15 +60')
  })

  it('are anchored at 09:15 in a market that never closes', () => {
    expect(bucket('1h', 'NFO-OPT', '10:14', always)).toBe('09:15 +60')
    expect(bucket('1h', 'NFO-OPT', '03:00', always)).toBe('02:15 +60')
    expect(bucket('1h', 'NFO-OPT', '00:05', always)).toBe('00:00 +15')
    expect(bucket('1h', 'NFO-OPT', '23:59', always)).toBe('23:15 +45')
    expect(bucket('10m', 'MCX-FUT', '00:04', always)).toBe('00:00 +5')
  })

  it('hold their instant, are no longer than the timeframe and tile the time', () => {
    const inDay = fc.integer({ min: 0, max: 24 * 60 * MINUTE_MS - 1 })
    const timeframe = fc.constantFrom(...TIMEFRAMES)
    const segment = fc.constantFrom('NFO-OPT', 'INDICES', 'MCX-FUT')
    const date = fc.constantFrom(DATE, '2026-11-08', '2026-11-21', '2026-11-24', '2025-10-21')
    fc.assert(
      fc.property(inDay, timeframe, segment, date, fc.boolean(), (ms, frame, seg, day, open) => {
        const of = open ? always : calendar
        const atMs = msOfIst(day, '00:00') + ms
        const { startMs, endMs } = bucketAt(frame, atMs, seg, of)
        expect(startMs <= atMs && atMs < endMs).toBe(true)
        const width = timeframeMinutes(frame) ?? 1440
        expect(endMs - startMs).toBeLessThanOrEqual(width * MINUTE_MS)
        expect(bucketAt(frame, startMs, seg, of)).toEqual({ startMs, endMs })
        expect(bucketAt(frame, endMs - 1, seg, of)).toEqual({ startMs, endMs })
      }),
      { numRuns: 1000 },
    )
  })
})

describe('rolling up', () => {
  it.each([
    ['3m', 129],
    ['5m', 77],
    ['10m', 39],
    ['15m', 26],
    ['30m', 13],
    ['1h', 7],
    ['1d', 1],
  ] as const)('makes 385 minutes of F&O into %s bars: %i', (timeframe, count) => {
    const bars = rollUp(minutes('NFO-OPT', DATE), timeframe, 'NFO-OPT', calendar)
    expect(bars.length).toBe(count)
    expect(bars.reduce((total, bar) => total + bar.bars, 0)).toBe(385)
    expect(bars.reduce((total, bar) => total + (bar.volume ?? 0), 0)).toBe(3850)
  })

  it('takes first open, extremes, last close, summed volume and last open interest', () => {
    const bars = rollUp(minutes('NFO-OPT', DATE), '15m', 'NFO-OPT', calendar)
    expect(bars[1]).toEqual({
      timeMs: msOfIst(DATE, '09:30'),
      open: 15,
      high: 29.5,
      low: 14.5,
      close: 29.25,
      volume: 150,
      openInterest: 1029,
      bars: 15,
    })
    expect(bars.at(-1)).toMatchObject({ timeMs: msOfIst(DATE, '15:30'), volume: 100, bars: 10 })
  })

  it('does not join bars of two days, or over a hole', () => {
    const bars = [...minutes('NFO-OPT', '2026-11-20'), ...minutes('NFO-OPT', '2026-11-23')]
    const holed = bars.filter((_, i) => i < 10 || i > 100)
    const hours = rollUp(holed, '1h', 'NFO-OPT', calendar)
    expect(hours.map((bar) => formatIst(bar.timeMs).slice(5, 16)).slice(0, 3)).toEqual([
      '11-20T09:15',
      '11-20T10:15',
      '11-20T11:15',
    ])
    expect(hours[0]?.bars).toBe(10)
    expect(rollUp(holed, '1d', 'NFO-OPT', calendar).map((bar) => formatIst(bar.timeMs))).toEqual([
      '2026-11-20T00:00:00+05:30',
      '2026-11-23T00:00:00+05:30',
    ])
  })

  it('does not take the unknown for zero', () => {
    const unknown = {
      open: null,
      high: null,
      low: null,
      close: null,
      volume: null,
      openInterest: null,
    }
    const at = (time: string) => msOfIst(DATE, time)
    const known = { open: 5, high: 7, low: 4, close: 6, volume: 65, openInterest: 130 }
    const roll = (...bars: RollableBar[]) => rollUp(bars, '5m', 'NFO-OPT', calendar)
    expect(roll({ timeMs: at('09:15'), ...unknown }, { timeMs: at('09:16'), ...unknown })).toEqual([
      { timeMs: at('09:15'), ...unknown, bars: 2 },
    ])
    expect(roll({ timeMs: at('09:15'), ...unknown }, { timeMs: at('09:16'), ...known })).toEqual([
      { timeMs: at('09:15'), ...known, bars: 2 },
    ])
    expect(roll({ timeMs: at('09:15'), ...known }, { timeMs: at('09:16'), ...unknown })).toEqual([
      { timeMs: at('09:15'), ...known, bars: 2 },
    ])
  })

  it('gives the same hours from minutes as from five-minute bars of them', () => {
    const direct = rollUp(minutes('NFO-OPT', DATE), '1h', 'NFO-OPT', calendar)
    const fives = rollUp(minutes('NFO-OPT', DATE), '5m', 'NFO-OPT', calendar)
    const through = rollUp(fives, '1h', 'NFO-OPT', calendar)
    expect(through.map(({ bars, ...bar }) => bar)).toEqual(direct.map(({ bars, ...bar }) => bar))
  })

  it('has nothing for nothing', () => {
    expect(rollUp([], '5m', 'NFO-OPT', calendar)).toEqual([])
  })

  const file = referenceData('minute-bars/upstox_NSE_FO_57352_NIFTY2672124300CE_2026-07-15.csv')
  it.skipIf(file === undefined)(
    'keeps the volume of a real day, 375 minutes of 15 July 2026',
    () => {
      const lines = readFileSync(file ?? '', 'utf8')
        .trim()
        .split(/\r?\n/)
        .slice(1)
      const bars = lines.map((line) => {
        const [ts = '', open, high, low, close, volume, openInterest] = line.split(',')
        const time = parseApiTime(ts)
        if (!time.ok) throw new Error(time.message)
        const price = { open: Number(open), high: Number(high), low: Number(low) }
        return {
          timeMs: time.ms,
          ...price,
          close: Number(close),
          volume: Number(volume),
          openInterest: Number(openInterest),
        }
      })
      const hours = rollUp(bars, '1h', 'NFO-OPT', calendar)
      expect(hours.length).toBe(7)
      expect(hours.at(-1)?.bars).toBe(15)
      expect(hours.reduce((total, bar) => total + (bar.volume ?? 0), 0)).toBe(105_233_570)
      expect(hours[0]).toMatchObject({ open: 64.5, timeMs: msOfIst('2026-07-15', '09:15') })
      const [day] = rollUp(bars, '1d', 'NFO-OPT', calendar)
      expect(day?.high).toBe(Math.max(...bars.map((bar) => bar.high)))
      expect(day?.openInterest).toBe(bars.at(-1)?.openInterest)
    },
  )
})

describe('timeframe names', () => {
  it('are read in any case', () => {
    expect(parseTimeframe('15M')).toBe('15m')
    expect(parseTimeframe('1D')).toBe('1d')
    expect(parseTimeframe('2m')).toBeUndefined()
    expect(parseTimeframe('')).toBeUndefined()
  })
})
