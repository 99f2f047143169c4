/** `GET /quotes` of the ticker: the market as it is now, within the shared request budget. */
import { type Static, Type } from 'typebox'
import { QUOTES_INSTRUMENTS_MAX } from '../../limits.ts'
import { waitingParts } from './history.ts'
import {
  integer,
  maybeInteger,
  maybeIstTime,
  maybeNumber,
  maybeText,
  number,
  strict,
  text,
} from './schema-parts.ts'

/** A token or a name in a list is far shorter. */
const LIST_MAX_CHARS = QUOTES_INSTRUMENTS_MAX * 40

export const QuotesQuery = Type.Object(
  {
    tokens: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: LIST_MAX_CHARS,
        description: `instrument_tokens, comma-separated; with instruments up to ${QUOTES_INSTRUMENTS_MAX}.`,
      }),
    ),
    instruments: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: LIST_MAX_CHARS,
        description: 'Names with their exchange, comma-separated: NFO:NIFTY26DECFUT.',
      }),
    ),
    ...waitingParts,
  },
  strict,
)
export type QuotesQuery = Static<typeof QuotesQuery>

export const Quote = Type.Object({
  instrument_token: integer('Number on the wire.'),
  exchange: maybeText('NSE, NFO, …; null where the token is not in the instrument master.'),
  tradingsymbol: maybeText('Exchange name; null where the token is not in the instrument master.'),
  ltp: number('Last price, ₹.'),
  bid: maybeNumber('Best bid, ₹; null where there is none.'),
  ask: maybeNumber('Best ask, ₹; null where there is none.'),
  bid_quantity: maybeInteger('Units at the best bid.'),
  ask_quantity: maybeInteger('Units at the best ask.'),
  volume: maybeInteger("The day's, in units; null of an index."),
  oi: maybeInteger('Open interest, units.'),
  open: number("The day's, ₹."),
  high: number("The day's, ₹."),
  low: number("The day's, ₹."),
  prev_close: number("The previous day's close, ₹."),
  last_trade_time: maybeIstTime('Last trade.'),
  exchange_time: maybeIstTime("The broker's snapshot."),
})
export type Quote = Static<typeof Quote>

export const Quotes = Type.Object({
  quotes: Type.Array(Quote, { description: 'In the order asked for, each once.' }),
  errors: Type.Array(
    Type.Object({
      instrument: text('As asked for.'),
      code: text('unknown_instrument.'),
      message: text('What is wrong with it.'),
    }),
    { description: 'Those that the broker does not know.' },
  ),
})
export type Quotes = Static<typeof Quotes>
