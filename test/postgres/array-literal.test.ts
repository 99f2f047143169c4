import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  booleanArray,
  bytesArray,
  instantArray,
  instantText,
  numberArray,
  textArray,
} from '../../src/postgres/array-literal.ts'
import { describeStores } from './stores.ts'

describe('an array literal', () => {
  it('has NULL for what is not known', () => {
    expect(numberArray([1, null, 3.5, undefined, -2e-7])).toBe('{1,NULL,3.5,NULL,-2e-7}')
    expect(textArray(['NIFTY24NOV23500CE', null, 'NIFTY 50', '', 'null'])).toBe(
      '{NIFTY24NOV23500CE,NULL,"NIFTY 50","","null"}',
    )
    expect(booleanArray([true, null, false])).toBe('{t,NULL,f}')
    expect(bytesArray([Uint8Array.of(0, 255), null])).toBe('{"\\\\x00ff",NULL}')
    expect(numberArray([])).toBe('{}')
  })

  it('writes instants with their offset, and infinity', () => {
    expect(instantArray([0, Number.POSITIVE_INFINITY, null])).toBe(
      '{1970-01-01T00:00:00.000Z,infinity,NULL}',
    )
    expect(instantText(Number.NEGATIVE_INFINITY)).toBe('-infinity')
  })

  it('never stores NaN or an infinite number', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(() => numberArray([1, value])).toThrow(RangeError)
    }
    expect(() => instantArray([Number.NaN])).toThrow(RangeError)
  })
})

await describeStores('an array parameter', (store) => {
  const nullable = <T>(value: fc.Arbitrary<T>) => fc.array(fc.option(value), { maxLength: 30 })

  async function roundTrip(type: string, literal: string): Promise<unknown> {
    const { rows } = await store().pool.query(
      `SELECT coalesce(json_agg(v ORDER BY n), '[]') AS v FROM unnest($1::${type}[]) WITH ORDINALITY u(v, n)`,
      [literal],
    )
    return rows[0].v
  }

  const property = <T>(values: fc.Arbitrary<T>, check: (values: T) => Promise<void>) =>
    fc.assert(fc.asyncProperty(values, check), { numRuns: 40 })

  it('brings every number back, exactly', () =>
    property(nullable(fc.double({ noNaN: true, noDefaultInfinity: true })), async (values) => {
      const expected = values.map((value) => (value === 0 ? 0 : value))
      expect(await roundTrip('float8', numberArray(values))).toEqual(expected)
    }))

  it('brings every whole number back', () =>
    property(nullable(fc.maxSafeInteger()), async (values) => {
      expect(await roundTrip('int8', numberArray(values))).toEqual(values)
    }))

  it('brings every text back', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: fc.constantFrom('"', '\\', '{', '}', ',', ' ', '\n', 'N', 'U', 'L', 'n') }),
      fc.constantFrom('NULL', 'null', '', ' '),
    )
    const storable = texts.filter((value) => !value.includes('\0'))
    return property(nullable(storable), async (values) => {
      expect(await roundTrip('text', textArray(values))).toEqual(values)
    })
  })

  it('brings every byte back', () =>
    property(nullable(fc.uint8Array({ maxLength: 40 })), async (values) => {
      const expected = values.map((value) => value && `\\x${Buffer.from(value).toString('hex')}`)
      expect(await roundTrip('bytea', bytesArray(values))).toEqual(expected)
    }))

  it('brings every truth value back', () =>
    property(nullable(fc.boolean()), async (values) => {
      expect(await roundTrip('bool', booleanArray(values))).toEqual(values)
    }))

  it('brings every instant back, as epoch ms', () => {
    const instants = fc.oneof(
      fc.integer({ min: 0, max: 4_102_444_800_000 }),
      fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    )
    return property(nullable(instants), async (values) => {
      const { rows } = await store().pool.query('SELECT $1::timestamptz[] AS v', [
        instantArray(values),
      ])
      expect(rows[0].v).toEqual(values)
    })
  })
})
