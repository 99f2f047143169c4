import { describe, expect, it } from 'vitest'
import { parseInstantMs } from '../../src/postgres/value-types.ts'
import { describeStores } from './stores.ts'

describe('an instant as the store writes it', () => {
  it.each([
    ['2026-11-23 09:30:00+05:30', Date.UTC(2026, 10, 23, 4, 0)],
    ['2026-11-23 09:30:00.1+05:30', Date.UTC(2026, 10, 23, 4, 0, 0, 100)],
    ['2026-11-23 04:00:00.123999+00', Date.UTC(2026, 10, 23, 4, 0, 0, 123)],
    ['2026-11-22 20:00:00-08', Date.UTC(2026, 10, 23, 4, 0)],
    ['infinity', Number.POSITIVE_INFINITY],
    ['-infinity', Number.NEGATIVE_INFINITY],
  ])('%s is %d', (text, epochMs) => {
    expect(parseInstantMs(text)).toBe(epochMs)
  })

  it.each(['', '2026-11-23', '0044-03-15 12:00:00+00 BC', '12026-11-23 09:30:00+05:30'])(
    'is not guessed at: %s',
    (text) => {
      expect(() => parseInstantMs(text)).toThrow(RangeError)
    },
  )
})

await describeStores('a column value', (store) => {
  const only = async (expression: string) => {
    const { rows } = await store().pool.query(`SELECT ${expression} AS v`)
    return rows[0].v
  }

  it('of type bigint is a number where that is exact, else text', async () => {
    expect(await only('(SELECT count(*) FROM generate_series(1, 3))')).toBe(3)
    expect(await only('9007199254740991::bigint')).toBe(9007199254740991)
    expect(await only('9007199254740993::bigint')).toBe('9007199254740993')
    expect(await only("'{1,NULL,9007199254740993}'::bigint[]")).toEqual([
      1,
      null,
      '9007199254740993',
    ])
  })

  it('of type date stays text', async () => {
    expect(await only("'2026-11-24'::date")).toBe('2026-11-24')
    expect(await only("'-infinity'::date")).toBe('-infinity')
    expect(await only("'{2026-11-24,NULL}'::date[]")).toEqual(['2026-11-24', null])
  })

  it('of type timestamptz is epoch ms', async () => {
    expect(await only("'2026-11-23T04:00:00Z'::timestamptz")).toBe(Date.UTC(2026, 10, 23, 4))
    expect(await only("'infinity'::timestamptz")).toBe(Number.POSITIVE_INFINITY)
    expect(await only("'{2026-11-23T04:00:00Z,NULL,-infinity}'::timestamptz[]")).toEqual([
      Date.UTC(2026, 10, 23, 4),
      null,
      Number.NEGATIVE_INFINITY,
    ])
    expect(await only("'{}'::timestamptz[]")).toEqual([])
  })

  it('of other types is as usual', async () => {
    expect(await only("'\\x00ff'::bytea")).toEqual(Buffer.from([0, 255]))
    expect(await only(`'{"a":[1]}'::jsonb`)).toEqual({ a: [1] })
    expect(await only('1.5::float8')).toBe(1.5)
    expect(await only('NULL::bigint')).toBeNull()
  })
})
