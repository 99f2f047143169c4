/**
 * The ticker's HTTP server: who may ask and how questions are checked. Routes are added by others;
 * how refusals look is in `error-answers.ts`.
 */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifySchemaCompiler,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify'
import type { TSchema } from 'typebox'
import { FOREIGN_HOST_STATUS, foreignHost } from '../../contract/api/host-check.ts'
import { partOf, requestCheck } from '../../contract/api/request-check.ts'
import type { Log } from '../../kit/log.ts'
import { TICKER_BODY_MAX_BYTES } from '../../limits.ts'
import { ApiError } from './api-error.ts'
import { answerErrors, answerFrameworkError, refuseRaw } from './error-answers.ts'

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
  /** The address that it will listen on. */
  readonly host: string
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
    frameworkErrors: (error, _request, reply) => answerFrameworkError(error, reply),
    clientErrorHandler: refuseRaw,
  }).withTypeProvider<TypeBoxTypeProvider>()
  // JSON is the one language of bodies.
  app.removeContentTypeParser('text/plain')
  app.setValidatorCompiler(compileValidator)
  // Answers are made by code that is typed by their schema, which serves for /docs.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  answerErrors(app, options.log)
  refuseForeignHosts(app, options.host)
  await addDocs(app, options.version)
  addRoutes(app)
  for (const add of options.extraRoutes) add(app as unknown as FastifyInstance)
  return app
}

const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = requestCheck(schema, partOf(httpPart))
  return (given: unknown) => {
    const checked = check(given)
    if (checked.ok) return { value: checked.value }
    const { message, details } = checked.fault
    return { error: new ApiError('bad_request', message, details) }
  }
}

function refuseForeignHosts(app: Server, boundTo: string): void {
  app.addHook('onRequest', async ({ headers }) => {
    const fault = foreignHost(boundTo, headers.host)
    if (fault === undefined) return
    throw new ApiError(fault.code, fault.message, fault.details, FOREIGN_HOST_STATUS)
  })
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
