/** What a ticker says of itself, cut down to what the backend's status shows. */
import type { TickerSummary } from '../../contract/api/backend-status.ts'
import type { Position } from '../../contract/journal-record.ts'
import type { Clock } from '../../kit/clock.ts'
import { API_PROBE_TIMEOUT_MS } from '../../limits.ts'
import { formatIst } from '../../market/ist.ts'
import { callTicker, ownHeaders, type TickerAccess } from './call-ticker.ts'
import { field, jsonOf } from './ticker-answer.ts'
import { TickerError } from './ticker-error.ts'

export interface SeenTicker {
  readonly summary: TickerSummary
  /** Newest position of each partition of its journal; empty where it does not answer. */
  readonly heads: ReadonlyMap<number, Position>
}

/** A ticker that is away is an answer here. */
export async function summariseTicker(
  access: TickerAccess,
  clock: Pick<Clock, 'nowMs'>,
): Promise<SeenTicker> {
  const { url } = access
  const checked_at = formatIst(clock.nowMs())
  try {
    const response = await callTicker(access, {
      method: 'GET',
      pathAndQuery: '/status',
      headers: ownHeaders(access),
      longestMs: API_PROBE_TIMEOUT_MS,
    })
    if (response.status !== 200) return down(url, checked_at, `it answers HTTP ${response.status}`)
    const status = jsonOf(response)
    if (status === undefined) return down(url, checked_at, 'its answer is no JSON')
    const summary = { url, status: 'up', ...figuresOf(status), checked_at, error: null } as const
    return { summary, heads: headsOf(status) }
  } catch (cause) {
    if (!(cause instanceof TickerError)) throw cause
    return down(url, checked_at, cause.why)
  }
}

function down(url: string, checked_at: string, error: string): SeenTicker {
  const summary = { url, status: 'down', ...figuresOf(null), checked_at, error } as const
  return { summary, heads: new Map() }
}

function headsOf(status: unknown): ReadonlyMap<number, Position> {
  const partitions = field(field(status, 'journal'), 'partitions')
  const heads = new Map<number, Position>()
  for (const row of Array.isArray(partitions) ? partitions : []) {
    const partition = numberOf(field(row, 'partition'))
    const epoch = numberOf(field(row, 'epoch'))
    const sequence = numberOf(field(row, 'sequence'))
    if (partition === null || epoch === null || sequence === null) continue
    heads.set(partition, { epoch, sequence })
  }
  return heads
}

function figuresOf(status: unknown) {
  const accounts = field(status, 'accounts')
  const totals = field(status, 'totals')
  const id = field(status, 'ticker_id')
  return {
    ticker_id: typeof id === 'string' ? id : null,
    accounts_up: Array.isArray(accounts)
      ? accounts.filter((account) => field(account, 'state') === 'up').length
      : null,
    accounts_total: Array.isArray(accounts) ? accounts.length : null,
    instruments_active: numberOf(field(totals, 'subscriptions_active')),
    ticks_per_second: numberOf(field(totals, 'ticks_per_second')),
  }
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
