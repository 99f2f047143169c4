/**
 * `fostream backfill NAME`: history on demand from a terminal. The running backend fetches it; this
 * asks for the job, follows it until what rests on it is computed too, and says what became of it.
 * Stopped, the job goes on.
 */
import type { Config } from '../config.ts'
import type { Backfill, Backfills } from '../contract/api/backfills.ts'
import type { Expiries } from '../contract/api/expiries.ts'
import type { Clock } from '../kit/clock.ts'
import { pause } from '../kit/pause.ts'
import { ProgressLine, type ProgressTarget } from '../kit/progress-line.ts'
import {
  API_REQUEST_TIMEOUT_MS,
  BACKFILL_DAYS_MAX,
  BACKFILL_FINALS_WAIT_MS,
  BACKFILL_JOBS_SHOWN,
  BACKFILL_LOOK_PERIOD_MS,
  BACKFILL_PROGRESS_LINES_MS,
} from '../limits.ts'
import { addDays, formatIst, isCivilDate, istDate, MINUTE_MS } from '../market/ist.ts'
import { askOverHttp } from '../verify/serve-store.ts'
import { askPositions } from '../verify/store-answers.ts'
import { UsageError } from './command-line.ts'
import { isNobodyThere, Refusal, RunningBackend } from './running-backend.ts'

/** As the command line has them. */
interface BackfillArguments {
  readonly name: string
  readonly expiry: string | undefined
  readonly days: string | undefined
}

export interface AskedBackfill {
  /** An underlying, or a contract's tradingsymbol. */
  readonly name: string
  /** `nearest`, or `YYYY-MM-DD`; of an underlying, where undefined the nearest. */
  readonly expiry: string | undefined
  /** Calendar days up to now, today included. */
  readonly days: number
}

/** Where it is run: what is said, and what ends it. */
export interface Terminal {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: ProgressTarget
  readonly clock: Clock
  readonly signal: AbortSignal
}

const DONE = 0
const FAILED = 1
const WRONG = 2
const NOBODY_THERE = 3
const STOPPED = 130

/** Throws UsageError. */
export function readBackfill({ name, expiry, days = '1' }: BackfillArguments): AskedBackfill {
  const count = Number(days)
  if (!Number.isInteger(count) || count < 1 || count > BACKFILL_DAYS_MAX) {
    throw new UsageError(`--days ${days}: give a whole number from 1 to ${BACKFILL_DAYS_MAX}`)
  }
  if (expiry !== undefined && expiry !== 'nearest' && !isCivilDate(expiry)) {
    throw new UsageError(`--expiry ${expiry} is no date; give YYYY-MM-DD or nearest`)
  }
  return { name, expiry, days: count }
}

/** The exit code. */
export async function runBackfill(
  config: Config,
  asked: AskedBackfill,
  terminal: Terminal,
): Promise<number> {
  const backend = new RunningBackend(config)
  const progress = new ProgressLine(terminal.stderr, terminal.clock, BACKFILL_PROGRESS_LINES_MS)
  const end = (text: string, code: number) => {
    progress.end()
    terminal.stderr.write(`${text}\n`)
    return code
  }
  let job: Backfill | undefined
  try {
    job = await begin(backend, asked, terminal)
    return await follow({ backend, terminal, progress, end }, job)
  } catch (error) {
    if (error instanceof Refusal) return end(sayRefusal(error), WRONG)
    if (!isNobodyThere(error)) throw error
    if (job === undefined) return end(sayNobody(backend), NOBODY_THERE)
    return end(`The backend at ${backend.url} answers no more; ${sayGoesOn(job)}`, NOBODY_THERE)
  } finally {
    progress.end()
  }
}

async function begin(backend: RunningBackend, asked: AskedBackfill, { clock, stdout }: Terminal) {
  const nowMs = clock.nowMs()
  const from = `${addDays(istDate(nowMs), 1 - asked.days)}T00:00:00+05:30`
  const job = await request(backend, asked, { from, to: formatIst(nowMs) })
  stdout.write(`${sayWhat(job)}: ${sayExtent(job)}, ${inTime(job.eta_ms)}\n`)
  return job
}

/** A series of an underlying, else one instrument: a contract, or an index without options. */
async function request(
  backend: RunningBackend,
  { name, expiry }: AskedBackfill,
  span: { readonly from: string; readonly to: string },
): Promise<Backfill> {
  const underlying = await findUnderlying(backend, name)
  if (!(underlying instanceof Refusal)) {
    const { symbol, nearest } = underlying
    const wanted = expiry === undefined || expiry === 'nearest' ? nearest : expiry
    if (wanted !== undefined) return backend.ask('backfills', { symbol, expiry: wanted, ...span })
  } else if (expiry !== undefined) throw underlying
  try {
    return await backend.ask<Backfill>('backfills', { tradingsymbol: name, ...span })
  } catch (error) {
    const isUnknown = error instanceof Refusal && error.code === 'unknown_instrument'
    // What the underlyings are called helps more than that no contract is called so.
    throw isUnknown && underlying instanceof Refusal ? underlying : error
  }
}

/** The refusal where no underlying is called so. */
async function findUnderlying(backend: RunningBackend, name: string) {
  try {
    const { symbol, expiries } = await backend.ask<Expiries>(
      `fo/expiries?symbol=${encodeURIComponent(name)}`,
    )
    return { symbol, nearest: expiries[0]?.expiry }
  } catch (error) {
    if (error instanceof Refusal && error.code === 'unknown_symbol') return error
    throw error
  }
}

