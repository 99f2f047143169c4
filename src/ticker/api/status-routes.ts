/** `/status`, `/health`, `/ready` and `/metrics`. */
import { Type } from 'typebox'
import { ErrorBody } from '../../contract/api/error.ts'
import { Health } from '../../contract/api/health.ts'
import { strict } from '../../contract/api/schema-parts.ts'
import { TickerStatus } from '../../contract/api/ticker-status.ts'
import type { Metrics } from '../../kit/metrics.ts'
import type { Server } from './server.ts'

export interface StatusSource {
  status(): TickerStatus
  /** What works and what does not. */
  health(): Health
  /** Whether requests can be served: instruments are loaded, subscriptions taken up. */
  readiness(): Health
}

const NoQuery = Type.Object({}, strict)
const errors = { '4xx': ErrorBody, '5xx': ErrorBody }

export function statusRoutes(app: Server, source: StatusSource, metrics: Metrics): void {
  const tags = ['state']

  app.route({
    method: 'GET',
    url: '/status',
    schema: {
      tags,
      summary: 'Accounts, sockets, journal, open gaps.',
      querystring: NoQuery,
      response: { 200: TickerStatus, ...errors },
    },
    handler: async () => source.status(),
  })

  for (const url of ['/health', '/ready'] as const) {
    app.route({
      method: 'GET',
      url,
      schema: {
        tags,
        summary: url === '/health' ? 'What works and what does not.' : 'Whether it can be asked.',
        querystring: NoQuery,
        response: { 200: Health, 503: Health, '4xx': ErrorBody },
      },
      handler: async (_request, reply) => {
        const health = url === '/health' ? source.health() : source.readiness()
        return reply.code(health.status === 'unavailable' ? 503 : 200).send(health)
      },
    })
  }

  app.route({
    method: 'GET',
    url: '/metrics',
    schema: {
      tags,
      summary: 'Figures for Prometheus.',
      querystring: NoQuery,
      response: {
        200: { content: { 'text/plain': { schema: Type.String() } } },
        ...errors,
      },
    },
    handler: async (_request, reply) => {
      void reply.type(metrics.contentType)
      return metrics.text()
    },
  })
}
