/**
 * The one shape of every refused or failed request, on ticker, backend and exchange control, and in
 * the stream's `error` message. It never carries a stack trace.
 */
import { type Static, Type } from 'typebox'
import { choice, text } from './schema-parts.ts'

/** What clients may branch on; `message` is for people. */
export const ERROR_CODES = [
  'bad_request',
  'unauthorized',
  'forbidden',
  'not_found',
  'unknown_symbol',
  'unknown_expiry',
  'unknown_instrument',
  'expired',
  'not_covered',
  'conflict',
  'capacity_exceeded',
  'rate_limited',
  'too_large',
  'unavailable',
  'timeout',
  'internal',
] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

/** The HTTP status with which each is answered, where nothing else is said. */
export const ERROR_STATUS: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  unknown_symbol: 404,
  unknown_expiry: 404,
  unknown_instrument: 404,
  expired: 410,
  not_covered: 409,
  conflict: 409,
  capacity_exceeded: 409,
  rate_limited: 429,
  too_large: 413,
  unavailable: 503,
  timeout: 504,
  internal: 500,
}

export const ErrorDetail = Type.Object({
  code: choice(ERROR_CODES, 'What clients branch on.'),
  message: text('One sentence for people.'),
  details: Type.Unsafe<Record<string, unknown> | null>({
    type: ['object', 'null'],
    additionalProperties: true,
    description:
      'What was wrong, e.g. the field and the values allowed; null where nothing is to be added.',
  }),
})
export type ErrorDetail = Static<typeof ErrorDetail>

export const ErrorBody = Type.Object({ error: ErrorDetail })
export type ErrorBody = Static<typeof ErrorBody>

export function errorBody(
  code: ErrorCode,
  message: string,
  details: Record<string, unknown> | null = null,
): ErrorBody {
  return { error: { code, message, details } }
}
