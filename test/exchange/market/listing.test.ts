import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Market } from '../../../src/exchange/market/market.ts'
import { addDays, msOfIst } from '../../../src/market/ist.ts'
import { knownNames, parseTradingsymbol } from '../../../src/market/symbol.ts'
import { referenceData } from '../../reference-data.ts'
import { DATE, NOON } from './sample.ts'

const market = new Market('42')
const listed = market.listing(NOON)
const calendarFile = referenceData('analytics/expiry_rule_2025_09_2026_12.csv')

describe('the listing', () => {
  it('has at least 5,000 contracts, each with a token of its own that a signed reader can read', () => {
    expect(listed.contracts.length).toBeGreaterThan(5_000)
    expect(listed.byToken.size).toBe(listed.contracts.length)
    expect(listed.byName.size).toBe(listed.contracts.length)
    for (const { instrument, exchangeToken } of listed.contracts) {
      expect(instrument.token).toBeLessThan(2 ** 31)
      expect(instrument.token >>> 8).toBe(exchangeToken)
    }
  })

  it('knows the indices by their real tokens', () => {
    const tokens = listed.contracts
      .filter(({ instrument }) => instrument.kind === 'index')
      .map(({ instrument }) => [instrument.exchange, instrument.tradingsymbol, instrument.token])
    expect(tokens).toEqual([
      ['NSE', 'NIFTY 50', 256265],
      ['NSE', 'NIFTY BANK', 260105],
      ['NSE', 'NIFTY FIN SERVICE', 257801],
      ['NSE', 'NIFTY MID SELECT', 288009],
      ['BSE', 'SENSEX', 265],
      ['NSE', 'INDIA VIX', 264969],
    ])
  })

  it('lists three monthly futures of each index, and commodities', () => {
    const futures = listed.contracts.filter(({ instrument }) => instrument.kind === 'future')
    expect(futures.map(({ instrument }) => instrument.tradingsymbol)).toEqual([
      ...['NOV', 'DEC'].map((month) => `NIFTY26${month}FUT`),
      'NIFTY27JANFUT',
      ...['BANKNIFTY26NOVFUT', 'BANKNIFTY26DECFUT', 'BANKNIFTY27JANFUT'],
      ...['FINNIFTY26NOVFUT', 'FINNIFTY26DECFUT', 'FINNIFTY27JANFUT'],
      ...['MIDCPNIFTY26NOVFUT', 'MIDCPNIFTY26DECFUT', 'MIDCPNIFTY27JANFUT'],
      ...['SENSEX26NOVFUT', 'SENSEX26DECFUT', 'SENSEX27JANFUT'],
      ...['CRUDEOIL26DECFUT', 'CRUDEOIL27JANFUT', 'GOLD26DECFUT', 'GOLD27FEBFUT'],
    ])
  })

  it('has weekly options of NIFTY and SENSEX, monthly ones of the others, moved by holidays', () => {
    expect(expiries('NIFTY50').slice(0, 6)).toEqual([
      '2026-11-23',
      '2026-12-01',
      '2026-12-08',
      '2026-12-15',
      '2026-12-22',
      '2026-12-29',
    ])
    expect(expiries('SENSEX').slice(0, 3)).toEqual(['2026-11-26', '2026-12-03', '2026-12-10'])
    expect(expiries('BANKNIFTY').slice(0, 3)).toEqual(['2026-11-23', '2026-12-29', '2027-01-26'])
  })

  it('writes symbols in the real grammar', () => {
    const names = knownNames(listed.contracts.map(({ instrument }) => instrument.name))
    for (const { instrument } of listed.contracts) {
      if (instrument.kind === 'index') continue
      const parsed = parseTradingsymbol(instrument.tradingsymbol, names)
      expect(parsed?.name).toBe(instrument.name)
      expect(parsed?.strike).toBe(instrument.strike)
      expect(parsed?.kind).toBe(instrument.optionType ?? 'FUT')
    }
    expect(listed.byName.has('NFO:NIFTY26NOVFUT')).toBe(true)
    expect([...listed.byName.keys()].some((name) => /^NFO:NIFTY26D01\d{5}CE$/.test(name))).toBe(
      true,
    )
    expect([...listed.byName.keys()].some((name) => /^NFO:NIFTY26NOV\d{5}CE$/.test(name))).toBe(
      true,
    )
  })

  it('gives a contract the same token on every day of its life', () => {
    const later = market.listing(NOON + 20 * 86_400_000)
    let shared = 0
    for (const { instrument } of later.contracts) {
      const before = listed.byName.get(`${instrument.exchange}:${instrument.tradingsymbol}`)
      if (before === undefined) continue
      shared++
      expect(before.instrument).toEqual(instrument)
    }
    expect(shared).toBeGreaterThan(3_000)
  })

  it('drops a contract the day after its expiry and keeps the others', () => {
    const next = market.listing(msOfIst(addDays(DATE, 1), '00:00'))
    const gone = [...listed.byName.keys()].filter((name) => !next.byName.has(name))
    const expired = listed.contracts.filter(({ instrument }) => instrument.expiry === DATE)
    expect(gone.length).toBe(expired.length)
    expect([...next.byName.values()].some(({ instrument }) => instrument.expiry === DATE)).toBe(
      false,
    )
    const fresh = [...next.byName.keys()].filter((name) => !listed.byName.has(name))
    expect(fresh.length).toBeGreaterThan(100)
  })

  it('has strikes around the spot on both sides', () => {
    const spot = market.snapshot(listed.contracts[0] ?? contractMissing(), NOON).lastPrice / 100
    const strikes = listed.contracts
      .filter(
        ({ instrument }) => instrument.symbol === 'NIFTY50' && instrument.expiry === '2026-12-01',
      )
      .map(({ instrument }) => instrument.strike ?? spot)
    expect(strikes.filter((strike) => strike > spot).length).toBeGreaterThan(60)
    expect(strikes.filter((strike) => strike < spot).length).toBeGreaterThan(60)
  })

  it.skipIf(calendarFile === undefined)('expires when the real exchanges do', () => {
    const rows = readFileSync(calendarFile ?? '', 'utf8')
      .trim()
      .split('\n')
      .slice(1)
    const known = rows.map((row) => row.split(','))
    for (const [name, symbol] of [
      ['NIFTY', 'NIFTY50'],
      ['SENSEX', 'SENSEX'],
    ] as const) {
      const real = known.filter(([index]) => index === name).map(([, , , actual]) => actual)
      const ahead = real.filter((date) => date !== undefined && date >= '2026-10-01').slice(0, 5)
      const names = market.listing(msOfIst('2026-10-01', '12:00')).contracts
      const own = new Set(
        names
          .filter(({ instrument }) => instrument.symbol === symbol && instrument.kind === 'option')
          .map(({ instrument }) => instrument.expiry),
      )
      expect([...own].sort().slice(0, 5)).toEqual(ahead)
    }
  })
})

function expiries(symbol: string): (string | null)[] {
  const options = listed.contracts.filter(
    ({ instrument }) => instrument.symbol === symbol && instrument.kind === 'option',
  )
  return [...new Set(options.map(({ instrument }) => instrument.expiry))].sort()
}

function contractMissing(): never {
  throw new Error('nothing is listed')
}
