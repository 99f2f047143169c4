/**
 * What answers at a role's port while the role cannot start yet: `/health` and `/ready` with the
 * reason, so that whoever watches the port learns more than that it is closed.
 */
import Fastify, { type FastifyInstance } from 'fastify'
import type { Health } from '../contract/api/health.ts'
import { namingThePort } from './role-parts.ts'

/** Until it is closed. Throws StartError where the port is taken. */
export async function answerMeanwhile(
  host: string,
  port: number,
  missing: { readonly name: string; readonly message: string },
): Promise<FastifyInstance> {
  const health: Health = {
    status: 'unavailable',
    checks: [{ ...missing, status: 'unavailable' }],
  }
  const app = Fastify({ logger: false, forceCloseConnections: true, return503OnClosing: false })
  app.get('/health', (_request, reply) => reply.code(503).send(health))
  app.get('/ready', (_request, reply) => reply.code(503).send(health))
  await namingThePort(host, port, 'TICKER_PORT', () => app.listen({ host, port }))
  return app
}
