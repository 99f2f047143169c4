/**
 * What the API shows of the writers of bars. A structural view of `ingest/`, so that the API can be
 * run over anything that commits.
 */
import type { Position } from '../../contract/journal-record.ts'
import type { RecentLatency } from '../../kit/recent-latency.ts'
import type { IngestCounters } from '../ingest/ingest-parts.ts'
import type { FoldCounters } from '../ingest/partition-books.ts'
import type { SourcePosition } from '../ports.ts'

export interface WriterBooks {
  /** What the store holds, one a producer. */
  readonly expected: readonly SourcePosition[]
  readonly gaps: { readonly openCount: number }
  readonly counters: FoldCounters
}

export interface WriterView {
  /** undefined until the partition is claimed and loaded. */
  readonly books: WriterBooks | undefined
  /** Why nothing is being committed; null while all is well. */
  readonly storeError: string | null
  /** Candles and snapshots that wait to be written. */
  readonly writes: { readonly highWater: number }
}

export interface IngestView {
  readonly writers: readonly WriterView[]
  readonly counters: IngestCounters
  /** Received → committed, since the start and of the last minute. */
  readonly commitLatency: RecentLatency
}

/** Newest position of a producer's log, where it can be asked; for the lag. */
export type LogHead = (producer: string, partition: number) => Position | undefined
