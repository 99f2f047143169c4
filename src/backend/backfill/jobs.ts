/**
 * Jobs from their making to their end: each is cut into one task an instrument, the queue looks at
 * those, and when the last is through the job is closed by whatever its kind needs.
 */
import type { JobKind } from '../../contract/api/backfills.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { BACKFILL_TASKS_MAX } from '../../limits.ts'
import type { Instrument } from '../../market/instrument.ts'
import { formatIst } from '../../market/ist.ts'
import type { BackfillMetrics } from './backfill-metrics.ts'
import { type Fault, faultOf } from './fault.ts'
import type { Looked } from './history-look.ts'
import { Job, type JobSpec, keyOf } from './job.ts'
import { JobBook, type JobBookParts } from './job-book.ts'
import type { Waiting } from './plan.ts'
import { Task } from './task.ts'
import { type QueueState, type TaskOwner, WorkQueue, type WorkQueueParts } from './work-queue.ts'

/** A job that is to be made. */
export type NewJob = Omit<JobSpec, 'id' | 'createdAtMs' | 'unlisted'> &
  Partial<Pick<JobSpec, 'id' | 'unlisted'>>

/** What is left to do when every instrument is through; false = not yet, to be tried again. */
export type Closer = (job: Job) => Promise<boolean>

export interface JobsParts extends Omit<WorkQueueParts, 'owner' | 'store'> {
  readonly store: WorkQueueParts['store'] & JobBookParts['store']
  readonly closers: Partial<Readonly<Record<JobKind, Closer>>>
  readonly metrics: BackfillMetrics
  readonly clock: Clock
  readonly log: Log
}

/** No more instruments can wait. */
export class QueueFullError extends Error {
  readonly code = 'queue_full'
}

export class Jobs implements TaskOwner {
  readonly #parts: JobsParts
  readonly #book: JobBook
  readonly #queue: WorkQueue
  /** Through, and not ended yet. */
  readonly #closing = new Set<Job>()
  /** Of these, those that are being closed now. */
  readonly #inHand = new Set<Job>()
  #arrivals = 0
  #lastId = 0

  constructor(parts: JobsParts) {
    this.#parts = parts
    this.#book = new JobBook(parts)
    this.#queue = new WorkQueue({ ...parts, owner: this })
  }

  /** Makes a job and lets it wait for its turn. Throws `QueueFullError`. */
  open(given: NewJob): Job {
    const { clock, metrics } = this.#parts
    if (this.#queue.size + given.instruments.length > BACKFILL_TASKS_MAX) {
      throw new QueueFullError(`${this.#queue.size} histories wait already`)
    }
    const createdAtMs = clock.nowMs()
    const id = given.id ?? this.#newId(given.kind, createdAtMs)
    const job = new Job({ unlisted: [], ...given, id, createdAtMs })
    metrics.triggered(given.kind).value++
    this.resume(job)
    return job
  }