// ---------------------------------------------------------------- what becomes of it

interface Following {
  readonly backend: RunningBackend
  readonly terminal: Terminal
  readonly progress: ProgressLine
  readonly end: (text: string, code: number) => number
}

async function follow(following: Following, job: Backfill): Promise<number> {
  const { terminal, progress, end } = following
  let latest = job
  while (latest.status === 'queued' || latest.status === 'running') {
    await pause(terminal.clock, BACKFILL_LOOK_PERIOD_MS, terminal.signal)
    if (terminal.signal.aborted) return end(sayGoesOn(job), STOPPED)
    latest = await look(following, latest)
  }
  const { status, error } = latest
  if (status !== 'done') return end(`${status}: ${error ?? 'no reason was given'}`, FAILED)
  const finals = await sayFinals(following, latest)
  progress.end()
  terminal.stdout.write(`${sayDone(latest)}\n${finals}\n${sayWhere(following.backend, latest)}\n`)
  return DONE
}

async function look({ backend, progress }: Following, last: Backfill): Promise<Backfill> {
  const { backfills, queue } = await backend.ask<Backfills>(
    `backfills?kind=on_demand&limit=${BACKFILL_JOBS_SHOWN}`,
  )
  const job = backfills.find(({ id }) => id === last.id) ?? last
  const { instruments_done, instruments, rows, eta_ms, status } = job
  const waits = queue.waits_for === null ? inTime(eta_ms) : `waits: ${queue.waits_for}`
  if (status !== 'queued' && status !== 'running') return job
  const far = `${instruments_done} of ${instruments} instruments, ${rows} minutes written, ${waits}`
  progress.say(`${sayWhat(job)}: ${far}`, `${status} ${queue.waits_for ?? ''}`)
  return job
}

/** What is computed of the minutes once they are there, waited for a while. */
async function sayFinals(following: Following, job: Backfill): Promise<string> {
  const { terminal, progress } = following
  const { clock, signal } = terminal
  const untilMs = clock.elapsedMs() + BACKFILL_FINALS_WAIT_MS
  try {
    for (;;) {
      const dueMs = await firstDue(following, job)
      if (dueMs === undefined) return 'IV, Greeks and metrics that rest on them are computed.'
      const far = `IV, Greeks and metrics of minutes from ${formatIst(dueMs)} on are being computed`
      if (signal.aborted || clock.elapsedMs() >= untilMs) return `${far}; that goes on by itself.`
      progress.say(`${sayWhat(job)}: ${far}`, 'finals')
      await pause(clock, BACKFILL_LOOK_PERIOD_MS, signal)
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return `IV, Greeks and metrics that rest on them follow; how far they are is not told: ${why}`
  }
}

/** The first of its minutes whose final values are still to be written, epoch ms. */
async function firstDue({ backend }: Following, job: Backfill): Promise<number | undefined> {
  const ask = askOverHttp(backend.url, backend.headers, API_REQUEST_TIMEOUT_MS)
  const { dueFrom } = await askPositions(ask)
  const dueMs = job.symbol === null ? undefined : dueFrom.get(job.symbol)
  // What the feed makes due now is not of the job.
  return dueMs !== undefined && dueMs < Date.parse(job.to) ? dueMs : undefined
}

// ---------------------------------------------------------------- words

function sayWhat({ tradingsymbol, symbol, expiry }: Backfill): string {
  return tradingsymbol ?? `${symbol} ${expiry}`
}

function sayExtent({ instruments, from, to }: Backfill): string {
  return `${instruments} ${instruments === 1 ? 'instrument' : 'instruments'} from ${from} to ${to}`
}

function sayDone(job: Backfill): string {
  const { rows, instruments_failed } = job
  const nothing = rows === 0 && instruments_failed === 0 ? ', since none was missing' : ''
  const lacking = instruments_failed === 0 ? '' : `; ${instruments_failed} could not be had`
  return `Done: ${rows} minutes written${nothing}, ${sayWhat(job)}, ${sayExtent(job)}${lacking}.`
}

/** How to look at it. */
function sayWhere({ url }: RunningBackend, { tradingsymbol, symbol, expiry, from }: Backfill) {
  const names =
    tradingsymbol === null
      ? `fo/expiry-metrics?symbol=${symbol}&expiry=${expiry}`
      : `bars?tradingsymbol=${encodeURIComponent(tradingsymbol)}`
  return `Look: curl '${url}/${names}&timeframe=15m&from=${from.slice(0, DATE_LENGTH)}', or the page ${url}/`
}

const DATE_LENGTH = 'YYYY-MM-DD'.length

function sayGoesOn({ id }: Backfill): string {
  return `the job ${id} goes on while the backend runs; GET /backfills says how far it is.`
}

function sayNobody({ url }: RunningBackend): string {
  return `No backend answers at ${url}; start fostream first.`
}

function sayRefusal({ message, known }: Refusal): string {
  return known.length === 0 ? message : `${message} There are ${known.join(', ')}.`
}

function inTime(etaMs: number | null): string {
  if (etaMs === null) return 'not known how long'
  const minutes = Math.ceil(etaMs / MINUTE_MS)
  return minutes > 2 ? `about ${minutes} min to go` : `about ${Math.ceil(etaMs / 1_000)} s to go`
}
