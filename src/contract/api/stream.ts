/**
 * The WebSocket protocol of `GET /stream`: JSON text messages, one object each.
 *
 *   client                                server
 *   subscribe {id, channel, …}      →     snapshot {id, stream_epoch, sequence: 1, chain}
 *                                   ←     delta    {id, sequence: 2, header?, strikes?, removed?} …
 *   resnapshot {id}                 →     snapshot {id, …, sequence: n + 1}
 *   unsubscribe {id}                →     (nothing more for this id)
 *
 * `sequence` rises by one per message of a subscription, snapshots included. A client that sees a
 * jump throws its chain away and asks for a resnapshot. Deltas are conflated per client: a delta
 * holds what changed since that client's previous message. A client that does not read is sent
 * `dropped` with the reason, and the socket closes.
 *
 * On `health` the first answer comes at once, then on each change and at least every
 * `STREAM_HEALTH_PERIOD_MS`, so silence means a dead connection. `backfill` goes the same way, at most
 * once a second.
 */
import { type Static, Type } from 'typebox'
import { Backfill, BackfillQueue } from './backfills.ts'
import { CalendarStatus } from './calendar.ts'
import { ErrorDetail } from './error.ts'
import { healthLevel } from './health.ts'
import {
  choice,
  feed,
  integer,
  istTime,
  maybeIstTime,
  maybeNumber,
  maybeText,
  number,
  querySymbol,
  strict,
  text,
} from './schema-parts.ts'
import {
  StreamChain,
  StreamChainHeader,
  StreamLeg,
  StreamStrike,
  strikesEachSide,
} from './strike-distribution.ts'

export const STREAM_CHANNELS = ['chain', 'health', 'backfill'] as const

const id = Type.String({
  minLength: 1,
  maxLength: 64,
  description:
    "The client's own name for the subscription, on every message of it; without it the channel's name. Subscribing again under a name replaces the subscription.",
})

export const SubscribeChain = Type.Object(
  {
    op: Type.Literal('subscribe'),
    id: Type.Optional(id),
    channel: Type.Literal('chain'),
    symbol: querySymbol,
    expiry: Type.Optional(
      Type.String({
        pattern: '^\\d{4}-\\d{2}-\\d{2}$',
        description:
          'Without it the nearest expiry, which rolls: a snapshot of the next one follows.',
      }),
    ),
    strikes: Type.Optional(strikesEachSide),
  },
  strict,
)
export type SubscribeChain = Static<typeof SubscribeChain>

export const SubscribeHealth = Type.Object(
  { op: Type.Literal('subscribe'), id: Type.Optional(id), channel: Type.Literal('health') },
  strict,
)
export type SubscribeHealth = Static<typeof SubscribeHealth>

export const SubscribeBackfill = Type.Object(
  { op: Type.Literal('subscribe'), id: Type.Optional(id), channel: Type.Literal('backfill') },
  strict,
)
export type SubscribeBackfill = Static<typeof SubscribeBackfill>

export const Unsubscribe = Type.Object({ op: Type.Literal('unsubscribe'), id }, strict)
export type Unsubscribe = Static<typeof Unsubscribe>

export const Resnapshot = Type.Object({ op: Type.Literal('resnapshot'), id }, strict)
export type Resnapshot = Static<typeof Resnapshot>

export const ClientMessage = Type.Union([
  SubscribeChain,
  SubscribeHealth,
  SubscribeBackfill,
  Unsubscribe,
  Resnapshot,
])
export type ClientMessage = Static<typeof ClientMessage>

const sequence = integer(
  'Rises by one per message of this subscription; a snapshot may start anywhere.',
)
const subscriptionId = text('Name of the subscription.')
const ageMs = maybeNumber(
  "Milliseconds from the chain's as_of to this message, by the server's clock.",
)

export const ChainSnapshot = Type.Object({
  op: Type.Literal('snapshot'),
  id: subscriptionId,
  channel: Type.Literal('chain'),
  stream_epoch: text('New at every start of the server; a sequence has a meaning within it only.'),
  sequence,
  age_ms: ageMs,
  chain: StreamChain,
})
export type ChainSnapshot = Static<typeof ChainSnapshot>

/** A leg's changed fields; the whole leg where there was none before. */
export const LegDelta = Type.Partial(StreamLeg)
export type LegDelta = Static<typeof LegDelta>

/** A strike's changes; for a strike that the client does not have, all of it. */
export const StrikeDelta = Type.Object({
  strike: StreamStrike.properties.strike,
  moneyness: Type.Optional(StreamStrike.properties.moneyness),
  call: Type.Optional(Type.Union([LegDelta, Type.Null()])),
  put: Type.Optional(Type.Union([LegDelta, Type.Null()])),
})
export type StrikeDelta = Static<typeof StrikeDelta>

const chainDeltaFields = {
  header: Type.Optional(Type.Partial(StreamChainHeader)),
  strikes: Type.Optional(Type.Array(StrikeDelta, { description: 'Changed or new, ascending.' })),
  removed: Type.Optional(Type.Array(number('Strike that left the window.'))),
}

/** What makes one chain out of another; a part without changes is left out. */
export const ChainDelta = Type.Object(chainDeltaFields)
export type ChainDelta = Static<typeof ChainDelta>

export const ChainDeltaMessage = Type.Object({
  op: Type.Literal('delta'),
  id: subscriptionId,
  channel: Type.Literal('chain'),
  sequence,
  age_ms: ageMs,
  ...chainDeltaFields,
})
export type ChainDeltaMessage = Static<typeof ChainDeltaMessage>

export const HealthMessage = Type.Object({
  op: Type.Literal('health'),
  id: subscriptionId,
  channel: Type.Literal('health'),
  stream_epoch: text('As in a snapshot.'),
  sequence,
  at: istTime("The server's clock."),
  feed,
  status: healthLevel,
  message: maybeText('What does not work, for people; null where all does.'),
  market_time: maybeIstTime('Newest market time that is committed.'),
  market_time_age_ms: maybeNumber('Milliseconds from market_time to now.'),
  calendar: CalendarStatus,
  gaps_open: integer('Gaps that still run.'),
})
export type HealthMessage = Static<typeof HealthMessage>

export const BackfillMessage = Type.Object({
  op: Type.Literal('backfill'),
  id: subscriptionId,
  channel: Type.Literal('backfill'),
  stream_epoch: text('As in a snapshot.'),
  sequence,
  queue: BackfillQueue,
  backfills: Type.Array(Backfill, {
    description: 'Jobs under way, and those that ended within the last minute; the newest first.',
  }),
})
export type BackfillMessage = Static<typeof BackfillMessage>

export const ErrorMessage = Type.Object({
  op: Type.Literal('error'),
  id: maybeText('The subscription it concerns; null where the message could not be attributed.'),
  error: ErrorDetail,
})
export type ErrorMessage = Static<typeof ErrorMessage>

export const DROP_REASONS = [
  'slow_client',
  'too_many_clients',
  'shutting_down',
  'unauthorized',
] as const

/** The last message before the server closes the socket. */
export const DroppedMessage = Type.Object({
  op: Type.Literal('dropped'),
  reason: choice(DROP_REASONS, 'Why; on shutting_down and slow_client a client may come back.'),
  message: text('One sentence for people.'),
})
export type DroppedMessage = Static<typeof DroppedMessage>

export const ServerMessage = Type.Union([
  ChainSnapshot,
  ChainDeltaMessage,
  HealthMessage,
  BackfillMessage,
  ErrorMessage,
  DroppedMessage,
])
export type ServerMessage = Static<typeof ServerMessage>
