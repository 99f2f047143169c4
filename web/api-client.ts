/**
 * The few REST calls of the page. An answer is a value: what was asked for, the server's own refusal,
 * or that nothing answered; a network fault is not an exception here.
 */
import type { BackendStatus } from '../src/contract/api/backend-status.ts'
import type { ErrorBody, ErrorDetail } from '../src/contract/api/error.ts'
import type { Expiries } from '../src/contract/api/expiries.ts'
import type { StrikeDistribution } from '../src/contract/api/strike-distribution.ts'
import { PAGE_REQUEST_TIMEOUT_MS } from '../src/limits.ts'
import type { Wanted } from './live-chain-state.ts'

export type Answer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** 4xx: the request itself is wrong or not allowed. */
  | { readonly kind: 'refused'; readonly status: number; readonly error: ErrorDetail }
  | { readonly kind: 'unreachable'; readonly reason: string }

export const getStatus = () => request<BackendStatus>('status')

export const getExpiries = (symbol: string) =>
  request<Expiries>(`fo/expiries?${new URLSearchParams({ symbol })}`)

export function getChain(wanted: Wanted) {
  const query = new URLSearchParams({ symbol: wanted.symbol })
  if (wanted.expiry !== null) query.set('expiry', wanted.expiry)
  if (wanted.strikes !== null) query.set('strikes', String(wanted.strikes))
  return request<StrikeDistribution>(`fo/strike-distribution?${query}`)
}

async function request<T>(path: string): Promise<Answer<T>> {
  try {
    const signal = AbortSignal.timeout(PAGE_REQUEST_TIMEOUT_MS)
    const response = await fetch(new URL(path, document.baseURI), { signal })
    if (response.ok) return { kind: 'ok', value: (await response.json()) as T }
    if (response.status >= 500) return { kind: 'unreachable', reason: `HTTP ${response.status}` }
    return { kind: 'refused', status: response.status, error: await readError(response) }
  } catch (cause) {
    return { kind: 'unreachable', reason: cause instanceof Error ? cause.message : String(cause) }
  }
}

async function readError(response: Response): Promise<ErrorDetail> {
  const body: unknown = await response.json().catch(() => null)
  if (isErrorBody(body)) return body.error
  const code = response.status === 401 ? 'unauthorized' : 'bad_request'
  return { code, message: `The server answered HTTP ${response.status}.`, details: null }
}

function isErrorBody(body: unknown): body is ErrorBody {
  if (typeof body !== 'object' || body === null || !('error' in body)) return false
  const { error } = body
  return typeof error === 'object' && error !== null && 'message' in error
}
