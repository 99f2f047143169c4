/** `/subscriptions`: what is streamed, and who holds it. */
import { Type } from 'typebox'
import { ErrorBody } from '../../contract/api/error.ts'
import { strict } from '../../contract/api/schema-parts.ts'
import {
  requestedByHeader,
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
import { TICKER_WAIT_DEFAULT_MS } from '../../limits.ts'
import { isCivilDate } from '../../market/ist.ts'
import { ApiError } from './api-error.ts'
import type { Server } from './server.ts'
import type { SubscriptionService } from './subscription-service.ts'

const TokenParams = Type.Object(
  {
    token: Type.Integer({
      minimum: 1,
      maximum: 0xffff_ffff,
      description: 'instrument_token, the number on the wire.',
    }),
  },
  strict,
)
const ForceQuery = Type.Pick(UnsubscribeQuery, ['force'], strict)
const HOLDER = /^[\w.:@-]{1,64}$/
const DEFAULT_HOLDER = 'api'

export function subscriptionRoutes(app: Server, service: SubscriptionService): void {
  const errors = { '4xx': ErrorBody, '5xx': ErrorBody }
  const tags = ['subscriptions']

  app.route({
    method: 'POST',
    url: '/subscriptions',
    schema: {
      tags,
      summary: 'Subscribes one instrument or up to 4,500; repeating it changes nothing.',
      body: SubscribeRequest,
      querystring: SubscribeQuery,
      response: {
        200: Type.Union([SubscribeAnswer, SubscribePlan]),
        201: SubscribeAnswer,
        ...errors,
      },
    },
    handler: async (request, reply) => {
      const { body, query } = request
      const holder = holderOf(request.headers)
      if (query.dry_run === true) return service.plan(body)
      const waitMs = query.wait === undefined ? undefined : waitOf(query)
      const { created, ...answer } = await service.subscribe(body, holder, waitMs)
      return reply.code(created > 0 ? 201 : 200).send(answer)
    },
  })

  app.route({
    method: 'GET',
    url: '/subscriptions',
    schema: {
      tags,
      summary: 'Every matching subscription, ended ones too; X-Total-Count says how many match.',
      querystring: SubscriptionsQuery,
      response: { 200: Subscriptions, ...errors },
    },
    handler: async ({ query }, reply) => {
      if (query.expiry !== undefined && !isCivilDate(query.expiry)) {
        throw new ApiError('bad_request', `"expiry" ${query.expiry} is no date.`, {
          field: 'expiry',
        })
      }
      const { rows, total } = service.list(query)
      return reply.header('x-total-count', total).send([...rows])
    },
  })

  app.route({
    method: 'GET',
    url: '/subscriptions/:token',
    schema: {
      tags,
      summary: 'One subscription.',
      params: TokenParams,
      response: { 200: Subscription, ...errors },
    },
    handler: async ({ params }) => service.one(params.token),
  })

  app.route({
    method: 'DELETE',
    url: '/subscriptions/:token',
    schema: {
      tags,
      summary: "Takes back the caller's hold; the subscription ends with the last one.",
      params: TokenParams,
      querystring: ForceQuery,
      response: { 200: UnsubscribeAnswer, ...errors },
    },
    handler: async ({ params, query, headers }) =>
      service.unsubscribe([params.token], holderOf(headers), query.force === true),
  })

  app.route({
    method: 'DELETE',
    url: '/subscriptions',
    schema: {
      tags,
      summary: 'The same for several tokens.',
      querystring: UnsubscribeQuery,
      response: { 200: UnsubscribeAnswer, ...errors },
    },
    handler: async ({ query, headers }) => {
      const { instrument_token: tokens, force } = query
      if (tokens === undefined) {
        const message = '"instrument_token" is missing: tokens, comma-separated.'
        throw new ApiError('bad_request', message, { field: 'instrument_token' })
      }
      return service.unsubscribe(tokens.split(',').map(Number), holderOf(headers), force === true)
    },
  })
}

function waitOf(query: SubscribeQuery): number {
  return query.timeout_ms ?? TICKER_WAIT_DEFAULT_MS
}

function holderOf(headers: Readonly<Record<string, unknown>>): string {
  const holder = headers[requestedByHeader]
  if (holder === undefined) return DEFAULT_HOLDER
  if (typeof holder === 'string' && HOLDER.test(holder)) return holder
  const message = 'X-Requested-By is a name of up to 64 letters, digits, or . : @ - _'
  throw new ApiError('bad_request', message, { field: requestedByHeader })
}
