/** Why verification could not look; nothing is said of the data then. */
export type VerifyErrorCode =
  | 'wrong_feed'
  | 'nothing_stored'
  /** Of that date: it has other ones. */
  | 'nothing_of_date'
  | 'unknown_instrument'
  | 'no_journal'
  | 'store_away'
  | 'ticker_away'

/** The same question has the same answer. */
const WRONGLY_ASKED: ReadonlySet<VerifyErrorCode> = new Set([
  'wrong_feed',
  'nothing_of_date',
  'unknown_instrument',
])

export class VerifyError extends Error {
  override readonly name = 'VerifyError'
  readonly code: VerifyErrorCode
  readonly retryable: boolean

  constructor(code: VerifyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = !WRONGLY_ASKED.has(code)
  }
}
