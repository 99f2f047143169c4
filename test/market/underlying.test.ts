import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  canonicalSymbol,
  partitionOf,
  symbolOfName,
  UNDERLYINGS,
  underlyingOf,
  underlyingOfIndexToken,
} from '../../src/market/underlying.ts'

describe('canonical symbols', () => {
  it.each([
    ['NIFTY', 'NIFTY50'],
    ['NIFTY50', 'NIFTY50'],
    ['NIFTY 50', 'NIFTY50'],
    ['nifty 50', 'NIFTY50'],
    [' Nifty50 ', 'NIFTY50'],
    ['NIFTY BANK', 'BANKNIFTY'],
    ['BankNifty', 'BANKNIFTY'],
    ['BANK NIFTY', 'BANKNIFTY'],
    ['NIFTY FIN SERVICE', 'FINNIFTY'],
    ['FINNIFTY', 'FINNIFTY'],
    ['NIFTY MID SELECT', 'MIDCPNIFTY'],
    ['MIDCPNIFTY', 'MIDCPNIFTY'],
    ['NIFTY NEXT 50', 'NIFTYNXT50'],
    ['NIFTYNXT50', 'NIFTYNXT50'],
    ['sensex', 'SENSEX'],
    ['BANKEX', 'BANKEX'],
    ['INDIA VIX', 'INDIAVIX'],
    ['IndiaVix', 'INDIAVIX'],
  ])('reads %j as %s', (spelling, symbol) => {
    expect(canonicalSymbol(spelling)).toBe(symbol)
  })

  it.each(['SENSEX50', 'SENSEX 50', 'NIFTY IT', 'NIFTYBEES', 'RELIANCE', 'CRUDEOIL', ''])(
    'knows no underlying by the name of %j',
    (name) => {
      expect(canonicalSymbol(name)).toBeUndefined()
    },
  )

  it("keeps a stock's or commodity's dump name as its symbol", () => {
    expect(symbolOfName('M&M')).toBe('M&M')
    expect(symbolOfName('CRUDEOIL')).toBe('CRUDEOIL')
    expect(symbolOfName('NIFTY')).toBe('NIFTY50')
  })

  it('gives no spelling to two underlyings', () => {
    for (const { symbol, dumpName, indexTradingsymbol, aliases } of UNDERLYINGS) {
      for (const spelling of [symbol, indexTradingsymbol, ...aliases, dumpName ?? symbol]) {
        expect(canonicalSymbol(spelling)).toBe(symbol)
      }
    }
  })
})

describe('known underlyings', () => {
  it.each([
    ['NIFTY50', 'NIFTY', 'NSE', 'NIFTY 50', 256265, 'NFO'],
    ['BANKNIFTY', 'BANKNIFTY', 'NSE', 'NIFTY BANK', 260105, 'NFO'],
    ['FINNIFTY', 'FINNIFTY', 'NSE', 'NIFTY FIN SERVICE', 257801, 'NFO'],
    ['MIDCPNIFTY', 'MIDCPNIFTY', 'NSE', 'NIFTY MID SELECT', 288009, 'NFO'],
    ['NIFTYNXT50', 'NIFTYNXT50', 'NSE', 'NIFTY NEXT 50', 270857, 'NFO'],
    ['SENSEX', 'SENSEX', 'BSE', 'SENSEX', 265, 'BFO'],
    ['BANKEX', 'BANKEX', 'BSE', 'BANKEX', 274441, 'BFO'],
    ['INDIAVIX', null, 'NSE', 'INDIA VIX', 264969, null],
  ])('%s has its names, exchanges and index token', (symbol, dump, exchange, index, token, fo) => {
    expect(underlyingOf(symbol)).toMatchObject({
      dumpName: dump,
      indexExchange: exchange,
      indexTradingsymbol: index,
      indexToken: token,
      derivativesExchange: fo,
    })
    expect(underlyingOfIndexToken(token)?.symbol).toBe(symbol)
  })

  it('have tokens of the index segment, exchange token * 256 + 9', () => {
    expect(UNDERLYINGS.map(({ indexToken }) => indexToken & 0xff)).toEqual(UNDERLYINGS.map(() => 9))
    expect(UNDERLYINGS.map(({ indexToken }) => indexToken >> 8)).toEqual([
      1001, 1016, 1007, 1125, 1058, 1, 1072, 1035,
    ])
  })
})

describe('partitions', () => {
  it('stay what they are, since the log on disk depends on them', () => {
    const symbols = ['NIFTY50', 'BANKNIFTY', 'FINNIFTY', 'MIDCPNIFTY', 'SENSEX', 'INDIAVIX']
    expect(symbols.map((symbol) => partitionOf(symbol, 4))).toEqual([1, 3, 3, 0, 3, 1])
    expect(symbols.map((symbol) => partitionOf(symbol, 7))).toEqual([5, 0, 5, 2, 6, 6])
  })

  it('lie within 0 and the number of partitions', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 4096 }), (symbol, partitions) => {
        const partition = partitionOf(symbol, partitions)
        expect(Number.isInteger(partition) && partition >= 0 && partition < partitions).toBe(true)
      }),
    )
  })

  it('share many names out evenly', () => {
    const counts = new Array<number>(8).fill(0)
    for (let i = 0; i < 8000; i += 1) {
      const partition = partitionOf(`STOCK${i}`, 8)
      counts[partition] = (counts[partition] ?? 0) + 1
    }
    expect(Math.min(...counts)).toBeGreaterThan(850)
    expect(Math.max(...counts)).toBeLessThan(1150)
  })

  it.each([0, -1, 1.5, Number.NaN])('cannot be %s in number', (partitions) => {
    expect(() => partitionOf('NIFTY50', partitions)).toThrow(RangeError)
  })
})
