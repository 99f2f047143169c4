import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Instrument } from '../../src/market/instrument.ts'
import { diffInstruments } from '../../src/market/instrument-diff.ts'
import { InstrumentMaster } from '../../src/market/instrument-master.ts'
import { symbolOfName } from '../../src/market/underlying.ts'
import { referenceData } from '../reference-data.ts'

let nextToken = 1000

function instrument(fields: Partial<Instrument> & Pick<Instrument, 'tradingsymbol'>): Instrument {
  nextToken += 256
  const name = fields.name ?? fields.tradingsymbol
  return {
    token: nextToken,
    exchange: 'NFO',
    name,
    symbol: symbolOfName(name),
    segment: 'NFO-OPT',
    kind: 'option',
    optionType: null,
    expiry: null,
    strike: null,
    lotSize: 65,
    tickSize: 0.05,
    ...fields,
  }
}

function index(tradingsymbol: string, exchange: string): Instrument {
  return instrument({ tradingsymbol, exchange, segment: 'INDICES', kind: 'index', lotSize: 0 })
}

function future(name: string, code: string, expiry: string, lotSize = 65): Instrument {
  const tradingsymbol = `${name}${code}FUT`
  return instrument({ tradingsymbol, name, expiry, kind: 'future', segment: 'NFO-FUT', lotSize })
}

function option(
  name: string,
  code: string,
  expiry: string,
  strike: number,
  optionType: 'CE' | 'PE',
  lotSize = 65,
): Instrument {
  const tradingsymbol = `${name}${code}${strike}${optionType}`
  return instrument({ tradingsymbol, name, expiry, strike, optionType, lotSize })
}

const nifty = index('NIFTY 50', 'NSE')
const vix = index('INDIA VIX', 'NSE')
const niftyNov = future('NIFTY', '26NOV', '2026-11-23')
const niftyDec = future('NIFTY', '26DEC', '2026-12-29', 75)
const monthly = [24_500, 24_400, 24_450].flatMap((strike) => [
  option('NIFTY', '26NOV', '2026-11-23', strike, 'PE'),
  option('NIFTY', '26NOV', '2026-11-23', strike, 'CE'),
])
const weekly = [
  option('NIFTY', '26D01', '2026-12-01', 24_500, 'CE'),
  option('NIFTY', '26D01', '2026-12-01', 24_550, 'PE'),
]
const december = option('NIFTY', '26DEC', '2026-12-29', 24_500, 'CE', 75)
const bank = option('BANKNIFTY', '26NOV', '2026-11-23', 58_000, 'CE', 30)
const next50 = option('NIFTYNXT50', '26NOV', '2026-11-23', 68_000, 'CE', 25)
const stock = instrument({
  tradingsymbol: 'RELIANCE',
  name: 'Reliance Industries',
  exchange: 'NSE',
  segment: 'NSE',
  kind: 'equity',
  symbol: 'RELIANCE',
})
const stockOnBse = { ...stock, token: 77, exchange: 'BSE', segment: 'BSE' }

const all = [
  december,
  ...weekly,
  stock,
  ...monthly,
  niftyDec,
  bank,
  niftyNov,
  vix,
  next50,
  nifty,
  stockOnBse,
]
const master = new InstrumentMaster(all)

function symbols(found: readonly Instrument[]): string[] {
  return found.map((row) => row.tradingsymbol)
}

describe('finding an instrument', () => {
  it('goes by exchange and tradingsymbol, by token, by tradingsymbol alone', () => {
    expect(master.size).toBe(all.length)
    expect(master.byKey('NFO', 'NIFTY26NOVFUT')).toBe(niftyNov)
    expect(master.byKey('BFO', 'NIFTY26NOVFUT')).toBeUndefined()
    expect(master.byToken(bank.token)).toBe(bank)
    expect(master.byToken(1)).toBeUndefined()
    expect(master.byTradingsymbol('NIFTY26NOVFUT')).toEqual([niftyNov])
    expect(master.byTradingsymbol('RELIANCE')).toEqual([stockOnBse, stock])
    expect(master.byTradingsymbol('NOPE')).toEqual([])
  })

  it('finds the index of an underlying', () => {
    expect(master.index('NIFTY50')).toBe(nifty)
    expect(master.index('INDIAVIX')).toBe(vix)
    expect(master.index('RELIANCE')).toBeUndefined()
  })

  it('takes the first of two rows with one exchange and tradingsymbol', () => {
    const twice = new InstrumentMaster([niftyNov, { ...niftyNov, lotSize: 1 }])
    expect(twice.size).toBe(1)
    expect(twice.byKey('NFO', 'NIFTY26NOVFUT')?.lotSize).toBe(65)
  })
})

