import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  alwaysOpenCalendar,
  exchangeCalendar,
  type MarketCalendar,
  SHIPPED_CALENDAR,
  segmentGroup,
} from '../../src/market/calendar.ts'
import { CALENDAR_CSV } from '../../src/market/calendar-data.ts'
import { layOver, parseCalendar } from '../../src/market/calendar-rows.ts'
import { addDays, formatIstMinute, msOfIst } from '../../src/market/ist.ts'
import { referenceData } from '../reference-data.ts'

const calendar = exchangeCalendar()
const COLUMNS = 'date,kind,segment,name,open_ist,close_ist,assumed,source'

function overlaid(...lines: string[]): MarketCalendar {
  const { rows, faults } = parseCalendar([COLUMNS, ...lines].join('\n'))
  expect(faults).toEqual([])
  return exchangeCalendar(layOver(SHIPPED_CALENDAR, rows))
}

/** `09:15-15:40`, a `?` behind it where assumed; `closed` without a session. */
function hours(of: MarketCalendar, segment: string, date: string): string {
  const session = of.session(segment, date)
  if (session === undefined) return 'closed'
  const close = session.closeMs === msOfIst(date, '24:00') ? '24:00' : ist(session.closeMs)
  return `${ist(session.openMs)}-${close}${session.assumed ? '?' : ''}`
}

const ist = formatIstMinute

describe('sessions of the exchanges', () => {
  it.each([
    ['NFO-OPT', '2026-07-31', '09:15-15:30'],
    ['NFO-OPT', '2026-08-03', '09:15-15:40'],
    ['NFO-FUT', '2026-11-20', '09:15-15:40'],
    ['BFO-OPT', '2026-07-31', '09:15-15:30'],
    ['BFO-OPT', '2026-11-20', '09:15-15:40'],
    ['INDICES', '2026-07-31', '09:15-15:30'],
    ['INDICES', '2026-11-20', '09:15-15:40'],
    ['NFO', '2026-11-20', '09:15-15:40'],
    ['NSE', '2026-07-31', '09:15-15:30'],
    ['MCX-FUT', '2025-07-15', '09:00-23:30'],
    ['MCX-FUT', '2025-03-07', '09:00-23:55'],
    ['MCX-FUT', '2026-10-30', '09:00-23:30?'],
    ['MCX-FUT', '2026-11-20', '09:00-23:55?'],
    ['CDS-FUT', '2026-11-20', '09:00-17:00?'],
  ])('%s on %s: %s', (segment, date, expected) => {
    expect(hours(calendar, segment, date)).toBe(expected)
  })

  it('has 375 F&O minutes before 3 August 2026 and 385 since', () => {
    const minutes = (date: string) => {
      const session = calendar.session('NFO-OPT', date)
      return session === undefined ? 0 : (session.closeMs - session.openMs) / 60_000
    }
    expect(minutes('2026-07-15')).toBe(375)
    expect(minutes('2026-08-03')).toBe(385)
  })

  it.each([
    ['a Saturday', 'NFO-OPT', '2026-11-21', 'closed'],
    ['a Sunday', 'INDICES', '2026-11-22', 'closed'],
    ['a holiday', 'NFO-OPT', '2026-11-24', 'closed'],
    ['a holiday of both exchanges', 'BFO-OPT', '2026-11-24', 'closed'],
    ['a holiday added six days before', 'NFO-OPT', '2026-01-15', 'closed'],
    ['a Budget Saturday', 'NFO-OPT', '2025-02-01', '09:15-15:30'],
    ['a Budget Sunday', 'NFO-OPT', '2026-02-01', '09:15-15:30'],
    ['a Budget Sunday', 'MCX-FUT', '2026-02-01', '09:00-17:00'],
    ['Muhurat on a holiday', 'NFO-OPT', '2025-10-21', '13:45-14:45'],
    ['Muhurat of the index', 'INDICES', '2025-10-21', '13:45-14:45'],
    ['Muhurat on a Sunday, hours unknown', 'NFO-OPT', '2026-11-08', '18:00-19:00?'],
    ['an evening session', 'MCX-FUT', '2026-11-24', '17:00-23:55?'],
    ['an evening session', 'MCX-FUT', '2026-03-03', '17:00-23:55?'],
    ['a day without even an evening', 'MCX-FUT', '2026-10-02', 'closed'],
    ['a morning session', 'MCX-FUT', '2026-01-01', '09:00-17:00'],
  ])('%s (%s %s): %s', (_what, segment, date, expected) => {
    expect(hours(calendar, segment, date)).toBe(expected)
  })

  it('is open from the first millisecond of its session to before its close', () => {
    const at = (time: string) => msOfIst('2026-11-20', time)
    expect(calendar.isOpen('NFO-OPT', at('09:15') - 1)).toBe(false)
    expect(calendar.isOpen('NFO-OPT', at('09:15'))).toBe(true)
    expect(calendar.isOpen('NFO-OPT', at('15:40') - 1)).toBe(true)
    expect(calendar.isOpen('NFO-OPT', at('15:40'))).toBe(false)
    expect(calendar.isOpen('MCX-FUT', at('23:54'))).toBe(true)
    expect(calendar.isOpen('NFO-OPT', msOfIst('2026-11-21', '10:00'))).toBe(false)
  })

  it('gives a segment that nobody knows the F&O hours, assumed', () => {
    expect(segmentGroup('NCO-FUT')).toBeUndefined()
    expect(hours(calendar, 'NCO-FUT', '2026-11-20')).toBe('09:15-15:40?')
  })

  it('answers a repeated question with the same session', () => {
    const first = calendar.session('NFO-OPT', '2026-11-20')
    expect(first).toBeDefined()
    expect(calendar.session('NFO-FUT', '2026-11-20')).toBe(first)
    expect(calendar.session('NFO-OPT', '2026-11-21')).toBeUndefined()
    expect(calendar.session('NFO-OPT', '2026-11-21')).toBeUndefined()
  })

  it('stays right beyond what it remembers', () => {
    const fresh = exchangeCalendar()
    for (let date = '2019-01-01'; date < '2027-01-01'; date = addDays(date, 1)) {
      fresh.session('NFO-OPT', date)
    }
    expect(hours(fresh, 'NFO-OPT', '2026-11-23')).toBe('09:15-15:40')
    expect(hours(fresh, 'NFO-OPT', '2026-11-24')).toBe('closed')
    expect(hours(fresh, 'NFO-OPT', '2019-01-01')).toBe('09:15-15:30?')
  })
})

