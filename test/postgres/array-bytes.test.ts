import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ArrayElement, arrayWriter } from '../../src/postgres/array-bytes.ts'
import { valueTypes } from '../../src/postgres/value-types.ts'
import { postgresUrl } from '../services.ts'

const url = await postgresUrl()
const SQL_TYPE: Partial<Record<ArrayElement, string>> = { ms: 'timestamptz' }

const day = fc
  .integer({ min: -20_000, max: 60_000 })
  .map((n) => new Date(n * 86_400_000).toISOString().slice(0, 10))
const text = fc.string({ unit: 'grapheme' }).filter((t) => !t.includes('\0'))
const VALUES: Readonly<Record<ArrayElement, fc.Arbitrary<unknown>>> = {
  float8: fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0),
  int8: fc.maxSafeInteger(),
  int4: fc.integer(),
  bool: fc.boolean(),
  bytea: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  ms: fc.oneof(
    fc.integer({ min: -2_000_000_000_000, max: 4_000_000_000_000 }),
    fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  ),
  date: fc.oneof(day, fc.constantFrom('-infinity', 'infinity')),
  text,
  jsonb: fc.record({ name: text, n: fc.integer() }).map((value) => JSON.stringify(value)),
}

function arrayOf(type: ArrayElement, values: readonly unknown[]): Buffer {
  const writer = arrayWriter(type)
  // What was begun and not taken must not be seen.
  writer.add(null)
  writer.begin()
  for (const value of values) writer.add(value)
  return writer.take()
}

describe.skipIf(url === undefined)('a column in binary form', () => {
  let client: pg.Client
  beforeAll(async () => {
    client = new pg.Client({ connectionString: url, types: valueTypes })
    await client.connect()
  })
  afterAll(() => client?.end())

  it.each(Object.keys(VALUES) as ArrayElement[])(
    'is read by the server as it was: %s',
    async (type) => {
      const values = fc.array(fc.option(VALUES[type]), { maxLength: 30 })
      await fc.assert(
        fc.asyncProperty(values, async (rows) => {
          const { rows: answers } = await client.query<{ v: unknown }>(
            `SELECT v FROM unnest($1::${SQL_TYPE[type] ?? type}[]) WITH ORDINALITY AS u(v, n) ORDER BY n`,
            [arrayOf(type, rows)],
          )
          const expected = type === 'jsonb' ? rows.map((r) => r && JSON.parse(String(r))) : rows
          expect(answers.map(({ v }) => v)).toEqual(expected)
        }),
        { numRuns: 60 },
      )
    },
  )

  it('grows beyond its first buffer', async () => {
    const rows = Array.from({ length: 50_000 }, (_, i) => `row ${i}`)
    const { rows: answers } = await client.query<{ n: number; last: string }>(
      'SELECT cardinality($1::text[]) AS n, ($1::text[])[50000] AS last',
      [arrayOf('text', rows)],
    )
    expect(answers).toEqual([{ n: 50_000, last: 'row 49999' }])
  })
})

it.each([
  ['float8', Number.NaN],
  ['float8', Number.POSITIVE_INFINITY],
  ['int8', 1.5],
  ['int4', 2 ** 31],
  ['ms', Number.NaN],
  ['date', 'tomorrow'],
] as const)('refuses what is no %s: %s', (type, value) => {
  expect(() => arrayOf(type, [value])).toThrow(RangeError)
})
