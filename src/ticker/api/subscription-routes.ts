/** `/subscriptions`: what is streamed, and who holds it. */
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { ErrorBody } from '../../contract/api/error.ts'
import { strict } from '../../contract/api/schema-parts.ts'
import {
  HolderHeaders,
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
import { ApiError } from './api-error.ts'
import { checkExpiry } from './expiry-query.ts'
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
/** Headers of a page. */
const TotalCount = {
  'X-Total-Count': { type: 'integer', description: 'Rows that match, with and without a limit.' },
}
const NoQuery = Type.Object({}, strict)
const ForceQuery = Type.Pick(UnsubscribeQuery, ['force'], strict)
const DEFAULT_HOLDER = 'api'
const TOKEN_MAX = 0xffff_ffff

export function subscriptionRoutes(app: Server, service: SubscriptionService): void {
  /** Makes the text of a long answer beforehand, while ticks pass. */
  const writeInSlices = async (
    reply: Pick<FastifyReply, 'type' | 'serializer'>,
    answer: object,
  ) => {
    const text = await service.textOf(answer)
    reply.type('application/json; charset=utf-8').serializer(() => text)
  }
  const errors = { '4xx': ErrorBody, '5xx': ErrorBody }
  const tags = ['subscriptions']

  app.route({
    method: 'POST',
    url: '/subscriptions',
    schema: {
      tags,
      summary: 'Subscribes one instrument or up to 4,500; repeating it changes nothing.',
      headers: HolderHeaders,
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
      await writeInSlices(reply, answer)
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
      response: { 200: { ...Subscriptions, headers: TotalCount }, ...errors },
    },
    handler: async ({ query }, reply) => {
      if (query.expiry !== undefined) checkExpiry(query.expiry)
      const { rows, total } = await service.listInSlices(query)
      await writeInSlices(reply, rows)
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
      querystring: NoQuery,
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
      headers: HolderHeaders,
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
      headers: HolderHeaders,
      querystring: UnsubscribeQuery,
      response: { 200: UnsubscribeAnswer, ...errors },
    },
    handler: async ({ query, headers }) => {
      const { instrument_token: tokens, force } = query
      return service.unsubscribe(tokensOf(tokens), holderOf(headers), force === true)
    },
  })
}

function waitOf(query: SubscribeQuery): number {
  return query.timeout_ms ?? TICKER_WAIT_DEFAULT_MS
}

/** Its form is the schema's to check. */
function holderOf(headers: Readonly<Record<string, unknown>>): string {
  const holder = headers[requestedByHeader]
  return typeof holder === 'string' ? holder : DEFAULT_HOLDER
}

/** @throws ApiError where there is none, or one that is no token */
function tokensOf(list: string | undefined): number[] {
  const tokens = list?.split(',').map(Number) ?? []
  const wrong = tokens.find((token) => token < 1 || token > TOKEN_MAX)
  if (list !== undefined && wrong === undefined) return tokens
  const fault = wrong === undefined ? 'is missing' : `cannot be ${wrong}`
  const expected = `tokens of 1 to ${TOKEN_MAX}, comma-separated: ?instrument_token=256265,264969`
  throw new ApiError('bad_request', `"instrument_token" ${fault}. Expected: ${expected}`, {
    field: 'instrument_token',
    expected,
  })
}
