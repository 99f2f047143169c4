/**
 * What goes wrong between us and Kite, over REST or WebSocket, as one typed error.
 *
 * The access token travels in the WebSocket's URL and in some REST queries, and Node's own errors
 * may quote a URL. So no error carries a URL, a header or a `cause`: what the underlying error says
 * is taken over as text, with the secrets replaced.
 */
import { KITE_ERROR_TEXT_CHARS, KITE_RETRY_AFTER_MAX_MS } from '../limits.ts'

export type KiteErrorCode =
  /** The access token has ended (6 AM IST) or is wrong: a new login is needed. */
  | 'token_expired'
  /** Refused: on the WebSocket a dead token or an app without market data, which look the same. */
  | 'forbidden'
  /** The WebSocket limit of the api_key. */
  | 'too_many_connections'
  /** The REST rate limit. */
  | 'too_many_requests'
  /** The broker does not accept the request as it stands. */
  | 'bad_request'
  | 'not_found'
  /** 5xx: the broker's side. */
  | 'server_error'
  /** An answer that is not what the protocol says, or too large. */
  | 'bad_answer'
  | 'timeout'
  /** No connection, or it broke. */
  | 'network'
  /** The caller's signal ended it. */
  | 'aborted'
  /** The socket is closed. */
  | 'closed'

const RETRYABLE: ReadonlySet<KiteErrorCode> = new Set<KiteErrorCode>([
  'too_many_connections',
  'too_many_requests',
  'server_error',
  'bad_answer',
  'timeout',
  'network',
])

export interface KiteErrorDetails {
  readonly httpStatus?: number | undefined
  /** The broker's own word, `TokenException` and such. */
  readonly errorType?: string | undefined
  readonly retryAfterMs?: number | undefined
}

export class KiteError extends Error {
  override readonly name = 'KiteError'
  readonly code: KiteErrorCode
  /** Whether the same call may succeed later without anybody doing anything. */
  readonly retryable: boolean
  /** How long the broker asks to wait; undefined where it does not say. */
  readonly retryAfterMs: number | undefined
  readonly httpStatus: number | undefined
  readonly errorType: string | undefined

  constructor(code: KiteErrorCode, message: string, details: KiteErrorDetails = {}) {
    super(message)
    this.code = code
    this.retryable = RETRYABLE.has(code)
    this.retryAfterMs = details.retryAfterMs
    this.httpStatus = details.httpStatus
    this.errorType = details.errorType
  }
}

/** Text from outside, fit for an error or a log: secrets replaced, cut to a bounded length. */
export function redact(text: string, secrets: readonly (string | undefined)[]): string {
  let clean = text
  for (const secret of secrets) {
    if (secret === undefined || secret === '') continue
    clean = clean.replaceAll(secret, '[redacted]')
    clean = clean.replaceAll(encodeURIComponent(secret), '[redacted]')
  }
  return clean.slice(0, KITE_ERROR_TEXT_CHARS)
}

/** Milliseconds to wait, from a `Retry-After` header: seconds or an HTTP date. */
export function parseRetryAfter(
  header: string | null | undefined,
  nowMs: number,
): number | undefined {
  if (header === null || header === undefined || header.trim() === '') return undefined
  const seconds = Number(header)
  const waitMs = Number.isNaN(seconds) ? Date.parse(header) - nowMs : seconds * 1000
  if (Number.isNaN(waitMs)) return undefined
  return Math.min(Math.max(waitMs, 0), KITE_RETRY_AFTER_MAX_MS)
}
