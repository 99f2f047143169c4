import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { joinCsvRow, splitCsvRow } from '../../src/kite/csv-row.ts'
import { formatInstruments, parseInstruments } from '../../src/kite/instruments.ts'
import { KITE_MALFORMED_ROWS_KEPT } from '../../src/limits.ts'
import type { Instrument } from '../../src/market/instrument.ts'
import { referenceData } from '../reference-data.ts'

const realDump = referenceData('instruments/kite_instruments_subset_NIFTY_SENSEX.csv')
const oldDump = referenceData('kiteconnect-mocks/instruments_all.csv')

const HEADER =
  'instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange'
const INDEX_ROW = '256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE'
const FUTURE_ROW = '14866434,58072,NIFTY26AUGFUT,NIFTY,0.0,2026-08-25,0.0,0.1,65,FUT,NFO-FUT,NFO'
const OPTION_ROW =
  '11546626,45104,NIFTY2681824350CE,NIFTY,0.0,2026-08-18,24350.0,0.05,65,CE,NFO-OPT,NFO'
const SHARE_ROW = '408065,1594,INFY,INFOSYS,0.0,,0.0,0.05,1,EQ,NSE,NSE'

describe('an instrument dump', () => {
  it('names index, future, option and share as the project does', () => {
    const dump = parsed([INDEX_ROW, FUTURE_ROW, OPTION_ROW, SHARE_ROW])
    expect(dump.malformedCount).toBe(0)
    expect(dump.instruments).toEqual([
      {
        token: 256265,
        exchange: 'NSE',
        tradingsymbol: 'NIFTY 50',
        name: 'NIFTY 50',
        symbol: 'NIFTY50',
        segment: 'INDICES',
        kind: 'index',
        optionType: null,
        expiry: null,
        strike: null,
        lotSize: 0,
        tickSize: 0,
      },
      {
        token: 14866434,
        exchange: 'NFO',
        tradingsymbol: 'NIFTY26AUGFUT',
        name: 'NIFTY',
        symbol: 'NIFTY50',
        segment: 'NFO-FUT',
        kind: 'future',
        optionType: null,
        expiry: '2026-08-25',
        strike: null,
        lotSize: 65,
        tickSize: 0.1,
      },
      {
        token: 11546626,
        exchange: 'NFO',
        tradingsymbol: 'NIFTY2681824350CE',
        name: 'NIFTY',
        symbol: 'NIFTY50',
        segment: 'NFO-OPT',
        kind: 'option',
        optionType: 'CE',
        expiry: '2026-08-18',
        strike: 24350,
        lotSize: 65,
        tickSize: 0.05,
      },
      {
        token: 408065,
        exchange: 'NSE',
        tradingsymbol: 'INFY',
        name: 'INFOSYS',
        symbol: 'INFY',
        segment: 'NSE',
        kind: 'equity',
        optionType: null,
        expiry: null,
        strike: null,
        lotSize: 1,
        tickSize: 0.05,
      },
    ])
  })

  it('gives a stock option the underlying of its name, a share that of its tradingsymbol', () => {
    const option = '1,0,INFY26AUG1500CE,INFY,0.0,2026-08-25,1500.0,0.05,400,CE,NFO-OPT,NFO'
    expect(parsed([option, SHARE_ROW]).instruments.map((one) => one.symbol)).toEqual([
      'INFY',
      'INFY',
    ])
  })

  it('takes a fractional strike and quoted names with commas and quotes', () => {
    const quoted = '1,0,X,"A, B ""C"" LTD",0.0,,0.0,0.05,1,EQ,NSE,NSE'
    const fraction = OPTION_ROW.replace('24350.0', '172.5')
    const [share, option] = parsed([quoted, fraction]).instruments
    expect(share?.name).toBe('A, B "C" LTD')
    expect(option?.strike).toBe(172.5)
  })

  it.each([
    ['too few cells', '1,2,3'],
    ['too many cells', `${SHARE_ROW},extra`],
    ['a quote that does not end', '1,0,"X,NAME,0.0,,0.0,0.05,1,EQ,NSE,NSE'],
    ['a token that is none', SHARE_ROW.replace('408065', '-1')],
    ['a token of 0', SHARE_ROW.replace('408065', '0')],
    ['an unknown type', SHARE_ROW.replace('EQ', 'SWAP')],
    ['an option without strike', OPTION_ROW.replace('24350.0', '0.0')],
    ['an option without expiry', OPTION_ROW.replace('2026-08-18', '')],
    ['a future with a date that does not exist', FUTURE_ROW.replace('08-25', '02-30')],
    ['a future without a name', FUTURE_ROW.replace(',NIFTY,', ',,')],
    ['no tradingsymbol', SHARE_ROW.replace('INFY', '')],
    ['a lot size that is no number', FUTURE_ROW.replace(',65,', ',sixty-five,')],
  ])('counts a row with %s and takes the others', (_, row) => {
    const dump = parsed([INDEX_ROW, row, OPTION_ROW])
    expect(dump.instruments.map((one) => one.token)).toEqual([256265, 11546626])
    expect(dump.malformedCount).toBe(1)
    expect(dump.malformed).toMatchObject([{ line: 3 }])
  })

  it('counts every malformed row but keeps a bounded number to be shown', () => {
    const rows = Array.from({ length: KITE_MALFORMED_ROWS_KEPT + 50 }, () => 'x')
    const dump = parsed(rows)
    expect(dump.malformedCount).toBe(KITE_MALFORMED_ROWS_KEPT + 50)
    expect(dump.malformed).toHaveLength(KITE_MALFORMED_ROWS_KEPT)
  })

  it('may have Windows line ends, a byte order mark, empty lines and columns in another order', () => {
    const columns = HEADER.split(',').reverse()
    const cells = OPTION_ROW.split(',').reverse()
    const text = `\uFEFF${['new_column', ...columns].join(',')}\r\n${['?', ...cells].join(',')}\r\n\r\n`
    const dump = parseInstruments(text)
    expect(dump).toMatchObject({ ok: true, malformedCount: 0 })
    expect(dump.ok && dump.instruments).toEqual(parsed([OPTION_ROW]).instruments)
  })

  it.each([
    ['', 'an empty text'],
    ['<html><body>Bad Gateway</body></html>', 'a page'],
    ['{"status":"error"}', 'JSON'],
    [HEADER.replace('strike,', ''), 'a dump without strikes'],
  ])('%j is none: %s', (text) => {
    expect(parseInstruments(text)).toMatchObject({ ok: false, code: 'not_a_dump' })
  })

  it('of nothing but a header holds no instrument', () => {
    expect(parseInstruments(HEADER)).toMatchObject({ ok: true, instruments: [] })
  })
})

