/** What the page says of the contracts that it had streamed, in one calm line. */
import type { Backfill } from '../src/contract/api/backfills.ts'
import type { MonitorView } from '../src/contract/api/monitor-view.ts'
import type { Answer } from './answer.ts'
import { formatDuration } from './time-format.ts'

/** What is shown, as the tickers were asked for it. */
export interface PageView {
  /** Everything that it added since it was opened. */
  readonly added: readonly string[]
  readonly answer: Answer<MonitorView>
  /** When that came, monotonic. */
  readonly atMs: number
}

/**
 * null where there is nothing to say.
 *
 * @param backfills as the stream told them last; none where it is away
 */
export function describeView(
  view: PageView | null,
  backfills: readonly Backfill[],
  nowMs: number,
): string | null {
  if (view === null) return null
  const { answer } = view
  if (answer.kind === 'unreachable') return 'Strikes cannot be added now; tried again by itself.'
  if (answer.kind === 'refused') return describeRefusal(answer.status, answer.error.message)
  const { unplaced, problem } = answer.value
  const room = unplaced.length === 0 ? null : `No room to stream ${contracts(unplaced)}`
  const parts = [describeHistory(view, answer.value, backfills, nowMs), room, problem]
  const said = parts.filter((part) => part !== null)
  return said.length === 0 ? null : said.join(' · ')
}

/** That the series is not known is said where it would stand. */
function describeRefusal(status: number, message: string): string | null {
  return status === 400 || status === 404 ? null : `No strikes are added: ${message}`
}

/** Until its jobs are told of, the answer's own estimate counts. */
function describeHistory(
  { added, atMs }: PageView,
  { backfill }: MonitorView,
  backfills: readonly Backfill[],
  nowMs: number,
): string | null {
  if (added.length === 0) return describePending(backfill, nowMs - atMs)
  const names = new Set<string | null>(added)
  const jobs = backfills.filter((job) => job.kind === 'immediate' && names.has(job.tradingsymbol))
  if (jobs.length === 0) {
    if (backfill.pending === 0) return null
    const leftMs = backfill.eta_ms === null ? null : backfill.eta_ms - (nowMs - atMs)
    return leftMs !== null && leftMs <= 0 ? null : announce(added, leftMs)
  }
  const open = jobs.filter(({ status }) => status === 'queued' || status === 'running')
  if (open.length === 0) return null
  const etas = open.map(({ eta_ms }) => eta_ms).filter((eta) => eta !== null)
  return announce(added, etas.length < open.length ? null : Math.max(...etas))
}

/** Of a view that was opened before and streams already: which contracts wait is not told, how many is. */
function describePending(
  { pending, eta_ms, waits_for }: MonitorView['backfill'],
  passedMs: number,
): string | null {
  if (pending === 0) return null
  if (eta_ms === null) {
    const why = waits_for === null ? '' : `: ${waits_for}`
    return `History of ${counted(pending)} to come${why}`
  }
  return eta_ms <= passedMs ? null : `History of ${counted(pending)} ${inTime(eta_ms - passedMs)}`
}

function announce(added: readonly string[], leftMs: number | null): string {
  const when = leftMs === null ? 'to come' : inTime(leftMs)
  return `${contracts(added)} added; history ${when}`
}

function inTime(leftMs: number): string {
  return `in ${formatDuration(Math.max(1_000, leftMs))}`
}

function contracts({ length }: readonly string[]): string {
  return counted(length)
}

function counted(contracts: number): string {
  return contracts === 1 ? '1 contract' : `${contracts} contracts`
}
