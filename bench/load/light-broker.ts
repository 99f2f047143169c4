/**
 * A broker's front as a bench needs it: the instrument dump, WebSockets that speak Kite's protocol, and
 * control routes. What is sent over the sockets is decided elsewhere.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { formatInstruments } from '../../src/kite/instruments.ts'
import type { Instrument } from '../../src/market/instrument.ts'

export interface LightPeer {
  /** A message of the client. */
  hear(text: string): void
  /** The socket is gone. */
  closed(): void
}

export interface LightBrokerOptions {
  readonly listed: readonly Instrument[]
  /** @param account its api_key */
  readonly onConnection: (socket: WebSocket, account: string) => LightPeer
  /** By path; what it returns is the answer's JSON. */
  readonly control: Readonly<Record<string, (query: URLSearchParams) => unknown>>
}

/** Listens on a free port and tells its address as one line of JSON on stdout. */
export function startLightBroker({ listed, onConnection, control }: LightBrokerOptions): void {
  const csv = formatInstruments(listed)
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = addressOf(request)
    if (pathname === '/instruments') {
      response.writeHead(200, { 'content-type': 'text/csv' }).end(csv)
      return
    }
    const told = control[pathname]?.(searchParams) ?? { status: 'success', data: {} }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(told))
  }
  const server = createServer(answer)
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  server.on('upgrade', (request, socket, head) => {
    const { searchParams } = addressOf(request)
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const peer = onConnection(webSocket, searchParams.get('api_key') ?? '')
      webSocket.on('message', (data) => peer.hear(String(data)))
      webSocket.on('close', () => peer.closed())
    })
  })
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}` })}\n`)
  })
}

function addressOf({ url }: IncomingMessage): URL {
  return new URL(url ?? '/', 'http://broker')
}
