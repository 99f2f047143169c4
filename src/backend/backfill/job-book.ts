/**
 * All jobs of this process, and their way into the store: what changed is saved together, soon and
 * never in anybody's way. While the store is away jobs live here alone.
 */
import { type Backoff, backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { pause } from '../../kit/pause.ts'
import {
  BACKFILL_ENDED_KEPT,
  BACKFILL_RETRY_FIRST_MS,
  BACKFILL_RETRY_MAX_MS,
  BACKFILL_SAVE_JOBS,
  BACKFILL_SAVE_PERIOD_MS,
  BACKFILL_STOP_MS,
} from '../../limits.ts'
import type { Job } from './job.ts'
import type { BackfillStore } from './ports.ts'

export interface JobBookParts {
  readonly store: Pick<BackfillStore, 'saveJobs'>
  readonly isStoreAway: (error: unknown) => boolean
  readonly clock: Clock
  readonly random: () => number
  readonly log: Pick<Log, 'warn' | 'error'>
}

const RETRY: Backoff = { firstMs: BACKFILL_RETRY_FIRST_MS, capMs: BACKFILL_RETRY_MAX_MS }

export class JobBook {
  readonly #parts: JobBookParts
  /** By id, in the order in which they came. */
  readonly #jobs = new Map<string, Job>()
  readonly #unsaved = new Set<Job>()
  readonly #stopping = new AbortController()
  #saving: Promise<void> | undefined

  constructor(parts: JobBookParts) {
    this.#parts = parts
  }

  get(id: string): Job | undefined {
    return this.#jobs.get(id)
  }

  all(): Iterable<Job> {
    return this.#jobs.values()
  }

  /** A job is new, or is not what it was. */
  changed(job: Job): void {
    this.#jobs.set(job.spec.id, job)
    this.#unsaved.add(job)
    this.#saving ??= this.#save().finally(() => {
      this.#saving = undefined
    })
  }

  /** Saves once more, if the store takes it soon; what it does not have is found missing later. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    const isLate = new AbortController()
    const saved = this.#saveLast().finally(() => isLate.abort())
    await Promise.race([saved, pause(this.#parts.clock, BACKFILL_STOP_MS, isLate.signal)])
  }

  async #saveLast(): Promise<void> {
    await this.#saving
    if (this.#unsaved.size > 0) await this.#saveSome()
  }

  async #save(): Promise<void> {
    const { clock, random } = this.#parts
    const { signal } = this.#stopping
    // The first ones of a burst wait for the others of the same turn.
    await Promise.resolve()
    for (let failures = 0; this.#unsaved.size > 0 && !signal.aborted; ) {
      const isSaved = await this.#saveSome()
      failures = isSaved ? 0 : failures + 1
      const waitMs = isSaved ? BACKFILL_SAVE_PERIOD_MS : backoffDelayMs(RETRY, failures - 1, random)
      await pause(clock, waitMs, signal)
    }
  }

  /** Whether the store took them; what it will never take is given up and said. */
  async #saveSome(): Promise<boolean> {
    const { store, isStoreAway, log } = this.#parts
    const some = [...this.#unsaved].slice(0, BACKFILL_SAVE_JOBS)
    for (const job of some) this.#unsaved.delete(job)
    try {
      await store.saveJobs(some.map((job) => job.toStored()))
    } catch (err) {
      if (!isStoreAway(err)) {
        log.error({ err, jobs: some.length }, 'Backfill jobs could not be saved')
        return true
      }
      for (const job of some) this.#unsaved.add(job)
      log.warn({ err, jobs: this.#unsaved.size }, 'Backfill jobs wait in memory for the store')
      return false
    }
    this.#forgetEnded()
    return true
  }

  #forgetEnded(): void {
    const ended = [...this.#jobs.values()].filter((job) => job.isEnded && !this.#unsaved.has(job))
    for (const { spec } of ended.slice(0, -BACKFILL_ENDED_KEPT)) this.#jobs.delete(spec.id)
  }
}
