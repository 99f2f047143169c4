/**
 * `/subscriptions/auto` of the backend: what the platform streams by itself around the money, and what
 * it would change now.
 */
import { type Static, Type } from 'typebox'
import {
  choice,
  flag,
  integer,
  istDate,
  istTime,
  maybeNumber,
  maybeText,
  strict,
  text,
} from './schema-parts.ts'

export const AutoSubscribeQuery = Type.Object(
  { dry_run: Type.Optional(Type.Boolean({ description: 'Answer the plan and change nothing.' })) },
  strict,
)
export type AutoSubscribeQuery = Static<typeof AutoSubscribeQuery>

export const names = (description: string) => Type.Array(text('Tradingsymbol.'), { description })

export const additions = Type.Array(
  Type.Object({
    ticker: text('Where it is.'),
    account: text('Broker account.'),
    connection: integer('Socket of that account.'),
    instruments_now: integer('Instruments on it now.'),
    instruments_after: integer('Instruments on it afterwards.'),
    added: names('What goes there.'),
  }),
  { description: 'Where the additions go, by account and socket.' },
)
export const refusals = Type.Array(
  Type.Object({ instrument: text('Tradingsymbol or token.'), message: text('Why not.') }),
  { description: 'What the ticker refuses or has refused.' },
)

export const AutoSubscriptions = Type.Object({
  enabled: flag(
    'SMART_SUBSCRIPTION_ENABLED, or what system_config says: whether it acts by itself.',
  ),
  dry_run: flag('true = nothing was changed by this call.'),
  market_time: istTime('The moment that it is planned for.'),
  wanted: integer('Instruments that ought to be streamed.'),
  held: integer('Instruments that it holds, as requester auto.'),
  room_for_new: integer('New instruments that the tickers still take.'),
  underlyings: Type.Array(
    Type.Object({
      symbol: text('Canonical underlying.'),
      state: choice(
        ['ok', 'no_price', 'not_listed'],
        'no_price = its spot is not known or 0, so nothing of it is changed.',
      ),
      spot: maybeNumber('₹.'),
      series: Type.Array(
        Type.Object({
          expiry: istDate('Expiry.'),
          forward: maybeNumber('What the window is laid around, ₹.'),
          atm_strike: maybeNumber('Middle of the window, ₹; follows the forward with hysteresis.'),
          instruments: integer('Options in the window.'),
        }),
      ),
    }),
  ),
  add: names('To be subscribed, the most important first.'),
  drop: names('To be let go: outside the window, and the date on which they were in it is over.'),
  unplaced: names('Wanted without room, the most important first.'),
  plan: additions,
  errors: refusals,
  problem: maybeText('Why it cannot follow the market at present; null where it can.'),
})
export type AutoSubscriptions = Static<typeof AutoSubscriptions>
