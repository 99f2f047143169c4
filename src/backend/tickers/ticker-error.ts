/** Why a ticker did not do what it was asked. */

export type TickerErrorCode =
  /** Nobody answers there, or not in time: whether it was done is not known. */
  | 'unreachable'
  /** Its turn at the broker does not come in time; `retryAfterMs` says when to ask again. */
  | 'rate_limited'
  /** The ticker answers and cannot do it now: no account is up, the broker failed. */
  | 'unavailable'
  /** The request itself is wrong or refused; asking again changes nothing. */
  | 'refused'
  /** The answer is not what was agreed. */
  | 'unreadable'

export interface TickerErrorDetails {
  /** Where the ticker is. */
  readonly url: string
  /** HTTP status; undefined where there was no answer. */
  readonly status?: number
  /** The ticker's own code (`unknown_instrument`, `capacity_exceeded`, …), where it gave one. */
  readonly reason?: string
  /** When it is worth asking again, ms. */
  readonly retryAfterMs?: number
  /** What happened, without the words around it; the message where it is left out. */
  readonly why?: string
  readonly cause?: unknown
}

const RETRYABLE: readonly TickerErrorCode[] = ['unreachable', 'rate_limited', 'unavailable']

export class TickerError extends Error {
  override readonly name = 'TickerError'
  readonly code: TickerErrorCode
  readonly retryable: boolean
  readonly url: string
  readonly status: number | undefined
  readonly reason: string | undefined
  readonly retryAfterMs: number | undefined
  readonly why: string

  constructor(code: TickerErrorCode, message: string, details: TickerErrorDetails) {
    super(message, { cause: details.cause })
    this.code = code
    this.retryable = RETRYABLE.includes(code)
    this.url = details.url
    this.status = details.status
    this.reason = details.reason
    this.retryAfterMs = details.retryAfterMs
    this.why = details.why ?? message
  }
}
