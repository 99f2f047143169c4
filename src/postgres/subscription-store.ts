/**
 * One ticker's subscriptions in `instrument_subscriptions`, written whole rows at a time. Rows of other
 * tickers are neither read nor written.
 */
import type { ClientBase } from 'pg'
import { STORE_ROWS_PER_STATEMENT } from '../limits.ts'
import type { StoredSubscription, SubscriptionStore } from '../ticker/ports.ts'
import { instantArray, instantText, numberArray, textArray } from './array-literal.ts'
import { chunksOf } from './chunks.ts'

type Queryable = Pick<ClientBase, 'query'>

/**
 * `database` may be a connection or a pool.
 * @param ticker the `TICKER_ID` whose rows these are
 */
export function createSubscriptionStore(database: Queryable, ticker: string): SubscriptionStore {
  return {
    load: async () => {
      await database.query(TAKE_OVER, [ticker])
      const { rows } = await database.query<StoredSubscription>(LOAD, [ticker])
      return rows
    },
    save: async (rows) => {
      for (const chunk of chunksOf(latestByName(rows), STORE_ROWS_PER_STATEMENT)) {
        const values = [...parameters(chunk), ticker]
        await database.query({ name: 'subscriptions_save', text: SAVE, values })
      }
    },
    forgetRemoved: async (beforeMs) => {
      const { rowCount } = await database.query(FORGET_REMOVED, [instantText(beforeMs), ticker])
      return rowCount ?? 0
    },
  }
}

/** Nobody's rows become this ticker's, except where it has one of that name. */
const TAKE_OVER = `
  UPDATE instrument_subscriptions AS s SET ticker = $1
  WHERE ticker = '' AND NOT EXISTS (
    SELECT FROM instrument_subscriptions AS own
    WHERE own.exchange = s.exchange AND own.tradingsymbol = s.tradingsymbol AND own.ticker = $1
  )`

const LOAD = `
  SELECT exchange, tradingsymbol, instrument_token AS "instrumentToken", segment, symbol, expiry,
         strike, option_type AS "optionType", mode, priority, status, account, connection,
         requested_by AS "requestedBy", requesters, requested_at AS "requestedAtMs",
         activated_at AS "activatedAtMs", first_tick_at AS "firstTickAtMs",
         last_tick_at AS "lastTickAtMs", last_error AS "lastError", removed_at AS "removedAtMs"
  FROM instrument_subscriptions
  WHERE ticker = $1
  ORDER BY exchange, tradingsymbol`

const SAVE = `
  INSERT INTO instrument_subscriptions AS s (
    exchange, tradingsymbol, instrument_token, segment, symbol, expiry, strike, option_type, mode,
    priority, status, account, connection, requested_by, requesters, requested_at, activated_at,
    first_tick_at, last_tick_at, last_error, removed_at, ticker
  )
  SELECT *, $22::text FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::date[], $7::float8[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::int[], $14::text[],
    $15::jsonb[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[], $19::timestamptz[],
    $20::text[], $21::timestamptz[]
  )
  ON CONFLICT (exchange, tradingsymbol, ticker) DO UPDATE SET
    instrument_token = excluded.instrument_token,
    segment = excluded.segment,
    symbol = excluded.symbol,
    expiry = excluded.expiry,
    strike = excluded.strike,
    option_type = excluded.option_type,
    mode = excluded.mode,
    priority = excluded.priority,
    status = excluded.status,
    account = excluded.account,
    connection = excluded.connection,
    requested_by = excluded.requested_by,
    requesters = excluded.requesters,
    requested_at = excluded.requested_at,
    activated_at = excluded.activated_at,
    first_tick_at = excluded.first_tick_at,
    last_tick_at = excluded.last_tick_at,
    last_error = excluded.last_error,
    removed_at = excluded.removed_at
  WHERE s IS DISTINCT FROM excluded`

const FORGET_REMOVED = `
  DELETE FROM instrument_subscriptions
  WHERE status = 'removed' AND removed_at < $1 AND ticker = $2`

function parameters(rows: readonly StoredSubscription[]): string[] {
  return [
    textArray(rows.map((row) => row.exchange)),
    textArray(rows.map((row) => row.tradingsymbol)),
    numberArray(rows.map((row) => row.instrumentToken)),
    textArray(rows.map((row) => row.segment)),
    textArray(rows.map((row) => row.symbol)),
    textArray(rows.map((row) => row.expiry)),
    numberArray(rows.map((row) => row.strike)),
    textArray(rows.map((row) => row.optionType)),
    textArray(rows.map((row) => row.mode)),
    textArray(rows.map((row) => row.priority)),
    textArray(rows.map((row) => row.status)),
    textArray(rows.map((row) => row.account)),
    numberArray(rows.map((row) => row.connection)),
    textArray(rows.map((row) => row.requestedBy)),
    textArray(rows.map((row) => JSON.stringify(row.requesters))),
    instantArray(rows.map((row) => row.requestedAtMs)),
    instantArray(rows.map((row) => row.activatedAtMs)),
    instantArray(rows.map((row) => row.firstTickAtMs)),
    instantArray(rows.map((row) => row.lastTickAtMs)),
    textArray(rows.map((row) => row.lastError)),
    instantArray(rows.map((row) => row.removedAtMs)),
  ]
}

/** One row a name, in the order of the names, so that two writers never wait for each other in a ring. */
function latestByName(rows: readonly StoredSubscription[]): readonly StoredSubscription[] {
  const byName = new Map(rows.map((row) => [`${row.exchange}:${row.tradingsymbol}`, row]))
  return [...byName.keys()].sort().flatMap((name) => byName.get(name) ?? [])
}
