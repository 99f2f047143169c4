/**
 * Subscriptions of the ticker (`POST`, `GET`, `DELETE /subscriptions`), passed on unchanged by the
 * backend. A subscription is held by its requesters and ends with the last of them.
 */
import { type Static, Type } from 'typebox'
import type { TickMode } from '../../market/tick.ts'
import { ErrorDetail } from './error.ts'
import {
  choice,
  integer,
  istTime,
  maybeChoice,
  maybeInteger,
  maybeIstDate,
  maybeIstTime,
  maybeNumber,
  maybeText,
  strict,
  text,
} from './schema-parts.ts'

export const TICK_MODES = ['ltp', 'quote', 'full'] as const satisfies readonly TickMode[]
export const OPTION_TYPES = ['CE', 'PE'] as const
export const SUBSCRIPTION_STATUSES = ['pending', 'active', 'failed', 'removed'] as const

/** Why an instrument does not tick, for programs; the text beside it is for people. */
export const NO_TICK_REASONS = [
  'not_placed',
  'expired',
  'not_entitled',
  'account_down',
  'mute',
  'socket_not_open',
  'market_closed',
  'illiquid',
  'awaited',
] as const
export interface NoTick {
  readonly reason: (typeof NO_TICK_REASONS)[number]
  readonly message: string
}

/** The most instruments one call may name. */
export const SUBSCRIBE_MAX_INSTRUMENTS = 4_500

const token = Type.Integer({ minimum: 1, maximum: 0xffff_ffff, description: 'Number on the wire.' })
const tradingsymbol = Type.String({ minLength: 1, maxLength: 64, description: 'Exchange name.' })
const exchange = Type.String({
  minLength: 1,
  maxLength: 12,
  description: 'NSE, BSE, NFO, BFO, MCX; needed only where the tradingsymbol is ambiguous.',
})
const anyCaseMode = Type.String({
  pattern: '^(?:[Ll][Tt][Pp]|[Qq][Uu][Oo][Tt][Ee]|[Ff][Uu][Ll][Ll])$',
  description: 'full (default), quote or ltp, in any case.',
})
const options = {
  mode: Type.Optional(anyCaseMode),
  requested_mode: Type.Optional(anyCaseMode),
  priority: Type.Optional(choice(['high', 'normal'], 'high goes on the wire first.')),
}

export const InstrumentByToken = Type.Object({ instrument_token: token, ...options }, strict)
export const InstrumentByName = Type.Object(
  { tradingsymbol, exchange: Type.Optional(exchange), ...options },
  strict,
)
/** One instrument; its own mode and priority win over those of the body. */
export const InstrumentRequest = Type.Union([InstrumentByToken, InstrumentByName])
export type InstrumentRequest = Static<typeof InstrumentRequest>

export const SubscribeMany = Type.Object(
  {
    instruments: Type.Array(InstrumentRequest, {
      minItems: 1,
      maxItems: SUBSCRIBE_MAX_INSTRUMENTS,
    }),
    ...options,
  },
  strict,
)
export const SubscribeRequest = Type.Union([InstrumentByToken, InstrumentByName, SubscribeMany])
export type SubscribeRequest = Static<typeof SubscribeRequest>

export const SubscribeQuery = Type.Object(
  {
    wait: Type.Optional(choice(['first_tick'], 'Answer when every instrument has ticked.')),
    timeout_ms: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 60_000, description: 'The longest wait, milliseconds.' }),
    ),
    dry_run: Type.Optional(Type.Boolean({ description: 'Answer the plan and change nothing.' })),
  },
  strict,
)
export type SubscribeQuery = Static<typeof SubscribeQuery>

/**
 * The mode asked for, in the wire's spelling: `mode` before `requested_mode` before `full`;
 * undefined where it is none (which the schema has refused already).
 */
export function requestedMode(request: {
  readonly mode?: string
  readonly requested_mode?: string
}): TickMode | undefined {
  const asked = (request.mode ?? request.requested_mode ?? 'full').toLowerCase()
  return TICK_MODES.find((mode) => mode === asked)
}

export const Subscription = Type.Object({
  instrument_token: integer('Number on the wire.'),
  tradingsymbol: text('Exchange name.'),
  exchange: text('NSE, BSE, NFO, BFO, MCX.'),
  segment: text('INDICES, NFO-OPT, NFO-FUT, …'),
  symbol: text('Canonical underlying.'),
  expiry: maybeIstDate('Expiry; null where there is none.'),
  strike: maybeNumber('Strike, ₹; null where there is none.'),
  option_type: maybeChoice(OPTION_TYPES, 'null where it is no option.'),
  mode: choice(TICK_MODES, 'What each packet carries.'),
  status: choice(
    SUBSCRIPTION_STATUSES,
    'active = the subscribe message was written to an open socket; it stays so over a reconnect.',
  ),
  account: maybeText('Broker account that carries it.'),
  connection: maybeInteger('Socket of that account.'),
  requested_by: Type.Array(Type.String(), { description: 'Who holds it: api, auto, view, …' }),
  requested_at: istTime('First request.'),
  activated_at: maybeIstTime('First written to a socket.'),
  first_tick_at: maybeIstTime('First tick.'),
  last_tick_at: maybeIstTime('Newest tick.'),
  no_tick_reason: maybeChoice(
    NO_TICK_REASONS,
    'The likely reason why it has not ticked, or does not any more; null while it ticks.',
  ),
  no_tick_message: maybeText('The same as one sentence for people.'),
})
export type Subscription = Static<typeof Subscription>

