/** `GET /history/{token}` of the ticker: the broker's candles, within the shared request budget. */
import { type Static, Type } from 'typebox'
import {
  HISTORY_AHEAD_MAX_MS,
  HISTORY_PARTS_MAX,
  HISTORY_SETTLE_MS,
  REQUEST_TIMEOUT_DEFAULT_MS,
  REQUEST_TIMEOUT_MAX_MS,
} from '../../limits.ts'
import { choice, istTime, maybeIstTime, queryTime, strict } from './schema-parts.ts'

export const CANDLE_INTERVALS = [
  'minute',
  '3minute',
  '5minute',
  '10minute',
  '15minute',
  '30minute',
  '60minute',
  'day',
] as const

/** Who goes first at the broker; strictly, a class waits while one before it has work. */
export const REQUEST_PRIORITIES = ['new_subscription', 'gap', 'routine', 'on_demand'] as const
export type RequestPriority = (typeof REQUEST_PRIORITIES)[number]

/** What every request that waits for its turn at the broker may say. */
export const waitingParts = {
  priority: Type.Optional(
    choice(REQUEST_PRIORITIES, 'Class in the queue, the most urgent first; on_demand if left out.'),
  ),
  order: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      description: 'Place within the class, the smallest first, such as the distance from ATM; 0.',
    }),
  ),
  timeout_ms: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: REQUEST_TIMEOUT_MAX_MS,
      description: `How long to wait, ms; ${REQUEST_TIMEOUT_DEFAULT_MS} if left out. Where the turn cannot come by then, 429 at once, with Retry-After.`,
    }),
  ),
}

export const HistoryParams = Type.Object(
  {
    token: Type.Integer({
      minimum: 1,
      maximum: 0xffff_ffff,
      description: 'instrument_token; one that is not listed is asked of the broker all the same.',
    }),
  },
  strict,
)

export const HistoryQuery = Type.Object(
  {
    from: queryTime('Candles that open at this instant or later.'),
    to: queryTime(
      `Candles that open at this instant or earlier; at most ${HISTORY_AHEAD_MAX_MS / 3_600_000} hours ahead of market time.`,
    ),
    interval: Type.Optional(choice(CANDLE_INTERVALS, 'Length of a candle; minute if left out.')),
    oi: Type.Optional(choice(['0', '1'], '0 leaves open interest out of the candles; 1.')),
    continuous: Type.Optional(
      choice(['0', '1'], '1 joins the days of expired futures; only with interval=day.'),
    ),
    ...waitingParts,
  },
  {
    ...strict,
    description: `A span that needs more than ${HISTORY_PARTS_MAX} requests to the broker is refused.`,
  },
)
export type HistoryQuery = Static<typeof HistoryQuery>

/** `[opening instant, open, high, low, close, volume, open interest]` */
const Candle = Type.Unsafe<
  | [string, number, number, number, number, number]
  | [string, number, number, number, number, number, number | null]
>({
  type: 'array',
  minItems: 6,
  maxItems: 7,
  description:
    '[opening instant (ISO 8601, +05:30), open, high, low, close, ₹, volume in units, open interest in units or null]; without the last where oi=0.',
})

export const History = Type.Object({
  instrument_token: Type.Integer({ description: 'As asked.' }),
  interval: choice(CANDLE_INTERVALS, 'As asked.'),
  candles: Type.Array(Candle, {
    description: 'Oldest first, each instant once; never the running candle.',
  }),
  final_until: istTime(
    `Candles that end by then are final and given; later ones are left out, since the broker corrects a minute for ${HISTORY_SETTLE_MS / 1_000} s after its end.`,
  ),
})
export type History = Static<typeof History>
export type CandleRow = History['candles'][number]

/** Requests of one kind that wait for the broker. */
export const RequestQueueStatus = Type.Object({
  queued: Type.Object(
    {
      new_subscription: Type.Integer(),
      gap: Type.Integer(),
      routine: Type.Integer(),
      on_demand: Type.Integer(),
    },
    { description: 'Requests that wait, by class.' },
  ),
  running: Type.Integer({ description: 'Requests that the broker has not answered yet.' }),
  eta_ms: Type.Unsafe<number | null>({
    type: ['number', 'null'],
    description:
      'Milliseconds until the last of them leaves; 0 where none waits, null where no account may ask.',
  }),
  last_answer_at: maybeIstTime('The last answer of the broker.'),
})
export type RequestQueueStatus = Static<typeof RequestQueueStatus>