describe('trading days', () => {
  it('step over weekends and holidays', () => {
    expect(calendar.previousTradingDay('2026-11-25')).toBe('2026-11-23')
    expect(calendar.nextTradingDay('2026-11-23')).toBe('2026-11-25')
    expect(calendar.previousTradingDay('2026-11-23')).toBe('2026-11-20')
    expect(calendar.nextTradingDay('2026-04-02')).toBe('2026-04-06')
    expect(calendar.nextTradingDay('2026-11-23', 'MCX-FUT')).toBe('2026-11-24')
  })

  it('count Muhurat as a date of its own, but not as a full day', () => {
    expect(calendar.previousTradingDay('2026-11-09')).toBe('2026-11-08')
    expect(calendar.isTradingDay('2025-10-21')).toBe(true)
    expect(calendar.isFullTradingDay('2025-10-21')).toBe(false)
    expect(calendar.isFullTradingDay('2026-11-08')).toBe(false)
    expect(calendar.isFullTradingDay('2026-02-01')).toBe(true)
    expect(calendar.isFullTradingDay('2026-11-24')).toBe(false)
    expect(calendar.isFullTradingDay('2026-11-23')).toBe(true)
  })

  it('are IST dates', () => {
    expect(calendar.tradingDateOf('MCX-FUT', msOfIst('2026-11-20', '23:54'))).toBe('2026-11-20')
    expect(calendar.tradingDateOf('NFO-OPT', msOfIst('2026-11-21', '00:00'))).toBe('2026-11-21')
  })
})

