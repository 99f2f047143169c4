/**
 * A broker for tests of real input: the instrument dump and last prices over HTTP, and WebSockets as
 * Kite serves them, which send exactly the frames that the test hands over.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { HEARTBEAT } from '../../src/kite/frame-writer.ts'
import { TICKER_DUMP_LEAST_ROWS } from '../../src/limits.ts'

export const API_KEY = 'real-input-key'
export const ACCESS_TOKEN = 'real-input-token'

export interface TestBroker {
  readonly webSocketRoot: string
  readonly restRoot: string
  /** The dump that the next request gets. */
  dump: string
  /** Rupees, by `exchange:tradingsymbol`; what is not in it is left out of the answer, as at Kite. */
  readonly lastPrices: ReadonlyMap<string, { readonly token: number; readonly lastPrice: number }>
  /** What the open socket asked for, by token; a token without a mode is in `quote`, as at Kite. */
  readonly modes: ReadonlyMap<number, string>
  /** Sends one binary message on every open socket. */
  send(frame: Uint8Array): void
  stop(): Promise<void>
}

export async function startTestBroker(
  dump: string,
  lastPrices: TestBroker['lastPrices'] = new Map(),
): Promise<TestBroker> {
  const modes = new Map<number, string>()
  const sockets = new WebSocketServer({ noServer: true })
  const server = createServer((request, response) => answer(broker, request, response))
  server.on('upgrade', (request, socket, head) => {
    if (!isOurs(request)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    sockets.handleUpgrade(request, socket, head, (client) => serve(client, modes))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const broker: TestBroker = {
    webSocketRoot: `ws://127.0.0.1:${port}/`,
    restRoot: `http://127.0.0.1:${port}`,
    dump,
    lastPrices,
    modes,
    send: (frame) => {
      for (const client of sockets.clients) client.send(frame)
    },
    stop: async () => {
      for (const client of sockets.clients) client.terminate()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return broker
}

function isOurs({ url }: IncomingMessage): boolean {
  const { searchParams } = new URL(url ?? '/', 'ws://broker')
  return (
    searchParams.get('api_key') === API_KEY && searchParams.get('access_token') === ACCESS_TOKEN
  )
}

interface ClientMessage {
  readonly a: 'subscribe' | 'unsubscribe' | 'mode'
  readonly v: unknown
}

function serve(client: WebSocket, modes: Map<number, string>): void {
  modes.clear()
  client.send(HEARTBEAT)
  client.on('message', (data: Buffer) => {
    const { a, v } = JSON.parse(data.toString()) as ClientMessage
    if (a === 'mode') {
      const [mode, tokens] = v as [string, number[]]
      for (const token of tokens) modes.set(token, mode)
      return
    }
    for (const token of v as number[]) {
      if (a === 'subscribe') modes.set(token, modes.get(token) ?? 'quote')
      else modes.delete(token)
    }
  })
}

function answer(
  { dump, lastPrices }: TestBroker,
  { url }: IncomingMessage,
  response: ServerResponse,
): void {
  const { pathname, searchParams } = new URL(url ?? '/', 'http://broker')
  if (pathname === '/instruments') {
    response.writeHead(200, { 'content-type': 'text/csv' }).end(fullDump(dump))
  } else if (pathname === '/quote/ltp') {
    const found = searchParams.getAll('i').flatMap((key) => {
      const price = lastPrices.get(key)
      if (price === undefined) return []
      return [[key, { instrument_token: price.token, last_price: price.lastPrice }]]
    })
    json(response, 200, { status: 'success', data: Object.fromEntries(found) })
  } else {
    const message = `there is no ${pathname}`
    json(response, 404, { status: 'error', message, error_type: 'GeneralException', data: null })
  }
}

/** What is a part of a dump is refused, so a handful of contracts is filled up with shares. */
function fullDump(dump: string): string {
  const missing = TICKER_DUMP_LEAST_ROWS - dump.split('\n').length + 1
  const shares = Array.from({ length: Math.max(0, missing) }, (_, i) => {
    return `${(900_000 + i) * 256 + 1},${900_000 + i},FILLER${i},FILLER ${i},0.0,,0.0,0.05,1,EQ,NSE,NSE`
  })
  return [dump, ...shares].join('\n')
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
