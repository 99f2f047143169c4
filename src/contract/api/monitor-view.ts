/**
 * `POST /monitor/view`: what the Monitor calls when it opens or changes expiry, so that what it shows
 * is streamed. Idempotent; needs the scope `write`.
 */
import { type Static, Type } from 'typebox'
import {
  integer,
  istDate,
  maybeInteger,
  maybeNumber,
  maybeText,
  querySymbol,
  strict,
  text,
} from './schema-parts.ts'

export const MonitorViewRequest = Type.Object(
  {
    symbol: querySymbol,
    expiry: istDate('Series to show.'),
    strikes_each_side: Type.Integer({
      minimum: 1,
      maximum: 100,
      description: 'Strikes to stream on each side of ATM.',
    }),
  },
  strict,
)
export type MonitorViewRequest = Static<typeof MonitorViewRequest>

export const MonitorView = Type.Object({
  symbol: text('Canonical underlying.'),
  expiry: istDate('Series.'),
  instruments: integer('Contracts that the view needs.'),
  existing: integer('Of these, subscribed already.'),
  added: integer('Of these, subscribed by this call.'),
  refused: integer('Of these, for which there is no room.'),
  message: maybeText('Why some were refused; null where none was.'),
  backfill: Type.Object({
    instruments: maybeInteger('Contracts whose history is being fetched.'),
    eta_ms: maybeNumber('Milliseconds until it is there, within the request budget.'),
  }),
})
export type MonitorView = Static<typeof MonitorView>
