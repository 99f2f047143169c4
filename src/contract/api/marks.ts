/** `GET /marks/latest?symbols=`: the last known price of instruments, for watch lists. */
import { type Static, Type } from 'typebox'
import {
  flag,
  integer,
  maybeInteger,
  maybeIstTime,
  maybeNumber,
  strict,
  text,
} from './schema-parts.ts'

export const MarksQuery = Type.Object(
  {
    symbols: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 20_000,
        description: 'Tradingsymbols or underlyings, comma-separated; without it every active one.',
      }),
    ),
  },
  strict,
)
export type MarksQuery = Static<typeof MarksQuery>

export const Mark = Type.Object({
  symbol: text('Canonical underlying.'),
  tradingsymbol: text('Exchange name.'),
  instrument_token: integer('Number on the wire.'),
  ltp: maybeNumber('₹.'),
  prev_close: maybeNumber('₹.'),
  change: maybeNumber('ltp − prev_close, ₹.'),
  change_percent: maybeNumber('Percent.'),
  volume: maybeInteger("Units, the day's; null for an index."),
  oi: maybeInteger('Units; null where there is none.'),
  exchange_time: maybeIstTime("The exchange's time of the last packet."),
  received_at: maybeIstTime('When the ticker received it.'),
  age_ms: maybeNumber('Milliseconds from received_at to this answer.'),
  stale: flag('No packet for longer than the configured silence while the session is open.'),
})
export type Mark = Static<typeof Mark>

export const Marks = Type.Object({ marks: Type.Array(Mark) })
export type Marks = Static<typeof Marks>