describe('expiry and anchor', () => {
  it.each([
    ['NFO-OPT', '2026-07-28', '15:30'],
    ['NFO-OPT', '2026-11-23', '15:40'],
    ['BFO-OPT', '2026-11-26', '15:40'],
    ['NFO-OPT', '2029-12-24', '15:40'],
    ['MCX-FUT', '2026-11-19', '23:55'],
    ['NFO-OPT', '2024-06-27', '15:30'],
  ])('%s of %s stops trading at %s', (segment, expiry, close) => {
    expect(calendar.expiryCloseMs(segment, expiry)).toBe(msOfIst(expiry, close))
  })

  it('anchors timeframes at the open, and at the usual open where there is no session', () => {
    expect(ist(calendar.anchorMs('NFO-OPT', '2026-11-20'))).toBe('09:15')
    expect(ist(calendar.anchorMs('MCX-FUT', '2026-11-20'))).toBe('09:00')
    expect(ist(calendar.anchorMs('NFO-OPT', '2025-10-21'))).toBe('13:45')
    expect(ist(calendar.anchorMs('NFO-OPT', '2026-11-21'))).toBe('09:15')
  })
})

describe('years that are not covered', () => {
  it('assume Monday to Friday with the last known hours', () => {
    expect(calendar.coveredThrough).toBe('2026-12-31')
    expect(hours(calendar, 'NFO-OPT', '2027-01-26')).toBe('09:15-15:40?')
    expect(hours(calendar, 'NFO-OPT', '2027-01-30')).toBe('closed')
    expect(hours(calendar, 'MCX-FUT', '2029-07-03')).toBe('09:00-23:55?')
    expect(hours(calendar, 'NFO-OPT', '2024-06-21')).toBe('09:15-15:30?')
  })

  it('refuse a statement about the past', () => {
    expect(calendar.coverageFault('2025-01-01', '2026-12-31')).toBeUndefined()
    expect(calendar.coverageFault('2024-12-31', '2027-01-01')).toEqual({
      code: 'calendar_not_covered',
      retryable: false,
      message: 'the trading calendar has no holidays of 2024, 2027; it covers 2025, 2026',
      years: ['2024', '2027'],
    })
    expect(calendar.coverageFault('2011-05-01', '2015-05-01')?.message).toContain('2011 to 2015')
  })

  it('become covered with a list of their holidays, not with a single correction', () => {
    const list = Array.from({ length: 12 }, (_, i) => `2027-${two(i + 1)}-12,holiday,,x,,,,y`)
    expect(overlaid(list[0] ?? '').coveredThrough).toBe('2026-12-31')
    expect(hours(overlaid(list[0] ?? ''), 'NFO-OPT', '2027-01-12')).toBe('closed')
    const whole = overlaid(...list)
    expect(whole.coveredThrough).toBe('2027-12-31')
    expect(hours(whole, 'NFO-OPT', '2027-01-13')).toBe('09:15-15:40')
    expect(hours(whole, 'MCX-FUT', '2027-01-13')).toBe('09:00-23:55?')
    expect(whole.coverageFault('2027-01-01', '2027-12-31')).toBeUndefined()
  })

  it('do not hide in a hole between covered ones', () => {
    const list = Array.from({ length: 12 }, (_, i) => `2028-${two(i + 1)}-12,holiday,,x,,,,y`)
    const holed = overlaid(...list)
    expect(hours(holed, 'NFO-OPT', '2027-06-01')).toBe('09:15-15:40?')
    expect(holed.coverageFault('2026-01-01', '2028-12-31')?.years).toEqual(['2027'])
  })
})

