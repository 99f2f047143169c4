/**
 * The backend's port: the Monitor at `/`, REST, the live stream and their description at `/docs`.
 * Everything it serves is handed in; it reads no settings and knows no store.
 */
import helmet from '@fastify/helmet'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance, type onRequestAsyncHookHandler } from 'fastify'
import type { EventsStatus, LedgerTotals } from '../../contract/api/backend-status.ts'
import { KnownPaths } from '../../contract/api/known-paths.ts'
import type { Feed } from '../../contract/journal-record.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { Metrics } from '../../kit/metrics.ts'
import {
  API_BODY_MAX_BYTES,
  API_REQUEST_TIMEOUT_MS,
  STREAM_MESSAGE_MAX_BYTES,
} from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import type { CalendarMode } from '../chain/present-chain.ts'
import type { BackendReads } from '../ports.ts'
import type { TickerAccess } from '../tickers/call-ticker.ts'
import { barsRoutes } from './bars-routes.ts'
import { chainRoutes } from './chain-routes.ts'
import { ChainViews } from './chain-views.ts'
import { allowOrigins } from './cors.ts'
import { answerError, answerErrors, NOT_HTTP } from './error-answers.ts'
import { type ChangeableFlags, flagRoutes } from './flag-routes.ts'
import { futuresRoutes } from './futures-routes.ts'
import { gapsRoutes } from './gaps-routes.ts'
import type { IngestView, LogHead } from './ingest-view.ts'
import { servePage } from './page.ts'
import { scraper } from './prometheus.ts'
import { ReadGate } from './read-gate.ts'
import { compileValidator, refuseForeignHosts } from './request-guards.ts'
import type { MarketView } from './series-lookup.ts'
import { seriesRoutes } from './series-routes.ts'
import { type BusStatus, Status } from './status.ts'
import { StatusProbe } from './status-probe.ts'
import { statusRoutes } from './status-routes.ts'
import { type SaidBackfill, StreamHub } from './stream/stream-hub.ts'
import { streamRoute, streamSources } from './stream/stream-route.ts'
import { tickerRoutes } from './ticker-routes.ts'

export interface BackendApiOptions {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  readonly chains: LiveChains
  readonly reads: BackendReads
  readonly ingest: IngestView
  /** Partitions of `ingest.writers`, in their order. */
  readonly ownPartitions: readonly number[]
  /** Newest position of a log of this process; without it the tickers' own status tells it. */
  readonly logHead?: LogHead
  /** Tickers to ask for their status, and whose calls are passed on. */
  readonly tickers: readonly TickerAccess[]
  readonly bus?: () => BusStatus
  /** How the lifecycle events stand, where this backend acts on them. */
  readonly events?: () => EventsStatus
  readonly flags?: ChangeableFlags
  readonly feed: Feed
  readonly tickSource: 'log' | 'pubsub'
  readonly calendar: MarketCalendar
  readonly calendarMode: CalendarMode
  /** What the Monitor opens with. */
  readonly defaultSymbol: string
  readonly version: string
  /** The built page; without it a word at `/`. */
  readonly pageFolder?: string
  readonly corsOrigins?: readonly string[]
  /** Figures of the process, where several roles share it; else the server makes its own. */
  readonly metrics?: Metrics
  /** What the stream tells of backfill; nothing where there is none. */
  readonly backfill?: () => SaidBackfill
  /** Adds routes that are not the backend's own. */
  readonly addRoutes?: (app: FastifyInstance) => void
  /** Every request passes it first, the stream's too. */
  readonly authenticate?: onRequestAsyncHookHandler
  readonly clock: Clock
  readonly log: Log
}

export interface BackendApi {
  /** `http://host:port` */
  readonly url: string
  readonly port: number
  /** Drops the stream's clients with a word, ends open requests, frees the port. */
  stop(): Promise<void>
}

/** The port cannot be listened on; `message` says what to do. */
export class ApiListenError extends Error {
  readonly code: 'port_in_use' | 'port_refused'
  readonly setting = 'BACKEND_PORT'

  constructor(code: 'port_in_use' | 'port_refused', message: string, cause: unknown) {
    super(message, { cause })
    this.code = code
  }
}

const NO_BUS: BusStatus = { kind: 'none', status: 'up', error: null }
const NO_EVENTS: EventsStatus = {
  listener: 'stopped',
  source: 'none',
  channel: null,
  received: 0,
  processed: 0,
  failed: 0,
  repeated: 0,
  waiting: 0,
  subscriptions_known: 0,
  last_event_at: null,
  reconciled_at: null,
  error: null,
}
const noBackfill = (): SaidBackfill => ({
  queue: {
    waiting: 0,
    running: 0,
    later: 0,
    requests_per_second: 0,
    eta_ms: 0,
    waits_for: 'switched_off',
  },
  backfills: [],
})
/** How often the log's progress is looked at. */
const LOOK_PERIOD_MS = 1_000

