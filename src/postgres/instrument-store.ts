/**
 * The instrument master in `instruments`, a row for every version: from a date on, up to another one
 * or still listed. Tokens are reused and lots change, so history keeps what held on its day.
 */
import type { ClientBase } from 'pg'
import { STORE_ROWS_PER_STATEMENT } from '../limits.ts'
import type { Instrument } from '../market/instrument.ts'
import type { InstrumentStore } from '../ticker/ports.ts'
import { numberArray, textArray } from './array-literal.ts'
import { chunksOf } from './chunks.ts'

type Queryable = Pick<ClientBase, 'query'>
type StoredType = 'INDEX' | 'EQ' | 'FUT' | 'CE' | 'PE'
type StoredInstrument = Omit<Instrument, 'kind' | 'optionType'> & { readonly type: StoredType }

/** `database` may be a connection or a pool. */
export function createInstrumentStore(database: Queryable): InstrumentStore {
  return {
    loadCurrent: async () => {
      const { rows } = await database.query<StoredInstrument>(LOAD_CURRENT)
      return rows.map(instrumentOf)
    },
    apply: async ({ date, added, changed, removed }) => {
      for (const chunk of chunksOf(removed, STORE_ROWS_PER_STATEMENT)) {
        await database.query({
          name: 'instruments_end',
          text: END,
          values: [...namesOf(chunk), date],
        })
      }
      for (const chunk of chunksOf([...added, ...changed], STORE_ROWS_PER_STATEMENT)) {
        const values = [...namesOf(chunk), ...parameters(chunk), date]
        await database.query({ name: 'instruments_begin', text: BEGIN_VERSION, values })
      }
    },
  }
}

const LOAD_CURRENT = `
  SELECT token, exchange, tradingsymbol, name, symbol, segment, type, expiry, strike,
         lot_size AS "lotSize", tick_size AS "tickSize"
  FROM instruments
  WHERE valid_to IS NULL`

/** A version that began on the same day or later (a clock was wrong) becomes empty. */
const END = `
  UPDATE instruments i
  SET valid_to = greatest(i.valid_from, $3::date)
  FROM unnest($1::text[], $2::text[]) AS gone (exchange, tradingsymbol)
  WHERE i.exchange = gone.exchange AND i.tradingsymbol = gone.tradingsymbol AND i.valid_to IS NULL`

const BEGIN_VERSION = `
  WITH begun AS (
    SELECT * FROM unnest(
      $1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
      $8::date[], $9::float8[], $10::int[], $11::float8[]
    ) AS b (exchange, tradingsymbol, token, name, symbol, segment, type, expiry, strike, lot_size, tick_size)
  ), ended AS (
    UPDATE instruments i
    SET valid_to = greatest(i.valid_from, $12::date)
    FROM begun b
    WHERE i.exchange = b.exchange AND i.tradingsymbol = b.tradingsymbol
      AND i.valid_to IS NULL AND i.valid_from <> $12::date
  )
  INSERT INTO instruments (
    exchange, tradingsymbol, valid_from, token, name, symbol, segment, type, expiry, strike, lot_size, tick_size
  )
  SELECT exchange, tradingsymbol, $12::date, token, name, symbol, segment, type, expiry, strike, lot_size, tick_size
  FROM begun
  ON CONFLICT (exchange, tradingsymbol, valid_from) DO UPDATE SET
    valid_to = NULL,
    token = excluded.token,
    name = excluded.name,
    symbol = excluded.symbol,
    segment = excluded.segment,
    type = excluded.type,
    expiry = excluded.expiry,
    strike = excluded.strike,
    lot_size = excluded.lot_size,
    tick_size = excluded.tick_size`

function namesOf(names: readonly Pick<Instrument, 'exchange' | 'tradingsymbol'>[]): string[] {
  return [
    textArray(names.map(({ exchange }) => exchange)),
    textArray(names.map(({ tradingsymbol }) => tradingsymbol)),
  ]
}

function parameters(instruments: readonly Instrument[]): string[] {
  return [
    numberArray(instruments.map(({ token }) => token)),
    textArray(instruments.map(({ name }) => name)),
    textArray(instruments.map(({ symbol }) => symbol)),
    textArray(instruments.map(({ segment }) => segment)),
    textArray(instruments.map(typeOf)),
    textArray(instruments.map(({ expiry }) => expiry)),
    numberArray(instruments.map(({ strike }) => strike)),
    numberArray(instruments.map(({ lotSize }) => lotSize)),
    numberArray(instruments.map(({ tickSize }) => tickSize)),
  ]
}

const TYPES = { index: 'INDEX', equity: 'EQ', future: 'FUT' } as const

function typeOf({ kind, optionType, exchange, tradingsymbol }: Instrument): StoredType {
  if (kind !== 'option') return TYPES[kind]
  if (optionType === null)
    throw new TypeError(`${exchange}:${tradingsymbol} is an option of no type`)
  return optionType
}

const KINDS = { INDEX: 'index', EQ: 'equity', FUT: 'future', CE: 'option', PE: 'option' } as const

function instrumentOf({ type, ...rest }: StoredInstrument): Instrument {
  return { ...rest, kind: KINDS[type], optionType: type === 'CE' || type === 'PE' ? type : null }
}