describe('series', () => {
  it('have their strikes in order, calls and puts side by side', () => {
    const series = master.series('NIFTY50', '2026-11-23')
    expect(
      series?.strikes.map(({ strike, call, put }) => [
        strike,
        call?.tradingsymbol,
        put?.tradingsymbol,
      ]),
    ).toEqual([
      [24_400, 'NIFTY26NOV24400CE', 'NIFTY26NOV24400PE'],
      [24_450, 'NIFTY26NOV24450CE', 'NIFTY26NOV24450PE'],
      [24_500, 'NIFTY26NOV24500CE', 'NIFTY26NOV24500PE'],
    ])
  })

  it('have null for a side that is not listed', () => {
    expect(master.series('NIFTY50', '2026-12-01')?.strikes).toEqual([
      { strike: 24_500, call: weekly[0], put: null },
      { strike: 24_550, call: null, put: weekly[1] },
    ])
  })

  it('know their kind by the form of the symbol, and the lot of their own contracts', () => {
    expect(
      master.expiries('NIFTY50').map(({ expiry, kind, lotSize }) => [expiry, kind, lotSize]),
    ).toEqual([
      ['2026-11-23', 'monthly', 65],
      ['2026-12-01', 'weekly', 65],
      ['2026-12-29', 'monthly', 75],
    ])
    expect(master.expiries('NIFTYNXT50').map(({ kind }) => kind)).toEqual(['monthly'])
  })

  it('do not call the last expiry of a month monthly when it was a weekly', () => {
    const january = new InstrumentMaster([
      option('BANKNIFTY', '24JAN', '2024-01-25', 37_500, 'CE'),
      option('BANKNIFTY', '24131', '2024-01-31', 37_500, 'CE'),
    ])
    expect(january.expiries('BANKNIFTY').map(({ expiry, kind }) => [expiry, kind])).toEqual([
      ['2024-01-25', 'monthly'],
      ['2024-01-31', 'weekly'],
    ])
  })

  it('do not mix the contracts of two exchanges that expire on one day', () => {
    const nse = option('RELIANCE', '26NOV', '2026-11-23', 1400, 'CE', 500)
    const bse = { ...option('RELIANCE', '26NOV', '2026-11-23', 1300, 'PE', 250), exchange: 'BFO' }
    const both = new InstrumentMaster([bse, nse])
    expect(both.expiries('RELIANCE')).toMatchObject([{ exchange: 'NFO', lotSize: 500 }])
    expect(both.series('RELIANCE', '2026-11-23')?.strikes).toEqual([
      { strike: 1400, call: nse, put: null },
    ])
    expect(new InstrumentMaster([bse]).expiries('RELIANCE')).toMatchObject([{ exchange: 'BFO' }])
  })

  it('are none where nothing is listed', () => {
    expect(master.series('NIFTY50', '2026-11-24')).toBeUndefined()
    expect(master.expiries('INDIAVIX')).toEqual([])
    expect(master.expiries('NOPE')).toEqual([])
  })

  it('stand beside the futures, nearest first', () => {
    expect(master.futures('NIFTY50')).toEqual([niftyNov, niftyDec])
    expect(master.future('NIFTY50', '2026-12-29')).toBe(niftyDec)
    expect(master.future('NIFTY50', '2026-12-01')).toBeUndefined()
    expect(master.futures('RELIANCE')).toEqual([])
  })

  it('give the symbols with derivatives and the names to read symbols by', () => {
    expect(master.derivativeSymbols).toEqual(['BANKNIFTY', 'NIFTY50', 'NIFTYNXT50'])
    expect([...master.names.names].sort()).toEqual(['BANKNIFTY', 'NIFTY', 'NIFTYNXT50'])
  })
})

describe('search', () => {
  it('puts the index of a spelled-out underlying first', () => {
    for (const q of ['nifty 50', 'NIFTY50', 'nifty']) {
      expect(symbols(master.search({ q, limit: 2 }))[0]).toBe('NIFTY 50')
    }
  })

  it('puts an exact tradingsymbol before those that begin with it', () => {
    expect(symbols(master.search({ q: 'nifty26novfut' }))).toEqual(['NIFTY26NOVFUT'])
    expect(symbols(master.search({ q: 'NIFTY26NOV', limit: 3 }))).toEqual([
      'NIFTY26NOVFUT',
      'NIFTY26NOV24400CE',
      'NIFTY26NOV24400PE',
    ])
  })

  it('needs every word, wherever it stands', () => {
    expect(symbols(master.search({ q: '24500 ce nifty' }))).toEqual([
      'NIFTY26NOV24500CE',
      'NIFTY26D0124500CE',
      'NIFTY26DEC24500CE',
    ])
    expect(symbols(master.search({ q: 'industries' }))).toEqual(['RELIANCE', 'RELIANCE'])
    expect(master.search({ q: 'nifty nonsense' })).toEqual([])
  })

  it('narrows by symbol in any spelling, expiry and segment', () => {
    expect(symbols(master.search({ symbol: 'nifty', expiry: '2026-12-01' }))).toEqual([
      'NIFTY26D0124500CE',
      'NIFTY26D0124550PE',
    ])
    expect(symbols(master.search({ symbol: 'NIFTY50', segment: 'nfo-fut' }))).toEqual([
      'NIFTY26NOVFUT',
      'NIFTY26DECFUT',
    ])
    expect(symbols(master.search({ segment: 'BSE' }))).toEqual(['RELIANCE'])
    expect(symbols(master.search({ symbol: 'BANKNIFTY' }))).toEqual(['BANKNIFTY26NOV58000CE'])
    expect(master.search({ symbol: 'NOPE' })).toEqual([])
  })

  it('gives all without a limit and none with a limit of none', () => {
    expect(master.search({}).length).toBe(all.length)
    expect(master.search({ limit: 4 }).length).toBe(4)
    expect(master.search({ q: 'nifty', limit: 0 })).toEqual([])
  })
})