describe('the real dump of NIFTY and SENSEX (August 2026)', () => {
  it.skipIf(realDump === undefined)('parses without a malformed row', () => {
    const dump = parseText(read(realDump))
    const kinds = countBy(dump.instruments, (one) => `${one.symbol} ${one.segment}`)
    expect(dump.malformedCount).toBe(0)
    expect(kinds).toEqual({
      'NIFTY50 NFO-FUT': 3,
      'NIFTY50 NFO-OPT': 1722,
      'SENSEX BFO-FUT': 3,
      'SENSEX BFO-OPT': 2398,
    })
  })

  it.skipIf(realDump === undefined)('is written back byte for byte', () => {
    const text = read(realDump)
    expect(formatInstruments(parseText(text).instruments)).toBe(text.trimEnd())
  })

  it.skipIf(oldDump === undefined)('of old, whose options have no name, counts just those', () => {
    const dump = parseText(read(oldDump))
    expect(dump.instruments).toHaveLength(74)
    expect(dump.malformedCount).toBe(25)
    expect(dump.malformed.every((row) => row.reason.includes('name'))).toBe(true)
  })
})

describe('writing a dump', () => {
  it('has the exact header, no newline at the end, strike 0.0 for a future, no expiry for an index', () => {
    const { instruments } = parsed([INDEX_ROW, FUTURE_ROW])
    expect(formatInstruments(instruments).split('\n')).toEqual([
      HEADER,
      '256265,1001,NIFTY 50,NIFTY 50,0.0,,0.0,0.0,0,EQ,INDICES,NSE',
      FUTURE_ROW,
    ])
    expect(formatInstruments([])).toBe(HEADER)
  })

  it('and reading it gives the same instruments', () => {
    fc.assert(
      fc.property(fc.array(optionArbitrary, { maxLength: 30 }), (instruments) => {
        expect(parseText(formatInstruments(instruments)).instruments).toEqual(instruments)
      }),
    )
  })
})

describe('a CSV row', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', ',', '"', ' ', 'é', '0') })

  it('comes back as it was, whatever its cells hold', () => {
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1 }), (cells) => {
        expect(splitCsvRow(joinCsvRow(cells))).toEqual(cells)
      }),
    )
  })

  it.each([
    ['a,b,', ['a', 'b', '']],
    ['"a",b', ['a', 'b']],
    ['a,"b"', ['a', 'b']],
    ['"",x', ['', 'x']],
    ['a,""', ['a', '']],
    ['5" pipe,x', ['5" pipe', 'x']],
    ['"a"b,c', ['ab', 'c']],
    ['"a,b', undefined],
    ['a,"', undefined],
  ])('%s is split into %j', (line, cells) => {
    expect(splitCsvRow(line)).toEqual(cells)
  })
})

const optionArbitrary: fc.Arbitrary<Instrument> = fc
  .record({
    token: fc.integer({ min: 1, max: 0xffff_ffff }),
    name: fc.constantFrom('M&M', 'BAJAJ-AUTO', '360ONE', 'A,B', 'SAY "X"'),
    optionType: fc.constantFrom('CE', 'PE'),
    strike: fc.integer({ min: 1, max: 2_000_000 }).map((twentieths) => twentieths / 20),
    lotSize: fc.nat(10_000),
    tickSize: fc.constantFrom(0.05, 0.01, 1),
  })
  .map((fields) => ({
    ...fields,
    exchange: 'NFO',
    tradingsymbol: `${fields.name}26AUG${fields.strike}${fields.optionType}`,
    symbol: fields.name,
    segment: 'NFO-OPT',
    kind: 'option',
    expiry: '2026-08-25',
  }))

function parsed(rows: readonly string[]) {
  return parseText([HEADER, ...rows].join('\n'))
}

function parseText(text: string) {
  const dump = parseInstruments(text)
  if (!dump.ok) throw new Error(dump.message)
  return dump
}

function read(file: string | undefined): string {
  return readFileSync(file ?? '', 'utf8')
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1
  return counts
}
