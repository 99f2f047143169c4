/**
 * Which other origins a browser may let talk to this server. None by default: what listens on
 * loopback is within reach of every page that the user opens.
 */
import type { FastifyInstance } from 'fastify'
import { requestedByHeader } from '../../contract/api/subscriptions.ts'

const METHODS = 'GET, HEAD, POST, PUT, DELETE'
const HEADERS = `content-type, authorization, x-api-key, ${requestedByHeader}`
const EXPOSED = 'x-total-count, retry-after'
/** How long a browser remembers a preflight. */
const PREFLIGHT_S = '600'

/** @param origins `https://host:port`, or `*` for any */
export function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers
    if (origin === undefined || !isAllowed(origin, origins)) return
    reply.headers({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': EXPOSED,
      vary: 'Origin',
    })
    const isPreflight =
      request.method === 'OPTIONS' && 'access-control-request-method' in request.headers
    if (!isPreflight) return
    return reply
      .code(204)
      .headers({
        'access-control-allow-methods': METHODS,
        'access-control-allow-headers': HEADERS,
        'access-control-max-age': PREFLIGHT_S,
      })
      .send()
  })
}

/** Browsers let any page open a WebSocket, so its origin is looked at here. Programs send none. */
export function mayStream(
  origin: string | undefined,
  host: string | undefined,
  origins: readonly string[],
): boolean {
  if (origin === undefined || isAllowed(origin, origins)) return true
  return URL.canParse(origin) && new URL(origin).host === host
}

function isAllowed(origin: string, origins: readonly string[]): boolean {
  return origins.includes('*') || origins.includes(origin)
}
