/** `GET /bars`: stored bars of any instrument, in whole bars of a timeframe. */
import { type Static, Type } from 'typebox'
import { timeframe } from './expiry-metrics.ts'
import {
  integer,
  istTime,
  maybeFlag,
  maybeInteger,
  maybeNumber,
  queryTime,
  strict,
  text,
} from './schema-parts.ts'

export const BarsQuery = Type.Object(
  {
    tradingsymbol: Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'Exchange name, also of an expired contract; an underlying means its index.',
    }),
    exchange: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 12,
        description: 'NSE, BSE, NFO, BFO, MCX; needed only where the name is ambiguous.',
      }),
    ),
    timeframe: Type.Optional(timeframe),
    from: Type.Optional(queryTime("First instant; without it the open of the day's session.")),
    to: Type.Optional(queryTime('Last instant, exclusive; without it now.')),
  },
  strict,
)
export type BarsQuery = Static<typeof BarsQuery>

export const Bar = Type.Object({
  time: istTime("The bar's opening instant; a day's is its IST midnight."),
  open: maybeNumber('₹.'),
  high: maybeNumber('₹.'),
  low: maybeNumber('₹.'),
  close: maybeNumber('₹.'),
  volume: maybeInteger('Units traded in the bar; 0 = no trade, the price is the one before.'),
  oi: maybeInteger("Units at the bar's end; null for an index."),
  iv: Type.Optional(maybeNumber("Options: the last IV of the bar's minutes, decimal per year.")),
  delta: Type.Optional(maybeNumber('Options: that of iv.')),
  minutes: integer('Minutes that it is made of.'),
  complete: maybeFlag('true = the live feed covered all of them; null = one is still open.'),
})
export type Bar = Static<typeof Bar>

export const Bars = Type.Object({
  tradingsymbol: text('Exchange name.'),
  exchange: text('NSE, BSE, NFO, BFO, MCX.'),
  symbol: text('Canonical underlying.'),
  timeframe,
  bars: Type.Array(Bar, {
    description:
      'Ascending; the first and the last are whole, also where from and to lie within them. A missing minute is missing data.',
  }),
})
export type Bars = Static<typeof Bars>
