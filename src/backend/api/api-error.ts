/**
 * A request that cannot be answered, and its one shape. Thrown anywhere below a route; the server's
 * error handler makes the answer of it.
 */
import { type ErrorBody, type ErrorCode, errorBody } from '../../contract/api/error.ts'
import { API_NAMES_SHOWN } from '../../limits.ts'

type Details = Readonly<Record<string, unknown>>

export class ApiError extends Error {
  /** HTTP status. */
  readonly statusCode: number
  readonly code: ErrorCode
  readonly details: Details | null

  constructor(
    statusCode: number,
    code: ErrorCode,
    message: string,
    details: Details | null = null,
  ) {
    super(message)
    this.statusCode = statusCode
    this.code = code
    this.details = details
  }

  get body(): ErrorBody {
    return errorBody(this.code, this.message, this.details)
  }
}

/** A parameter that is not what it should be. */
export function badField(field: string, message: string, details: Details = {}): ApiError {
  return new ApiError(400, 'bad_request', message, { field, ...details })
}

/** The store or the ticker is not there; the same request may succeed later. */
export function unavailable(message: string, details: Details | null = null): ApiError {
  return new ApiError(503, 'unavailable', message, details)
}

/** Names for a refusal to list: the first ones, and how many there are. */
export function namesShown(names: readonly string[]): Details {
  return names.length <= API_NAMES_SHOWN
    ? { known: names }
    : { known: names.slice(0, API_NAMES_SHOWN), known_total: names.length }
}
