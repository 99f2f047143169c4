/** One commit's worth of changes, taken out of the memory of a partition. */
import type { Clock } from '../../kit/clock.ts'
import {
  bookColumns,
  futureBarRow,
  liveColumns,
  minuteBarRow,
  optionBarRow,
} from '../bars/bar-rows.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import type { LiveMetrics } from '../chain/live-metrics.ts'
import type {
  DeadLetterRow,
  FutureBarRow,
  LiveCommit,
  MinuteBarRow,
  OptionBarRow,
} from '../ports.ts'
import type { PartitionBooks } from './partition-books.ts'

export function buildCommit(
  books: PartitionBooks,
  chains: LiveChains,
  metrics: LiveMetrics,
  deadLetters: readonly DeadLetterRow[],
  clock: Clock,
): LiveCommit {
  const bars = barRows(books, chains)
  const marketMs = books.marketTimeMs
  const nowMs = clock.elapsedMs()
  return {
    partition: books.partition,
    expected: books.expected,
    next: books.next,
    ...bars,
    metrics: metrics.takeMetrics(nowMs, marketMs),
    distribution: metrics.takeDistribution(nowMs, marketMs),
    coverage: books.takeCoverage(),
    gaps: books.gaps.takeDirty(),
    ledger: books.takeLedger(),
    due: books.due.takeUnwritten(),
    deadLetters,
  }
}

function barRows(
  books: PartitionBooks,
  chains: LiveChains,
): Pick<LiveCommit, 'minuteBars' | 'futureBars' | 'optionBars'> {
  const minuteBars: MinuteBarRow[] = []
  const futureBars: FutureBarRow[] = []
  const optionBars: OptionBarRow[] = []
  for (const bars of books.takeDirtyBars()) {
    for (const minuteMs of bars.dirty) {
      const bar = bars.bars.get(minuteMs)
      if (bar === undefined || bars.settled.has(minuteMs)) continue
      const columns = liveColumns(bars, bar, books.residentFromMs)
      const { kind, symbol } = bars.instrument
      if (kind === 'option') {
        const isOpen = minuteMs >= books.closedBeforeMs
        const analytics = isOpen ? chains.analyticsOf(bars, bar) : undefined
        optionBars.push(optionBarRow(bars, columns, bookColumns(bars, bar), analytics))
      } else if (kind === 'future') {
        const spot = chains.spot(symbol)?.lastPrice ?? null
        futureBars.push(futureBarRow(bars, columns, bookColumns(bars, bar), spot))
      } else minuteBars.push(minuteBarRow(bars, columns))
    }
    bars.dirty.clear()
  }
  return { minuteBars, futureBars, optionBars }
}
