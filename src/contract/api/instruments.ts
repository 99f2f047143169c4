/** `GET /instruments` of the ticker, passed on by the backend: search in the instrument master. */
import { type Static, Type } from 'typebox'
import {
  choice,
  integer,
  maybeChoice,
  maybeIstDate,
  maybeNumber,
  number,
  strict,
  text,
} from './schema-parts.ts'
import { OPTION_TYPES } from './subscriptions.ts'

/** Rows where no `limit` is given. */
export const INSTRUMENTS_DEFAULT_LIMIT = 500
/** Rows of one answer: it is made between two ticks. The whole dump is the broker's to give. */
export const INSTRUMENTS_LIMIT_MAX = 5_000

export const InstrumentView = Type.Object({
  instrument_token: integer('Number on the wire; reused by the exchange after expiry.'),
  exchange: text('NSE, BSE, NFO, BFO, MCX.'),
  tradingsymbol: text('Exchange name.'),
  name: text("The dump's name: NIFTY, BANKNIFTY, RELIANCE."),
  symbol: text('Canonical underlying.'),
  segment: text('INDICES, NFO-OPT, NFO-FUT, …'),
  kind: choice(['index', 'future', 'option', 'equity'], 'What it is.'),
  option_type: maybeChoice(OPTION_TYPES, 'null where it is no option.'),
  expiry: maybeIstDate('Expiry; null where there is none.'),
  strike: maybeNumber('Strike, ₹; null where there is none.'),
  lot_size: integer('Units per contract.'),
  tick_size: number('Smallest price step, ₹.'),
})
export type InstrumentView = Static<typeof InstrumentView>

export const InstrumentsQuery = Type.Object(
  {
    q: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 80,
        description: 'Words that must all occur in tradingsymbol, name or symbol.',
      }),
    ),
    symbol: Type.Optional(
      Type.String({ minLength: 1, maxLength: 40, description: 'Only this underlying; any alias.' }),
    ),
    expiry: Type.Optional(
      Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}$', description: 'Only this expiry.' }),
    ),
    segment: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 20,
        description: 'A segment (NFO-OPT) or all of an exchange (NFO).',
      }),
    ),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: INSTRUMENTS_LIMIT_MAX,
        description: `Without it ${INSTRUMENTS_DEFAULT_LIMIT} rows; narrow the search where ${INSTRUMENTS_LIMIT_MAX} are not enough.`,
      }),
    ),
  },
  strict,
)
export type InstrumentsQuery = Static<typeof InstrumentsQuery>

/** A bare array. */
export const Instruments = Type.Array(InstrumentView)
