/**
 * Gaps that are over become jobs: whatever of their minutes is missing is asked of the broker. Then
 * the partition's writer finds the gap whole, whoever filled it, and it is `repaired`. Contracts that are not listed any more cannot be asked for, since their
 * tokens belong to others: a gap with such is `unrepairable` in the end, with the rows that were had.
 */
import type { Clock } from '../../kit/clock.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { MINUTE_MS } from '../../market/ist.ts'
import type { CandleWriter } from '../candles/candle-writer.ts'
import { type Job, resolve } from './job.ts'
import type { Jobs } from './jobs.ts'
import type { BackfillStore, ClosedGap, GapEnd, GapKey } from './ports.ts'

export interface GapRepairParts {
  readonly store: Pick<BackfillStore, 'closedGaps' | 'endGap'>
  readonly writer: CandleWriter
  readonly jobs: () => Jobs
  readonly master: () => InstrumentMaster
  readonly partitions: readonly number[]
  readonly clock: Pick<Clock, 'nowMs'>
}

export class GapRepair {
  readonly #parts: GapRepairParts

  constructor(parts: GapRepairParts) {
    this.#parts = parts
  }

  /** Makes a job of every gap that is over and has none. Rejects while the store is away. */
  async look(): Promise<void> {
    const { store, partitions } = this.#parts
    const jobs = this.#parts.jobs()
    for (const gap of await store.closedGaps(partitions)) {
      if (!jobs.has(jobIdOf(gap))) this.#open(gap, jobs)
    }
  }

  /** What ends the gap once its job is through. */
  readonly close = async (job: Job): Promise<boolean> => {
    const { writer, store } = this.#parts
    const { gap, instruments } = job.spec
    const [instrument] = instruments
    if (gap === undefined) return true
    if (job.failed === 0 && instrument !== undefined) {
      const nothing = { candles: [], none: [], moreFollows: false } as const
      await writer.write({ ...nothing, instrument, source: 'repair', gaps: [gap.id] })
    }
    // Does nothing to one that the writer has found whole.
    await store.endGap(gap, this.#endOf(job))
    return true
  }

  #open(gap: ClosedGap, jobs: Jobs): void {
    jobs.open({
      id: jobIdOf(gap),
      kind: 'repair',
      scope: 'instruments',
      ...resolve(gap.instruments, this.#parts.master()),
      symbol: null,
      expiry: null,
      // Minutes that it touches.
      fromMs: Math.floor(gap.fromMs / MINUTE_MS) * MINUTE_MS,
      toMs: Math.ceil(gap.toMs / MINUTE_MS) * MINUTE_MS,
      reason: gap.reason,
      requestedBy: null,
      gap: { id: gap.id, producer: gap.producer, partition: gap.partition },
    })
  }

  #endOf(job: Job): GapEnd {
    const atMs = this.#parts.clock.nowMs()
    if (job.failed === 0) return { status: 'repaired', rows: job.rows, error: null, atMs }
    const all = job.failed + job.done
    const why = job.error === null ? 'not listed any more' : job.error
    const error = `${job.failed} of ${all} instruments could not be had: ${why}`
    return { status: 'unrepairable', rows: job.rows, error, atMs }
  }
}

/** The same after a restart, so that no gap has two jobs. */
function jobIdOf({ id, producer, partition }: GapKey): string {
  return `repair-${producer}-${partition}-${id}`
}
