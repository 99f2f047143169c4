import { readdirSync, readFileSync } from 'node:fs'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Reference } from '../../src/verify/reference-fold/reference-rows.ts'
import {
  DELIVERY_LEDGER,
  EXPIRY_METRICS,
  FUTURES_BARS,
  LIVE_COVERAGE,
  MINUTE_BARS,
  OPTION_BARS,
  STRIKE_DISTRIBUTION,
  type StoreTable,
} from '../../src/verify/store-tables.ts'
import { postgresUrl } from '../services.ts'
import {
  CALL_24000,
  clock,
  covered,
  FUTURE,
  fold,
  INDEX,
  PUT_24000,
  packet,
  WrittenLog,
} from './reference-fold/written-log.ts'
import { compareWithStore } from './whole-store.ts'

const url = await postgresUrl()

const STREAMED = [INDEX, FUTURE, CALL_24000, PUT_24000]

/** Two minutes, the second one open; `callPrice` is that of one trade in the first. */
function referenceOf(callPrice: number): Reference {
  const quoted = { oi: 650, bid: callPrice - 0.05, ask: callPrice + 0.05 }
  const log = new WrittenLog()
  log.write(
    [
      covered(STREAMED, '10:00'),
      packet(INDEX, { price: 24_010, exchange: '10:00:20' }),
      ...[FUTURE, PUT_24000].map((instrument, i) =>
        packet(instrument, {
          ...{ price: i === 0 ? 24_020 : 130, exchange: '10:00:30', trade: '10:00:30' },
          ...{ volume: 65, oi: 1_300 },
        }),
      ),
      packet(CALL_24000, {
        ...{ price: callPrice, exchange: '10:00:40', trade: '10:00:40', volume: 65 },
        ...quoted,
      }),
      clock('10:01:05'),
      packet(CALL_24000, {
        price: 101,
        exchange: '10:01:10',
        trade: '10:01:09',
        volume: 130,
        oi: 650,
      }),
    ],
    [{ journaled: 5 }],
  )
  return fold(log.batches)
}

const REFERENCE = referenceOf(160)