describe('rows laid over the shipped ones', () => {
  it('give Muhurat its hours once they are notified', () => {
    const known = overlaid('2026-11-08,special_session,,Muhurat,18:15,19:15,,NSE circular')
    expect(hours(known, 'NFO-OPT', '2026-11-08')).toBe('18:15-19:15')
    expect(hours(known, 'INDICES', '2026-11-08')).toBe('18:15-19:15')
    expect(hours(known, 'MCX-FUT', '2026-11-08')).toBe('18:00-19:00?')
  })

  it('move a holiday', () => {
    const moved = overlaid(
      '2026-11-24,special_full_session,,not a holiday after all,,,,x',
      '2026-11-25,holiday,,Guru Nanak Jayanti,,,,x',
    )
    expect(hours(moved, 'NFO-OPT', '2026-11-24')).toBe('09:15-15:40')
    expect(moved.isFullTradingDay('2026-11-24')).toBe(true)
    expect(hours(moved, 'NFO-OPT', '2026-11-25')).toBe('closed')
    expect(hours(moved, 'MCX-FUT', '2026-11-25')).toBe('09:00-23:55?')
  })

  it('speak for one segment alone where they name it', () => {
    const bse = overlaid('2026-11-20,special_session,bse_fo,late start,11:00,15:40,,x')
    expect(hours(bse, 'BFO-OPT', '2026-11-20')).toBe('11:00-15:40')
    expect(hours(bse, 'NFO-OPT', '2026-11-20')).toBe('09:15-15:40')
  })

  it('replace what was said of one segment when they name none', () => {
    const shipped = parseCalendar(`${COLUMNS}\n2026-11-20,holiday,bse_fo,x,,,,y`).rows
    const overlay = parseCalendar(`${COLUMNS}\n2026-11-20,special_full_session,,x,,,,y`).rows
    const both = exchangeCalendar(layOver([...SHIPPED_CALENDAR, ...shipped], overlay))
    expect(hours(both, 'BFO-OPT', '2026-11-20')).toBe('09:15-15:40')
  })

  it('change the hours from a date on', () => {
    const later = overlaid('2026-12-01,rule_change,nse_fo,new close,09:15,16:00,,x')
    expect(hours(later, 'NFO-OPT', '2026-11-30')).toBe('09:15-15:40')
    expect(hours(later, 'NFO-OPT', '2026-12-01')).toBe('09:15-16:00')
    expect(hours(later, 'NFO-OPT', '2027-12-01')).toBe('09:15-16:00?')
    expect(hours(later, 'BFO-OPT', '2026-12-01')).toBe('09:15-15:40')
  })

  it('correct a shipped rule of the same date and segment', () => {
    const corrected = overlaid('2026-08-03,rule_change,index,ends early,09:15,15:15,,x')
    expect(hours(corrected, 'INDICES', '2026-11-20')).toBe('09:15-15:15')
    expect(hours(corrected, 'NFO-OPT', '2026-11-20')).toBe('09:15-15:40')
  })

  it('take the whole of a day that is split', () => {
    const split = overlaid(
      '2026-11-28,special_session,,drill,09:15,10:00,,x',
      '2026-11-28,special_session,,drill,11:30,12:30,,x',
    )
    expect(hours(split, 'NFO-OPT', '2026-11-28')).toBe('09:15-12:30')
  })
})

describe('calendar text', () => {
  it('ships without a fault, each row with its source', () => {
    const { rows, faults } = parseCalendar(CALENDAR_CSV)
    expect(faults).toEqual([])
    expect(rows.length).toBeGreaterThan(80)
    expect(rows.filter((row) => row.source === '' || row.name === '')).toEqual([])
  })

  it('is found by column name, with quotes, comments and Windows line ends', () => {
    const text = '\uFEFFkind,date,name,source\r\n# mine\r\n\r\nHoliday,2026-12-01,"A, ""b""",me\r\n'
    expect(parseCalendar(text)).toEqual({
      faults: [],
      rows: [
        {
          date: '2026-12-01',
          kind: 'holiday',
          segment: null,
          name: 'A, "b"',
          openMinute: null,
          closeMinute: null,
          assumed: false,
          source: 'me',
        },
      ],
    })
  })

  it.each([
    ['2026-02-30,holiday,,x,,,,y', /not a date/],
    ['2026-12-01,holyday,,x,,,,y', /"holyday" is none of holiday/],
    ['2026-12-01,holiday,nfo,x,,,,y', /"nfo" is none of index/],
    ['2026-12-01,special_session,,x,9.15,,,y', /"9.15" is not a time/],
    ['2026-12-01,special_session,,x,09:15,25:00,,y', /"25:00" is not a time/],
    ['2026-12-01,special_session,,x,15:30,09:15,,y', /close is not after/],
    ['2026-12-01,special_session,,x,,15:30,,y', /close but no open/],
    ['2026-12-01,holiday,,x,09:15,15:30,,y', /holiday has no hours/],
    ['2026-12-01,rule_change,,x,09:15,15:30,,y', /need the segment/],
    ['2026-12-01,rule_change,nse_fo,x,09:15,,,y', /needs its close/],
    ['2026-12-01,holiday,,"x,,,,y', /quote is not closed/],
  ])('reports %j and reads on', (line, message) => {
    const { rows, faults } = parseCalendar(`${COLUMNS}\n${line}\n2026-12-02,holiday,,x,,,,y`)
    expect(faults).toEqual([{ line: 2, message: expect.stringMatching(message) }])
    expect(rows.map((row) => row.date)).toEqual(['2026-12-02'])
  })

  it('needs a header', () => {
    expect(parseCalendar('2026-12-01,holiday\n').faults).toMatchObject([{ line: 1 }])
    expect(parseCalendar('').faults).toMatchObject([{ line: 1 }])
  })
})

