/**
 * One commit's worth of changes, taken out of the memory of a partition. From which position it moves
 * on is known when it is sent: the one before it may be under way still.
 */
import type { Clock } from '../../kit/clock.ts'
import type { BarFold } from '../../market/bar.ts'
import {
  bookColumns,
  futureBarRow,
  liveBeneath,
  liveColumns,
  minuteBarRow,
  optionBarRow,
} from '../bars/bar-rows.ts'
import { NOTHING_BENEATH } from '../bars/candle-row.ts'
import type { InstrumentBars } from '../bars/instrument-bars.ts'
import type { CandleSource } from '../candles/candle-writer.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import type { LiveMetrics } from '../chain/live-metrics.ts'
import type {
  CandleRow,
  DeadLetterRow,
  FutureBarRow,
  LiveCommit,
  MinuteBarRow,
  OptionBarRow,
  OrderedRows,
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

type BarRows = Pick<LiveCommit, 'minuteBars' | 'futureBars' | 'optionBars' | 'beneath'>

/** A row to be. */
interface Changed {
  readonly bars: InstrumentBars
  readonly bar: BarFold
}

function barRows(books: PartitionBooks, chains: LiveChains): BarRows {
  const live = {
    minuteBars: [] as Changed[],
    futureBars: [] as Changed[],
    optionBars: [] as Changed[],
  }
  const beneath: CandleRowsBuilt = { minuteBars: [], futureBars: [], optionBars: [] }
  for (const bars of books.takeDirtyBars()) {
    const changed = live[LIST_OF[bars.instrument.kind]]
    for (const minuteMs of bars.dirty) {
      const bar = bars.bars.get(minuteMs)
      if (bar === undefined) continue
      const source = bars.candles.get(minuteMs)
      if (source === undefined) changed.push({ bars, bar })
      else addBeneath(beneath, books, bars, bar, source)
    }
    bars.dirty.clear()
  }
  return {
    minuteBars: new MadeRows(live.minuteBars, (changed) => liveMinuteBar(changed, books)),
    futureBars: new MadeRows(live.futureBars, (changed) => liveFutureBar(changed, books, chains)),
    optionBars: new MadeRows(live.optionBars, (changed) => liveOptionBar(changed, books, chains)),
    beneath,
  }
}

const LIST_OF = {
  index: 'minuteBars',
  equity: 'minuteBars',
  future: 'futureBars',
  option: 'optionBars',
} as const

/** Rows by tradingsymbol and minute; made of what is in memory when they are read. */
class MadeRows<Row> implements OrderedRows<Row> {
  readonly #changed: readonly Changed[]
  readonly #make: (changed: Changed) => Row

  constructor(changed: Changed[], make: (changed: Changed) => Row) {
    this.#changed = changed.sort(compareKeys)
    this.#make = make
  }

  get length(): number {
    return this.#changed.length
  }

  *[Symbol.iterator](): Generator<Row, void, void> {
    for (const changed of this.#changed) yield this.#make(changed)
  }
}

function compareKeys(a: Changed, b: Changed): number {
  const [x, y] = [a.bars.instrument, b.bars.instrument]
  if (x.tradingsymbol !== y.tradingsymbol) return x.tradingsymbol < y.tradingsymbol ? -1 : 1
  if (a.bar.minuteMs !== b.bar.minuteMs) return a.bar.minuteMs - b.bar.minuteMs
  return x.exchange < y.exchange ? -1 : 1
}

function liveMinuteBar({ bars, bar }: Changed, books: PartitionBooks): MinuteBarRow {
  return minuteBarRow(bars, liveColumns(bars, bar, books.residentFromMs))
}

function liveFutureBar(
  { bars, bar }: Changed,
  books: PartitionBooks,
  chains: LiveChains,
): FutureBarRow {
  const spot = chains.spot(bars.instrument.symbol)?.lastPrice ?? null
  const columns = liveColumns(bars, bar, books.residentFromMs)
  return futureBarRow(bars, columns, bookColumns(bars, bar), spot)
}

function liveOptionBar(
  { bars, bar }: Changed,
  books: PartitionBooks,
  chains: LiveChains,
): OptionBarRow {
  const isOpen = bar.minuteMs >= books.closedBeforeMs
  const analytics = isOpen ? chains.analyticsOf(bars, bar) : undefined
  const columns = liveColumns(bars, bar, books.residentFromMs)
  return optionBarRow(bars, columns, bookColumns(bars, bar), analytics)
}

interface CandleRowsBuilt {
  readonly minuteBars: CandleRow<MinuteBarRow>[]
  readonly futureBars: CandleRow<FutureBarRow>[]
  readonly optionBars: CandleRow<OptionBarRow>[]
}

/** What packets say of a minute that holds a candle; of a settled one only that they came. */
function addBeneath(
  rows: CandleRowsBuilt,
  books: PartitionBooks,
  bars: InstrumentBars,
  bar: BarFold,
  source: CandleSource,
): void {
  const isSettled = source === 'settled'
  const live = liveColumns(bars, bar, books.residentFromMs)
  const columns = { ...live, source, ...(isSettled ? { openKey: null, closeKey: null } : {}) }
  const beneath = isSettled ? NOTHING_BENEATH : liveBeneath(bars, bar)
  const book = bookColumns(bars, bar)
  const { kind } = bars.instrument
  if (kind === 'option') {
    rows.optionBars.push({ ...optionBarRow(bars, columns, book, undefined), ...beneath })
  } else if (kind === 'future') {
    rows.futureBars.push({ ...futureBarRow(bars, columns, book, null), ...beneath })
  } else rows.minuteBars.push({ ...minuteBarRow(bars, columns), ...beneath })
}
