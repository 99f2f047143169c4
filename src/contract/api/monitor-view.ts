/**
 * `POST /monitor/view`: somebody looks at a series. What of it is not streamed yet is subscribed, held
 * as requester `view`, and stays streamed while the call is repeated within the lease.
 */
import { type Static, Type } from 'typebox'
import { VIEW_STRIKES_MAX } from '../../limits.ts'
import { additions, names, refusals } from './auto-subscriptions.ts'
import {
  integer,
  istDate,
  maybeIstDate,
  maybeNumber,
  maybeText,
  querySymbol,
  strict,
  text,
} from './schema-parts.ts'

export const MonitorViewRequest = Type.Object(
  {
    symbol: querySymbol,
    expiry: Type.Optional(maybeIstDate('null or left out: the nearest that is open.')),
    strikes_each_side: Type.Optional(
      Type.Unsafe<number | 'all'>({
        anyOf: [{ type: 'integer', minimum: 0, maximum: VIEW_STRIKES_MAX }, { const: 'all' }],
        description: `A whole number, 0 to ${VIEW_STRIKES_MAX}, of strikes on each side of the ATM strike, or "all"; SMART_SUBSCRIPTION_STRIKES if left out.`,
      }),
    ),
  },
  strict,
)
export type MonitorViewRequest = Static<typeof MonitorViewRequest>

export const MonitorView = Type.Object({
  symbol: text('Canonical underlying.'),
  expiry: istDate('Expiry.'),
  forward: maybeNumber('What the strikes are laid around, ₹; null where it is not known.'),
  atm_strike: maybeNumber('The listed strike nearest the forward, ₹.'),
  wanted: integer(
    'Instruments of the view: the index, the future that prices the series, options.',
  ),
  streamed: integer('Of these, those that were streamed before this call.'),
  added: names('Streamed by this call, the most important first.'),
  unplaced: names('Wanted without room, the most important first.'),
  plan: additions,
  errors: refusals,
  problem: maybeText('Why not all of it is wanted yet; null where it is.'),
  lease_seconds: integer('The view ends when it is not asked for again within this time.'),
  backfill: Type.Object(
    {
      pending: integer('Instruments of the view whose history as new subscriptions is to come.'),
      done: integer('Instruments of the view that nothing is to come of.'),
      eta_ms: maybeNumber(
        'Milliseconds until the last of it is there; 0 where nothing is pending, null where it is not known.',
      ),
      waits_for: maybeText('What keeps history from going on; null where nothing does.'),
    },
    { description: 'What follows goes over the stream, channel backfill.' },
  ),
})
export type MonitorView = Static<typeof MonitorView>
