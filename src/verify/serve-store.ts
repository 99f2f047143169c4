/**
 * The store's answers over HTTP, for a verification that runs beside the program that has the store:
 * small reads, one after another, so that commits go on between them.
 */
import type { FastifyInstance } from 'fastify'
import { errorBody } from '../contract/api/error.ts'
import { VerifyPath, VerifyQuery } from '../contract/api/verify.ts'
import { DAY_MS } from '../market/ist.ts'
import type { AskStore, StoreQuestion } from './ports.ts'

/** Adds `GET /verify/{what}` to a server. */
export function verifyRoutes(ask: AskStore): (app: FastifyInstance) => void {
  return (app) => {
    app.get<{ Params: VerifyPath; Querystring: VerifyQuery }>(
      '/verify/:what',
      {
        schema: {
          tags: ['status'],
          summary: 'What `fostream verify` compares with the journal, and at which position',
          params: VerifyPath,
          querystring: VerifyQuery,
        },
      },
      async ({ params, query }, reply) => {
        const question = questionOf(params.what, query.from, query.to)
        if (typeof question === 'string') {
          return reply.code(400).send(errorBody('bad_request', question))
        }
        return reply
          .type('application/json')
          .serializer(String)
          .send(await ask(question))
      },
    )
  }
}

/** Asks the program at `url` what `verifyRoutes` answers there. Rejects where it does not. */
export function askOverHttp(
  url: string,
  headers: Readonly<Record<string, string>>,
  timeoutMs: number,
): AskStore {
  return async (question) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const answer = await fetch(new URL(pathOf(question), url), { headers, signal })
    if (answer.ok) return answer.text()
    throw new Error(`${url}/${pathOf(question)} is answered with status ${answer.status}`)
  }
}

function pathOf(question: StoreQuestion): string {
  if (question.ask === 'positions' || question.ask === 'dates') return `verify/${question.ask}`
  const { fromMs, toMs } = question.span
  return `verify/${question.ask}?from=${fromMs}&to=${toMs}`
}

function questionOf(what: string, fromMs = 0, toMs = 0): StoreQuestion | string {
  if (what === 'positions' || what === 'dates') return { ask: what }
  if (toMs <= fromMs || toMs - fromMs > DAY_MS) return '"to" must be within a day after "from".'
  const span = { fromMs, toMs }
  if (what === 'state' || what === 'rows') return { ask: what, span }
  return `There is no answer "${what}".`
}
