/**
 * What came of a REST call, as a value: what was asked for, the server's own refusal, or that nothing
 * answered; a network fault is not an exception here.
 */
import type { ErrorDetail } from '../src/contract/api/error.ts'

export type Answer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** 4xx: the request itself is wrong or not allowed. */
  | { readonly kind: 'refused'; readonly status: number; readonly error: ErrorDetail }
  | { readonly kind: 'unreachable'; readonly reason: string }
