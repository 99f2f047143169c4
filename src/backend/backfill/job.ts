/**
 * One backfill job: some instruments, a time, and how far it is.
 *
 *   queued ──first history asked──▶ running ──last instrument through──▶ done
 *      │                               │ every instrument refused ─────▶ failed
 *      └───── subscription ended ──────┴───────────────────────────────▶ cancelled
 */
import type { Backfill, JobKind, JobScope, JobStatus } from '../../contract/api/backfills.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { formatIst } from '../../market/ist.ts'
import type { GapKey, InstrumentName, StoredJob } from './ports.ts'

/** What a job is about; never changes. */
export interface JobSpec {
  readonly id: string
  readonly kind: JobKind
  readonly scope: JobScope
  readonly instruments: readonly Instrument[]
  /** Instruments that are not listed any more, and so cannot be asked for. */
  readonly unlisted: readonly InstrumentName[]
  readonly symbol: string | null
  readonly expiry: string | null
  readonly fromMs: number
  readonly toMs: number
  readonly reason: string | null
  readonly requestedBy: string | null
  readonly gap?: GapKey
  readonly createdAtMs: number
}

export class Job {
  readonly spec: JobSpec
  status: JobStatus = 'queued'
  /** Minutes written since it was made that it was made for, by it or by another job. */
  rows = 0
  error: string | null = null
  /** Begun by a process that is no more. */
  isResumed = false
  startedAtMs: number | null = null
  finishedAtMs: number | null = null
  readonly #finished = new Set<string>()
  readonly #failed = new Set<string>()

  constructor(spec: JobSpec) {
    this.spec = spec
  }

  get isEnded(): boolean {
    return this.status !== 'queued' && this.status !== 'running'
  }

  /** Instruments that are not through. */
  get remaining(): Instrument[] {
    return this.spec.instruments.filter((instrument) => {
      const key = keyOf(instrument)
      return !this.#finished.has(key) && !this.#failed.has(key)
    })
  }

  /** Whether no instrument remains. */
  get isThrough(): boolean {
    return this.#finished.size + this.#failed.size >= this.spec.instruments.length
  }

  get failed(): number {
    return this.#failed.size + this.spec.unlisted.length
  }

  get done(): number {
    return this.#finished.size
  }

  start(nowMs: number): void {
    if (this.status !== 'queued') return
    this.status = 'running'
    this.startedAtMs ??= nowMs
  }

  finished(instrument: Instrument): void {
    this.#finished.add(keyOf(instrument))
  }

  refused(instrument: Instrument, reason: string): void {
    this.#failed.add(keyOf(instrument))
    this.error = `${instrument.tradingsymbol}: ${reason}`
  }

  end(status: 'done' | 'failed' | 'cancelled', nowMs: number): void {
    if (this.isEnded) return
    this.status = status
    this.finishedAtMs = nowMs
  }

  /** How it ends once nothing remains: failed only where nothing could be had. */
  get verdict(): 'done' | 'failed' {
    return this.failed > 0 && this.done === 0 ? 'failed' : 'done'
  }

  toStored(): StoredJob {
    const { spec } = this
    const only = onlyInstrument(spec)
    return {
      id: spec.id,
      kind: spec.kind,
      scope: spec.scope,
      exchange: only?.exchange ?? null,
      tradingsymbol: only?.tradingsymbol ?? null,
      instrumentToken: only?.token ?? null,
      symbol: spec.symbol,
      expiry: spec.expiry,
      instruments: [...spec.instruments, ...spec.unlisted].map(nameOf),
      fromMs: spec.fromMs,
      toMs: spec.toMs,
      reason: spec.reason,
      requestedBy: spec.requestedBy,
      status: this.status,
      progress: {
        instruments: spec.instruments.length + spec.unlisted.length,
        done: this.done,
        failed: this.failed,
        // Of the others coverage tells what is still missing.
        ...(tellsFinished(spec.kind) ? { finished: [...this.#finished] } : {}),
        ...(spec.gap === undefined ? {} : { gap: spec.gap }),
      },
      rows: this.rows,
      error: this.error,
      createdAtMs: spec.createdAtMs,
      startedAtMs: this.startedAtMs,
      finishedAtMs: this.finishedAtMs,
    }
  }

  /** A job that a restart interrupted, to be gone on with. */
  static resumed(stored: StoredJob, master: InstrumentMaster): Job {
    const { gap, finished = [] } = stored.progress
    const found = resolve(stored.instruments, master)
    const job = new Job({ ...stored, ...found, ...(gap === undefined ? {} : { gap }) })
    job.isResumed = true
    // Of the others coverage tells how far they are, and what the last process did not save of it.
    job.rows = tellsFinished(job.spec.kind) ? stored.rows : 0
    job.startedAtMs = stored.startedAtMs
    for (const key of finished) job.#finished.add(key)
    return job
  }
}

/** Names as instruments of today's dump; tokens of contracts that are gone belong to others. */
export function resolve(
  names: readonly InstrumentName[],
  master: InstrumentMaster,
): { instruments: Instrument[]; unlisted: InstrumentName[] } {
  const instruments: Instrument[] = []
  const unlisted: InstrumentName[] = []
  for (const name of names) {
    const listed = master.byKey(name.exchange, name.tradingsymbol)
    if (listed === undefined) unlisted.push(nameOf(name))
    else instruments.push(listed)
  }
  return { instruments, unlisted }
}

/** A job in the words of the API. */
export function presentJob(stored: StoredJob, etaMs: number | null): Backfill {
  return {
    id: stored.id,
    kind: stored.kind,
    scope: stored.scope,
    tradingsymbol: stored.tradingsymbol,
    instrument_token: stored.instrumentToken,
    symbol: stored.symbol,
    expiry: stored.expiry,
    from: formatIst(stored.fromMs),
    to: formatIst(stored.toMs),
    status: stored.status,
    reason: stored.reason,
    requested_by: stored.requestedBy,
    instruments: stored.progress.instruments,
    instruments_done: stored.progress.done,
    instruments_failed: stored.progress.failed,
    rows: stored.rows,
    eta_ms: etaMs,
    error: stored.error,
    created_at: formatIst(stored.createdAtMs),
    started_at: stored.startedAtMs === null ? null : formatIst(stored.startedAtMs),
    finished_at: stored.finishedAtMs === null ? null : formatIst(stored.finishedAtMs),
  }
}

export function keyOf({ exchange, tradingsymbol }: InstrumentName): string {
  return instrumentKey(exchange, tradingsymbol)
}

export function nameOf({ exchange, tradingsymbol }: InstrumentName): InstrumentName {
  return { exchange, tradingsymbol }
}

/** Whether a job of that kind keeps the names that are through. */
function tellsFinished(kind: JobKind): boolean {
  return kind === 'settle' || kind === 'opening'
}

function onlyInstrument({ scope, instruments }: JobSpec): Instrument | undefined {
  return scope === 'instrument' ? instruments[0] : undefined
}