/** Throws ApiListenError where the port is taken. */
export async function startBackendApi(options: BackendApiOptions): Promise<BackendApi> {
  const { clock, log, reads, tickers, ingest, host, port } = options
  const market: MarketView = {
    chains: options.chains,
    clock,
    feed: options.feed,
    calendar: options.calendar,
    calendarMode: options.calendarMode,
  }
  const gate = new ReadGate(clock, log)
  const probe = new StatusProbe(reads, tickers, clock)
  const views = new ChainViews(market)
  const status = new Status({
    market,
    ingest,
    ownPartitions: options.ownPartitions,
    logHead: options.logHead,
    reads,
    probe,
    bus: options.bus ?? (() => NO_BUS),
    events: options.events ?? (() => NO_EVENTS),
    version: options.version,
    tickSource: options.tickSource,
    defaultSymbol: options.defaultSymbol,
    streamClients: () => hub.clients,
    log,
  })
  const hub = new StreamHub(
    streamSources(market, views, status, options.backfill ?? noBackfill),
    clock,
    log,
  )
  const metrics = options.metrics ?? new Metrics({ processDefaults: true })
  let ledger: LedgerTotals | undefined
  const scrape = scraper(metrics, {
    ingest,
    ledger: () => ledger,
    gapsOpen: () => status.gapsOpen(),
    databaseUp: () => probe.last && probe.last.store.status === 'up',
    streamClients: () => hub.clients,
    readsHighWater: () => gate.highWater,
  })

  const app = await createApp(options)
  await app.register(chainRoutes({ market, views, reads, gate }))
  await app.register(futuresRoutes(market))
  for (const routes of [seriesRoutes, barsRoutes, gapsRoutes]) {
    await app.register(routes({ market, reads, gate }))
  }
  await app.register(
    statusRoutes(status, {
      page: async () => {
        await probe.refresh()
        ledger = await status.refreshLedger()
        return scrape()
      },
      contentType: metrics.contentType,
    }),
  )
  if (options.flags !== undefined) await app.register(flagRoutes(options.flags))
  tickerRoutes(app, tickers, clock)
  streamRoute(app, hub, options.corsOrigins ?? [], log)
  options.addRoutes?.(app)
  await servePage(app, options.pageFolder)

  await listen(app, host, port)
  void probe.refresh()
  status.look()
  const stopLooking = clock.every(LOOK_PERIOD_MS, () => status.look())
  const address = app.addresses()[0]
  const actualPort = typeof address === 'object' ? address.port : port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`,
    port: actualPort,
    stop: async () => {
      stopLooking()
      hub.stop()
      await app.close()
    },
  }
}

/** The server without its routes: who may ask, how questions are checked, how refusals look. */
async function createApp(options: BackendApiOptions) {
  const { log } = options
  const paths = new KnownPaths()
  const app = Fastify({
    logger: false,
    bodyLimit: API_BODY_MAX_BYTES,
    requestTimeout: API_REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => {
      // No hook runs here; a socket that wanted an upgrade would stay open.
      reply.raw.once('finish', () => request.raw.socket.destroySoon())
      void answerError(error, request, reply, log)
    },
    clientErrorHandler: (_error, socket) => {
      if (socket.writable) {
        const head = `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(NOT_HTTP)}\r\nconnection: close`
        socket.end(`${head}\r\n\r\n${NOT_HTTP}`)
      }
      socket.destroySoon()
    },
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(compileValidator)
  // Schemas of answers describe; the answers themselves are made to them and tested against them.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer))
  readJsonOnly(app)
  answerErrors(app, paths, log)
  app.addHook('onRoute', ({ method, url }) => {
    if (!url.includes('*')) paths.add(url, method)
  })
  // First of all hooks: what a later one refuses of an upgrade it closes.
  await app.register(websocket, { options: { maxPayload: STREAM_MESSAGE_MAX_BYTES } })
  refuseForeignHosts(app, options.host)
  allowOrigins(app, options.corsOrigins ?? [])
  if (options.authenticate !== undefined) app.addHook('onRequest', options.authenticate)
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        baseUri: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        objectSrc: ["'none'"],
        // The page at /docs brings its own styles in the document.
        styleSrc: ["'self'", "'unsafe-inline'"],
      },
    },
    // Plain http on loopback or behind somebody's own proxy.
    strictTransportSecurity: false,
  })
  await describeApi(app, options.version)
  return app
}

/** JSON is the one language of bodies; an empty one counts as none. */
function readJsonOnly(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    (request, body, done) => {
      if (body === '') done(null, undefined)
      else void parse(request, body, done)
    },
  )
}

async function describeApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'fostream backend',
        version,
        description:
          'Live and stored option chains of Indian indices. Times are ISO 8601 with +05:30; null means not known. The live stream is a WebSocket at /stream.',
      },
    },
  })
  await app.register(swaggerUi, { routePrefix: '/docs' })
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<void> {
  try {
    await app.listen({ host, port })
  } catch (cause) {
    await app.close()
    throw listenFault(host, port, cause)
  }
}

function listenFault(host: string, port: number, cause: unknown): unknown {
  const code: unknown = cause instanceof Error ? Reflect.get(cause, 'code') : undefined
  if (code === 'EADDRINUSE') {
    const message = `Port ${port} of ${host} is in use; stop what listens there or set BACKEND_PORT.`
    return new ApiListenError('port_in_use', message, cause)
  }
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    const message = `Port ${port} of ${host} cannot be listened on (${code}); set BACKEND_PORT or BIND_HOST.`
    return new ApiListenError('port_refused', message, cause)
  }
  return cause
}
