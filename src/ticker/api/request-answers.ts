/** Refused requests for history and quotes in the words of the API, and callers that hang up. */
import type { FastifyReply } from 'fastify'
import type { ErrorCode } from '../../contract/api/error.ts'
import { RequestError, type RequestErrorCode } from '../requests/request-error.ts'
import { ApiError } from './api-error.ts'

const CODES: Readonly<Record<RequestErrorCode, ErrorCode>> = {
  bad_request: 'bad_request',
  unknown_instrument: 'unknown_instrument',
  queue_full: 'rate_limited',
  too_slow: 'rate_limited',
  timeout: 'timeout',
  no_account: 'unavailable',
  broker_failed: 'unavailable',
  cancelled: 'unavailable',
  stopped: 'unavailable',
}

/**
 * Makes the request with a signal that ends with the caller's connection.
 *
 * @throws ApiError; `Retry-After` stands in the reply then, where it is known
 */
export async function answering<T>(
  reply: FastifyReply,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const hangUp = new AbortController()
  const onClose = () => hangUp.abort()
  reply.raw.once('close', onClose)
  try {
    return await ask(hangUp.signal)
  } catch (error) {
    throw error instanceof RequestError ? refusal(reply, error) : error
  } finally {
    reply.raw.off('close', onClose)
  }
}

function refusal(reply: FastifyReply, error: RequestError): ApiError {
  const { code, message, field, retryAfterMs, accounts } = error
  if (retryAfterMs !== undefined) {
    void reply.header('retry-after', Math.max(1, Math.ceil(retryAfterMs / 1_000)))
  }
  const details = {
    ...(field === undefined ? {} : { field }),
    ...(retryAfterMs === undefined ? {} : { retry_after_ms: Math.ceil(retryAfterMs) }),
    ...(accounts === undefined ? {} : { accounts }),
  }
  return new ApiError(CODES[code], message, Object.keys(details).length === 0 ? null : details)
}
