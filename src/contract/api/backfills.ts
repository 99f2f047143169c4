/** `POST /backfills`: history on demand; `GET /backfills`: every job, how far it is and when it ends. */
import { type Static, Type } from 'typebox'
import { BACKFILL_DAYS_MAX, BACKFILL_JOBS_SHOWN } from '../../limits.ts'
import {
  choice,
  integer,
  istDate,
  istTime,
  maybeInteger,
  maybeIstDate,
  maybeIstTime,
  maybeNumber,
  maybeText,
  number,
  querySymbol,
  queryTime,
  strict,
  text,
} from './schema-parts.ts'

/** Why a job exists. */
export const JOB_KINDS = [
  'immediate',
  'periodic',
  'repair',
  'opening',
  'settle',
  'on_demand',
] as const
export type JobKind = (typeof JOB_KINDS)[number]

export const JOB_STATUSES = ['queued', 'running', 'done', 'failed', 'cancelled'] as const
export type JobStatus = (typeof JOB_STATUSES)[number]

export const JOB_SCOPES = ['instrument', 'series', 'instruments'] as const
export type JobScope = (typeof JOB_SCOPES)[number]

export const BackfillRequest = Type.Object(
  {
    instrument_token: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 0xffff_ffff, description: 'One instrument.' }),
    ),
    tradingsymbol: Type.Optional(
      Type.String({ minLength: 1, maxLength: 40, description: 'One instrument by its name.' }),
    ),
    exchange: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 10,
        description: 'Of the tradingsymbol, where two exchanges list it.',
      }),
    ),
    symbol: Type.Optional(querySymbol),
    expiry: Type.Optional(
      istDate('With symbol: all options of the series, with its future and the index.'),
    ),
    from: queryTime('Minutes that open at this instant or later.'),
    to: queryTime(
      `Minutes that open before this instant; at most ${BACKFILL_DAYS_MAX} days after "from".`,
    ),
  },
  {
    ...strict,
    description: 'One of instrument_token, tradingsymbol, or symbol with expiry.',
  },
)
export type BackfillRequest = Static<typeof BackfillRequest>

export const Backfill = Type.Object({
  id: text('Name of the job.'),
  kind: choice(
    JOB_KINDS,
    'Why: a new subscription, the periodic look, a gap, the corrected opening, the close, a request.',
  ),
  scope: choice(JOB_SCOPES, 'What it is about.'),
  tradingsymbol: maybeText('The instrument; null where it is about several.'),
  instrument_token: maybeInteger('Its number on the wire.'),
  symbol: maybeText('Underlying; null where it is about several.'),
  expiry: maybeIstDate('Series; null where it is about several, or none.'),
  from: istTime('Begin of the time looked at.'),
  to: istTime('End of it.'),
  status: choice(
    JOB_STATUSES,
    'Queued: waits for its turn; done: every minute that it is about and that was final when it began can be read, whoever fetched it.',
  ),
  reason: maybeText('What made it necessary, such as the gap.'),
  requested_by: maybeText('Who asked for it.'),
  instruments: integer('Instruments of the job.'),
  instruments_done: integer('Of these, those that are through.'),
  instruments_failed: integer('Of these, those that could not be had.'),
  rows: integer(
    'Minutes that it is about and that were written since it was made, by it or by another job; 0 where none was missing.',
  ),
  eta_ms: maybeNumber(
    'Milliseconds until it is through, with what is asked for again; null where that is not known or it has ended.',
  ),
  error: maybeText('Why it failed, or what it waits for.'),
  created_at: istTime('When it was made.'),
  started_at: maybeIstTime('When it began.'),
  finished_at: maybeIstTime('When it ended.'),
})
export type Backfill = Static<typeof Backfill>

export const BackfillQueue = Type.Object({
  waiting: integer('Instruments whose history waits for its turn.'),
  running: integer('Histories under way.'),
  later: integer('Instruments that are looked at again when their newest minutes are final.'),
  requests_per_second: number('How fast histories come in now.'),
  eta_ms: maybeNumber('Milliseconds until nothing waits; null where that is not known.'),
  waits_for: maybeText('What keeps all of it from going on; null where nothing does.'),
})
export type BackfillQueue = Static<typeof BackfillQueue>

export const BackfillsQuery = Type.Object(
  {
    status: Type.Optional(choice(JOB_STATUSES, 'Only jobs of that status.')),
    kind: Type.Optional(choice(JOB_KINDS, 'Only jobs of that kind.')),
    symbol: Type.Optional(querySymbol),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: BACKFILL_JOBS_SHOWN,
        description: 'The newest so many; 100 if left out.',
      }),
    ),
  },
  strict,
)
export type BackfillsQuery = Static<typeof BackfillsQuery>

export const Backfills = Type.Object({
  backfills: Type.Array(Backfill, { description: 'The newest first.' }),
  queue: BackfillQueue,
})
export type Backfills = Static<typeof Backfills>
