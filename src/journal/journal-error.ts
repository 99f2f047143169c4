/**
 * What can go wrong with the journal without anybody's fault. Everything else that is thrown here is
 * a programmer's error.
 */
import { JOURNAL_DISK_RETRY_MS } from '../limits.ts'

export type JournalErrorCode =
  /** The disk has no room; ticks are refused until it has, batches of control records alone are still taken. */
  | 'disk_full'
  /** The disk does not take what is written. */
  | 'write_failed'
  /** More is waiting to be written than the limit allows. */
  | 'overloaded'
  | 'closed'
  /** The folder holds the journal of the other feed. */
  | 'wrong_feed'
  /** The number of partitions changed while a consumer has not read the old log to its end. */
  | 'partitions_changed'
  /** The folder or a batch was written by another version of the program. */
  | 'unknown_version'

const RETRYABLE: ReadonlySet<JournalErrorCode> = new Set([
  'disk_full',
  'write_failed',
  'overloaded',
])

export class JournalError extends Error {
  override readonly name = 'JournalError'
  readonly code: JournalErrorCode
  readonly retryable: boolean
  /** Null where trying again does not help. */
  readonly retryAfterMs: number | null

  constructor(code: JournalErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.retryable = RETRYABLE.has(code)
    this.retryAfterMs = this.retryable ? JOURNAL_DISK_RETRY_MS : null
  }
}

/** The error with which a write that failed with `cause` is refused. */
export function writeError(cause: unknown): JournalError {
  if (isDiskFull(cause)) return new JournalError('disk_full', 'the disk is full', cause)
  return new JournalError('write_failed', 'the journal could not be written', cause)
}

export function isDiskFull(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}

export function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT'
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