  /** Goes on with a job that was made before. */
  resume(job: Job): void {
    this.#book.changed(job)
    const tasks = job.remaining.map((instrument) => new Task(job, instrument, this.#arrivals++))
    this.#queue.add(tasks)
    this.#closeIfThrough(job)
  }

  has(id: string): boolean {
    return this.#book.get(id) !== undefined
  }

  all(): Iterable<Job> {
    return this.#book.all()
  }

  /** Whether the history of a new subscription of the instrument is on its way. */
  isImmediateAwaited(instrument: Instrument): boolean {
    const tasks = this.#queue.tasksOf(keyOf(instrument))
    return tasks.some(({ job }) => job?.spec.kind === 'immediate')
  }

  /**
   * Of these instruments, how many wait for the first history of their new subscription, and
   * milliseconds until the last of it is there; those that are about to come are counted too.
   */
  immediate(
    instruments: readonly Instrument[],
    coming: readonly Instrument[],
  ): { readonly pending: number; readonly etaMs: number } {
    const kind = 'immediate'
    const later = coming.map((instrument) => ({
      kind,
      instrument,
      isExpiring: false,
      arrival: this.#arrivals,
    })) satisfies Waiting[]
    const keys = new Set([...instruments, ...coming].map(keyOf))
    const pending = new Set<string>()
    let etaMs = 0
    for (const [waiting, answeredInMs] of this.#queue.forecast(later)) {
      const key = keyOf(waiting.instrument)
      if (waiting.kind !== kind || !keys.has(key)) continue
      pending.add(key)
      etaMs = Math.max(etaMs, answeredInMs)
    }
    return { pending: pending.size, etaMs }
  }

  /** Keys of all instruments that are to be looked at. */
  awaitedKeys(): ReadonlySet<string> {
    return this.#queue.keys()
  }

  /** Takes back what a new subscription of the instrument has asked for. */
  cancelImmediate(instrument: Instrument): void {
    const { clock } = this.#parts
    for (const task of this.#queue.tasksOf(keyOf(instrument))) {
      const { job } = task
      if (job !== undefined && job.spec.kind !== 'immediate') continue
      this.#queue.drop(task)
      if (job === undefined) continue
      job.end('cancelled', clock.nowMs())
      this.#book.changed(job)
    }
  }

  rateTold(perSecond: number): void {
    this.#queue.rateTold(perSecond)
  }

  /** Time has passed, or backfill was switched on. */
  look(): void {
    this.#queue.look()
    for (const job of this.#closing) void this.#close(job)
  }

  /** Whether the queue holds more than what somebody asked for. */
  get isUrgent(): boolean {
    return this.#queue.isUrgent
  }

  state(): QueueState {
    return this.#queue.state()
  }

  etas(): ReadonlyMap<Job, number> {
    return this.#queue.etas()
  }

  async stop(): Promise<void> {
    this.#queue.stop()
    await this.#book.stop()
  }

  // ---------------------------------------------------------------- what the queue tells

  began({ job, kind, instrument, window }: Task): void {
    if (job === undefined) return
    job.start(this.#parts.clock.nowMs())
    this.#book.changed(job)
    if (kind !== 'immediate') return
    const { tradingsymbol, token } = instrument
    const span = { from: formatIst(window.fromMs), to: formatIst(window.toMs) }
    this.#parts.log.info({ tradingsymbol, token, ...span }, 'Starting immediate backfill')
  }

  looked(task: Task, { rows, filled, told, rest }: Looked): boolean {
    const { job, instrument, isUncounted, owedUntilMs = 0 } = task
    this.#parts.metrics.rows.value += rows
    this.#countForOthers(task, filled)
    if (job === undefined) return rest.length > 0
    job.rows += isUncounted ? rows + told : rows
    task.isUncounted = false
    job.error = null
    const isThrough = endsWithoutNewest(job.spec.kind)
      ? rest.every((minuteMs) => minuteMs >= owedUntilMs)
      : rest.length === 0
    if (isThrough) {
      job.finished(instrument)
      task.detach()
    }
    this.#book.changed(job)
    this.#closeIfThrough(job)
    return rest.length > 0
  }

  /** What other jobs were made for as well is written for them too. */
  #countForOthers(task: Task, filled: readonly number[]): void {
    if (filled.length === 0) return
    for (const other of this.#queue.tasksOf(task.key)) {
      const { job, window, isUncounted } = other
      if (other === task || job === undefined || isUncounted) continue
      const { fromMs, toMs } = window
      job.rows += filled.filter((minuteMs) => minuteMs >= fromMs && minuteMs < toMs).length
      this.#book.changed(job)
    }
  }

  failed({ job, instrument }: Task, { reason, message, retry }: Fault): void {
    const { metrics, log } = this.#parts
    const kind = job?.spec.kind ?? 'repair'
    metrics.failed(reason).value++
    const { tradingsymbol, token } = instrument
    const isOver = retry === 'never'
    if (kind === 'immediate') {
      const fields = { tradingsymbol, token, reason, detail: message, tried_again: !isOver }
      log.warn(fields, 'Immediate backfill failed')
    } else if (isOver) {
      log.warn({ kind, tradingsymbol, token, reason, detail: message }, 'Backfill failed')
    }
    if (job === undefined) return
    if (isOver) job.refused(instrument, message)
    else job.error = message
    this.#book.changed(job)
    this.#closeIfThrough(job)
  }

  // ---------------------------------------------------------------- the end

  #closeIfThrough(job: Job): void {
    if (job.isEnded || !job.isThrough || this.#closing.has(job)) return
    this.#closing.add(job)
    void this.#close(job)
  }

  async #close(job: Job): Promise<void> {
    if (this.#inHand.has(job)) return
    this.#inHand.add(job)
    const isClosed = await this.#tryToClose(job).finally(() => this.#inHand.delete(job))
    if (isClosed && this.#closing.delete(job)) this.#end(job)
  }

  async #tryToClose(job: Job): Promise<boolean> {
    const { closers, isStoreAway, log } = this.#parts
    try {
      return await (closers[job.spec.kind]?.(job) ?? true)
    } catch (err) {
      if (faultOf(err, isStoreAway).retry !== 'never') return false
      job.error = err instanceof Error ? err.message : String(err)
      log.error({ err, job: job.spec.id }, 'Backfill job could not be closed')
      return true
    }
  }

  #end(job: Job): void {
    const { clock, metrics, log } = this.#parts
    const nowMs = clock.nowMs()
    job.end(job.verdict, nowMs)
    this.#book.changed(job)
    if (job.status !== 'done') return
    const { kind, instruments, createdAtMs } = job.spec
    const durationMs = nowMs - createdAtMs
    metrics.completed.value++
    metrics.duration.record(durationMs)
    const fields = { rows: job.rows, duration_ms: Math.round(durationMs) }
    const [only] = instruments
    if (kind === 'immediate' && only !== undefined) {
      const { tradingsymbol, token } = only
      log.info({ tradingsymbol, token, ...fields }, 'Immediate backfill completed')
    } else {
      log.info({ kind, job: job.spec.id, instruments: job.done, ...fields }, 'Backfill completed')
    }
  }

  /** Ids rise, and two processes do not meet. */
  #newId(kind: JobKind, nowMs: number): string {
    this.#lastId = Math.max(this.#lastId + 1, Math.floor(nowMs) * 1_000)
    const chance = Math.floor(this.#parts.random() * 36 ** 4)
    return `${kind}-${this.#lastId.toString(36)}-${chance.toString(36).padStart(4, '0')}`
  }
}

/**
 * What such a job is for is what the broker has told when it begins; minutes that become final
 * meanwhile are filled without it.
 */
function endsWithoutNewest(kind: JobKind): boolean {
  return kind === 'immediate' || kind === 'periodic'
}
