/**
 * Quotes of strikes that are not streamed, on their way into the live chain and into the rows of their
 * minute. Whatever the feed says of a minute stands above them, so they are written while the minute is
 * open and are gone where the store could not take them in time.
 */
import { CANDLES_PER_STATEMENT } from '../../limits.ts'
import { floorToMinute } from '../../market/ist.ts'
import { optionBarRow } from '../bars/bar-rows.ts'
import { NOTHING_BENEATH } from '../bars/candle-row.ts'
import type { InstrumentBars } from '../bars/instrument-bars.ts'
import type { CandlesNotWrittenError } from '../candles/candle-writer.ts'
import { knownBars } from '../candles/write-candles.ts'
import type { QueuedWrite, Settle, TurnResult, WriteTurn } from '../candles/write-queue.ts'
import type { SnapshotQuote } from '../chain/latest-quote.ts'
import type { CandleRow, OptionBarRow } from '../ports.ts'

export class SnapshotWrite implements QueuedWrite {
  readonly #promise: Settle<number>
  #left: readonly SnapshotQuote[]
  #rows = 0

  /**
   * @param quotes of options
   * @param promise resolves to the number of rows
   */
  constructor(quotes: readonly SnapshotQuote[], promise: Settle<number>) {
    this.#left = quotes
    this.#promise = promise
  }

  fail(error: CandlesNotWrittenError): void {
    this.#promise.reject(error)
  }

  async step({ store, books, chains }: WriteTurn): Promise<TurnResult> {
    const quotes = this.#left.slice(0, CANDLES_PER_STATEMENT)
    const optionBars: CandleRow<OptionBarRow>[] = []
    for (const quote of quotes) {
      const bars = knownBars(books, quote)
      if (bars.coverage.current !== undefined) continue
      chains.takeSnapshot(bars, quote)
      if (isOfOpenMinute(bars, quote, books.closedBeforeMs)) optionBars.push(rowOf(bars, quote))
    }
    if (optionBars.length > 0) {
      const { partition, expected } = books
      const rows = { minuteBars: [], futureBars: [], optionBars }
      const nothing = { coverage: [], coverageRemoved: [], gapsRepaired: [], due: [] }
      const result = await store.writeCandles({ partition, expected, rows, ...nothing })
      if (result === 'superseded') return result
      this.#rows += optionBars.length
    }
    this.#left = this.#left.slice(quotes.length)
    if (this.#left.length > 0) return 'more'
    this.#promise.resolve(this.#rows)
    return 'done'
  }
}

function isOfOpenMinute(
  bars: InstrumentBars,
  { atMs }: SnapshotQuote,
  closedBeforeMs: number,
): boolean {
  const minuteMs = floorToMinute(atMs)
  const session = bars.sessionAt(minuteMs)
  if (session === undefined || minuteMs < session.openMs || minuteMs >= session.closeMs)
    return false
  return minuteMs >= closedBeforeMs && !bars.bars.has(minuteMs)
}

function rowOf(bars: InstrumentBars, quote: SnapshotQuote): CandleRow<OptionBarRow> {
  const { lastPrice, volume, openInterest, bid, ask, atMs } = quote
  const columns = {
    minuteMs: floorToMinute(atMs),
    open: lastPrice,
    high: lastPrice,
    low: lastPrice,
    close: lastPrice,
    volume: null,
    dayVolume: volume,
    baseVolume: null,
    tickCount: 0,
    complete: null,
    source: 'snapshot' as const,
    openKey: null,
    closeKey: null,
    quoteKey: null,
  }
  const book = { oi: openInterest, bid, ask }
  return { ...optionBarRow(bars, columns, book, undefined), ...NOTHING_BENEATH }
}
