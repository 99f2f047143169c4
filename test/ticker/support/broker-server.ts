/**
 * A broker on this machine: Kite's WebSocket and the few REST calls that the ticker makes, under the
 * test's control.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { formatInstruments } from '../../../src/kite/instruments.ts'
import type { Instrument } from '../../../src/market/instrument.ts'

export interface ClientMessage {
  readonly a: string
  readonly v: unknown
}

/** One accepted WebSocket. */
export interface BrokerPeer {
  readonly socket: WebSocket
  readonly messages: ClientMessage[]
  /** What the client has asked for so far. */
  readonly modes: Map<number, string>
  readonly apiKey: string | null
  send(frame: Buffer): void
}

export interface BrokerServer {
  readonly webSocketRoot: string
  readonly restRoot: string
  readonly peers: BrokerPeer[]
  /** WebSocket requests, refused ones too. */
  readonly upgrades: URL[]
  readonly restCalls: string[]
  instruments: readonly Instrument[]
  /** Rupees, by `exchange:tradingsymbol`; what is absent the broker does not know. */
  prices: Record<string, number>
  /** HTTP status with which WebSockets are refused; undefined accepts. */
  refuseWith: number | undefined
  /** Refuses this key alone; undefined refuses all. */
  refusedKey: string | undefined
  isProfileRefused: boolean
  isRestDown: boolean
  /** Tokens that the open sockets have been told, with their modes. */
  carried(): Map<number, string>
  /** Newest peer that is open. */
  readonly peer: BrokerPeer
  stop(): Promise<void>
}

export async function startBroker(instruments: readonly Instrument[]): Promise<BrokerServer> {
  const server = createServer()
  const sockets = new WebSocketServer({ noServer: true })
  const peers: BrokerPeer[] = []
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const broker: BrokerServer = {
    webSocketRoot: `ws://127.0.0.1:${port}`,
    restRoot: `http://127.0.0.1:${port}`,
    peers,
    upgrades: [],
    restCalls: [],
    instruments,
    prices: { 'NSE:NIFTY 50': 26_012.35 },
    refuseWith: undefined,
    refusedKey: undefined,
    isProfileRefused: false,
    isRestDown: false,
    carried: () => {
      const open = peers.filter(({ socket }) => socket.readyState === socket.OPEN)
      return new Map(open.flatMap(({ modes }) => [...modes]))
    },
    get peer() {
      const open = peers.findLast(({ socket }) => socket.readyState === socket.OPEN)
      if (open === undefined) throw new Error('nobody is connected')
      return open
    },
    stop: () => {
      for (const client of sockets.clients) client.terminate()
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  server.on('request', (request, response) => answerRest(broker, request, response))
  server.on('upgrade', (request, socket, head) => {
    const url = new URL(request.url ?? '', broker.restRoot)
    broker.upgrades.push(url)
    const isMeant = [undefined, url.searchParams.get('api_key')].includes(broker.refusedKey)
    if (broker.refuseWith !== undefined && isMeant) {
      socket.end(`HTTP/1.1 ${broker.refuseWith} No\r\nConnection: close\r\n\r\n`)
      return
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      peers.push(peerOf(webSocket, url.searchParams.get('api_key')))
    })
  })
  return broker
}

function peerOf(socket: WebSocket, apiKey: string | null): BrokerPeer {
  const messages: ClientMessage[] = []
  const modes = new Map<number, string>()
  socket.on('message', (data) => {
    const message = JSON.parse(data.toString()) as ClientMessage
    messages.push(message)
    note(modes, message)
  })
  return { socket, messages, modes, apiKey, send: (frame) => socket.send(frame) }
}

function note(modes: Map<number, string>, { a, v }: ClientMessage): void {
  if (a === 'subscribe') for (const token of v as number[]) modes.set(token, 'quote')
  if (a === 'unsubscribe') for (const token of v as number[]) modes.delete(token)
  if (a !== 'mode') return
  const [mode, tokens] = v as [string, number[]]
  for (const token of tokens) modes.set(token, mode)
}

function answerRest(
  broker: BrokerServer,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const url = new URL(request.url ?? '', broker.restRoot)
  broker.restCalls.push(url.pathname)
  if (broker.isRestDown) {
    response.writeHead(503, { 'content-type': 'application/json' }).end('{"status":"error"}')
  } else if (url.pathname === '/instruments') {
    response
      .writeHead(200, { 'content-type': 'text/csv' })
      .end(formatInstruments(broker.instruments))
  } else if (url.pathname === '/quote/ltp') {
    const known = url.searchParams.getAll('i').filter((key) => key in broker.prices)
    const rows = known.map((key) => [key, { instrument_token: 1, last_price: broker.prices[key] }])
    sendData(response, Object.fromEntries(rows))
  } else if (url.pathname === '/user/profile' && broker.isProfileRefused) {
    const body = { status: 'error', message: 'Token is invalid', error_type: 'TokenException' }
    response.writeHead(403, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  } else if (url.pathname === '/user/profile') {
    sendData(response, { user_id: 'AB', user_name: 'A', broker: 'ZERODHA', exchanges: ['NSE'] })
  } else {
    response.writeHead(404).end()
  }
}

function sendData(response: ServerResponse, data: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ status: 'success', data }))
}
