/**
 * The ticker's HTTP server: routes are added by others, and whatever goes wrong, with the request or
 * with us, is answered in the one error shape, without a stack.
 */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify'
import { errorBody } from '../../contract/api/error.ts'
import type { Log } from '../../kit/log.ts'
import { TICKER_BODY_MAX_BYTES } from '../../limits.ts'
import { ApiError } from './api-error.ts'
import { compileValidator } from './validation.ts'

export type Server = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

export interface ServerOptions {
  readonly log: Log
  readonly version: string
  /** Adds routes that others implement, such as the journal's. */
  readonly extraRoutes: readonly ((app: FastifyInstance) => void)[]
}

/** Headers and the longest token list fit; anything longer is refused by the parser. */
const MAX_HEADER_BYTES = 128 * 1024

export async function createServer(
  options: ServerOptions,
  addRoutes: (app: Server) => void,
): Promise<Server> {
  const app: Server = fastify({
    bodyLimit: TICKER_BODY_MAX_BYTES,
    forceCloseConnections: true,
    http: { maxHeaderSize: MAX_HEADER_BYTES },
    routerOptions: { maxParamLength: 100 },
    frameworkErrors: (error, _request, reply) => sendError(reply, translate(error)),
    clientErrorHandler: refuseRaw,
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(compileValidator)
  // Answers are made by code that is typed by their schema, which serves for /docs.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  app.setErrorHandler((error: Error, request, reply) => {
    const known = translate(error)
    if (known.httpStatus >= 500 && !(error instanceof ApiError)) {
      options.log.error({ err: error, method: request.method, url: request.url }, 'Request failed')
    }
    return sendError(reply, known)
  })
  const paths = new KnownPaths()
  app.addHook('onRoute', ({ url, method }) => paths.add(url, method))
  app.setNotFoundHandler((request, reply) => sendNotFound(request, reply, paths))
  await addDocs(app, options.version)
  addRoutes(app)
  for (const add of options.extraRoutes) add(app as unknown as FastifyInstance)
  return app
}

async function addDocs(app: Server, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'fostream ticker',
        version,
        description: 'Subscriptions, instruments and the state of the broker connections.',
      },
    },
  })
  await app.register(swaggerUi, { routePrefix: '/docs' })
}

function sendError(reply: FastifyReply, error: ApiError): FastifyReply {
  return reply.code(error.httpStatus).send(error.body)
}

/** What Fastify itself refuses, in our words; anything unknown is our fault and says no more. */
function translate(error: Error): ApiError {
  if (error instanceof ApiError) return error
  const { code, statusCode = 500 } = error as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new ApiError('too_large', `The body is over ${TICKER_BODY_MAX_BYTES} bytes.`)
  }
  if (statusCode < 500) return new ApiError('bad_request', sentence(error), null, statusCode)
  return new ApiError('internal', 'The request failed; the ticker has logged why.')
}

function sentence({ message }: Error): string {
  return message.endsWith('.') ? message : `${message}.`
}

function sendNotFound(
  request: FastifyRequest,
  reply: FastifyReply,
  paths: KnownPaths,
): FastifyReply {
  const path = request.url.split('?', 1)[0] ?? ''
  const methods = paths.methodsOf(path)
  if (methods.length === 0) {
    return sendError(reply, new ApiError('not_found', `There is no ${path.slice(0, 200)}.`))
  }
  void reply.header('allow', methods.join(', '))
  const message = `${request.method} is not allowed here.`
  return sendError(reply, new ApiError('bad_request', message, { allowed: methods }, 405))
}

/** Bytes that are no HTTP, or headers beyond the limit: there is no request to answer. */
function refuseRaw(
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

/** Which methods a path has, so that a wrong one is told from a path that does not exist. */
class KnownPaths {
  readonly #methods = new Map<string, Set<string>>()

  add(pattern: string, method: string | readonly string[]): void {
    const methods = this.#methods.get(pattern) ?? new Set<string>()
    for (const one of [method].flat()) methods.add(one)
    this.#methods.set(pattern, methods)
  }

  methodsOf(path: string): string[] {
    const found = [...this.#methods].filter(([pattern]) => matches(pattern, path))
    return [...new Set(found.flatMap(([, methods]) => [...methods]))].sort()
  }
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const given = path.split('/')
  return (
    wanted.length === given.length &&
    wanted.every((part, i) => (part.startsWith(':') ? given[i] !== '' : part === given[i]))
  )
}
