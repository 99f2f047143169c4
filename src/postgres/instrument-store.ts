/**
 * The instrument master in `instruments`, a row for every version: from a date on, up to another one
 * or still listed. Tokens are reused and lots change, so history keeps what held on its day.
 */
import type { ClientBase } from 'pg'
import { STORE_ROWS_PER_PAGE, STORE_ROWS_PER_STATEMENT } from '../limits.ts'
import type { Instrument } from '../market/instrument.ts'
import type { InstrumentStore } from '../ticker/ports.ts'
import { numberArray, textArray } from './array-literal.ts'
import { chunksOf } from './chunks.ts'

type Queryable = Pick<ClientBase, 'query'>
type StoredType = 'INDEX' | 'EQ' | 'FUT' | 'CE' | 'PE'
type StoredInstrument = Omit<Instrument, 'kind' | 'optionType'> & { readonly type: StoredType }

export interface VersionedInstrumentStore extends InstrumentStore {
  /** Changes whenever a dump has changed what is listed. */
  version(): Promise<string>
}

/** `database` may be a connection or a pool. */
export function createInstrumentStore(database: Queryable): VersionedInstrumentStore {
  const page = async (after: readonly [exchange: string, tradingsymbol: string]) => {
    const values = [...after, STORE_ROWS_PER_PAGE]
    return (await database.query<StoredInstrument>({ ...CURRENT_PAGE, values })).rows
  }
  return {
    version: async () => {
      const { rows } = await database.query<{ version: string }>(VERSION)
      return rows[0]?.version ?? ''
    },
    loadCurrent: async () => {
      const current: Instrument[] = []
      for (let rows = await page(['', '']); rows.length > 0; ) {
        for (const row of rows) current.push(instrumentOf(row))
        const last = rows.at(-1)
        rows = last === undefined ? [] : await page([last.exchange, last.tradingsymbol])
      }
      return current
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

/** What was ever listed under a name, the newest version of each exchange; the newest of all first. */
export async function readEverListed(
  database: Queryable,
  tradingsymbol: string,
): Promise<Instrument[]> {
  const { rows } = await database.query<StoredInstrument>(EVER_LISTED, [tradingsymbol])
  return rows.map(instrumentOf)
}

/** The newest version under each name. */
export async function readLastListed(
  database: Queryable,
  names: readonly Pick<Instrument, 'exchange' | 'tradingsymbol'>[],
): Promise<Instrument[]> {
  if (names.length === 0) return []
  const { rows } = await database.query<StoredInstrument>({
    name: 'instruments_last_listed',
    text: LAST_LISTED,
    values: namesOf(names),
  })
  return rows.map(instrumentOf)
}

const LAST_LISTED = `
  SELECT DISTINCT ON (i.exchange, i.tradingsymbol) i.token, i.exchange, i.tradingsymbol, i.name,
    i.symbol, i.segment, i.type, i.expiry, i.strike, i.lot_size AS "lotSize",
    i.tick_size AS "tickSize"
  FROM unnest($1::text[], $2::text[]) AS n (exchange, tradingsymbol)
  JOIN instruments AS i ON i.exchange = n.exchange AND i.tradingsymbol = n.tradingsymbol
  ORDER BY i.exchange, i.tradingsymbol, i.valid_from DESC`

/** The key begins with the exchange: each of the few is looked up, which needs no index more. */
const EVER_LISTED = `
  WITH RECURSIVE known (exchange) AS (
    (SELECT exchange FROM instruments ORDER BY exchange LIMIT 1)
    UNION ALL
    SELECT (SELECT i.exchange FROM instruments AS i WHERE i.exchange > k.exchange
            ORDER BY i.exchange LIMIT 1)
    FROM known AS k WHERE k.exchange IS NOT NULL
  )
  SELECT v.token, v.exchange, v.tradingsymbol, v.name, v.symbol, v.segment, v.type, v.expiry,
    v.strike, v."lotSize", v."tickSize"
  FROM known AS k
  CROSS JOIN LATERAL (
    SELECT i.*, i.lot_size AS "lotSize", i.tick_size AS "tickSize" FROM instruments AS i
    WHERE i.exchange = k.exchange AND i.tradingsymbol = $1
    ORDER BY i.valid_from DESC LIMIT 1
  ) AS v
  ORDER BY v.valid_from DESC, v.exchange`

/** A dump has 120,000 rows: they come page by page, so that ticks pass between two pages. */
const CURRENT_PAGE = {
  name: 'instruments_current',
  text: `
  SELECT token, exchange, tradingsymbol, name, symbol, segment, type, expiry, strike,
         lot_size AS "lotSize", tick_size AS "tickSize"
  FROM instruments
  WHERE valid_to IS NULL AND (exchange, tradingsymbol) > ($1, $2)
  ORDER BY exchange, tradingsymbol
  LIMIT $3`,
}

const VERSION = `
  SELECT concat_ws('/', count(*), max(valid_from), count(valid_to), max(valid_to)) AS version
  FROM instruments`

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

/**
 * Written out on purpose: of the driver's rows a spread makes dictionaries, each of a shape of its own,
 * and whoever reads them pays for that with every look.
 */
function instrumentOf(row: StoredInstrument): Instrument {
  const { type } = row
  return {
    token: row.token,
    exchange: row.exchange,
    tradingsymbol: row.tradingsymbol,
    name: row.name,
    symbol: row.symbol,
    segment: row.segment,
    kind: KINDS[type],
    optionType: type === 'CE' || type === 'PE' ? type : null,
    expiry: row.expiry,
    strike: row.strike,
    lotSize: row.lotSize,
    tickSize: row.tickSize,
  }
}
