/** The envelope of Kite's REST answers, and its refusals. */
export type KiteErrorType =
  | 'TokenException'
  | 'InputException'
  | 'NetworkException'
  | 'DataException'
  | 'GeneralException'

/** Thrown by a route; becomes the broker's error answer. */
export class KiteRefusal extends Error {
  override readonly name = 'KiteRefusal'
  readonly status: number
  readonly errorType: KiteErrorType

  constructor(status: number, errorType: KiteErrorType, message: string) {
    super(message)
    this.status = status
    this.errorType = errorType
  }
}

export function success(data: unknown): { status: 'success'; data: unknown } {
  return { status: 'success', data }
}

export function failure(errorType: KiteErrorType, message: string) {
  return { status: 'error', message, error_type: errorType, data: null }
}

export function badInput(message: string): KiteRefusal {
  return new KiteRefusal(400, 'InputException', message)
}

export function notLoggedIn(): KiteRefusal {
  return new KiteRefusal(403, 'TokenException', 'Incorrect `api_key` or `access_token`.')
}

export function tooManyRequests(): KiteRefusal {
  return new KiteRefusal(429, 'NetworkException', 'Too many requests')
}
