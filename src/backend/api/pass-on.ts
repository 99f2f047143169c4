/** Calls that the backend passes on to a ticker: unchanged, with the caller's identity and scope. */
import { requestedByHeader } from '../../contract/api/subscriptions.ts'
import { callTicker, type TickerAccess, type TickerResponse } from '../tickers/call-ticker.ts'
import { TickerError } from '../tickers/ticker-error.ts'
import { ApiError, unavailable } from './api-error.ts'

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

/** @throws ApiError where the ticker does not answer */
export async function passOn(access: TickerAccess, call: PassedOn): Promise<TickerAnswer> {
  try {
    return answerOf(await askAsCaller(access, call))
  } catch (cause) {
    throw cause instanceof TickerError ? tickerFault(cause, longestMsOf(access, call)) : cause
  }
}

/** @throws TickerError where the ticker does not answer */
export function askAsCaller(access: TickerAccess, call: PassedOn): Promise<TickerResponse> {
  return callTicker(access, {
    method: call.method,
    pathAndQuery: call.pathAndQuery,
    headers: pick(HEADERS_DOWN, (name) => oneHeader(call.headers[name])),
    body: call.body,
    longestMs: longestMsOf(access, call),
  })
}

/** What of a ticker's answer is the caller's. */
export function answerOf({ status, headers, body }: TickerResponse): TickerAnswer {
  return { status, headers: pick(HEADERS_UP, (name) => headers.get(name) ?? undefined), body }
}

function longestMsOf({ timeoutMs }: TickerAccess, { waitMs }: PassedOn): number {
  return waitMs > 0 ? Math.max(timeoutMs, waitMs + WAIT_MARGIN_MS) : timeoutMs
}

function tickerFault({ url, reason, message }: TickerError, longestMs: number): ApiError {
  if (reason !== 'timeout') return unavailable(message, { ticker: url })
  const text = `The ticker did not answer within ${longestMs / 1000} s.`
  return new ApiError(504, 'timeout', text, { ticker: url })
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
