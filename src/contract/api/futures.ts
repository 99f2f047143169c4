/** `GET /fo/futures`: the futures of an underlying as they stand, with their basis. */
import { type Static, Type } from 'typebox'
import {
  feed,
  flag,
  integer,
  istDate,
  maybeInteger,
  maybeIstTime,
  maybeNumber,
  querySymbol,
  strict,
  text,
} from './schema-parts.ts'

export const FuturesQuery = Type.Object({ symbol: querySymbol }, strict)
export type FuturesQuery = Static<typeof FuturesQuery>

export const FutureQuote = Type.Object({
  tradingsymbol: text('Exchange name.'),
  instrument_token: integer('Number on the wire.'),
  expiry: istDate('Expiry.'),
  days_to_expiry: integer('Calendar days.'),
  lot_size: integer('Units of one contract.'),
  ltp: maybeNumber('₹.'),
  prev_close: maybeNumber('₹.'),
  change: maybeNumber('ltp − prev_close, ₹.'),
  change_percent: maybeNumber('Percent.'),
  open: maybeNumber("The day's, ₹."),
  high: maybeNumber("The day's, ₹."),
  low: maybeNumber("The day's, ₹."),
  bid: maybeNumber('Best bid, ₹.'),
  ask: maybeNumber('Best ask, ₹.'),
  volume: maybeInteger("Units, the day's."),
  oi: maybeInteger('Units.'),
  oi_prev_close: maybeInteger("Units at the previous day's close."),
  oi_change: maybeInteger('oi − oi_prev_close; null until that is known.'),
  basis: maybeNumber('ltp − spot, ₹; worth as much as the spot, see spot_stale.'),
  basis_percent: maybeNumber('basis in percent of spot.'),
  annual_basis: maybeNumber(
    'ln(ltp / spot) over the time to expiry, decimal per year; null on its last day.',
  ),
  exchange_time: maybeIstTime("The exchange's time of the last packet."),
  age_ms: maybeInteger("Milliseconds from the ticker's receipt of the last packet to this answer."),
  stale: flag('No packet for longer than the configured silence while the session is open.'),
})
export type FutureQuote = Static<typeof FutureQuote>

export const Futures = Type.Object({
  symbol: text('Canonical underlying.'),
  feed,
  spot: maybeNumber('The index, ₹; null where there is none.'),
  spot_stale: flag('True too while its shares are in the closing auction (15:15 to 15:40).'),
  futures: Type.Array(FutureQuote, { description: 'Nearest expiry first; none that has expired.' }),
})
export type Futures = Static<typeof Futures>
