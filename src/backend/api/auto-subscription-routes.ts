/** `/subscriptions/auto`: what is streamed by itself, what would change now, and changing it. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AutoSubscribeQuery, AutoSubscriptions } from '../../contract/api/auto-subscriptions.ts'
import type { AutoSubscriber } from '../subscriptions/auto-subscriber.ts'
import { unavailable } from './api-error.ts'
import { ofTickers } from './of-tickers.ts'

export type AutoSubscriptionSource = Pick<AutoSubscriber, 'preview' | 'apply'>

const tags = ['subscriptions']

export function autoSubscriptionRoutes(
  auto: AutoSubscriptionSource | undefined,
): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/subscriptions/auto',
      {
        schema: {
          tags,
          summary: 'What is streamed by itself around the money, and what would change now',
          response: { 200: AutoSubscriptions },
        },
      },
      () => answer(auto, (source) => source.preview()),
    )
    app.post(
      '/subscriptions/auto',
      {
        schema: {
          tags,
          summary: 'Change it now, whether it follows the market by itself or not',
          querystring: AutoSubscribeQuery,
          response: { 200: AutoSubscriptions },
        },
      },
      ({ query }) =>
        answer(auto, (source) => (query.dry_run === true ? source.preview() : source.apply())),
    )
  }
}

async function answer(
  auto: AutoSubscriptionSource | undefined,
  ask: (auto: AutoSubscriptionSource) => Promise<AutoSubscriptions>,
): Promise<AutoSubscriptions> {
  if (auto === undefined) throw unavailable('Nothing is streamed by itself here.')
  return ofTickers(() => ask(auto))
}