describe('the next dump', () => {
  it('is told apart by exchange and tradingsymbol', () => {
    const lot = { ...niftyDec, lotSize: 65 }
    const retoken = { ...bank, token: 999 }
    const added = option('NIFTY', '26NOV', '2026-11-23', 24_600, 'CE')
    const after = [...all.filter((row) => row !== weekly[0] && row !== niftyDec && row !== bank)]
    expect(diffInstruments(all, [...after, lot, retoken, added, added])).toEqual({
      added: [added],
      removed: [weekly[0]],
      changed: [
        { before: niftyDec, after: lot },
        { before: bank, after: retoken },
      ],
    })
  })

  it('differs in nothing where only the order has changed', () => {
    const copies = all.map((row) => ({ ...row })).reverse()
    expect(diffInstruments(all, copies)).toEqual({ added: [], removed: [], changed: [] })
  })

  it('sees a token that went to another contract as one contract gone and one new', () => {
    const expired = option('NIFTY', '26721', '2026-07-21', 24_300, 'CE')
    const reuser = {
      ...option('BANKBARODA', '26OCT', '2026-10-27', 220, 'PE'),
      token: expired.token,
    }
    expect(diffInstruments([expired], [reuser])).toEqual({
      added: [reuser],
      removed: [expired],
      changed: [],
    })
  })
})

describe('the real dump of 17/18 August 2026', () => {
  const file = referenceData('instruments/kite_instruments_subset_NIFTY_SENSEX.csv')
  const rows = file === undefined ? [] : realRows(file)
  const real = new InstrumentMaster(rows)

  it.skipIf(file === undefined)('has every contract in its place', () => {
    expect(real.size).toBe(4126)
    const inSeries = ['NIFTY50', 'SENSEX'].flatMap((symbol) =>
      real
        .expiries(symbol)
        .flatMap(({ strikes }) =>
          strikes.flatMap(({ call, put }) => [call, put]).filter((row) => row !== null),
        ),
    )
    const futures = ['NIFTY50', 'SENSEX'].flatMap((symbol) => real.futures(symbol))
    expect(inSeries.length).toBe(1722 + 2398)
    expect(new Set([...inSeries, ...futures]).size).toBe(4126)
    expect(rows.every((row) => real.byToken(row.token) === row)).toBe(true)
  })

  it.skipIf(file === undefined)('has the published lots, expiries and strike steps', () => {
    const [first, second] = real.expiries('NIFTY50')
    expect([first?.expiry, first?.kind, first?.lotSize]).toEqual(['2026-08-18', 'weekly', 65])
    expect([second?.expiry, second?.kind]).toEqual(['2026-08-25', 'monthly'])
    expect(real.expiries('SENSEX')[0]).toMatchObject({ expiry: '2026-08-20', lotSize: 20 })
    expect(real.series('NIFTY50', '2029-12-24')?.kind).toBe('monthly')
    expect(symbols(real.futures('NIFTY50'))).toEqual([
      'NIFTY26AUGFUT',
      'NIFTY26SEPFUT',
      'NIFTY26OCTFUT',
    ])
    const strikes = first?.strikes.map(({ strike }) => strike) ?? []
    expect(strikes).toEqual([...strikes].sort((a, b) => a - b))
    expect(strikes).toContain(24_350)
  })
})

function realRows(file: string): Instrument[] {
  const lines = readFileSync(file, 'utf8').trim().split(/\r?\n/).slice(1)
  return lines.map((line) => {
    const fields = line.split(',')
    const [token, , tradingsymbol = '', name = '', , expiry = '', strike, tick, lot, type] = fields
    const [segment = '', exchange = ''] = fields.slice(10)
    const isFuture = type === 'FUT'
    return {
      token: Number(token),
      exchange,
      tradingsymbol,
      name,
      symbol: symbolOfName(name),
      segment,
      kind: isFuture ? 'future' : 'option',
      optionType: type === 'CE' || type === 'PE' ? type : null,
      expiry,
      strike: isFuture ? null : Number(strike),
      lotSize: Number(lot),
      tickSize: Number(tick),
    }
  })
}
