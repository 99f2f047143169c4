/** `GET /stream` on the server's socket, over the hub. */
import type { FastifyInstance } from 'fastify'
import type { WebSocket } from 'ws'
import type { Log } from '../../../kit/log.ts'
import { ApiError } from '../api-error.ts'
import type { ChainViews } from '../chain-views.ts'
import { mayStream } from '../cors.ts'
import { type MarketView, requireSeries, requireSymbol } from '../series-lookup.ts'
import type { Status } from '../status.ts'
import type { SaidBackfill, StreamHub, StreamSources } from './stream-hub.ts'

/** The hub reads chains and health where REST does. */
export function streamSources(
  market: MarketView,
  views: ChainViews,
  status: Status,
  backfill: () => SaidBackfill,
): StreamSources {
  return {
    chain: ({ symbol, expiry, eachSide }) => views.chain(symbol, expiry, eachSide),
    ageMs: (presented) => views.ageMs(presented),
    requireSymbol: (asked) => requireSymbol(market.chains.master, asked),
    requireExpiry: (symbol, expiry) => requireSeries(market, symbol, expiry ?? undefined).expiry,
    health: () => status.said(),
    backfill,
  }
}

export function streamRoute(
  app: FastifyInstance,
  hub: StreamHub,
  corsOrigins: readonly string[],
  log: Pick<Log, 'error'>,
): void {
  app.route({
    method: 'GET',
    url: '/stream',
    exposeHeadRoute: false,
    schema: { hide: true },
    onRequest: async ({ headers, ws }) => {
      if (!ws) throw new ApiError(426, 'bad_request', '/stream speaks WebSocket; upgrade to it.')
      if (!mayStream(headers.origin, headers.host, corsOrigins)) {
        throw new ApiError(403, 'forbidden', 'Pages of that origin may not open the stream.', {
          setting: 'CORS_ORIGINS',
        })
      }
    },
    handler: async () => {
      throw new ApiError(426, 'bad_request', '/stream speaks WebSocket; upgrade to it.')
    },
    wsHandler: (socket) => serve(socket, hub, log),
  })
}

function serve(socket: WebSocket, hub: StreamHub, log: Pick<Log, 'error'>): void {
  const client = hub.connect({
    get bufferedAmount() {
      return socket.bufferedAmount
    },
    send: (text) => socket.send(text),
    ping: () => socket.ping(),
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
  })
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    try {
      client.onMessage(data.toString(), isBinary)
    } catch (err) {
      log.error({ err }, 'A stream message failed')
      socket.close(INTERNAL_ERROR, 'internal')
    }
  })
  socket.on('pong', () => client.onPong())
  socket.on('close', () => client.onClose())
  // A message over the size limit, a broken frame: the socket closes itself and says so to the client.
  socket.on('error', () => client.onClose())
}

const INTERNAL_ERROR = 1011
