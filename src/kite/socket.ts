/**
 * One WebSocket connection to Kite, and nothing more: no reconnecting, no memory of what is
 * subscribed, no decoding. The pool that owns it decides all that.
 *
 *   openKiteSocket ──▶ open ──▶ closed (by the broker, the network or an error: `onClose`, once)
 *        │               └────▶ closed (by `close()`: no handler is called again)
 *        └──▶ KiteError
 */
import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import type { Clock } from '../kit/clock.ts'
import {
  KITE_MAX_FRAME_BYTES,
  KITE_SOCKET_CLOSE_TIMEOUT_MS,
  KITE_SOCKET_OPEN_TIMEOUT_MS,
  KITE_TOKENS_PER_MESSAGE,
} from '../limits.ts'
import type { TickMode } from '../market/tick.ts'
import { type ClientMessage, formatClientMessage } from './client-message.ts'
import { KiteError, parseRetryAfter, redact } from './kite-error.ts'

export interface KiteSocketOptions {
  /** `wss://ws.kite.trade`, or the root of a simulated exchange. */
  readonly root: string
  readonly apiKey: string
  readonly accessToken: string
  readonly clock: Clock
  readonly openTimeoutMs?: number
  /** Ends the opening; has no effect once the socket is open. */
  readonly signal?: AbortSignal
}

export interface KiteSocketHandlers {
  /**
   * A binary message, heartbeats included; `receivedAtMs` is the wall clock. The bytes are a part
   * of what the network read (up to 64 KB), which they keep alive.
   */
  onFrame(bytes: Buffer, receivedAtMs: number): void
  onText(text: string, receivedAtMs: number): void
  /** The connection is gone, and not by `close()`. */
  onClose(closed: KiteSocketClosed): void
}

export interface KiteSocketClosed {
  /** WebSocket close code; 1006 where the connection broke without one. */
  readonly code: number
  /** The broker's words; empty where it says nothing. */
  readonly reason: string
  /** What broke it, where that is known; without secrets. */
  readonly error: string | undefined
}

/**
 * Opens a connection. Handlers may be called as soon as it is open, that is also before the code
 * that awaits this promise goes on.
 *
 * @throws KiteError `forbidden` (403), `too_many_connections` (429), `server_error`, `bad_request`,
 *   `bad_answer`, `timeout`, `network`, `aborted`
 */
export function openKiteSocket(
  options: KiteSocketOptions,
  handlers: KiteSocketHandlers,
): Promise<KiteSocket> {
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted === true) {
      reject(new KiteError('aborted', 'opening was given up'))
      return
    }
    new Opening(options, handlers, resolve, reject)
  })
}

/** The time between the request and the first of: open, refused, broken, too late, given up. */
class Opening {
  private readonly options: KiteSocketOptions
  private readonly webSocket: WebSocket
  private readonly reject: (error: KiteError) => void
  private readonly cancelTimeout: () => void
  private settled = false

  constructor(
    options: KiteSocketOptions,
    handlers: KiteSocketHandlers,
    resolve: (socket: KiteSocket) => void,
    reject: (error: KiteError) => void,
  ) {
    this.options = options
    this.reject = reject
    this.webSocket = connect(options)
    const timeoutMs = options.openTimeoutMs ?? KITE_SOCKET_OPEN_TIMEOUT_MS
    this.cancelTimeout = options.clock.after(timeoutMs, () => {
      this.fail(new KiteError('timeout', `not open after ${timeoutMs} ms`))
    })
    options.signal?.addEventListener('abort', this.onAbort, { once: true })
    this.webSocket.once('unexpected-response', (_request, response) => {
      this.fail(refusal(response, this.options.clock.nowMs()))
    })
    this.webSocket.on('error', (error) => {
      const text = redact(describe(error), [options.accessToken])
      this.fail(new KiteError('network', `connection failed: ${text}`))
    })
    this.webSocket.once('open', () => {
      this.settle()
      this.webSocket.removeAllListeners()
      resolve(new KiteSocket(this.webSocket, options, handlers))
    })
  }

  private readonly onAbort = () => {
    this.fail(new KiteError('aborted', 'opening was given up'))
  }

  /** Only the first failure counts; tearing the socket down causes another, which is expected. */
  private fail(error: KiteError): void {
    if (this.settled) return
    this.settle()
    this.webSocket.terminate()
    this.reject(error)
  }

  private settle(): void {
    this.settled = true
    this.cancelTimeout()
    this.options.signal?.removeEventListener('abort', this.onAbort)
  }
}

export class KiteSocket {
  private readonly webSocket: WebSocket
  private readonly clock: Clock
  private readonly closing: Promise<void>
  private error: string | undefined
  /** Set by `close()`: what arrives after is nobody's. */
  private fenced = false

