/** Status, health, readiness and metrics of the backend. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { BackendStatus } from '../../contract/api/backend-status.ts'
import { Health } from '../../contract/api/health.ts'
import { strict } from '../../contract/api/schema-parts.ts'
import type { Scrape } from './prometheus.ts'
import type { Status } from './status.ts'

const NoQuery = Type.Object({}, strict)
const tags = ['status']
const health = { querystring: NoQuery, response: { 200: Health, 503: Health } }

export function statusRoutes(
  status: Status,
  scrape: { readonly page: Scrape; readonly contentType: string },
): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/status',
      {
        schema: {
          tags,
          summary: 'What is read, how far, how fresh, how fast, and whether the books balance',
          querystring: NoQuery,
          response: { 200: BackendStatus },
        },
      },
      async () => status.status(),
    )
    app.get(
      '/health',
      { schema: { tags, summary: 'Whether it works, and what does not', ...health } },
      async (_request, reply) => {
        const found = await status.health()
        return reply.code(found.status === 'unavailable' ? 503 : 200).send(found)
      },
    )
    app.get(
      '/ready',
      { schema: { tags, summary: 'Whether it can answer requests', ...health } },
      async (_request, reply) => {
        const found = await status.ready()
        return reply.code(found.status === 'unavailable' ? 503 : 200).send(found)
      },
    )
    app.get(
      '/metrics',
      { schema: { tags, summary: 'Prometheus', querystring: NoQuery } },
      async (_request, reply) => reply.type(scrape.contentType).send(await scrape.page()),
    )
  }
}
