import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  alwaysOpenCalendar,
  exchangeCalendar,
  type MarketCalendar,
  SHIPPED_CALENDAR,
} from '../../src/market/calendar.ts'
import { layOver, parseCalendar } from '../../src/market/calendar-rows.ts'
import {
  daysToExpiry,
  expiriesBetween,
  hasExpired,
  minutesToExpiry,
  nearestExpiry,
  yearsToExpiry,
} from '../../src/market/expiry.ts'
import { formatIstMinute, msOfIst } from '../../src/market/ist.ts'
import { knownNames, parseTradingsymbol } from '../../src/market/symbol.ts'
import { referenceData } from '../reference-data.ts'

const calendar = exchangeCalendar()

function dates(symbol: string, exchange: 'NFO' | 'BFO', from: string, to: string): string[] {
  return expiriesBetween(symbol, exchange, from, to, calendar).map(
    ({ expiry, kind }) => `${expiry} ${kind}`,
  )
}

describe('expiry rules', () => {
  it('move a Tuesday holiday to the trading day before', () => {
    expect(dates('NIFTY50', 'NFO', '2026-11-01', '2026-11-30')).toEqual([
      '2026-11-03 weekly',
      '2026-11-09 weekly',
      '2026-11-17 weekly',
      '2026-11-23 monthly',
    ])
  })

  it('give SENSEX its Thursdays', () => {
    expect(dates('SENSEX', 'BFO', '2026-10-29', '2026-11-30')).toEqual([
      '2026-10-29 monthly',
      '2026-11-05 weekly',
      '2026-11-12 weekly',
      '2026-11-19 weekly',
      '2026-11-26 monthly',
    ])
  })

  it.each([
    ['BANKNIFTY', 'NFO', '2026-11-23 monthly'],
    ['FINNIFTY', 'NFO', '2026-11-23 monthly'],
    ['MIDCPNIFTY', 'NFO', '2026-11-23 monthly'],
    ['NIFTYNXT50', 'NFO', '2026-11-23 monthly'],
    ['RELIANCE', 'NFO', '2026-11-23 monthly'],
    ['BANKEX', 'BFO', '2026-11-26 monthly'],
  ] as const)('give %s no weekly', (symbol, exchange, expiry) => {
    expect(dates(symbol, exchange, '2026-11-01', '2026-11-30')).toEqual([expiry])
  })

  it('do not expire a contract on a Muhurat day', () => {
    expect(dates('NIFTY50', 'NFO', '2025-10-15', '2025-10-27')).toEqual(['2025-10-20 weekly'])
  })

  it('change the weekday on 1 September 2025', () => {
    expect(dates('NIFTY50', 'NFO', '2025-08-20', '2025-09-10')).toEqual([
      '2025-08-21 weekly',
      '2025-08-28 monthly',
      '2025-09-02 weekly',
      '2025-09-09 weekly',
    ])
    expect(dates('SENSEX', 'BFO', '2025-08-20', '2025-09-12')).toEqual([
      '2025-08-26 monthly',
      '2025-09-04 weekly',
      '2025-09-11 weekly',
    ])
  })

  it('reach back over the edge of the range where a holiday moves an expiry into it', () => {
    expect(dates('NIFTY50', 'NFO', '2026-11-22', '2026-11-23')).toEqual(['2026-11-23 monthly'])
    expect(dates('NIFTY50', 'NFO', '2026-11-24', '2026-11-30')).toEqual([])
  })

  it('say nothing of what was before them', () => {
    expect(dates('NIFTY50', 'NFO', '2020-01-01', '2024-12-31')).toEqual([])
  })

  it('name the day that a shifted expiry was moved from', () => {
    const [expiry] = expiriesBetween('BANKNIFTY', 'NFO', '2026-11-01', '2026-11-30', calendar)
    expect(expiry).toEqual({ expiry: '2026-11-23', kind: 'monthly', nominal: '2026-11-24' })
  })

  it('know the one holiday of a year to come that a listed expiry tells', () => {
    expect(dates('NIFTY50', 'NFO', '2029-12-20', '2029-12-31')).toEqual(['2029-12-24 monthly'])
  })

  it('follow further holidays once they are known', () => {
    const { rows } = parseCalendar('date,kind\n2027-01-26,holiday\n')
    const informed = exchangeCalendar(layOver(SHIPPED_CALENDAR, rows))
    const january = (of: MarketCalendar) =>
      expiriesBetween('BANKNIFTY', 'NFO', '2027-01-01', '2027-01-31', of)[0]?.expiry
    expect(january(calendar)).toBe('2027-01-26')
    expect(january(informed)).toBe('2027-01-25')
  })
})

