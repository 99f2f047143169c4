/**
 * The ticker's REST API as the backend uses it: its status, and calls that are passed on unchanged.
 * A ticker that is away is an answer here, never an exception that nobody expects.
 */
import type { TickerSummary } from '../../contract/api/backend-status.ts'
import { requestedByHeader } from '../../contract/api/subscriptions.ts'
import type { Clock } from '../../kit/clock.ts'
import { API_PROBE_TIMEOUT_MS } from '../../limits.ts'
import { formatIst } from '../../market/ist.ts'
import { ApiError, unavailable } from './api-error.ts'

export interface TickerAccess {
  /** Where the ticker's REST API is, without a path. */
  readonly url: string
  /** The longest that a call which is passed on may take. */
  readonly timeoutMs: number
}

export interface PassedOn {
  readonly method: string
  /** Path and query as the caller sent them. */
  readonly pathAndQuery: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** JSON text; undefined where there is no body. */
  readonly body: string | undefined
  /** How long the caller asks the ticker itself to wait. */
  readonly waitMs: number
}

export interface TickerAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** The caller's identity and scope go with the call. */
const HEADERS_DOWN = [requestedByHeader, 'x-api-key', 'authorization', 'accept']
const HEADERS_UP = ['content-type', 'x-total-count', 'retry-after', 'location', 'allow']
/** On top of what the caller wants the ticker to wait. */
const WAIT_MARGIN_MS = 2_000

export async function passOn(
  { url, timeoutMs }: TickerAccess,
  call: PassedOn,
): Promise<TickerAnswer> {
  const longestMs = call.waitMs > 0 ? Math.max(timeoutMs, call.waitMs + WAIT_MARGIN_MS) : timeoutMs
  try {
    const response = await fetch(new URL(call.pathAndQuery, url), {
      method: call.method,
      headers: {
        ...pick(HEADERS_DOWN, (name) => oneHeader(call.headers[name])),
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(call.body === undefined ? {} : { body: call.body }),
      signal: AbortSignal.timeout(longestMs),
      redirect: 'manual',
    })
    return {
      status: response.status,
      headers: pick(HEADERS_UP, (name) => response.headers.get(name) ?? undefined),
      body: Buffer.from(await response.arrayBuffer()),
    }
  } catch (cause) {
    throw tickerFault(url, longestMs, cause)
  }
}

/** What the ticker says of itself, cut down to what the backend's status shows. */
export async function summariseTicker(
  { url }: TickerAccess,
  clock: Pick<Clock, 'nowMs'>,
): Promise<TickerSummary> {
  const checked_at = formatIst(clock.nowMs())
  try {
    const response = await fetch(new URL('/status', url), {
      signal: AbortSignal.timeout(API_PROBE_TIMEOUT_MS),
    })
    const status: unknown = await response.json()
    if (!response.ok) return down(url, checked_at, `it answers HTTP ${response.status}`)
    return { url, status: 'up', ...figuresOf(status), checked_at, error: null }
  } catch (cause) {
    return down(url, checked_at, reasonOf(cause))
  }
}

function down(url: string, checked_at: string, error: string): TickerSummary {
  return { url, status: 'down', ...figuresOf(null), checked_at, error }
}

function figuresOf(status: unknown) {
  const accounts = field(status, 'accounts')
  const totals = field(status, 'totals')
  const id = field(status, 'ticker_id')
  return {
    ticker_id: typeof id === 'string' ? id : null,
    accounts_up: Array.isArray(accounts)
      ? accounts.filter((account) => field(account, 'state') === 'up').length
      : null,
    accounts_total: Array.isArray(accounts) ? accounts.length : null,
    instruments_active: numberOf(field(totals, 'subscriptions_active')),
    ticks_per_second: numberOf(field(totals, 'ticks_per_second')),
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

function tickerFault(url: string, longestMs: number, cause: unknown): ApiError {
  if (cause instanceof DOMException && cause.name === 'TimeoutError') {
    return new ApiError(504, 'timeout', `The ticker did not answer within ${longestMs / 1000} s.`, {
      ticker: url,
    })
  }
  return unavailable(`The ticker at ${url} does not answer: ${reasonOf(cause)}.`, { ticker: url })
}

/** `fetch` wraps what happened. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  if (!(inner instanceof Error)) return String(inner)
  const code: unknown = Reflect.get(inner, 'code')
  return inner.message === '' && typeof code === 'string' ? code : inner.message
}

function pick(
  names: readonly string[],
  find: (name: string) => string | undefined,
): Record<string, string> {
  const found = names.flatMap((name) => {
    const value = find(name)
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(found)
}

function oneHeader(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value
}
