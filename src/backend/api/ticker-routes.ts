/**
 * What the backend passes on to the tickers: subscriptions, the instrument search, accounts. To one
 * ticker unchanged: the schemas here describe, the ticker decides. Of several each answers a part.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import { Accounts } from '../../contract/api/accounts.ts'
import { ErrorBody } from '../../contract/api/error.ts'
import {
  HolderHeaders,
  SubscribeAnswer,
  SubscribePlan,
  SubscribeQuery,
  SubscribeRequest,
  Subscription,
  Subscriptions,
  SubscriptionsQuery,
  UnsubscribeAnswer,
  UnsubscribeQuery,
} from '../../contract/api/subscriptions.ts'
import type { Clock } from '../../kit/clock.ts'
import { API_PASSED_ON_MAX_BYTES } from '../../limits.ts'
import type { TickerAccess } from '../tickers/call-ticker.ts'
import { unavailable } from './api-error.ts'
import { type PassedOn, passOn, type TickerAnswer } from './pass-on.ts'
import {
  accountsOfSeveral,
  firstOfSeveral,
  listAtSeveral,
  oneOfSeveral,
  removeAtSeveral,
} from './pass-on-to-several.ts'
import { subscribeAtSeveral } from './subscribe-at-several.ts'

/** How the answer comes about where there are several tickers; the request fits its schema. */
type AskSeveral = (
  tickers: readonly TickerAccess[],
  call: PassedOn,
  request: FastifyRequest,
) => Promise<TickerAnswer>

const tags = ['ticker']
const errors = { '4xx': ErrorBody, '5xx': ErrorBody }
const ofAll = 'Of all tickers; an error that names the ticker where one does not answer.'
const removal = {
  description: `${ofAll} Its details say what the others have done.`,
  headers: HolderHeaders,
  querystring: UnsubscribeQuery,
  response: { 200: UnsubscribeAnswer, ...errors },
}

export function tickerRoutes(
  app: FastifyInstance,
  tickers: readonly TickerAccess[],
  clock: Clock,
): void {
  const isSeveral = tickers.length > 1
  const route = (
    method: 'GET' | 'POST' | 'DELETE',
    url: string,
    schema: FastifySchema,
    askSeveral: AskSeveral,
  ) =>
    app.route({
      method,
      url,
      schema: { tags, ...schema },
      bodyLimit: API_PASSED_ON_MAX_BYTES,
      exposeHeadRoute: false,
      // What is taken apart here must be what it should be.
      ...(isSeveral ? {} : { validatorCompiler: () => () => true }),
      handler: async (request: FastifyRequest, reply: FastifyReply) => {
        const [ticker] = tickers
        if (ticker === undefined) {
          throw unavailable('No ticker is configured; set TICKER_SERVICE_URL.')
        }
        const call = callOf(request)
        const answer = await (isSeveral ? askSeveral(tickers, call, request) : passOn(ticker, call))
        return reply.code(answer.status).headers(answer.headers).send(answer.body)
      },
    })
  route(
    'GET',
    '/subscriptions',
    {
      summary: 'What is streamed',
      description: `${ofAll} X-Total-Count says how many rows match, with and without a limit.`,
      querystring: SubscriptionsQuery,
      response: { 200: Subscriptions, ...errors },
    },
    (all, call, { query }) => listAtSeveral(all, call, query as SubscriptionsQuery),
  )
  route(
    'POST',
    '/subscriptions',
    {
      summary: 'Stream instruments',
      description:
        'Of several tickers the one that streams an instrument already is asked, else the first with room. Refused where one of them does not say what it streams: it may be streamed there.',
      headers: HolderHeaders,
      querystring: SubscribeQuery,
      body: SubscribeRequest,
      response: {
        200: { anyOf: [SubscribeAnswer, SubscribePlan] },
        201: SubscribeAnswer,
        ...errors,
      },
    },
    (all, call, { body, query }) =>
      subscribeAtSeveral(
        { tickers: all, clock },
        call,
        body as SubscribeRequest,
        query as SubscribeQuery,
      ),
  )
  route(
    'DELETE',
    '/subscriptions',
    {
      summary: 'Take the own hold of subscriptions back',
      ...removal,
    },
    removeAtSeveral,
  )
  route(
    'GET',
    '/subscriptions/:token',
    {
      summary: 'One subscription',
      description: 'Of the ticker that streams it, or once did.',
      response: { 200: Subscription, ...errors },
    },
    oneOfSeveral,
  )
  route(
    'DELETE',
    '/subscriptions/:token',
    {
      summary: 'Take the own hold of one subscription back',
      ...removal,
    },
    removeAtSeveral,
  )
  route(
    'GET',
    '/instruments',
    {
      summary: 'Search the instrument master',
      description: 'Of the first ticker that answers: all know the same instruments.',
    },
    firstOfSeveral,
  )
  route(
    'GET',
    '/accounts',
    {
      summary: 'Broker accounts of the tickers',
      description: `${ofAll} Each account says whose it is where there are several.`,
      response: { 200: Accounts, ...errors },
    },
    accountsOfSeveral,
  )
}

function callOf({ method, url, headers, body, query }: FastifyRequest): PassedOn {
  return {
    method,
    pathAndQuery: url,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    waitMs: waitOf(query),
  }
}

/** How long the caller wants the ticker to wait for a first tick. */
function waitOf(query: unknown): number {
  const asked: unknown =
    typeof query === 'object' && query !== null ? Reflect.get(query, 'timeout_ms') : undefined
  const ms = Number(asked ?? 0)
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, LONGEST_WAIT_MS) : 0
}

const LONGEST_WAIT_MS = 60_000
