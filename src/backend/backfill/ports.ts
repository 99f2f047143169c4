/** What backfill needs of the store, which has more than one implementation. */
import type { JobKind, JobScope, JobStatus } from '../../contract/api/backfills.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { Interval } from '../../market/session-time.ts'
import type { CoverageRow } from '../ports.ts'

/** What an instrument is called in the store. */
export interface InstrumentName {
  readonly exchange: string
  readonly tradingsymbol: string
}

/** A row of `feed_gaps` that is one gap in one partition of a log. */
export interface GapKey {
  readonly id: string
  readonly producer: string
  readonly partition: number
}

/** A gap that is over and whose minutes are not repaired yet. */
export interface ClosedGap extends GapKey {
  readonly reason: string
  readonly fromMs: number
  readonly toMs: number
  readonly instruments: readonly InstrumentName[]
}

/** How far a job is; kept so that it goes on after a restart. */
export interface JobProgress {
  readonly instruments: number
  readonly done: number
  readonly failed: number
  /** Names that are through, of jobs whose rows do not tell. */
  readonly finished?: readonly string[]
  readonly gap?: GapKey
}

/** A row of `backfill_jobs`. */
export interface StoredJob {
  readonly id: string
  readonly kind: JobKind
  readonly scope: JobScope
  readonly exchange: string | null
  readonly tradingsymbol: string | null
  readonly instrumentToken: number | null
  readonly symbol: string | null
  readonly expiry: string | null
  readonly instruments: readonly InstrumentName[]
  readonly fromMs: number
  readonly toMs: number
  readonly reason: string | null
  readonly requestedBy: string | null
  readonly status: JobStatus
  readonly progress: JobProgress
  readonly rows: number
  readonly error: string | null
  readonly createdAtMs: number
  readonly startedAtMs: number | null
  readonly finishedAtMs: number | null
}

/** Every call rejects while the store is away. */
export interface BackfillStore {
  /** What is known of the instruments' time that touches the window. */
  coverage(names: readonly InstrumentName[], window: Interval): Promise<readonly CoverageRow[]>
  /** Instruments that were streamed at any time of the window, ascending by name. */
  streamedWithin(window: Interval): Promise<readonly InstrumentName[]>
  /** Instruments that somebody holds a subscription of. */
  subscribed(): Promise<readonly InstrumentName[]>

  /** What was listed under the names last; none of those that never were. */
  lastListed(names: readonly InstrumentName[]): Promise<readonly Instrument[]>

  saveJobs(jobs: readonly StoredJob[]): Promise<void>
  /** Queued and running ones, oldest first. */
  unfinishedJobs(): Promise<readonly StoredJob[]>
  /** The newest ones, whatever their status. */
  newestJobs(limit: number): Promise<readonly StoredJob[]>
  /** Those of the ids that there is a job of. */
  knownJobs(ids: readonly string[]): Promise<readonly string[]>
  /** Deletes jobs that ended before. */
  forgetJobs(endedBeforeMs: number): Promise<void>

  /** Oldest first, of these partitions. */
  closedGaps(partitions: readonly number[]): Promise<readonly ClosedGap[]>
  /** Does nothing to a gap that is not `closed`. */
  endGap(key: GapKey, end: GapEnd): Promise<void>

  /** Whether final values of the series within the window are still due. */
  hasFinalsDue(symbol: string, expiry: string | null, window: Interval): Promise<boolean>
  /** The last ATM IV of every series of an underlying within the window. */
  closingIvs(symbol: string, window: Interval): Promise<readonly ClosingIv[]>
  /** The day's row of a series, from what is stored of it; again where there is one. */
  writeDailyMetrics(day: DaySeries, figures: DayFigures): Promise<void>
}

export interface ClosingIv {
  readonly expiry: string
  /** Decimal per year. */
  readonly iv: number
}

/** What the day's rows of one series do not tell by themselves. */
export interface DayFigures {
  /** Constant-maturity IV of 7 and of 30 days, decimal per year; null where no series lie around it. */
  readonly iv7d: number | null
  readonly iv30d: number | null
}

/** One series on one day. */
export interface DaySeries extends Interval {
  readonly symbol: string
  readonly expiry: string
  /** IST. */
  readonly date: string
  /** The underlying's index; null where it has none. */
  readonly index: Pick<Instrument, 'exchange' | 'tradingsymbol'> | null
  /** Minutes that its contracts were to have, all together. */
  readonly minutes: number
}

export interface GapEnd {
  readonly status: 'repaired' | 'unrepairable'
  readonly rows: number
  readonly error: string | null
  readonly atMs: number
}
