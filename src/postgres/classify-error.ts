/** What a failed statement or connection means to its caller. */

export type FailureKind =
  /** The store refuses these values and always will (SQLSTATE class 22 or 23). */
  | 'data'
  /** The store is not there, or this connection of it is lost; the statement's outcome is unknown. */
  | 'connection'
  | 'other'

export interface Failure {
  readonly kind: FailureKind
  /** Whether the same statement may succeed later. */
  readonly retryable: boolean
  /** SQLSTATE or the system's error name; undefined where there is none. */
  readonly code: string | undefined
  readonly message: string
}

const SQL_STATE = /^[0-9A-Z]{5}$/

/**
 * Lost connections, servers that stop or start, and those that became read-only (a failover) or
 * forgot a prepared statement (a pooler): all are over with a new connection.
 */
const CONNECTION_STATES = /^(?:08|57P0|25P03|25006|26000)/
const DATA_STATES = /^(?:22|23)/
/** Conflicts, locks, cancelled statements, exhausted resources: pass with time. */
const PASSING_STATES = /^(?:40001|40P01|55P03|57014|53)/

/** What the driver says, without a code, about connections that it lost or never had. */
const CONNECTION_MESSAGES =
  /connection terminated|connection error and is not queryable|client was closed|client has already been|timeout e(?:xpired|xceeded)|query read timeout|cannot use a pool after/i

const CONNECTION_ERRNOS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
])

/** Sorts any value that was thrown by the driver. */
export function classify(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error)
  const code = codeOf(error)
  return { ...judge(code, message), code, message }
}

function judge(code: string | undefined, message: string): Pick<Failure, 'kind' | 'retryable'> {
  if (code !== undefined && SQL_STATE.test(code) && !CONNECTION_ERRNOS.has(code)) {
    if (CONNECTION_STATES.test(code)) return { kind: 'connection', retryable: true }
    if (DATA_STATES.test(code)) return { kind: 'data', retryable: false }
    return { kind: 'other', retryable: PASSING_STATES.test(code) }
  }
  const isConnection =
    (code !== undefined && CONNECTION_ERRNOS.has(code)) || CONNECTION_MESSAGES.test(message)
  return isConnection
    ? { kind: 'connection', retryable: true }
    : { kind: 'other', retryable: false }
}

/** Of several attempts (one an address), the first that has a code. */
function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if ('code' in error && typeof error.code === 'string') return error.code
  return error instanceof AggregateError ? error.errors.map(codeOf).find(Boolean) : undefined
}
