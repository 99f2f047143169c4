/** The few REST calls of the page. */
import type { BackendStatus } from '../src/contract/api/backend-status.ts'
import type { ErrorBody, ErrorDetail } from '../src/contract/api/error.ts'
import type { Expiries } from '../src/contract/api/expiries.ts'
import type { MonitorView, MonitorViewRequest } from '../src/contract/api/monitor-view.ts'
import type { StrikeDistribution } from '../src/contract/api/strike-distribution.ts'
import { PAGE_REQUEST_TIMEOUT_MS } from '../src/limits.ts'
import type { Answer } from './answer.ts'
import type { Wanted } from './live-chain-state.ts'

export const getStatus = () => request<BackendStatus>('status')

export const getExpiries = (symbol: string) =>
  request<Expiries>(`fo/expiries?${new URLSearchParams({ symbol })}`)

export function getChain(wanted: Wanted) {
  const query = new URLSearchParams({ symbol: wanted.symbol })
  if (wanted.expiry !== null) query.set('expiry', wanted.expiry)
  if (wanted.strikes !== null) query.set('strikes', String(wanted.strikes))
  return request<StrikeDistribution>(`fo/strike-distribution?${query}`)
}

/** Has it streamed, for as long as this is repeated. */
export function openView({ symbol, expiry, strikes }: Wanted) {
  const view: MonitorViewRequest = { symbol, expiry, strikes_each_side: strikes ?? 'all' }
  return request<MonitorView>('monitor/view', view)
}

/** @param body sent with POST, where there is one */
async function request<T>(path: string, body?: object): Promise<Answer<T>> {
  try {
    const signal = AbortSignal.timeout(PAGE_REQUEST_TIMEOUT_MS)
    const sent = body === undefined ? {} : posted(body)
    const response = await fetch(new URL(path, document.baseURI), { ...sent, signal })
    if (response.ok) return { kind: 'ok', value: (await response.json()) as T }
    if (response.status >= 500) return { kind: 'unreachable', reason: `HTTP ${response.status}` }
    return { kind: 'refused', status: response.status, error: await readError(response) }
  } catch (cause) {
    return { kind: 'unreachable', reason: cause instanceof Error ? cause.message : String(cause) }
  }
}

function posted(body: object): RequestInit {
  const headers = { 'content-type': 'application/json' }
  return { method: 'POST', headers, body: JSON.stringify(body) }
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
