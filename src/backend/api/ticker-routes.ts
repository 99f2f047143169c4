/**
 * What the backend passes on to the ticker unchanged: subscriptions, the instrument search, accounts.
 * The schemas here describe; the ticker decides.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import {
  SubscribeAnswer,
  SubscribeQuery,
  SubscribeRequest,
  Subscriptions,
  SubscriptionsQuery,
  UnsubscribeAnswer,
  UnsubscribeQuery,
} from '../../contract/api/subscriptions.ts'
import { API_PASSED_ON_MAX_BYTES } from '../../limits.ts'
import type { TickerAccess } from '../tickers/call-ticker.ts'
import { unavailable } from './api-error.ts'
import { passOn } from './pass-on.ts'

const tags = ['ticker']

export function tickerRoutes(app: FastifyInstance, ticker: TickerAccess | undefined): void {
  const handler = async (request: FastifyRequest, reply: FastifyReply) => {
    if (ticker === undefined) throw unavailable('No ticker is configured; set TICKER_SERVICE_URL.')
    const answer = await passOn(ticker, {
      method: request.method,
      pathAndQuery: request.url,
      headers: request.headers,
      body: request.body === undefined ? undefined : JSON.stringify(request.body),
      waitMs: waitOf(request.query),
    })
    return reply.code(answer.status).headers(answer.headers).send(answer.body)
  }
  const route = (method: 'GET' | 'POST' | 'DELETE', url: string, schema: FastifySchema) =>
    app.route({
      method,
      url,
      schema: { tags, ...schema },
      bodyLimit: API_PASSED_ON_MAX_BYTES,
      exposeHeadRoute: false,
      validatorCompiler: () => () => true,
      handler,
    })
  route('GET', '/subscriptions', {
    summary: 'What is streamed',
    querystring: SubscriptionsQuery,
    response: { 200: Subscriptions },
  })
  route('POST', '/subscriptions', {
    summary: 'Stream instruments',
    querystring: SubscribeQuery,
    body: SubscribeRequest,
    response: { 200: SubscribeAnswer, 201: SubscribeAnswer },
  })
  route('DELETE', '/subscriptions', {
    summary: 'Take the own hold of subscriptions back',
    querystring: UnsubscribeQuery,
    response: { 200: UnsubscribeAnswer },
  })
  route('GET', '/subscriptions/:token', { summary: 'One subscription' })
  route('DELETE', '/subscriptions/:token', {
    summary: 'Take the own hold of one subscription back',
    querystring: UnsubscribeQuery,
    response: { 200: UnsubscribeAnswer },
  })
  route('GET', '/instruments', { summary: 'Search the instrument master' })
  route('GET', '/accounts', { summary: 'Broker accounts of the ticker' })
}

/** How long the caller wants the ticker to wait for a first tick. */
function waitOf(query: unknown): number {
  const asked: unknown =
    typeof query === 'object' && query !== null ? Reflect.get(query, 'timeout_ms') : undefined
  const ms = Number(asked ?? 0)
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, LONGEST_WAIT_MS) : 0
}

const LONGEST_WAIT_MS = 60_000
