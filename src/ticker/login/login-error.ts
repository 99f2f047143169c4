/** A login that came to nothing. The message says what to do; no secret is in it. */
export type LoginErrorCode =
  /** The user or the broker said no. */
  | 'denied'
  /** The broker did not take the request token or the secret. */
  | 'refused'
  /** The broker did not answer, or not as it should. */
  | 'broker_unavailable'
  /** What was pasted, or came back, is not of this login. */
  | 'foreign'
  | 'timeout'
  | 'port_in_use'
  | 'aborted'
  /** The token could not be kept. */
  | 'not_stored'

export class LoginError extends Error {
  override readonly name = 'LoginError'
  readonly code: LoginErrorCode
  /** Whether beginning anew may help without anything being changed first. */
  readonly retryable: boolean

  constructor(code: LoginErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = code !== 'port_in_use' && code !== 'not_stored'
  }
}
