/** One instrument of a job, on its way through the queue. */
import type { JobKind } from '../../contract/api/backfills.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { Interval } from '../../market/session-time.ts'
import type { CandleBatch } from '../candles/candle-writer.ts'
import { type Job, keyOf } from './job.ts'
import type { Waiting } from './plan.ts'

const SOURCES: Readonly<Record<JobKind, CandleBatch['source']>> = {
  immediate: 'backfill',
  periodic: 'backfill',
  on_demand: 'backfill',
  repair: 'repair',
  opening: 'settled',
  settle: 'settled',
}

export class Task implements Waiting {
  readonly instrument: Instrument
  readonly key: string
  readonly window: Interval
  readonly source: CandleBatch['source']
  readonly gaps: readonly string[]
  isExpiring = false
  readonly arrival: number
  readonly abort = new AbortController()
  kind: JobKind
  /** Undefined once the job has ended without waiting for the newest minutes. */
  job: Job | undefined
  absentSince: ReadonlyMap<number, number> = new Map()
  /** Not before this market time, and not before this monotonic time. */
  againAtMs = 0
  retryAtMs = 0
  /** Looks that left something, and failures, one after the other. */
  looks = 0
  failures = 0

  constructor(job: Job, instrument: Instrument, arrival: number) {
    const { kind, fromMs, toMs, gap } = job.spec
    this.job = job
    this.kind = kind
    this.instrument = instrument
    this.key = keyOf(instrument)
    this.window = { fromMs, toMs }
    this.source = SOURCES[kind]
    this.gaps = gap === undefined ? [] : [gap.id]
    this.arrival = arrival
  }

  /** What is left is a hole at the chart's end and is filled as one. */
  detach(): void {
    this.job = undefined
    this.kind = 'repair'
  }
}
