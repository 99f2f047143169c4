/**
 * One commit's worth of changes, taken out of the memory of a partition. From which position it moves
 * on is known when it is sent: the one before it may be under way still.
 */
import type { Clock } from '../../kit/clock.ts'
import { WHOLE_ROWS_UP_TO } from '../../limits.ts'
import {
  bookColumns,
  futureBarRow,
  liveBeneath,
  liveColumns,
  minuteBarRow,
  optionBarRow,
  optionBarUpdate,
} from '../bars/bar-rows.ts'
import { NOTHING_BENEATH } from '../bars/candle-row.ts'
import type { HeldBar } from '../bars/held-bar.ts'
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
  takesUpdates: boolean,
): LiveCommit {
  const marketMs = books.marketTimeMs
  const nowMs = clock.elapsedMs()
  // A part more of the statement costs as much as IV and Greeks of so many rows.
  const mayUpdate = takesUpdates && books.changedBars.size > WHOLE_ROWS_UP_TO
  const bars = barRows(books, chains, nowMs, mayUpdate)
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

type BarRows = Pick<
  LiveCommit,
  'minuteBars' | 'futureBars' | 'optionBars' | 'optionUpdates' | 'beneath'
>

function barRows(
  books: PartitionBooks,
  chains: LiveChains,
  nowMs: number,
  mayUpdate: boolean,
): BarRows {
  const live = {
    minuteBars: new BarList(),
    futureBars: new BarList(),
    optionBars: new BarList(),
    optionUpdates: new BarList(),
  }
  const beneath: CandleRowsBuilt = { minuteBars: [], futureBars: [], optionBars: [] }
  const { changedBars, closedBeforeMs } = books
  for (const bars of changedBars.take(nowMs, closedBeforeMs)) {
    const { changed, candles } = bars
    const list = live[LIST_OF[bars.instrument.kind]]
    if (changed.length > 1) changed.sort((a, b) => a.minuteMs - b.minuteMs)
    for (const bar of changed) {
      const { minuteMs } = bar
      bar.isChanged = false
      const source = candles.size === 0 ? undefined : candles.get(minuteMs)
      if (source !== undefined) addBeneath(beneath, books, bars, bar, source)
      else if (list !== live.optionBars || minuteMs < closedBeforeMs) list.add(bars, bar)
      else if (mayUpdate && bar.mayBeUpdated) {
        bar.isBehind = true
        live.optionUpdates.add(bars, bar)
      } else {
        changedBars.writtenWhole(bars, bar, nowMs)
        list.add(bars, bar)
      }
    }
    changed.length = 0
  }
  return {
    minuteBars: new MadeRows(live.minuteBars, (bars, bar) => liveMinuteBar(bars, bar, books)),
    futureBars: new MadeRows(live.futureBars, (bars, bar) =>
      liveFutureBar(bars, bar, books, chains),
    ),
    optionBars: new MadeRows(live.optionBars, (bars, bar) =>
      liveOptionBar(bars, bar, books, chains),
    ),
    optionUpdates: new MadeRows(live.optionUpdates, (bars, bar) =>
      optionBarUpdate(bars, bar, books.residentFromMs),
    ),
    beneath,
  }
}

const LIST_OF = {
  index: 'minuteBars',
  equity: 'minuteBars',
  future: 'futureBars',
  option: 'optionBars',
} as const

/** Bars with their instruments. */
class BarList {
  readonly instruments: InstrumentBars[] = []
  readonly bars: HeldBar[] = []

  add(bars: InstrumentBars, bar: HeldBar): void {
    this.instruments.push(bars)
    this.bars.push(bar)
  }
}

/** Rows by tradingsymbol and minute; made of what is in memory when they are read. */
class MadeRows<Row> implements OrderedRows<Row> {
  readonly #list: BarList
  readonly #make: (bars: InstrumentBars, bar: HeldBar) => Row

  constructor(list: BarList, make: (bars: InstrumentBars, bar: HeldBar) => Row) {
    this.#list = list
    this.#make = make
  }

  get length(): number {
    return this.#list.bars.length
  }

  *[Symbol.iterator](): Generator<Row, void, void> {
    const { instruments, bars } = this.#list
    for (let i = 0; i < bars.length; i++) {
      yield this.#make(instruments[i] as InstrumentBars, bars[i] as HeldBar)
    }
  }
}

function liveMinuteBar(bars: InstrumentBars, bar: HeldBar, books: PartitionBooks): MinuteBarRow {
  return minuteBarRow(bars, liveColumns(bars, bar, books.residentFromMs))
}

function liveFutureBar(
  bars: InstrumentBars,
  bar: HeldBar,
  books: PartitionBooks,
  chains: LiveChains,
): FutureBarRow {
  const spot = chains.spot(bars.instrument.symbol)?.lastPrice ?? null
  const columns = liveColumns(bars, bar, books.residentFromMs)
  return futureBarRow(bars, columns, bookColumns(bars, bar), spot)
}

function liveOptionBar(
  bars: InstrumentBars,
  bar: HeldBar,
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
  bar: HeldBar,
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
