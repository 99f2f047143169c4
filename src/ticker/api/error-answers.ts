/** Every refusal in the one shape, without a stack, whoever raises it: a route, the framework, the parser. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, errorBody } from '../../contract/api/error.ts'
import { KnownPaths } from '../../contract/api/known-paths.ts'
import { SUBSCRIBE_MAX_INSTRUMENTS } from '../../contract/api/subscriptions.ts'
import type { Log } from '../../kit/log.ts'
import { TICKER_BODY_MAX_BYTES } from '../../limits.ts'
import { ApiError } from './api-error.ts'

export function answerErrors(
  app: Pick<FastifyInstance, 'setErrorHandler' | 'setNotFoundHandler' | 'addHook'>,
  log: Log,
): void {
  app.setErrorHandler((error: Error, request, reply) => {
    const known = translate(error)
    if (known.httpStatus >= 500 && !(error instanceof ApiError)) {
      log.error({ err: error, method: request.method, url: request.url }, 'Request failed')
    }
    return sendError(reply, known)
  })
  const paths = new KnownPaths()
  app.addHook('onRoute', ({ url, method }) => paths.add(url, method))
  app.setNotFoundHandler((request, reply) => sendNotFound(request, reply, paths))
}

/** What the framework refuses before there is a route. */
export function answerFrameworkError(error: Error, reply: FastifyReply): FastifyReply {
  return sendError(reply, translate(error))
}

function sendError(reply: FastifyReply, error: ApiError): FastifyReply {
  return reply.code(error.httpStatus).type('application/json').send(error.body)
}

const JSON_BODY = {
  field: 'body',
  expected:
    'a JSON object such as {"tradingsymbol":"NIFTY 50"}, without keys named __proto__ or constructor',
}
const JSON_TYPE = { field: 'content-type', expected: 'application/json' }

/** What the framework's own refusals say, where its words do not help. */
const REFUSALS: Readonly<Record<string, () => ApiError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () =>
    new ApiError(
      'too_large',
      `The body is over ${TICKER_BODY_MAX_BYTES} bytes: send up to ${SUBSCRIBE_MAX_INSTRUMENTS} instruments in one call.`,
      { field: 'body', max_bytes: TICKER_BODY_MAX_BYTES },
    ),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new ApiError(
      'bad_request',
      'The body must be JSON: send "content-type: application/json".',
      JSON_TYPE,
      415,
    ),
  FST_ERR_CTP_EMPTY_JSON_BODY: () =>
    new ApiError('bad_request', 'The body is empty: send a JSON object.', JSON_BODY),
  FST_ERR_CTP_INVALID_JSON_BODY: () => notJson(),
  FST_ERR_BAD_URL: () =>
    new ApiError('bad_request', 'The address is not a URL that can be read.', {
      field: 'path',
      expected: 'characters beyond ASCII as %XX',
    }),
}

function notJson(): ApiError {
  return new ApiError(
    'bad_request',
    'The body is not JSON that can be taken: send a JSON object.',
    JSON_BODY,
  )
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  404: 'not_found',
  413: 'too_large',
  414: 'too_large',
}

/** In our words; anything unknown is our fault and says no more. */
function translate(error: Error): ApiError {
  if (error instanceof ApiError) return error
  const { code = '', statusCode = 500, message } = error as Partial<FastifyError>
  const refusal = REFUSALS[code]
  if (refusal !== undefined) return refusal()
  if (error instanceof SyntaxError && statusCode === 400) return notJson()
  if (statusCode < 500) {
    const text = message === undefined || message === '' ? 'The request is wrong.' : message
    return new ApiError(CODES[statusCode] ?? 'bad_request', text, null, statusCode)
  }
  return new ApiError('internal', 'The request failed; the ticker has logged why.')
}

function sendNotFound(
  request: FastifyRequest,
  reply: FastifyReply,
  paths: KnownPaths,
): FastifyReply {
  const path = request.url.split('?', 1)[0] ?? ''
  const allowed = paths.methodsOf(path).sort()
  if (allowed.length === 0) {
    const message = `There is nothing at ${path.slice(0, 100)}; /docs lists what there is.`
    return sendError(reply, new ApiError('not_found', message, { field: 'path' }))
  }
  void reply.header('allow', allowed.join(', '))
  const message = `${request.method} is not possible here, only ${allowed.join(', ')}.`
  const details = { field: 'method', allowed }
  return sendError(reply, new ApiError('bad_request', message, details, 405))
}

/** Bytes that are no HTTP, or headers beyond the limit: there is no request to answer. */
export function refuseRaw(
  error: Error & { readonly code?: string },
  socket: { readonly writable: boolean; end(text: string): unknown; destroy(): unknown },
): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const isTooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const status = isTooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request'
  const message = isTooLarge ? 'The headers are too large.' : 'This is not an HTTP request.'
  const body = JSON.stringify(errorBody(isTooLarge ? 'too_large' : 'bad_request', message))
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}
