/** What the writer of a partition is made of, and what it counts. */
import type { Clock } from '../../kit/clock.ts'
import type { LatencyHistogram } from '../../kit/latency-histogram.ts'
import type { Log } from '../../kit/log.ts'
import type { SessionLookup } from '../bars/instrument-bars.ts'
import type { MinuteClose } from '../bars/minute-close.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import type { LiveMetrics } from '../chain/live-metrics.ts'
import type { StoreOpener } from '../ports.ts'
import type { LogSet } from './log-set.ts'
import type { PartitionBooks } from './partition-books.ts'

export interface IngestParts {
  readonly consumer: string
  readonly partition: number
  /** Those that this process writes beside it; they end with it. */
  readonly otherPartitions: readonly number[]
  readonly logs: LogSet
  readonly stores: StoreOpener
  readonly sessionOf: SessionLookup
  /** Whether a symbol's instruments are of this partition. */
  readonly isMine: (symbol: string) => boolean
  readonly tradingDateOf: (segment: string, atMs: number) => string
  readonly chains: LiveChains
  readonly metrics: LiveMetrics
  readonly minuteClose: MinuteClose
  readonly clock: Clock
  readonly log: Log
  readonly counters: IngestCounters
  /** Received (ticker's wall clock) → committed, ms. */
  readonly commitLatency: LatencyHistogram
  /** Told after every commit that took effect. */
  readonly onCommitted: (books: PartitionBooks) => void
}

/** Plain integers; metrics read them. */
export interface IngestCounters {
  batches: number
  records: number
  skippedRecords: number
  refusedBatches: number
  lostRecords: number
  commits: number
  finalStatements: number
  /** Minutes whose final values the store refused. */
  refusedFinals: number
  candleStatements: number
  /** Batches of candles and snapshots that the store refused. */
  refusedCandles: number
  restarts: number
  deadLetters: number
  /** Most records that were folded and not yet in a commit; at most UNCOMMITTED_RECORDS_MAX. */
  uncommittedHighWater: number
}
