/**
 * A backend for tests of the page: serves the built page under a strict content policy, the few REST
 * calls it makes and `/stream` with the real protocol over a synthetic market. It can freeze the
 * market, lose its sockets, refuse streams, be killed and come back on the same port.
 */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { Compile } from 'typebox/compile'
import { type WebSocket, WebSocketServer } from 'ws'
import type { BackendStatus } from '../../src/contract/api/backend-status.ts'
import type { Backfill } from '../../src/contract/api/backfills.ts'
import { diffChain } from '../../src/contract/api/chain-delta.ts'
import { errorBody } from '../../src/contract/api/error.ts'
import type { MonitorView } from '../../src/contract/api/monitor-view.ts'
import { ClientMessage, ServerMessage, type SubscribeChain } from '../../src/contract/api/stream.ts'
import type { StreamChain } from '../../src/contract/api/strike-distribution.ts'
import { formatIst } from '../../src/market/ist.ts'
import { chainAt, SERIES, type Series, windowed } from './synthetic-market.ts'

const isClientMessage = Compile(ClientMessage)
const isServerMessage = Compile(ServerMessage)

const STEP_MS = 120
const HEALTH_MS = 1_000
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

const NOTHING_ADDED: Pick<MonitorView, 'added' | 'backfill'> = {
  added: [],
  backfill: { pending: 0, done: 42, eta_ms: 0, waits_for: null },
}

/** An underlying without options. */
const FUTURES_ONLY = 'GOLD'

interface Subscription {
  readonly socket: WebSocket
  readonly id: string
  readonly series: Series
  readonly strikes: number | null
  sequence: number
  sent: StreamChain
}

export class FakeBackend {
  /** What clients sent that is not of the protocol; a test expects none. */
  readonly breaches: string[] = []
  readonly requests: string[] = []
  readonly received: ClientMessage[] = []
  session: 'open' | 'closed' = 'open'
  /** Milliseconds added to every age that is told. */
  extraAgeMs = 0
  frozen = false
  /** Answers every WebSocket request with HTTP 503. */
  refuseStreams = false
  /** The next delta leaves out a number. */
  skipOne = false
  step = 0
  /** What was asked to be streamed, and what the answer says of it; without that HTTP 503. */
  readonly views: unknown[] = []
  view: Pick<MonitorView, 'added' | 'backfill'> | undefined = NOTHING_ADDED
  #server: Server | undefined
  #webSockets: WebSocketServer | undefined
  #timers: ReturnType<typeof setInterval>[] = []
  #subscriptions = new Map<string, Subscription>()
  #healthSockets = new Map<WebSocket, number>()
  #backfillSockets = new Map<WebSocket, number>()
  #port = 0
  readonly #webRoot: string

