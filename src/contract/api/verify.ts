/** `GET /verify/{what}` of the backend: the store's side of a verification, asked piece by piece. */
import { type Static, Type } from 'typebox'
import { strict } from './schema-parts.ts'

export const VerifyPath = Type.Object(
  {
    what: Type.String({
      pattern: '^[a-z0-9_]{1,40}$',
      description: 'positions, dates, state, or rows (of all tables of minutes).',
    }),
  },
  strict,
)
export type VerifyPath = Static<typeof VerifyPath>

const instant = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: 8_640_000_000_000_000, description }))

export const VerifyQuery = Type.Object(
  {
    from: instant('Epoch ms, inclusive.'),
    to: instant('Epoch ms, exclusive; at most a day later.'),
  },
  strict,
)
export type VerifyQuery = Static<typeof VerifyQuery>