describe.skipIf(url === undefined)('a store', () => {
  const client = new pg.Client({ connectionString: url })

  beforeAll(async () => {
    await client.connect()
    for (const file of readdirSync('sql')
      .filter((name) => name.endsWith('.sql'))
      .sort()) {
      await client.query(readFileSync(`sql/${file}`, 'utf8'))
    }
  })
  beforeEach(async () => {
    await fill(client, REFERENCE)
  })
  afterAll(() => client.end())

  it('that holds what the reference says has no difference', async () => {
    expect(REFERENCE.optionBars).toHaveLength(3)
    expect(await compareWithStore(client, REFERENCE)).toEqual([])
    expect(await compareWithStore(client, REFERENCE, { onlyClosed: true })).toEqual([])
  })

  it('that was filled from one other tick differs in all that hangs on it', async () => {
    const differences = await compareWithStore(client, referenceOf(160.05))
    const bar = 'fo_option_strike_bars NIFTY26NOV24000CE 2026-11-20T10:00:00+05:30'
    expect(differences).toContain(`${bar}: close is 160 in the store, 160.05 in the reference`)
    const columns = differences.map((text) => text.replace(/^(\w+) .*: (\w+) is .*$/, '$1.$2'))
    expect(columns).toEqual(
      expect.arrayContaining([
        'fo_option_strike_bars.iv',
        'fo_expiry_metrics.forward',
        'fo_strike_distribution.call_ltp',
        'fo_strike_distribution.put_delta',
      ]),
    )
  })

  it.each([
    ['UPDATE minute_bars SET high = high + 0.05', 'minute_bars', 'high'],
    ['UPDATE futures_bars SET oi = oi + 65', 'futures_bars', 'oi'],
    ['UPDATE futures_bars SET basis = basis * (1 + 2e-9)', 'futures_bars', 'basis'],
    ['UPDATE futures_bars SET complete = false', 'futures_bars', 'complete'],
    ["UPDATE futures_bars SET source = 'repair'", 'futures_bars', 'source'],
    ["UPDATE fo_expiry_metrics SET forward_source = 'spot'", 'fo_expiry_metrics', 'forward_source'],
    ['UPDATE fo_expiry_metrics SET pcr_oi = NULL', 'fo_expiry_metrics', 'pcr_oi'],
    ['UPDATE coverage SET "to" = \'2026-11-20 10:30 +05:30\'', 'coverage', 'to'],
    ["UPDATE coverage SET mode = 'quote'", 'coverage', 'mode'],
    [
      'UPDATE delivery_ledger SET not_folded = \'{"no_session":1}\'',
      'delivery_ledger',
      'not_folded',
    ],
    ['UPDATE delivery_ledger SET folded = folded - 1', 'delivery_ledger', 'folded'],
  ])('differs after %s', async (statement, table, column) => {
    await client.query(statement)
    const differences = await compareWithStore(client, REFERENCE)
    expect(differences.length).toBeGreaterThan(0)
    for (const text of differences) {
      expect(text).toMatch(
        new RegExp(`^${table} .*: ${column} is .* in the store, .* in the reference$`),
      )
    }
  })

  it.each([
    'minute_bars',
    'fo_expiry_metrics',
    'fo_strike_distribution',
    'coverage',
    'delivery_ledger',
  ])('differs where a row of %s is missing or too many', async (table) => {
    const time = { coverage: '"from"', delivery_ledger: 'minute', minute_bars: 'time' }[table]
    const column = time ?? 'bucket_time'
    await client.query(`UPDATE ${table} SET ${column} = ${column} - interval '1 hour'`)
    const differences = await compareWithStore(client, REFERENCE)
    expect(differences.some((text) => text.endsWith(': missing in the store'))).toBe(true)
    expect(differences.some((text) => text.endsWith(': not in the reference'))).toBe(true)
    expect(differences.every((text) => text.startsWith(`${table} `))).toBe(true)
  })

  it('may hold what is computed at the close for an open minute too, but not another price', async () => {
    await client.query('UPDATE fo_option_strike_bars SET iv = 0.1 WHERE complete IS NULL')
    expect(await compareWithStore(client, REFERENCE)).toEqual([])
    await client.query('UPDATE fo_option_strike_bars SET low = 1 WHERE complete IS NULL')
    expect(await compareWithStore(client, REFERENCE)).toHaveLength(1)
    expect(await compareWithStore(client, REFERENCE, { onlyClosed: true })).toEqual([])
    await client.query('DELETE FROM fo_option_strike_bars WHERE complete IS NULL')
    expect(await compareWithStore(client, REFERENCE)).toHaveLength(1)
    expect(await compareWithStore(client, REFERENCE, { onlyClosed: true })).toEqual([])
  })

  it('may leave out a strike of which nothing is known, and the name of such an option', async () => {
    await client.query('DELETE FROM fo_strike_distribution WHERE strike = 24100')
    expect(await compareWithStore(client, REFERENCE)).toEqual([])
    const nameless = 'UPDATE fo_strike_distribution SET put_tradingsymbol = NULL WHERE strike ='
    await fill(client, REFERENCE)
    await client.query(`${nameless} 24100`)
    expect(await compareWithStore(client, REFERENCE)).toEqual([])
    await client.query(`${nameless} 24000`)
    expect(await compareWithStore(client, REFERENCE)).toHaveLength(1)
  })
})

// ---------------------------------------------------------------- filling

async function fill(client: pg.Client, reference: Reference): Promise<void> {
  await client.query('BEGIN')
  await insert(client, MINUTE_BARS, reference.minuteBars)
  await insert(client, FUTURES_BARS, reference.futuresBars)
  await insert(client, OPTION_BARS, reference.optionBars)
  await insert(client, EXPIRY_METRICS, reference.expiryMetrics)
  await insert(client, STRIKE_DISTRIBUTION, reference.strikeDistribution)
  await insert(client, LIVE_COVERAGE, reference.coverage, false)
  await insert(client, DELIVERY_LEDGER, reference.ledger, false)
  await client.query('COMMIT')
}

async function insert(
  client: pg.Client,
  { name, columns }: StoreTable,
  rows: readonly object[],
  isStamped = true,
): Promise<void> {
  await client.query(`DELETE FROM ${name}`)
  for (const row of rows) {
    const names = Object.keys(row)
    const values = Object.entries(row).map(([column, value]) => stored(columns[column], value))
    const listed = names.map((column) => `"${column}"`).join(', ')
    const places = names.map((_, i) => `$${i + 1}`).join(', ')
    const stamp = isStamped ? [', updated_at', ', now()'] : ['', '']
    const statement = `INSERT INTO ${name} (${listed}${stamp[0]}) VALUES (${places}${stamp[1]})`
    await client.query(statement, values)
  }
}

function stored(kind: string | undefined, value: unknown): unknown {
  if (kind === 'counts') return JSON.stringify(value)
  if (kind !== 'time') return value
  return value === Number.POSITIVE_INFINITY ? 'infinity' : new Date(Number(value)).toISOString()
}
