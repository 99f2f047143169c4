/** Starts the writers of the partitions that this process owns, over one set of live chains. */
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { RecentLatency } from '../../kit/recent-latency.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { istDate } from '../../market/ist.ts'
import { sessionOn } from '../../market/session-time.ts'
import { partitionOf } from '../../market/underlying.ts'
import { ClosePlanner } from '../bars/close-planner.ts'
import { MinuteClose } from '../bars/minute-close.ts'
import { CandlesNotWrittenError, type CandleWriter } from '../candles/candle-writer.ts'
import { CandleWrite } from '../candles/write-candles.ts'
import type { QueuedWrite, Settle } from '../candles/write-queue.ts'
import { LiveChains } from '../chain/live-chains.ts'
import { LiveMetrics } from '../chain/live-metrics.ts'
import type { DueMinute, StoreOpener } from '../ports.ts'
import type { PreviousOiWriter } from '../previous-oi/previous-oi.ts'
import { PreviousOiWrite } from '../previous-oi/write-previous-oi.ts'
import type { SnapshotWriter } from '../snapshot/chain-snapshot.ts'
import { SnapshotWrite } from '../snapshot/write-snapshot.ts'
import type { IngestCounters } from './ingest-parts.ts'
import type { LogSet } from './log-set.ts'
import type { PartitionBooks } from './partition-books.ts'
import { PartitionIngest } from './partition-ingest.ts'

/** The name under which positions are kept; one consumer folds bars. */
export const CONSUMER = 'bars'

export interface IngestOptions {
  readonly logs: LogSet
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
  readonly candles: CandleWriter
  readonly snapshots: SnapshotWriter
  readonly previousOi: PreviousOiWriter
  readonly counters: IngestCounters
  readonly commitLatency: RecentLatency
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
    candleStatements: 0,
    refusedCandles: 0,
    restarts: 0,
    deadLetters: 0,
    uncommittedHighWater: 0,
  }
  const commitLatency = new RecentLatency(clock)
  const planner = new ClosePlanner(calendar, () => chains.master, riskFreeRate)
  const writers = ownPartitions.map((partition) => {
    const isMine = (symbol: string) => partitionOfSymbol(symbol) === partition
    return new PartitionIngest({
      consumer: CONSUMER,
      partition,
      otherPartitions: ownPartitions.filter((other) => other !== partition),
      logs: options.logs,
      stores: options.stores,
      sessionOf: (instrument, atMs) => sessionOn(instrument, istDate(atMs), calendar),
      isMine,
      tradingDateOf: (segment, atMs) => calendar.tradingDateOf(segment, atMs),
      chains,
      metrics: new LiveMetrics(chains, calendar, isMine),
      minuteClose: new MinuteClose(planner, options.onFinal ?? (() => undefined)),
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
  /** Hands a write to the writer of the symbol's partition. */
  const queued = <T>(
    { symbol }: Pick<Instrument, 'symbol'>,
    made: (promise: Settle<T>) => QueuedWrite,
  ) =>
    new Promise<T>((resolve, reject) => {
      const writer = writers[ownPartitions.indexOf(partitionOfSymbol(symbol))]
      if (writer !== undefined) return writer.writes.add(made({ resolve, reject }))
      reject(new CandlesNotWrittenError('not_owned', `bars of ${symbol} are not written here`))
    })
  const ended = Promise.all(writers.map((writer) => writer.start())).then(() => undefined)
  return {
    chains,
    writers,
    candles: {
      write: (batch) => queued(batch.instrument, (promise) => new CandleWrite(batch, promise)),
    },
    snapshots: {
      write: async (quotes) => {
        const first = quotes[0]?.instrument
        if (first === undefined) return 0
        return queued(first, (promise) => new SnapshotWrite(quotes, promise))
      },
    },
    previousOi: {
      write: async (batch) => {
        const [first] = batch.instruments
        if (first !== undefined)
          await queued(first, (promise) => new PreviousOiWrite(batch, promise))
      },
    },
    counters,
    commitLatency,
    ended,
    stop: async () => {
      await Promise.all(writers.map((writer) => writer.stop()))
    },
  }
}
