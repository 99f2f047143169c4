/** `GET /gaps`: the ledger of what the feed is known to have missed. */
import { type Static, Type } from 'typebox'
import {
  choice,
  integer,
  istTime,
  maybeInteger,
  maybeIstTime,
  maybeText,
  queryTime,
  strict,
  text,
} from './schema-parts.ts'

export const GAP_STATUSES = ['open', 'closed', 'repaired', 'unrepairable'] as const

/** The most that one answer holds, and what it holds where nothing is asked. */
export const GAPS_MAX = 1_000
export const GAPS_DEFAULT = 200

export const GapsQuery = Type.Object(
  {
    status: Type.Optional(choice(GAP_STATUSES, 'Only these.')),
    tradingsymbol: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: 'Only gaps of this instrument.' }),
    ),
    from: Type.Optional(
      queryTime('Only gaps that reach beyond this instant; without it ten days back.'),
    ),
    to: Type.Optional(queryTime('Only gaps that began before this instant; without it now.')),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: GAPS_MAX,
        description: `Newest gaps; ${GAPS_DEFAULT} where it is left out.`,
      }),
    ),
  },
  strict,
)
export type GapsQuery = Static<typeof GapsQuery>

export const Gap = Type.Object({
  id: text('One gap; also where it touches several partitions of the log.'),
  ticker: text('The ticker that told it.'),
  account: maybeText('Broker account; null where the gap is of no account.'),
  connection: maybeInteger('Socket of that account.'),
  reason: text('Why: mute, disconnect, overflow, log_lost, …'),
  status: choice(
    GAP_STATUSES,
    'open = it lasts; closed = over and not repaired yet; unrepairable = the broker has no history of it any more.',
  ),
  from: istTime('First instant that is missing.'),
  to: maybeIstTime('When the last instrument was back; null while it is open.'),
  instruments: integer('How many instruments it touches.'),
  tradingsymbols: Type.Array(Type.String(), {
    description: 'The first of them by name, up to 40.',
  }),
  rows: maybeInteger(
    'Minutes of its instruments that are known again, whoever filled them; of one that is unrepairable those that its repair wrote.',
  ),
  error: maybeText('Why it could not be repaired.'),
  opened_at: istTime('When it was noticed.'),
  closed_at: maybeIstTime('When it was known to be over.'),
  repaired_at: maybeIstTime('When history had filled it.'),
})
export type Gap = Static<typeof Gap>

export const Gaps = Type.Object({ gaps: Type.Array(Gap, { description: 'Newest first.' }) })
export type Gaps = Static<typeof Gaps>
