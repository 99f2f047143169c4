/**
 * A batch of candles on its way through the partition's writer: a statement's worth a turn, each with
 * its coverage, what became due by it and, with the last one, the gaps that are whole now. A statement
 * counts as a whole or not at all, and says the same when it is repeated.
 */
import { CANDLES_PER_STATEMENT } from '../../limits.ts'
import type { SessionBounds } from '../../market/attribution.ts'
import { Coverage } from '../../market/coverage.ts'
import { instrumentKey } from '../../market/instrument.ts'
import { DAY_MS, istDate, MINUTE_MS } from '../../market/ist.ts'
import type { InstrumentBars } from '../bars/instrument-bars.ts'
import type { PartitionBooks } from '../ingest/partition-books.ts'
import type {
  CandleRows,
  CoverageRow,
  DueMinute,
  FeedGapRow,
  GapInstrument,
  PartitionStore,
  RepairedGap,
  StoredBar,
} from '../ports.ts'
import { addBrokerCoverage, type KnownSpan } from './broker-coverage.ts'
import {
  type BatchMinute,
  type CandleContext,
  candleRows,
  isWritten,
  minutesOf,
  neighboursOf,
} from './candle-rows.ts'
import type { CandleBatch, CandleOutcome, CandlesNotWrittenError } from './candle-writer.ts'
import { repairedGap } from './repaired-gaps.ts'
import type { QueuedWrite, Settle, TurnResult, WriteTurn } from './write-queue.ts'

export class CandleWrite implements QueuedWrite {
  readonly #batch: CandleBatch
  readonly #promise: Settle<CandleOutcome>
  #left: readonly BatchMinute[]
  #written = 0
  #kept = 0

  constructor(batch: CandleBatch, promise: Settle<CandleOutcome>) {
    this.#batch = batch
    this.#promise = promise
    this.#left = minutesOf(batch.candles, batch.none)
  }

  fail(error: CandlesNotWrittenError): void {
    this.#promise.reject(error)
  }

