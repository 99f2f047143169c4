import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatTradingsymbol, knownNames, parseTradingsymbol } from '../../src/market/symbol.ts'
import { referenceData } from '../reference-data.ts'

const NAMES = [
  'NIFTY',
  'NIFTYNXT50',
  'BANKNIFTY',
  'SENSEX',
  'SENSEX50',
  '360ONE',
  'M&M',
  'M&MFIN',
  'BAJAJ-AUTO',
  'NAM-INDIA',
  'GVT&D',
  'ASHOKLEY',
  'CRUDEOIL',
]
const known = knownNames(NAMES)

/** `name kind yyyy-mm[-dd] strike`, or `-`. */
function reading(tradingsymbol: string): string {
  const contract = parseTradingsymbol(tradingsymbol, known)
  if (contract === undefined) return '-'
  const { name, kind, expiry, strike } = contract
  const day = expiry.day === null ? '' : `-${String(expiry.day).padStart(2, '0')}`
  const date = `${expiry.year}-${String(expiry.month).padStart(2, '0')}${day}`
  return [name, kind, date, ...(strike === null ? [] : [strike])].join(' ')
}

describe('tradingsymbols', () => {
  it.each([
    ['NIFTY26AUGFUT', 'NIFTY FUT 2026-08'],
    ['NIFTY26AUG24350CE', 'NIFTY CE 2026-08 24350'],
    ['NIFTY2681824350CE', 'NIFTY CE 2026-08-18 24350'],
    ['NIFTY2611024500CE', 'NIFTY CE 2026-01-10 24500'],
    ['NIFTY26N0924500PE', 'NIFTY PE 2026-11-09 24500'],
    ['SENSEX26O0176200CE', 'SENSEX CE 2026-10-01 76200'],
    ['NIFTY26D0124500PE', 'NIFTY PE 2026-12-01 24500'],
    ['NIFTY27DEC24000CE', 'NIFTY CE 2027-12 24000'],
    ['BANKNIFTY2413137500CE', 'BANKNIFTY CE 2024-01-31 37500'],
    ['NIFTYNXT5026AUG68000CE', 'NIFTYNXT50 CE 2026-08 68000'],
    ['NIFTYNXT5026AUGFUT', 'NIFTYNXT50 FUT 2026-08'],
    ['SENSEX5026AUG26000PE', 'SENSEX50 PE 2026-08 26000'],
    ['SENSEX26AUG82000PE', 'SENSEX PE 2026-08 82000'],
    ['SENSEX5026AUGFUT', 'SENSEX50 FUT 2026-08'],
    ['360ONE26AUG1100CE', '360ONE CE 2026-08 1100'],
    ['M&M26AUGFUT', 'M&M FUT 2026-08'],
    ['M&MFIN26AUG280PE', 'M&MFIN PE 2026-08 280'],
    ['BAJAJ-AUTO26AUG9000CE', 'BAJAJ-AUTO CE 2026-08 9000'],
    ['NAM-INDIA26AUGFUT', 'NAM-INDIA FUT 2026-08'],
    ['GVT&D26AUG3000PE', 'GVT&D PE 2026-08 3000'],
    ['ASHOKLEY26AUG172.5CE', 'ASHOKLEY CE 2026-08 172.5'],
    ['CRUDEOIL26DECFUT', 'CRUDEOIL FUT 2026-12'],
  ])('reads %s as %s', (tradingsymbol, expected) => {
    expect(reading(tradingsymbol)).toBe(expected)
  })

  it.each([
    'NIFTY 50',
    'NIFTY',
    'RELIANCE',
    'RELIANCE26AUGFUT',
    'NIFTY26AUG',
    'NIFTY26AUGCE',
    'NIFTY26XYZ24350CE',
    'NIFTY2623024500CE',
    'NIFTY26A1824350CE',
    'NIFTY26AUG24350.CE',
    'NIFTY26AUG24350XE',
    'NIFTY26AUG24350CEX',
    'nifty26AUGFUT',
    '',
  ])('has no contract for %j', (tradingsymbol) => {
    expect(reading(tradingsymbol)).toBe('-')
  })

  it('are written back as they were read', () => {
    const contract = fc.record({
      name: fc.constantFrom(...NAMES),
      kind: fc.constantFrom('CE' as const, 'PE' as const),
      expiry: fc.record({
        year: fc.integer({ min: 2024, max: 2049 }),
        month: fc.integer({ min: 1, max: 12 }),
        day: fc.option(fc.integer({ min: 1, max: 28 })),
      }),
      strike: fc.integer({ min: 1, max: 4_000_000 }).map((quarters) => quarters / 20),
    })
    fc.assert(
      fc.property(contract, (option) => {
        expect(parseTradingsymbol(formatTradingsymbol(option), known)).toEqual(option)
      }),
      { numRuns: 500 },
    )
  })

  it('cannot be written for what is no contract', () => {
    const future = { name: 'NIFTY', kind: 'FUT' as const, strike: null }
    expect(formatTradingsymbol({ ...future, expiry: { year: 2026, month: 8, day: 25 } })).toBe(
      'NIFTY26AUGFUT',
    )
    for (const bad of [
      { ...future, expiry: { year: 2026, month: 13, day: null } },
      { ...future, expiry: { year: 1999, month: 1, day: null } },
      { ...future, strike: 100, expiry: { year: 2026, month: 1, day: null } },
      { ...future, kind: 'CE' as const, expiry: { year: 2026, month: 1, day: null } },
    ]) {
      expect(() => formatTradingsymbol(bad)).toThrow(RangeError)
    }
  })
})

describe('the real dump of 17/18 August 2026', () => {
  const file = referenceData('instruments/kite_instruments_subset_NIFTY_SENSEX.csv')

  it.skipIf(file === undefined)(
    'parses to its own name, expiry, strike and type, row by row',
    () => {
      const [header = '', ...lines] = readFileSync(file ?? '', 'utf8')
        .trim()
        .split(/\r?\n/)
      const columns = header.split(',')
      const rows = lines.map((line) => {
        const fields = line.split(',')
        return (column: string) => fields[columns.indexOf(column)] ?? ''
      })
      const dumpNames = knownNames([...NAMES, ...rows.map((row) => row('name'))])
      const wrong: string[] = []
      for (const row of rows) {
        const contract = parseTradingsymbol(row('tradingsymbol'), dumpNames)
        const expiry = row('expiry')
        const day = contract?.expiry.day ?? Number(expiry.slice(8))
        const read = {
          name: contract?.name,
          kind: contract?.kind,
          strike: contract?.strike ?? 0,
          expiry: [contract?.expiry.year, contract?.expiry.month, day].map(String),
        }
        const truth = {
          name: row('name'),
          kind: row('instrument_type'),
          strike: Number(row('strike')),
          expiry: expiry.split('-').map((part) => String(Number(part))),
        }
        const same = JSON.stringify(read) === JSON.stringify(truth)
        const back = contract === undefined ? '' : formatTradingsymbol(contract)
        if (!same || back !== row('tradingsymbol')) wrong.push(row('tradingsymbol'))
      }
      expect(wrong).toEqual([])
      expect(rows.length).toBe(4126)
    },
  )
})