export const SubscriptionError = Type.Object({
  instrument: Type.Unsafe<string | number>({
    type: ['string', 'integer'],
    description: 'The token or tradingsymbol as it was asked for.',
  }),
  code: ErrorDetail.properties.code,
  message: text('One sentence for people.'),
  no_tick_reason: Type.Optional(
    choice(NO_TICK_REASONS, 'Where a first tick was waited for in vain: the likely reason.'),
  ),
})
export type SubscriptionError = Static<typeof SubscriptionError>

/** 201 when anything was created, 200 when all existed, 4xx with an error body when nothing could be done. */
export const SubscribeAnswer = Type.Object({
  subscriptions: Type.Array(Subscription),
  errors: Type.Array(SubscriptionError),
})
export type SubscribeAnswer = Static<typeof SubscribeAnswer>

/** One instrument's error is the answer itself; of many the first one speaks and all are listed. */
export function nothingSubscribed(errors: readonly SubscriptionError[]): ErrorDetail {
  const [first] = errors
  if (first === undefined) {
    return { code: 'bad_request', message: 'The request names no instrument.', details: null }
  }
  const message =
    errors.length === 1 ? first.message : `Nothing could be subscribed: ${first.message}`
  return { code: first.code, message, details: { instrument: first.instrument, errors } }
}

/** The answer of `?dry_run=true`. */
export const SubscribePlan = Type.Object({
  dry_run: Type.Literal(true),
  plan: Type.Array(
    Type.Object({
      account: text('Broker account.'),
      connection: integer('Socket of that account.'),
      instruments_now: integer('Instruments on it now.'),
      instruments_after: integer('Instruments on it afterwards.'),
      added: Type.Array(text('Tradingsymbol.')),
      ticker: Type.Optional(
        text('URL of its ticker; said by the backend where there are several.'),
      ),
    }),
  ),
  existing: integer('Instruments asked for that are subscribed already.'),
  errors: Type.Array(SubscriptionError),
})
export type SubscribePlan = Static<typeof SubscribePlan>

export const SubscriptionsQuery = Type.Object(
  {
    status: Type.Optional(choice(SUBSCRIPTION_STATUSES, 'Only these.')),
    symbol: Type.Optional(
      Type.String({ minLength: 1, maxLength: 40, description: 'Only this underlying; any alias.' }),
    ),
    expiry: Type.Optional(
      Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}$', description: 'Only this expiry.' }),
    ),
    account: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: 'Only this account.' }),
    ),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 100_000, description: 'Without it every row.' }),
    ),
    offset: Type.Optional(Type.Integer({ minimum: 0, description: 'Rows to leave out.' })),
  },
  strict,
)
export type SubscriptionsQuery = Static<typeof SubscriptionsQuery>

/** A bare array; `X-Total-Count` says how many match. */
export const Subscriptions = Type.Array(Subscription)
export type Subscriptions = Static<typeof Subscriptions>

export const UnsubscribeQuery = Type.Object(
  {
    instrument_token: Type.Optional(
      Type.String({
        pattern: '^\\d{1,10}(?:,\\d{1,10})*$',
        maxLength: 60_000,
        description: 'Tokens, comma-separated; left out where the token is in the path.',
      }),
    ),
    force: Type.Optional(
      Type.Boolean({ description: "End it whoever else holds it, not only the caller's hold." }),
    ),
  },
  strict,
)
export type UnsubscribeQuery = Static<typeof UnsubscribeQuery>

export const UnsubscribeAnswer = Type.Object({
  removed: Type.Array(integer('Token that is no longer streamed.')),
  kept: Type.Array(
    Type.Object({
      instrument_token: integer('Token that others still hold.'),
      held_by: Type.Array(Type.String()),
    }),
  ),
})
export type UnsubscribeAnswer = Static<typeof UnsubscribeAnswer>

/** Names the requester who holds a subscription; `api` where it is not sent. */
export const requestedByHeader = 'x-requested-by'

/** Who holds what the platform streams by itself. */
export const AUTO_HOLDER = 'auto'

/** Who holds what a page looks at. */
export const VIEW_HOLDER = 'view'

/** Beside all other headers. */
export const HolderHeaders = Type.Object({
  [requestedByHeader]: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9_.:@-]{1,64}$',
      description:
        'Who holds the subscription: a name of up to 64 letters, digits or . : @ - _; api where it is not sent.',
    }),
  ),
})
