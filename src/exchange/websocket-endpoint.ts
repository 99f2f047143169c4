/**
 * Where clients connect: the WebSocket at `/`. Whoever has no valid session is refused with 403
 * while the connection is being upgraded, the fourth connection of a key with 429.
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import { parseClientMessage } from '../kite/client-message.ts'
import { EXCHANGE_CLIENT_MESSAGE_MAX_BYTES, EXCHANGE_CONNECTIONS_PER_KEY } from '../limits.ts'
import type { AccountIdentity, Accounts } from './accounts.ts'
import { ClientConnection, TOO_MANY_INSTRUMENTS } from './client-connection.ts'
import type { ClientFeed } from './client-feed.ts'
import type { Faults } from './faults.ts'
import { ConnectionLedger, type Ledger } from './ledger.ts'
import type { MarketClock } from './market-clock.ts'

export interface WebSocketEndpointOptions {
  readonly accounts: Accounts
  readonly faults: Faults
  readonly feed: ClientFeed
  readonly ledger: Ledger
  readonly clock: Clock
  readonly marketClock: Pick<MarketClock, 'nowMs'>
  readonly log: Log
}

type Refusal = 400 | 403 | 404 | 429 | 500 | 503

export class WebSocketEndpoint {
  private readonly options: WebSocketEndpointOptions
  private readonly server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: EXCHANGE_CLIENT_MESSAGE_MAX_BYTES,
  })
  private opened = 0

  constructor(options: WebSocketEndpointOptions) {
    this.options = options
  }

  /** For the HTTP server's `upgrade` event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // A client that goes away while it is refused or accepted is nobody's fault.
    socket.on('error', (err) => this.options.log.debug({ err }, 'Connection broke while opening'))
    const { pathname, params } = parseTarget(request.url ?? '/')
    const account = this.admit(pathname, params)
    if (typeof account === 'number') {
      refuse(socket, account)
      return
    }
    this.server.handleUpgrade(request, socket, head, (webSocket) => {
      this.open(webSocket, account, params.get('uid'), request.socket.remotePort)
    })
  }

  private admit(pathname: string, params: ReadonlyMap<string, string>): AccountIdentity | Refusal {
    const { accounts, faults, feed } = this.options
    if (pathname !== '/') return 404
    const apiKey = params.get('api_key') ?? ''
    const name = accounts.find(apiKey)?.name
    if (faults.holds('http_429', name)) return 429
    if (faults.holds('http_500', name)) return 500
    if (!feed.isOpen || faults.holds('disconnect', name)) return 503
    const account = accounts.authenticate(apiKey, params.get('access_token') ?? '')
    if (account === undefined) return 403
    const open = [...feed.connections].filter((each) => each.account.name === account.name)
    return open.length < EXCHANGE_CONNECTIONS_PER_KEY ? account : 429
  }

  private open(
    socket: WebSocket,
    account: AccountIdentity,
    uid: string | undefined,
    remotePort: number | undefined,
  ): void {
    const { clock, feed, ledger, log, marketClock } = this.options
    this.opened++
    const connection = new ClientConnection({
      socket,
      account,
      clock,
      marketNowMs: () => marketClock.nowMs(),
      ledger: new ConnectionLedger({
        connection: this.opened,
        account: account.name,
        remotePort,
        uid,
        openedMs: marketClock.nowMs(),
      }),
    })
    feed.connections.add(connection)
    ledger.opened(connection.ledger)
    log.info({ connection: connection.id, account: account.name }, 'Client connected')
    socket.on('message', (data, isBinary) => {
      if (!isBinary) this.hear(connection, textOf(data))
    })
    socket.on('error', (err) => log.debug({ err, connection: connection.id }, 'Connection broke'))
    socket.on('close', (code) => this.closed(connection, code))
  }

  private closed(connection: ClientConnection, code: number): void {
    const { feed, ledger, log, marketClock } = this.options
    feed.drop(connection)
    connection.ledger.closedMs = marketClock.nowMs()
    connection.ledger.closeCode = code
    ledger.closedNow(connection.ledger)
    log.info({ connection: connection.id, account: connection.account.name, code }, 'Client left')
  }

  private hear(connection: ClientConnection, text: string): void {
    const { feed, log } = this.options
    const message = parseClientMessage(text)
    if (message.kind === 'fault') {
      log.debug({ connection: connection.id, reason: message.message }, 'Client was not understood')
      connection.sayError(message.message)
      return
    }
    if (message.kind === 'unsubscribe') {
      feed.unsubscribe(connection, message.tokens)
      return
    }
    const mode = message.kind === 'mode' ? message.mode : undefined
    if (feed.subscribe(connection, message.tokens, mode) > 0) {
      connection.sayError(TOO_MANY_INSTRUMENTS)
    }
  }
}

/**
 * The path and the parameters of a request. Clients do not escape their tokens, so a `+` is a plus
 * sign here and not a space.
 */
function parseTarget(url: string): { pathname: string; params: ReadonlyMap<string, string> } {
  const at = url.indexOf('?')
  if (at < 0) return { pathname: url, params: new Map() }
  const pairs = url
    .slice(at + 1)
    .split('&')
    .map((pair) => {
      const [name = '', ...value] = pair.split('=')
      return [unescapeText(name), unescapeText(value.join('='))] as const
    })
  return { pathname: url.slice(0, at), params: new Map(pairs) }
}

function unescapeText(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function refuse(socket: Duplex, status: Refusal): void {
  const reason = STATUS_CODES[status] ?? ''
  const lines = [`HTTP/1.1 ${status} ${reason}`, 'Connection: close', 'Content-Length: 0']
  if (status === 429) lines.push('Retry-After: 1')
  socket.end(`${lines.join('\r\n')}\r\n\r\n`, () => socket.destroy())
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8')
  return Buffer.isBuffer(data) ? data.toString('utf8') : Buffer.from(data).toString('utf8')
}
