/** Starts the writers of the partitions that this process owns, over one set of live chains. */
import type { Clock } from '../../kit/clock.ts'
import { LatencyHistogram } from '../../kit/latency-histogram.ts'
import type { Log } from '../../kit/log.ts'
import type { SessionBounds } from '../../market/attribution.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { istDate } from '../../market/ist.ts'
import { partitionOf } from '../../market/underlying.ts'
import { MinuteClose } from '../bars/minute-close.ts'
import { LiveChains } from '../chain/live-chains.ts'
import { LiveMetrics } from '../chain/live-metrics.ts'
import type { DueMinute, StoreOpener, TickLog } from '../ports.ts'
import type { PartitionBooks } from './partition-books.ts'
import { type IngestCounters, PartitionIngest } from './partition-ingest.ts'

/** The name under which positions are kept; one consumer folds bars. */
export const CONSUMER = 'bars'

export interface IngestOptions {
  readonly logs: readonly TickLog[]
  readonly stores: StoreOpener
  readonly master: InstrumentMaster
  readonly calendar: MarketCalendar
  /** Continuous, decimal per year. */
  readonly riskFreeRate: number
  /** How many partitions the log has, and those that this process writes. */
  readonly partitions: number
  readonly ownPartitions: readonly number[]
  readonly clock: Clock
  readonly log: Log
  readonly onCommitted?: (books: PartitionBooks) => void
  readonly onFinal?: (due: DueMinute) => void
}

export interface Ingest {
  readonly chains: LiveChains
  readonly writers: readonly PartitionIngest[]
  readonly counters: IngestCounters
  readonly commitLatency: LatencyHistogram
  /** Rejects when a partition was taken over by another process, or on a program error. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

export function startIngest(options: IngestOptions): Ingest {
  const { calendar, clock, log, partitions, ownPartitions, riskFreeRate } = options
  const partitionOfSymbol = (symbol: string) => partitionOf(symbol, partitions)
  const chains = new LiveChains(options.master, calendar, riskFreeRate, partitionOfSymbol)
  const counters: IngestCounters = {
    batches: 0,
    records: 0,
    skippedRecords: 0,
    refusedBatches: 0,
    lostRecords: 0,
    commits: 0,
    finalStatements: 0,
    refusedFinals: 0,
    restarts: 0,
    deadLetters: 0,
  }
  const commitLatency = new LatencyHistogram()
  const writers = ownPartitions.map((partition) => {
    const isMine = (symbol: string) => partitionOfSymbol(symbol) === partition
    return new PartitionIngest({
      consumer: CONSUMER,
      partition,
      logs: options.logs,
      stores: options.stores,
      sessionOf: (instrument, atMs) => sessionOf(instrument, atMs, calendar),
      isMine,
      tradingDateOf: (segment, atMs) => calendar.tradingDateOf(segment, atMs),
      chains,
      metrics: new LiveMetrics(chains, calendar, isMine),
      minuteClose: new MinuteClose(
        calendar,
        () => chains.master,
        riskFreeRate,
        options.onFinal ?? (() => undefined),
      ),
      clock,
      log,
      counters,
      commitLatency,
      onCommitted: (books) => {
        if (books.marketTimeMs !== null) chains.advance(books.marketTimeMs)
        options.onCommitted?.(books)
      },
    })
  })
  const ended = Promise.all(writers.map((writer) => writer.start())).then(() => undefined)
  return {
    chains,
    writers,
    counters,
    commitLatency,
    ended,
    stop: async () => {
      await Promise.all(writers.map((writer) => writer.stop()))
    },
  }
}

function sessionOf(
  { segment, expiry }: Instrument,
  atMs: number,
  calendar: MarketCalendar,
): SessionBounds | undefined {
  const date = istDate(atMs)
  const session = calendar.session(segment, date)
  if (session === undefined || expiry === null || date < expiry) return session
  if (date > expiry) return undefined
  const closeMs = Math.min(session.closeMs, calendar.expiryCloseMs(segment, expiry))
  return { openMs: session.openMs, closeMs }
}