  async step(turn: WriteTurn): Promise<TurnResult> {
    const { books } = turn
    const closed = this.#left.filter(({ minuteMs }) => minuteMs < books.closedBeforeMs)
    const minutes = closed.slice(0, CANDLES_PER_STATEMENT)
    const isLast = minutes.length === closed.length
    const gaps = isLast ? await this.#gaps(turn) : []
    if (gaps === 'later') return 'later'
    if (minutes.length > 0 || gaps.length > 0) {
      const bars = knownBars(books, this.#batch)
      const result = await this.#write(turn, bars, minutes, gaps)
      if (result === 'superseded') return result
    }
    this.#left = this.#left.slice(minutes.length)
    if (!isLast || this.#batch.moreFollows) turn.hold(scopeOf(this.#batch))
    else books.due.release(scopeOf(this.#batch))
    if (!isLast) return 'more'
    const tooEarly = this.#left.map(({ minuteMs }) => minuteMs)
    this.#promise.resolve({ written: this.#written, tooEarly, kept: this.#kept })
    return 'done'
  }

  /** The gaps that this batch may make whole; `later` where what closed one is still to be stored. */
  async #gaps({ store, books }: WriteTurn): Promise<readonly FeedGapRow[] | 'later'> {
    const ids = this.#batch.gaps ?? []
    if (ids.length === 0) return []
    if (ids.some((id) => books.gaps.isUnwritten(id))) return 'later'
    return await store.loadGaps(ids)
  }

  async #write(
    turn: WriteTurn,
    bars: InstrumentBars,
    minutes: readonly BatchMinute[],
    gaps: readonly FeedGapRow[],
  ): Promise<'committed' | 'superseded'> {
    const { store, books } = turn
    const { source, instrument } = this.#batch
    const context = await contextOf(turn, bars, source, minutes)
    const written = minutes.filter(({ minuteMs }) => isWritten(context, minuteMs))
    const rows = candleRows(written, context)
    const added = written.map(spanOf)
    const { coverage, removed } = addBrokerCoverage(
      instrument,
      context.coverage,
      context.streamed,
      added,
    )
    const due = await dueMinutes(store, books, bars, written, source)
    const result = await store.writeCandles({
      partition: books.partition,
      expected: books.expected,
      rows,
      coverage,
      coverageRemoved: removed,
      gapsRepaired: await repaired(turn, bars, gaps, added),
      due,
    })
    if (result === 'superseded') return result
    this.#written += written.length
    this.#kept += minutes.length - written.length
    books.due.inserted(due)
    remember(turn, bars, written, this.#batch, rows)
    return result
  }
}

/** The instrument as the writer knows it; its description may have changed since it was looked up. */
export function knownBars(
  books: PartitionBooks,
  { instrument }: Pick<CandleBatch, 'instrument'>,
): InstrumentBars {
  const key = instrumentKey(instrument.exchange, instrument.tradingsymbol)
  return books.instruments.get(key) ?? books.know(instrument)
}

interface StoredContext extends CandleContext {
  /** Intervals of any source that overlap or touch the minutes. */
  readonly coverage: readonly CoverageRow[]
  readonly streamed: Coverage['stretches']
}

async function contextOf(
  { store, books }: WriteTurn,
  bars: InstrumentBars,
  source: CandleBatch['source'],
  minutes: readonly BatchMinute[],
): Promise<StoredContext> {
  const bar = bars.identity
  const wanted = [...minutes.map(({ minuteMs }) => minuteMs), ...neighboursOf(minutes)]
  const rows = await store.loadBars(wanted.map((minuteMs) => ({ bar, minuteMs })))
  const fromMs = minutes[0]?.minuteMs ?? 0
  const toMs = (minutes.at(-1)?.minuteMs ?? 0) + MINUTE_MS
  const coverage = await store.loadCoverageOf([bar], fromMs, toMs)
  const old = streamedOf(coverage)
  const isOld = fromMs < books.coverageFromMs
  return {
    bars,
    source,
    stored: new Map(rows.map((row: StoredBar) => [row.minuteMs, row])),
    coverageAt: (minuteMs) => books.coverageAt(bars, minuteMs) ?? old,
    coverage,
    streamed: isOld ? [...old.stretches, ...bars.coverage.stretches] : bars.coverage.stretches,
  }
}

function streamedOf(coverage: readonly CoverageRow[]): Coverage {
  const live = coverage.filter(({ source }) => source === 'live')
  return new Coverage(
    live.map(({ fromMs, toMs, mode }) => ({ fromMs, toMs, mode: mode ?? 'full' })),
  )
}

function spanOf({ minuteMs, candle }: BatchMinute): KnownSpan {
  const source = candle === null ? 'none' : 'broker'
  return { fromMs: minuteMs, toMs: minuteMs + MINUTE_MS, source }
}

function scopeOf({ instrument }: Pick<CandleBatch, 'instrument'>) {
  const { symbol, kind, expiry } = instrument
  return { symbol, expiry: kind === 'option' ? expiry : null }
}

/** The minutes themselves, and of an underlying those of the series that rest on its prices. */
async function dueMinutes(
  store: PartitionStore,
  books: PartitionBooks,
  bars: InstrumentBars,
  written: readonly BatchMinute[],
  reason: string,
): Promise<DueMinute[]> {
  const scope = scopeOf(bars)
  const of = (minuteMs: number) => ({
    ...scope,
    minuteMs,
    dueSinceMs: books.marketTimeMs ?? minuteMs,
    reason,
  })
  const due: DueMinute[] = written.map(({ minuteMs }) => of(minuteMs))
  const [first, last] = [written[0], written.at(-1)]
  if (scope.expiry !== null || first === undefined || last === undefined) return due
  const minutes = new Set(written.map(({ minuteMs }) => minuteMs))
  const series = await store.loadSeriesMinutes(scope.symbol, first.minuteMs, last.minuteMs)
  for (const { expiry, minuteMs } of series) {
    if (minutes.has(minuteMs)) due.push({ ...of(minuteMs), expiry })
  }
  return due
}

async function repaired(
  turn: WriteTurn,
  bars: InstrumentBars,
  gaps: readonly FeedGapRow[],
  added: readonly KnownSpan[],
): Promise<RepairedGap[]> {
  const { store } = turn
  const whole: RepairedGap[] = []
  for (const gap of gaps) {
    const toMs = Math.max(...gap.instruments.map(({ to }) => to ?? gap.fromMs))
    const rows = await store.loadCoverageOf(gap.instruments, gap.fromMs, toMs)
    const byKey = new Map<string, CoverageRow[]>()
    for (const row of rows) {
      const key = instrumentKey(row.exchange, row.tradingsymbol)
      const known = byKey.get(key)
      if (known === undefined) byKey.set(key, [row])
      else known.push(row)
    }
    const own = byKey.get(bars.key) ?? []
    const { known } = addBrokerCoverage(bars.instrument, own, streamedOf(own).stretches, added)
    const found = repairedGap(
      gap,
      (instrument, atMs) => sessionAt(turn, instrument, atMs),
      (key) => (key === bars.key ? known : (byKey.get(key) ?? [])),
    )
    if (found !== undefined) whole.push(found)
  }
  return whole
}

/** Of a contract that is no longer listed nobody knows the hours: all of the day counts. */
function sessionAt(
  { books, chains }: WriteTurn,
  { exchange, tradingsymbol }: GapInstrument,
  atMs: number,
): SessionBounds | undefined {
  const listed = chains.master.byKey(exchange, tradingsymbol)
  const known = books.instruments.get(instrumentKey(exchange, tradingsymbol))
  const bars = known ?? (listed && books.know(listed))
  return bars === undefined ? { openMs: atMs, closeMs: atMs + DAY_MS } : bars.sessionAt(atMs)
}

/** What is in memory learns of the candles too: late packets go beneath them, and the chain shows them. */
function remember(
  { books, chains }: WriteTurn,
  bars: InstrumentBars,
  written: readonly BatchMinute[],
  { source }: CandleBatch,
  rows: CandleRows,
): void {
  if (bars.isLoaded) {
    for (const { minuteMs } of written) bars.noteCandle(minuteMs, source, books.residentFromMs)
  }
  const row = rows.optionBars.at(-1) ?? rows.futureBars.at(-1)
  const index = rows.minuteBars.at(-1)
  const newest = row ?? (index && { ...index, oi: null, oiPrevClose: null, bid: null, ask: null })
  const isOfToday =
    newest !== undefined &&
    books.marketTimeMs !== null &&
    istDate(newest.minuteMs) === istDate(books.marketTimeMs)
  if (isOfToday) chains.seed(bars, { ...newest, ...bars.identity })
}
