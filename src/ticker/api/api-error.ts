/**
 * A request that cannot be answered, in its one shape. Thrown anywhere below a route; the server's
 * error handler makes the answer of it.
 */
import {
  ERROR_STATUS,
  type ErrorBody,
  type ErrorCode,
  errorBody,
} from '../../contract/api/error.ts'

type Details = Readonly<Record<string, unknown>>

export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ErrorCode
  readonly httpStatus: number
  readonly details: Details | null

  constructor(code: ErrorCode, message: string, details: Details | null = null, status?: number) {
    super(message)
    this.code = code
    this.details = details
    this.httpStatus = status ?? ERROR_STATUS[code]
  }

  get body(): ErrorBody {
    return errorBody(this.code, this.message, this.details)
  }
}
