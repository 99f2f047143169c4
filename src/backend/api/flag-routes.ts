/** `GET /flags`, `PUT /flags`: what may be switched while the program runs. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { FLAG_NAMES, type FlagName, FlagsAnswer, FlagsChange } from '../../contract/api/flags.ts'
import { strict } from '../../contract/api/schema-parts.ts'
import { unavailable } from './api-error.ts'

/** What the routes need of the flags. */
export interface ChangeableFlags {
  answer(): FlagsAnswer
  /** They hold when it resolves; rejects where the store does not take them. */
  change(values: ReadonlyMap<FlagName, boolean | null>): Promise<void>
}

const NoQuery = Type.Object({}, strict)
const tags = ['flags']

export function flagRoutes(flags: ChangeableFlags): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/flags',
      {
        schema: {
          tags,
          summary: 'What is switched on, and where each value comes from',
          querystring: NoQuery,
          response: { 200: FlagsAnswer },
        },
      },
      async () => flags.answer(),
    )
    app.put(
      '/flags',
      {
        schema: {
          tags,
          summary: 'Switch flags; what is not named stays, null follows the environment again',
          querystring: NoQuery,
          body: FlagsChange,
          response: { 200: FlagsAnswer },
        },
      },
      async ({ body }) => {
        const named = FLAG_NAMES.flatMap((name) => {
          const value = body[name]
          return value === undefined ? [] : [[name, value] as const]
        })
        await changed(flags, new Map(named))
        return flags.answer()
      },
    )
  }
}

async function changed(
  flags: ChangeableFlags,
  values: ReadonlyMap<FlagName, boolean | null>,
): Promise<void> {
  try {
    await flags.change(values)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw unavailable(`The flags cannot be changed while the store does not answer: ${why}.`)
  }
}
