/**
 * A request that cannot be answered, in its one shape. Thrown anywhere below a route; the server's
 * error handler makes the answer of it.
 */
import { type ErrorBody, type ErrorCode, errorBody } from '../../contract/api/error.ts'

type Details = Readonly<Record<string, unknown>>

const STATUS: Readonly<Record<ErrorCode, number>> = {
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

export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ErrorCode
  readonly httpStatus: number
  readonly details: Details | null

  constructor(code: ErrorCode, message: string, details: Details | null = null, status?: number) {
    super(message)
    this.code = code
    this.details = details
    this.httpStatus = status ?? STATUS[code]
  }

  get body(): ErrorBody {
    return errorBody(this.code, this.message, this.details)
  }
}