  constructor(webRoot: string) {
    this.#webRoot = webRoot
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response))
    const webSockets = new WebSocketServer({ noServer: true })
    server.on('upgrade', (request, socket, head) => {
      if (this.refuseStreams) {
        socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n')
        return
      }
      webSockets.handleUpgrade(request, socket, head, (client) => this.#serve(client))
    })
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
    this.#webSockets = webSockets
    this.#timers = [
      setInterval(() => this.#advance(), STEP_MS),
      setInterval(() => this.#sayHealth(), HEALTH_MS),
    ]
  }

  /** Like a kill: nothing is said to the clients. */
  async kill(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.loseSockets()
    const server = this.#server
    if (server === undefined) return
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
    this.#server = undefined
  }

  loseSockets(): void {
    for (const client of this.#webSockets?.clients ?? []) client.terminate()
    this.#subscriptions.clear()
    this.#healthSockets.clear()
    this.#backfillSockets.clear()
  }

  /** Tells these jobs to who asked for backfill. */
  sayBackfills(backfills: readonly Backfill[]): void {
    for (const [socket, sequence] of this.#backfillSockets) {
      this.#backfillSockets.set(socket, sequence + 1)
      this.#say(socket, {
        op: 'backfill',
        id: 'backfill',
        channel: 'backfill',
        stream_epoch: String(this.#port),
        sequence: sequence + 1,
        queue: {
          waiting: backfills.length,
          running: 0,
          later: 0,
          requests_per_second: 3,
          eta_ms: 0,
          waits_for: null,
        },
        backfills: [...backfills],
      })
    }
  }

  /** The chain as the page should show it now. */
  current(symbol: string, expiry: string): StreamChain {
    return this.#chain(seriesOf(symbol, expiry) as Series, null)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    this.requests.push(`${request.method} ${url.pathname}${url.search}`)
    if (url.pathname === '/status') return json(response, 200, this.#status())
    if (url.pathname === '/fo/expiries') return json(response, 200, expiriesOf(url))
    if (url.pathname === '/fo/strike-distribution') return this.#answerChain(url, response)
    if (url.pathname === '/monitor/view') return this.#answerView(request, response)
    return this.#answerFile(url, response)
  }

  async #answerView(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    for await (const chunk of request) text += chunk
    this.views.push(JSON.parse(text))
    if (this.view === undefined) json(response, 503, errorBody('unavailable', 'No ticker.'))
    else json(response, 200, { unplaced: [], problem: null, ...this.view })
  }

  #answerChain(url: URL, response: ServerResponse): void {
    const series = seriesOf(url.searchParams.get('symbol'), url.searchParams.get('expiry'))
    if (series === undefined) {
      json(response, 404, errorBody('unknown_symbol', 'No such underlying.'))
      return
    }
    const strikes = url.searchParams.get('strikes')
    const chain = this.#chain(series, strikes === null ? null : Number(strikes))
    json(response, 200, { ...chain, age_ms: this.#ageMs() })
  }

  async #answerFile(url: URL, response: ServerResponse): Promise<void> {
    const path = normalize(url.pathname === '/' ? '/index.html' : url.pathname)
    const body = await readFile(join(this.#webRoot, path)).catch(() => null)
    if (body === null) return json(response, 404, errorBody('not_found', 'No such file.'))
    response.writeHead(200, {
      'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
      'content-security-policy': "default-src 'self'",
    })
    response.end(body)
  }

  #serve(socket: WebSocket): void {
    socket.on('message', (data) => {
      const message: unknown = JSON.parse(String(data))
      if (!isClientMessage.Check(message)) {
        this.breaches.push(String(data))
        return
      }
      this.received.push(message)
      this.#obey(socket, message)
    })
  }

  #obey(socket: WebSocket, message: ClientMessage): void {
    if (message.op === 'unsubscribe') {
      this.#subscriptions.delete(message.id)
    } else if (message.op === 'resnapshot') {
      const subscription = this.#subscriptions.get(message.id)
      if (subscription) this.#snapshot(subscription)
    } else if (message.channel === 'health') {
      this.#healthSockets.set(socket, 0)
      this.#sayHealth()
    } else if (message.channel === 'backfill') {
      this.#backfillSockets.set(socket, 0)
    } else if (message.channel === 'chain') {
      this.#subscribe(socket, message)
    }
  }

  #subscribe(socket: WebSocket, message: SubscribeChain): void {
    const series = seriesOf(message.symbol, message.expiry ?? null)
    const id = message.id ?? 'chain'
    if (series === undefined) {
      const error = errorBody('unknown_symbol', `No underlying is called ${message.symbol}.`).error
      this.#say(socket, { op: 'error', id, error })
      return
    }
    const strikes = message.strikes ?? null
    const sent = this.#chain(series, strikes)
    const subscription = { socket, id, series, strikes, sequence: 0, sent }
    this.#subscriptions.set(id, subscription)
    this.#snapshot(subscription)
  }

  #snapshot(subscription: Subscription): void {
    subscription.sent = this.#chain(subscription.series, subscription.strikes)
    subscription.sequence += 1
    this.#say(subscription.socket, {
      op: 'snapshot',
      id: subscription.id,
      channel: 'chain',
      stream_epoch: String(this.#port),
      sequence: subscription.sequence,
      age_ms: this.#ageMs(),
      chain: subscription.sent,
    })
  }

  #advance(): void {
    if (this.frozen) return
    this.step += 1
    for (const subscription of this.#subscriptions.values()) this.#update(subscription)
    this.skipOne = false
  }

  #update(subscription: Subscription): void {
    const next = this.#chain(subscription.series, subscription.strikes)
    const delta = diffChain(subscription.sent, next)
    if (delta === undefined) return
    subscription.sent = next
    subscription.sequence += this.skipOne ? 2 : 1
    this.#say(subscription.socket, {
      op: 'delta',
      id: subscription.id,
      channel: 'chain',
      sequence: subscription.sequence,
      age_ms: this.#ageMs(),
      ...delta,
    })
  }

  #sayHealth(): void {
    const now = Date.now()
    for (const [socket, sequence] of this.#healthSockets) {
      this.#healthSockets.set(socket, sequence + 1)
      this.#say(socket, {
        op: 'health',
        id: 'health',
        channel: 'health',
        stream_epoch: String(this.#port),
        sequence: sequence + 1,
        at: formatIst(now),
        feed: 'simulated',
        status: 'ok',
        message: null,
        market_time: formatIst(now),
        market_time_age_ms: this.#ageMs(),
        calendar: this.#calendar(),
        gaps_open: 0,
      })
    }
  }

  /** Everything said is of the protocol, or the test fails. */
  #say(socket: WebSocket, message: ServerMessage): void {
    const { op } = message
    if (!isServerMessage.Check(message)) throw new Error(`not of the protocol: ${op}`)
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message))
  }

  #chain(series: Series, strikes: number | null): StreamChain {
    return windowed(chainAt(series, this.step, Date.now() - this.extraAgeMs), strikes)
  }

  #ageMs(): number {
    return 240 + this.extraAgeMs
  }

  #calendar(): BackendStatus['calendar'] {
    return {
      mode: 'exchange',
      covered_through: '2026-12-31',
      assumed: false,
      session: this.session,
      next_change_at: null,
    }
  }

  #status(): Pick<
    BackendStatus,
    'service' | 'feed' | 'default_symbol' | 'underlyings' | 'calendar'
  > {
    const symbols = [...new Set(SERIES.map(({ symbol }) => symbol))]
    return {
      service: 'backend',
      feed: 'simulated',
      default_symbol: 'NIFTY50',
      calendar: this.#calendar(),
      underlyings: [...symbols, FUTURES_ONLY].map((symbol) => ({
        symbol,
        tradingsymbol: symbol,
        expiries: SERIES.filter((series) => series.symbol === symbol).length,
        instruments_active: 42,
      })),
    }
  }
}

function seriesOf(symbol: string | null, expiry: string | null): Series | undefined {
  return SERIES.find(
    (series) => series.symbol === symbol && (expiry === null || series.expiry === expiry),
  )
}

function expiriesOf(url: URL) {
  const symbol = url.searchParams.get('symbol')
  const expiries = SERIES.filter((series) => series.symbol === symbol).map((series) => ({
    expiry: series.expiry,
    days_to_expiry: series.days,
    kind: series.kind,
    lot_size: series.lotSize,
  }))
  return { symbol, expiries }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
