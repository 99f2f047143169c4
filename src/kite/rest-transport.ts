/**
 * One HTTP call to Kite's REST API: address, headers, timeout, size cap, and every way to fail
 * translated into a `KiteError`. What the calls are is in `rest.ts`.
 */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Clock } from '../kit/clock.ts'
import { KITE_REST_MAX_ANSWER_BYTES, KITE_REST_TIMEOUT_MS } from '../limits.ts'
import { KiteError, type KiteErrorCode, parseRetryAfter, redact } from './kite-error.ts'

const unpack = promisify(gunzip)

export interface KiteTransportOptions {
  /** `https://api.kite.trade`, or the root of a simulated exchange. */
  readonly root: string
  readonly apiKey: string
  /** Asked at every call, since the token changes every morning; undefined before the login. */
  readonly accessToken: () => string | undefined
  readonly clock: Clock
}

export interface KiteCall {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly query?: URLSearchParams
  /** Sent form-encoded. */
  readonly form?: URLSearchParams
  /** Values beyond the access token that no error may show. */
  readonly secrets?: readonly string[]
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
}

export class KiteTransport {
  private readonly options: KiteTransportOptions

  constructor(options: KiteTransportOptions) {
    this.options = options
  }

  /** The `data` of a JSON answer. @throws KiteError */
  async data(call: KiteCall): Promise<unknown> {
    const answer = await this.call(call)
    const envelope = parseEnvelope(answer.body)
    if (envelope?.status === 'success') return envelope.data
    if (envelope?.status === 'error') throw this.brokerError(call, answer, envelope)
    throw new KiteError('bad_answer', `${describe(call)}: the answer is not the broker's JSON`)
  }

  /** A text answer, decompressed where the file itself is gzip. @throws KiteError */
  async text(call: KiteCall): Promise<string> {
    const { body } = await this.call(call)
    if (body[0] !== 0x1f || body[1] !== 0x8b) return body.toString('utf8')
    try {
      // Off this thread, on which ticks are read: the dump is 10 MB.
      const plain = await unpack(body, { maxOutputLength: KITE_REST_MAX_ANSWER_BYTES })
      return plain.toString('utf8')
    } catch (error) {
      throw new KiteError('bad_answer', `${describe(call)}: ${messageOf(error)}`)
    }
  }

  private async call(call: KiteCall): Promise<Answer> {
    const answer = await this.exchange(call)
    if (answer.status >= 200 && answer.status < 300) return answer
    throw this.brokerError(call, answer, parseEnvelope(answer.body))
  }

  /** Request and whole answer under one timeout. */
  private async exchange(call: KiteCall): Promise<Answer> {
    const giveUp = new AbortController()
    const timeoutMs = call.timeoutMs ?? KITE_REST_TIMEOUT_MS
    const cancelTimeout = this.options.clock.after(timeoutMs, () => {
      giveUp.abort(new KiteError('timeout', `${describe(call)}: no answer after ${timeoutMs} ms`))
    })
    const onAbort = () => giveUp.abort(new KiteError('aborted', `${describe(call)}: given up`))
    if (call.signal?.aborted === true) onAbort()
    call.signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const response = await fetch(this.urlOf(call), this.requestOf(call, giveUp.signal))
      return { status: response.status, headers: response.headers, body: await readBody(response) }
    } catch (error) {
      throw this.transportError(call, giveUp.signal, error)
    } finally {
      cancelTimeout()
      call.signal?.removeEventListener('abort', onAbort)
    }
  }

  private urlOf(call: KiteCall): string {
    const query = call.query === undefined ? '' : `?${call.query}`
    return `${this.options.root.replace(/\/+$/, '')}${call.path}${query}`
  }

  private requestOf(call: KiteCall, signal: AbortSignal): RequestInit {
    const headers: Record<string, string> = { 'X-Kite-Version': '3' }
    const accessToken = this.options.accessToken()
    if (accessToken !== undefined) {
      headers['Authorization'] = `token ${this.options.apiKey}:${accessToken}`
    }
    const body = call.form === undefined ? {} : { body: call.form }
    return { method: call.method, headers, signal, redirect: 'manual', ...body }
  }

  private brokerError(call: KiteCall, answer: Answer, envelope: Envelope | undefined): KiteError {
    const errorType = envelope?.errorType
    const said = this.clean(call, envelope?.message ?? 'without a message')
    const status = errorType === undefined ? answer.status : `${answer.status} ${errorType}`
    return new KiteError(
      codeOf(answer.status, errorType),
      `${describe(call)}: HTTP ${status}: ${said}`,
      {
        httpStatus: answer.status,
        errorType,
        retryAfterMs: parseRetryAfter(
          answer.headers.get('retry-after'),
          this.options.clock.nowMs(),
        ),
      },
    )
  }

  private transportError(call: KiteCall, signal: AbortSignal, error: unknown): KiteError {
    if (signal.aborted && signal.reason instanceof KiteError) return signal.reason
    if (error instanceof KiteError) return error
    return new KiteError('network', `${describe(call)}: ${this.clean(call, messageOf(error))}`)
  }

  private clean(call: KiteCall, text: string): string {
    return redact(text, [this.options.accessToken(), ...(call.secrets ?? [])])
  }
}

interface Envelope {
  readonly status: unknown
  readonly data: unknown
  readonly message: string | undefined
  readonly errorType: string | undefined
}

function parseEnvelope(body: Buffer): Envelope | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { status, data, message, error_type } = parsed as Record<string, unknown>
  return { status, data, message: textOf(message), errorType: textOf(error_type) }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** The rate limit answers with `NetworkException` too, so the status is asked first there. */
function codeOf(status: number, errorType: string | undefined): KiteErrorCode {
  if (status === 429) return 'too_many_requests'
  if (errorType === 'TokenException') return 'token_expired'
  if (status === 403 || status === 401) return 'forbidden'
  if (status === 404 || status === 410) return 'not_found'
  if (status >= 500 || errorType === 'NetworkException' || errorType === 'DataException') {
    return 'server_error'
  }
  return status >= 400 || errorType !== undefined ? 'bad_request' : 'bad_answer'
}

/** Reads the answer, but no more than the cap. */
async function readBody(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let byteLength = 0
  for await (const chunk of response.body ?? []) {
    byteLength += chunk.byteLength
    if (byteLength > KITE_REST_MAX_ANSWER_BYTES) {
      throw new KiteError('bad_answer', `answer of more than ${KITE_REST_MAX_ANSWER_BYTES} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Never the query: it may hold secrets. */
function describe(call: KiteCall): string {
  return `${call.method} ${call.path}`
}

/** `fetch` says only "fetch failed"; the reason stands in its cause. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? error.cause : undefined
  if (cause === undefined) return error.message
  const { code } = cause as NodeJS.ErrnoException
  return cause.message === '' ? (code ?? error.message) : cause.message
}