describe('the calendar that never closes', () => {
  const always = alwaysOpenCalendar()

  it('has a session of the whole IST date, every day', () => {
    expect(hours(always, 'NFO-OPT', '2026-11-22')).toBe('00:00-24:00')
    expect(always.isOpen('NFO-OPT', msOfIst('2026-11-22', '03:00'))).toBe(true)
    expect(always.isTradingDay('2026-11-24')).toBe(true)
    expect(always.previousTradingDay('2026-11-23')).toBe('2026-11-22')
    expect(always.nextTradingDay('2026-11-23')).toBe('2026-11-24')
    expect(always.tradingDateOf('NFO-OPT', msOfIst('2026-11-22', '00:00'))).toBe('2026-11-22')
  })

  it('keeps the anchor at 09:15 and the expiry at the dated close', () => {
    expect(ist(always.anchorMs('NFO-OPT', '2026-11-22'))).toBe('09:15')
    expect(ist(always.anchorMs('MCX-FUT', '2026-11-22'))).toBe('09:15')
    expect(ist(always.expiryCloseMs('NFO-OPT', '2026-11-23'))).toBe('15:40')
    expect(ist(always.expiryCloseMs('NFO-OPT', '2026-07-28'))).toBe('15:30')
  })

  it('assumes nothing and refuses nothing', () => {
    expect(always.coverageFault('1999-01-01', '2099-01-01')).toBeUndefined()
    expect(always.coveredThrough).toBe('9999-12-31')
  })
})

describe('against the reference calendar', () => {
  const file = referenceData('analytics/nse_calendar_2025_2026.csv')
  const text = file === undefined ? '' : readFileSync(file, 'utf8')

  it.skipIf(file === undefined)(
    'reads its columns; its rule notes with hours change nothing',
    () => {
      const { rows, faults } = parseCalendar(text)
      expect(rows.length).toBe(36)
      expect(faults.map(({ message }) => message)).toEqual([
        'new hours need the segment that they hold for',
        'new hours need the segment that they hold for',
      ])
    },
  )

  it.skipIf(file === undefined)('has the same session on every F&O day of 2025 and 2026', () => {
    const hourRows = SHIPPED_CALENDAR.filter((row) => row.kind === 'rule_change')
    const reference = exchangeCalendar([...hourRows, ...parseCalendar(text).rows])
    const differences: string[] = []
    for (let date = '2025-01-01'; date <= '2026-12-31'; date = addDays(date, 1)) {
      const ours = hours(calendar, 'NFO-OPT', date)
      const theirs = hours(reference, 'NFO-OPT', date)
      if (ours !== theirs) differences.push(`${date} ${ours} ${theirs}`)
    }
    expect(differences).toEqual([])
    expect(reference.coveredThrough).toBe('2026-12-31')
  })
})

function two(value: number): string {
  return String(value).padStart(2, '0')
}
