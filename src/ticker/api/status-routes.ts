/** `/status`, `/health`, `/ready` and `/metrics`. */
import { ErrorBody } from '../../contract/api/error.ts'
import { Health } from '../../contract/api/health.ts'
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

export function statusRoutes(app: Server, source: StatusSource, metrics: Metrics): void {
  const tags = ['state']

  app.route({
    method: 'GET',
    url: '/status',
    schema: {
      tags,
      summary: 'Accounts, sockets, journal, open gaps.',
      response: { 200: TickerStatus, '5xx': ErrorBody },
    },
    handler: async () => source.status(),
  })

  for (const url of ['/health', '/ready'] as const) {
    app.route({
      method: 'GET',
      url,
      schema: { tags, summary: '503 where unavailable.', response: { 200: Health, 503: Health } },
      handler: async (_request, reply) => {
        const health = url === '/health' ? source.health() : source.readiness()
        return reply.code(health.status === 'unavailable' ? 503 : 200).send(health)
      },
    })
  }

  app.route({
    method: 'GET',
    url: '/metrics',
    schema: { tags, summary: 'Prometheus.', produces: ['text/plain'] },
    handler: async (_request, reply) => {
      void reply.type(metrics.contentType)
      return metrics.text()
    },
  })
}
