/** `GET /health` and `/ready` of every role: 200 when `ok` or `degraded`, 503 when `unavailable`. */
import { type Static, Type } from 'typebox'
import { choice, maybeText, text } from './schema-parts.ts'

export const HEALTH_LEVELS = ['ok', 'degraded', 'unavailable'] as const
export const healthLevel = choice(
  HEALTH_LEVELS,
  'degraded = it works, but something named in the checks does not.',
)

export const Health = Type.Object({
  status: healthLevel,
  checks: Type.Array(
    Type.Object({
      name: text('What was looked at: store, ticker, redis, journal, …'),
      status: healthLevel,
      message: maybeText('What is wrong; null where nothing is.'),
    }),
  ),
})
export type Health = Static<typeof Health>
