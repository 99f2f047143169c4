/**
 * Why messages could not be handed over. It carries the server's or the socket's own words and no
 * more: the errors of the client library hold the commands that failed, passwords included.
 */
export class BusError extends Error {
  override readonly name = 'BusError'
  /** `away`: nobody can say whether it arrived; `refused`: the server does not take it. */
  readonly code: 'away' | 'refused'
  /** A server comes back, and rights can be given. */
  readonly retryable = true

  constructor(code: 'away' | 'refused', message: string) {
    super(message)
    this.code = code
  }
}

/** An error of the client library in our words. */
export function busError(error: unknown): BusError {
  if (error instanceof BusError) return error
  const isReply = error instanceof Error && error.name === 'ReplyError'
  return new BusError(isReply ? 'refused' : 'away', faultText(error))
}

/** What went wrong, in a line. Node's error for several addresses has a code and no message. */
export function faultText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== '') return error.message
  return 'code' in error ? String(error.code) : error.name
}
