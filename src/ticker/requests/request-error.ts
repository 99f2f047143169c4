/** Why a request for history or quotes was not answered. */
import type { KiteError } from '../../kite/kite-error.ts'

export type RequestErrorCode =
  /** The request itself; `field` says which part of it. */
  | 'bad_request'
  /** The broker does not know the instrument. */
  | 'unknown_instrument'
  /** The queue is at its cap. */
  | 'queue_full'
  /** Its turn does not come within the caller's time. */
  | 'too_slow'
  /** The broker was asked and has not answered within the caller's time. */
  | 'timeout'
  /** No account may ask the broker now. */
  | 'no_account'
  /** The broker failed, several times over. */
  | 'broker_failed'
  /** Taken back by whoever asked. */
  | 'cancelled'
  /** The ticker ends. */
  | 'stopped'

const RETRYABLE: ReadonlySet<RequestErrorCode> = new Set<RequestErrorCode>([
  'queue_full',
  'too_slow',
  'timeout',
  'no_account',
  'broker_failed',
  'stopped',
])

export interface RequestErrorDetails {
  readonly field?: string
  /** When it is worth asking again, ms. */
  readonly retryAfterMs?: number
  /** Accounts that may not ask, with the reason. */
  readonly accounts?: readonly { readonly account: string; readonly reason: string }[]
  readonly cause?: unknown
}

export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly code: RequestErrorCode
  readonly retryable: boolean
  readonly field: string | undefined
  readonly retryAfterMs: number | undefined
  readonly accounts: RequestErrorDetails['accounts']

  constructor(code: RequestErrorCode, message: string, details: RequestErrorDetails = {}) {
    super(message, { cause: details.cause })
    this.code = code
    this.retryable = RETRYABLE.has(code)
    this.field = details.field
    this.retryAfterMs = details.retryAfterMs
    this.accounts = details.accounts
  }
}

/** What the broker says of the request itself, in our words. */
export function brokerRefusal(error: KiteError): RequestError {
  const { code, message, retryAfterMs } = error
  const details = { cause: error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
  if (code === 'not_found' || (code === 'bad_request' && /invalid token/i.test(message))) {
    return new RequestError(
      'unknown_instrument',
      'The broker does not know the instrument.',
      details,
    )
  }
  if (code === 'bad_request') return new RequestError('bad_request', message, details)
  return new RequestError('broker_failed', `The broker does not answer: ${message}`, details)
}
