/** Why verification could not look; nothing is said of the data then. */
export type VerifyErrorCode =
  | 'wrong_feed'
  | 'nothing_stored'
  | 'no_journal'
  | 'store_away'
  | 'ticker_away'

export class VerifyError extends Error {
  override readonly name = 'VerifyError'
  readonly code: VerifyErrorCode
  readonly retryable: boolean

  constructor(code: VerifyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = code !== 'wrong_feed'
  }
}
