/**
 * The open interest before a date, on its way into the rows of that date: those that are stored already
 * are brought up to it, and what is written from then on carries it. What the broker's day candle told is
 * stored in the same statement, so rows and their base are never apart.
 */
import { DAY_MS, startOfDateMs } from '../../market/ist.ts'
import type { InstrumentBars, PreviousOi } from '../bars/instrument-bars.ts'
import type { CandlesNotWrittenError } from '../candles/candle-writer.ts'
import { knownBars } from '../candles/write-candles.ts'
import type { QueuedWrite, Settle, TurnResult, WriteTurn } from '../candles/write-queue.ts'
import type { DayOiRow, PreviousOiRow } from '../ports.ts'
import { readPreviousOi } from './load-previous-oi.ts'
import type { PreviousOiBatch } from './previous-oi.ts'

export class PreviousOiWrite implements QueuedWrite {
  readonly #batch: PreviousOiBatch
  readonly #promise: Settle<void>

  constructor(batch: PreviousOiBatch, promise: Settle<void>) {
    this.#batch = batch
    this.#promise = promise
  }

  fail(error: CandlesNotWrittenError): void {
    this.#promise.reject(error)
  }

  async step({ store, books }: WriteTurn): Promise<TurnResult> {
    const { date, instruments, dayOi } = this.#batch
    const all = instruments.map((instrument) => knownBars(books, { instrument }))
    const known = withDayOi(await readPreviousOi(store, all, date), dayOi)
    const rows = [...known].flatMap(([{ instrument }, { oi }]): PreviousOiRow[] =>
      oi === null ? [] : [{ instrument, oi }],
    )
    const fromMs = startOfDateMs(date)
    const result = await store.writePreviousOi({
      partition: books.partition,
      expected: books.expected,
      dayOi,
      rows,
      fromMs,
      toMs: fromMs + DAY_MS,
    })
    if (result === 'superseded') return result
    for (const [bars, previous] of known) {
      if (bars.previousOi.get(date)?.oi !== previous.oi) books.previousOiChanges++
      bars.previousOi.set(date, previous)
      bars.previousOiStored = { date, oi: previous.oi }
    }
    this.#promise.resolve()
    return 'done'
  }
}

/** A day's candle stands above its bars: it is the broker's word on the close. */
function withDayOi(
  stored: ReadonlyMap<InstrumentBars, PreviousOi>,
  dayOi: readonly DayOiRow[],
): ReadonlyMap<InstrumentBars, PreviousOi> {
  const told = new Map(dayOi.map((row) => [row.tradingsymbol, row]))
  return new Map(
    Array.from(stored, ([bars, previous]) => {
      const row = told.get(bars.instrument.tradingsymbol)
      const isNewer = row !== undefined && row.date >= (previous.date ?? '')
      return [bars, isNewer ? { oi: row.oi, date: row.date } : previous]
    }),
  )
}
