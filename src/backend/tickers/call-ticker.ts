/** One HTTP call to a ticker, with its end in time: the only place where the backend makes one. */
import { setMaxListeners } from 'node:events'
import { TickerError } from './ticker-error.ts'

export interface TickerAccess {
  /** Where the ticker's REST API is, without a path. */
  readonly url: string
  /** The longest that a call may take which names no time of its own. */
  readonly timeoutMs: number
  /** Sent where this program asks for itself; a call that is passed on has its caller's key. */
  readonly apiKey?: string
}

export interface TickerCall {
  readonly method: string
  readonly pathAndQuery: string
  readonly headers?: Readonly<Record<string, string>>
  /** JSON text; undefined where there is no body. */
  readonly body?: string | undefined
  readonly longestMs: number
  readonly signal?: AbortSignal | undefined
}

export interface TickerResponse {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
}

/**
 * Resolves with any answer, refusals too. Rejects with `TickerError` (`unreachable`) where there is
 * none, and with the signal's reason where the caller gave up.
 */
export async function callTicker({ url }: TickerAccess, call: TickerCall): Promise<TickerResponse> {
  const { method, pathAndQuery, headers, body, longestMs, signal } = call
  const ending = endOf(longestMs, signal)
  try {
    const response = await fetch(new URL(pathAndQuery, url), {
      method,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
      signal: ending.signal,
      redirect: 'manual',
    })
    const content = Buffer.from(await response.arrayBuffer())
    return { status: response.status, headers: response.headers, body: content }
  } catch (cause) {
    signal?.throwIfAborted()
    const why = ending.isLate() ? `no answer within ${longestMs / 1000} s` : reasonOf(cause)
    throw new TickerError('unreachable', `The ticker at ${url} does not answer: ${why}.`, {
      url,
      why,
      cause,
      ...(ending.isLate() ? { reason: 'timeout' } : {}),
    })
  } finally {
    ending.release()
  }
}

/** As our own program: with its key and name. */
export function ownHeaders({ apiKey }: TickerAccess): Record<string, string> {
  return apiKey === undefined ? {} : { 'x-api-key': apiKey }
}

/** Ends with the time or with the caller's signal, which keeps no trace of the call afterwards. */
function endOf(longestMs: number, signal: AbortSignal | undefined) {
  const late = AbortSignal.timeout(longestMs)
  const controller = new AbortController()
  const end = () => controller.abort()
  const sources = signal === undefined ? [late] : [late, signal]
  // One signal may end any number of calls.
  if (signal !== undefined) setMaxListeners(0, signal)
  for (const source of sources) {
    if (source.aborted) end()
    source.addEventListener('abort', end)
  }
  return {
    signal: controller.signal,
    isLate: () => late.aborted,
    release: () => {
      for (const source of sources) source.removeEventListener('abort', end)
    },
  }
}

/** `fetch` wraps what happened. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  if (!(inner instanceof Error)) return String(inner)
  const code: unknown = Reflect.get(inner, 'code')
  return inner.message === '' && typeof code === 'string' ? code : inner.message
}
