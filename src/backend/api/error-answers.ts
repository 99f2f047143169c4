/** Every refusal in one shape, whoever raises it: a route, the validation, the framework, the parser. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorCode } from '../../contract/api/error.ts'
import type { KnownPaths } from '../../contract/api/known-paths.ts'
import type { Log } from '../../kit/log.ts'
import { ApiError } from './api-error.ts'

const CODES: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  413: 'too_large',
  429: 'rate_limited',
  503: 'unavailable',
  504: 'timeout',
}

/** What the framework's own refusals say, where its words do not help. */
const MESSAGES: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is not JSON.',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'The body must be JSON: send "content-type: application/json".',
  FST_ERR_CTP_BODY_TOO_LARGE: 'The body is too large.',
  FST_ERR_BAD_URL: 'The address is not a URL that can be read.',
}

export function answerErrors(
  app: FastifyInstance,
  paths: KnownPaths,
  log: Pick<Log, 'error'>,
): void {
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply, log))
  app.setNotFoundHandler((request, reply) => {
    const fault = notFound(request, paths)
    const { allowed } = fault.details ?? {}
    if (Array.isArray(allowed)) reply.header('allow', allowed.join(', '))
    return reply.code(fault.statusCode).send(fault.body)
  })
}

/** Also what the framework hands over before there is a route. */
export function answerError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Pick<Log, 'error'>,
): FastifyReply {
  const fault = faultOf(error)
  if (fault.code === 'internal') {
    log.error({ err: error, method: request.method, url: request.url }, 'Request failed')
  }
  if (fault.statusCode === 503) reply.header('retry-after', '1')
  return reply.code(fault.statusCode).type('application/json').send(fault.body)
}

/** What a socket is told whose bytes are no HTTP request. */
export const NOT_HTTP = JSON.stringify(
  new ApiError(400, 'bad_request', 'This is not an HTTP request that can be read.').body,
)

function faultOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const { statusCode, code, message } = error as Partial<FastifyError>
  if (statusCode === undefined || statusCode < 400 || statusCode >= 500) {
    return new ApiError(500, 'internal', 'The server failed on this; its log says why.')
  }
  const text = MESSAGES[code ?? ''] ?? message ?? 'The request is wrong.'
  return new ApiError(statusCode, CODES[statusCode] ?? 'bad_request', text)
}

function notFound({ method, url }: FastifyRequest, paths: KnownPaths): ApiError {
  const path = url.split('?', 1)[0] ?? url
  const allowed = paths.methodsOf(path)
  if (allowed.length > 0) {
    return new ApiError(405, 'bad_request', `${method} is not possible here.`, { allowed })
  }
  return new ApiError(404, 'not_found', `There is nothing at ${path.slice(0, 100)}; see /docs.`)
}