  /** @internal `openKiteSocket` makes these. */
  constructor(webSocket: WebSocket, options: KiteSocketOptions, handlers: KiteSocketHandlers) {
    this.webSocket = webSocket
    this.clock = options.clock
    webSocket.on('message', (data: Buffer, isBinary: boolean) => {
      if (this.fenced) return
      const receivedAtMs = this.clock.nowMs()
      if (isBinary) handlers.onFrame(data, receivedAtMs)
      else handlers.onText(data.toString('utf8'), receivedAtMs)
    })
    webSocket.on('error', (error) => {
      this.error = redact(describe(error), [options.accessToken])
    })
    this.closing = new Promise((resolve) => {
      webSocket.once('close', (code, reason) => {
        resolve()
        if (this.fenced) return
        this.fenced = true
        handlers.onClose({
          code,
          reason: redact(reason.toString('utf8'), [options.accessToken]),
          error: this.error,
        })
      })
    })
  }

  get isOpen(): boolean {
    return !this.fenced && this.webSocket.readyState === WebSocket.OPEN
  }

  /** Bytes written and not yet handed to the network. */
  get bufferedBytes(): number {
    return this.webSocket.bufferedAmount
  }

  /**
   * Each of the three resolves when the messages are handed to the network; the broker answers none
   * of them. No tokens, no message. @throws KiteError `closed`
   */
  subscribe(tokens: readonly number[]): Promise<void> {
    return this.sendInChunks(tokens, (chunk) => ({ kind: 'subscribe', tokens: chunk }))
  }

  unsubscribe(tokens: readonly number[]): Promise<void> {
    return this.sendInChunks(tokens, (chunk) => ({ kind: 'unsubscribe', tokens: chunk }))
  }

  setMode(mode: TickMode, tokens: readonly number[]): Promise<void> {
    return this.sendInChunks(tokens, (chunk) => ({ kind: 'mode', mode, tokens: chunk }))
  }

  /**
   * Stops reading, so that the broker's side fills up: back-pressure. What the network has read
   * already (up to 64 KB of frames) is still delivered, and while paused a close is not noticed.
   */
  pause(): void {
    this.webSocket.pause()
  }

  resume(): void {
    this.webSocket.resume()
  }

  /** No handler is called from here on. Resolves when the connection is gone; may be repeated. */
  close(code = 1000, reason = ''): Promise<void> {
    if (this.fenced) return this.closing
    this.fenced = true
    this.webSocket.resume()
    this.webSocket.close(code, reason)
    const cancel = this.clock.after(KITE_SOCKET_CLOSE_TIMEOUT_MS, () => this.webSocket.terminate())
    return this.closing.finally(cancel)
  }

  private async sendInChunks(
    tokens: readonly number[],
    messageOf: (chunk: readonly number[]) => ClientMessage,
  ): Promise<void> {
    const sent: Promise<void>[] = []
    for (let at = 0; at < tokens.length; at += KITE_TOKENS_PER_MESSAGE) {
      sent.push(this.send(messageOf(tokens.slice(at, at + KITE_TOKENS_PER_MESSAGE))))
    }
    await Promise.all(sent)
  }

  private send(message: ClientMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) {
        reject(new KiteError('closed', `${message.kind}: the socket is closed`))
        return
      }
      this.webSocket.send(formatClientMessage(message), (error) => {
        if (error === undefined || error === null) resolve()
        else reject(new KiteError('closed', `${message.kind}: ${describe(error)}`))
      })
    })
  }
}

function connect(options: KiteSocketOptions): WebSocket {
  const url = new URL(options.root)
  url.searchParams.set('api_key', options.apiKey)
  url.searchParams.set('access_token', options.accessToken)
  return new WebSocket(url, {
    headers: { 'X-Kite-Version': '3' },
    perMessageDeflate: false,
    maxPayload: KITE_MAX_FRAME_BYTES,
  })
}

function refusal(response: IncomingMessage, nowMs: number): KiteError {
  const httpStatus = response.statusCode ?? 0
  const retryAfterMs = parseRetryAfter(response.headers['retry-after'], nowMs)
  const message = `the broker refused the connection with HTTP ${httpStatus}`
  return new KiteError(refusalCode(httpStatus), message, { httpStatus, retryAfterMs })
}

function refusalCode(httpStatus: number) {
  if (httpStatus === 403 || httpStatus === 401) return 'forbidden'
  if (httpStatus === 429) return 'too_many_connections'
  if (httpStatus >= 500) return 'server_error'
  return httpStatus >= 400 ? 'bad_request' : 'bad_answer'
}

function describe(error: Error): string {
  const { code } = error as NodeJS.ErrnoException
  if (error.message !== '') return error.message
  return code ?? error.name
}
