/**
 * `fostream backfill NAME`: history on demand from a terminal. The running backend fetches it; this
 * asks for the job, follows it and says what became of it. Stopped, the job goes on.
 */
import type { Config } from '../config.ts'
import type { Backfill, Backfills } from '../contract/api/backfills.ts'
import type { Expiries } from '../contract/api/expiries.ts'
import { systemClock } from '../kit/clock.ts'
import { pause } from '../kit/pause.ts'
import { BACKFILL_DAYS_MAX, BACKFILL_JOBS_SHOWN } from '../limits.ts'
import { addDays, formatIst, istDate } from '../market/ist.ts'
import { isNobodyThere, Refusal, RunningBackend } from './running-backend.ts'

export interface BackfillArguments {
  /** An underlying, or a contract's tradingsymbol. */
  readonly name: string
  /** `nearest`, or `YYYY-MM-DD`; of an underlying, where undefined the nearest. */
  readonly expiry: string | undefined
  /** Calendar days up to now, today included. */
  readonly days: string | undefined
}

const DONE = 0
const FAILED = 1
const WRONG = 2
const NOBODY_THERE = 3
const STOPPED = 130

const LOOK_PERIOD_MS = 1_000

/** The exit code. */
export async function runBackfill(
  config: Config,
  given: BackfillArguments,
  signal: AbortSignal,
): Promise<number> {
  const days = given.days === undefined ? 1 : Number(given.days)
  if (!Number.isInteger(days) || days < 1 || days > BACKFILL_DAYS_MAX) {
    return say(`--days ${given.days}: give a whole number from 1 to ${BACKFILL_DAYS_MAX}`, WRONG)
  }
  const backend = new RunningBackend(config)
  try {
    const target = await targetOf(backend, given)
    const nowMs = systemClock.nowMs()
    const fromDate = addDays(istDate(nowMs), 1 - days)
    const span = { from: `${fromDate}T00:00:00+05:30`, to: formatIst(nowMs) }
    const job = await backend.ask<Backfill>('backfills', { ...target, ...span })
    return await follow(backend, job, signal)
  } catch (error) {
    if (error instanceof Refusal) return say(error.message, WRONG)
    if (!isNobodyThere(error)) throw error
    return say(`No backend answers at ${backend.url}; start fostream first.`, NOBODY_THERE)
  }
}

/** A series of an underlying, else a contract. */
async function targetOf(backend: RunningBackend, { name, expiry }: BackfillArguments) {
  try {
    const { symbol, expiries } = await backend.ask<Expiries>(
      `fo/expiries?symbol=${encodeURIComponent(name)}`,
    )
    const nearest = expiries[0]?.expiry
    const wanted = expiry === undefined || expiry === 'nearest' ? nearest : expiry
    return { symbol, ...(wanted === undefined ? {} : { expiry: wanted }) }
  } catch (error) {
    const isContract = error instanceof Refusal && error.code === 'unknown_symbol'
    if (!isContract || expiry !== undefined) throw error
    return { tradingsymbol: name }
  }
}

async function follow(
  backend: RunningBackend,
  job: Backfill,
  signal: AbortSignal,
): Promise<number> {
  const what = job.tradingsymbol ?? `${job.symbol} ${job.expiry}`
  process.stdout.write(`${what}: ${job.instruments} instruments, ${inTime(job.eta_ms)}\n`)
  let latest = job
  let told = ''
  while (latest.status === 'queued' || latest.status === 'running') {
    await pause(systemClock, LOOK_PERIOD_MS, signal)
    if (signal.aborted) return say(`${job.id} goes on; see GET /backfills`, STOPPED)
    const { backfills, queue } = await backend.ask<Backfills>(
      `backfills?kind=on_demand&limit=${BACKFILL_JOBS_SHOWN}`,
    )
    latest = backfills.find(({ id }) => id === job.id) ?? latest
    const { instruments_done, instruments, rows, eta_ms } = latest
    const waits = queue.waits_for === null ? inTime(eta_ms) : `waits: ${queue.waits_for}`
    const line = `${instruments_done} of ${instruments} instruments, ${rows} minutes, ${waits}\n`
    if (line !== told) process.stdout.write(line)
    told = line
  }
  const { status, rows, instruments_failed, error } = latest
  if (status === 'done') {
    const lacking = instruments_failed === 0 ? '' : `, ${instruments_failed} could not be had`
    process.stdout.write(`Done: ${rows} minutes written${lacking}\n`)
    return DONE
  }
  return say(`${status}: ${error ?? 'no reason was given'}`, FAILED)
}

function inTime(etaMs: number | null): string {
  return etaMs === null ? 'not known how long' : `about ${Math.ceil(etaMs / 1_000)} s to go`
}

function say(text: string, code: number): number {
  process.stderr.write(`${text}\n`)
  return code
}
