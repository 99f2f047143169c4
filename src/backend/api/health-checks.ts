/** Whether the backend works: every part's verdict and the reason, from what was seen of it. Pure. */
import type { TickerSummary } from '../../contract/api/backend-status.ts'
import type { Health } from '../../contract/api/health.ts'
import { API_LOG_STANDS_AFTER_MS } from '../../limits.ts'

export interface SeenStore {
  readonly status: 'up' | 'down'
  readonly error: string | null
}

export interface SeenWriter {
  readonly partition: number
  readonly isLoaded: boolean
  readonly storeError: string | null
  /** By how much its market time is behind; null while none is known. */
  readonly ageMs: number | null
}

export interface SeenParts {
  readonly store: SeenStore | undefined
  /** Why the store was begun anew at this start; null where it was not. */
  readonly rebuiltBecause: string | null
  readonly writers: readonly SeenWriter[]
  readonly tickers: readonly TickerSummary[]
  readonly bus: { readonly kind: 'none' | 'redis'; readonly status: 'up' | 'down' }
  readonly sessionOpen: boolean
  readonly gapsOpen: number
}

type Check = Health['checks'][number]
type HealthLevel = Health['status']

export function checkHealth(parts: SeenParts): Health {
  return summed([
    checkStore(parts.store),
    ...parts.writers.map((writer) => checkWriter(writer, parts.sessionOpen, parts.rebuiltBecause)),
    ...parts.tickers.map(checkTicker),
    ...(parts.bus.kind === 'none' ? [] : [checkBus(parts.bus.status)]),
    checkGaps(parts.gapsOpen),
  ])
}

/** Ready = it can answer: the store does, and every partition is loaded. Age is no matter. */
export function checkReady(parts: SeenParts): Health {
  return summed([
    checkStore(parts.store),
    ...parts.writers.map((writer) => checkWriter({ ...writer, ageMs: 0 }, true, null)),
  ])
}

/** What does not work, in one line; null where all does. */
export function healthMessage({ checks }: Health): string | null {
  const faults = checks.flatMap(({ message }) => message ?? [])
  return faults.length === 0 ? null : faults.join(' · ')
}

function summed(checks: Check[]): Health {
  const has = (level: HealthLevel) => checks.some(({ status }) => status === level)
  const status = has('unavailable') ? 'unavailable' : has('degraded') ? 'degraded' : 'ok'
  return { status, checks }
}

function checkStore(store: SeenStore | undefined): Check {
  if (store === undefined) return fault('store', 'unavailable', 'The store was not asked yet.')
  if (store.status === 'up') return fine('store')
  return fault('store', 'unavailable', `The store does not answer: ${store.error ?? 'no reason'}.`)
}

function checkWriter(
  writer: SeenWriter,
  sessionOpen: boolean,
  rebuiltBecause: string | null,
): Check {
  const name = `ingest ${writer.partition}`
  const { storeError, isLoaded, ageMs } = writer
  if (storeError !== null) return fault(name, 'unavailable', `Nothing is committed: ${storeError}.`)
  if (!isLoaded) return fault(name, 'unavailable', 'The partition is being loaded.')
  const level = sessionOpen ? 'unavailable' : 'degraded'
  if (ageMs === null) return fault(name, level, 'The log has not told any time yet.')
  if (ageMs <= API_LOG_STANDS_AFTER_MS) return fine(name)
  const behind = `${Math.round(ageMs / 1000)} s behind`
  if (rebuiltBecause === null) return fault(name, level, `The log is ${behind}.`)
  return fault(name, level, `The store is rebuilt from the log, ${behind}: ${rebuiltBecause}.`)
}

function checkTicker({ url, status, error }: TickerSummary): Check {
  const name = `ticker ${url ?? ''}`.trim()
  return status === 'up'
    ? fine(name)
    : fault(name, 'degraded', `The ticker does not answer: ${error ?? 'no reason'}.`)
}

function checkBus(status: 'up' | 'down'): Check {
  return status === 'up' ? fine('redis') : fault('redis', 'degraded', 'Redis does not answer.')
}

function checkGaps(open: number): Check {
  if (open === 0) return fine('feed')
  const gaps = open === 1 ? '1 gap is' : `${open} gaps are`
  return fault('feed', 'degraded', `${gaps} open in the feed.`)
}

function fine(name: string): Check {
  return { name, status: 'ok', message: null }
}

function fault(name: string, status: HealthLevel, message: string): Check {
  return { name, status, message }
}
