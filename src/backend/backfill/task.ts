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
  isExpiring = false
  readonly arrival: number
  readonly abort = new AbortController()
  /** As what it waits for its turn. */
  kind: JobKind
  /** Undefined once the job has ended without waiting for the newest minutes. */
  job: Job | undefined
  /** What of its rows was written before a restart is still to be counted. */
  isUncounted: boolean
  /** Minutes before it were final when it was first looked at: the job waits for these. */
  owedUntilMs: number | undefined
  absentSince: ReadonlyMap<number, number> = new Map()
  /** Not before this market time, and not before this monotonic time. */
  againAtMs = 0
  retryAtMs = 0
  /** Looks that left something, and failures, one after the other. */
  looks = 0
  failures = 0

  constructor(job: Job, instrument: Instrument, arrival: number) {
    const { kind, fromMs, toMs } = job.spec
    this.job = job
    this.isUncounted = job.isResumed
    this.kind = kind
    this.instrument = instrument
    this.key = keyOf(instrument)
    this.window = { fromMs, toMs }
    this.source = SOURCES[kind]
    this.arrival = arrival
  }

  /** Some of it is there: what is left is a hole at the chart's end and waits as one. */
  goOn(): void {
    if (this.kind === 'immediate' || this.kind === 'periodic') this.kind = 'repair'
  }

  /** Its job waits no longer. */
  detach(): void {
    this.job = undefined
    this.goOn()
  }
}