describe('the real dump of 17/18 August 2026', () => {
  const file = referenceData('instruments/kite_instruments_subset_NIFTY_SENSEX.csv')

  it.skipIf(file === undefined)('lists no index expiry that the rules do not give', () => {
    const lines = readFileSync(file ?? '', 'utf8')
      .trim()
      .split(/\r?\n/)
    const listed = new Set<string>()
    for (const line of lines.slice(1)) {
      const [, , tradingsymbol = '', name, , expiry] = line.split(',')
      const contract = parseTradingsymbol(tradingsymbol, knownNames(['NIFTY', 'SENSEX']))
      const kind = contract?.expiry.day === null ? 'monthly' : 'weekly'
      listed.add(`${name} ${expiry} ${kind}`)
    }
    const ruled = new Set([
      ...dates('NIFTY50', 'NFO', '2026-08-18', '2031-12-31').map((expiry) => `NIFTY ${expiry}`),
      ...dates('SENSEX', 'BFO', '2026-08-18', '2031-12-31').map((expiry) => `SENSEX ${expiry}`),
    ])
    expect([...listed].filter((expiry) => !ruled.has(expiry))).toEqual([])
    expect(listed.size).toBeGreaterThan(25)
  })
})

describe('the published expiries of September 2025 to December 2026', () => {
  const file = referenceData('analytics/expiry_rule_2025_09_2026_12.csv')
  const symbols = { NIFTY: ['NIFTY50', 'NFO'], SENSEX: ['SENSEX', 'BFO'] } as const

  it.skipIf(file === undefined)('are what the rules give, row by row', () => {
    const lines = readFileSync(file ?? '', 'utf8')
      .trim()
      .split(/\r?\n/)
      .slice(1)
    const ours = Object.entries(symbols).flatMap(([index, [symbol, exchange]]) =>
      expiriesBetween(symbol, exchange, '2025-09-01', '2026-12-31', calendar).map((rule) =>
        [
          index,
          rule.kind,
          rule.nominal,
          rule.expiry,
          rule.nominal === rule.expiry ? 'no' : 'yes',
          formatIstMinute(calendar.expiryCloseMs(exchange, rule.expiry)),
        ].join(','),
      ),
    )
    expect(ours.sort()).toEqual(lines.sort())
    expect(lines.length).toBe(140)
  })
})

describe('the nearest expiry', () => {
  const listed = ['2026-12-01', '2026-11-23', '2026-11-17', '2026-12-29'].map((expiry) => ({
    expiry,
  }))
  const nearest = (date: string, time: string) =>
    nearestExpiry(listed, msOfIst(date, time), calendar, 'NFO-OPT')?.expiry

  it.each([
    ['2026-11-20', '10:00', '2026-11-23'],
    ['2026-11-23', '09:15', '2026-11-23'],
    ['2026-11-23', '15:39', '2026-11-23'],
    ['2026-11-23', '15:40', '2026-12-01'],
    ['2026-11-24', '00:00', '2026-12-01'],
    ['2026-12-29', '15:39', '2026-12-29'],
    ['2026-12-29', '15:40', undefined],
  ])('on %s at %s is %s', (date, time, expiry) => {
    expect(nearest(date, time)).toBe(expiry)
  })

  it('is today until 15:40 in a market that never closes', () => {
    const always = alwaysOpenCalendar()
    const at = (time: string) => msOfIst('2026-11-23', time)
    expect(nearestExpiry(listed, at('15:39'), always, 'NFO')?.expiry).toBe('2026-11-23')
    expect(nearestExpiry(listed, at('15:40'), always, 'NFO')?.expiry).toBe('2026-12-01')
  })
})

describe('time to expiry', () => {
  const at = (date: string, time: string) => msOfIst(date, time)

  it('counts calendar days from the IST date', () => {
    expect(daysToExpiry('2026-11-23', at('2026-11-20', '23:59'))).toBe(3)
    expect(daysToExpiry('2026-11-23', at('2026-11-23', '15:40'))).toBe(0)
    expect(daysToExpiry('2026-11-23', at('2026-11-24', '00:00'))).toBe(-1)
  })

  it('counts minutes and years to the dated close, and never below zero', () => {
    const left = (date: string, time: string) =>
      minutesToExpiry('2026-11-23', at(date, time), calendar, 'NFO-OPT')
    expect(left('2026-11-23', '15:30')).toBe(10)
    expect(left('2026-11-22', '15:40')).toBe(1440)
    expect(left('2026-11-23', '15:41')).toBe(0)
    const years = yearsToExpiry('2026-11-23', at('2026-11-16', '15:40'), calendar, 'NFO-OPT')
    expect(years).toBeCloseTo(7 / 365, 15)
    expect(yearsToExpiry('2026-11-23', at('2026-11-24', '09:15'), calendar, 'NFO')).toBe(0)
  })

  it('knows an expired contract from a live one', () => {
    const expired = (date: string, time: string) =>
      hasExpired('2026-11-23', at(date, time), calendar, 'NFO-OPT')
    expect(expired('2026-11-23', '15:39')).toBe(false)
    expect(expired('2026-11-23', '15:40')).toBe(true)
    expect(expired('2026-11-22', '23:59')).toBe(false)
    expect(expired('2026-11-24', '00:00')).toBe(true)
  })
})
