/**
 * The project's second opinion: what the store must hold, computed from the journal in the simplest
 * way there is. Every packet is put with its instrument's minutes, and every row is computed from
 * the set of packets of its minute. It shares no code with the product's fold; where both agree,
 * order, batching, restarts and duplicates did not matter.
 *
 * It can follow a log: more batches may be added at any time, and only what they touch is computed
 * anew. Memory: some 0.5 KB for each minute of each instrument in its window.
 */
import { forEachRecord } from '../../contract/journal-batch.ts'
import type { BatchHeader, ControlRecord } from '../../contract/journal-record.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import type { InstrumentMaster, Series } from '../../market/instrument-master.ts'
import { MINUTE_MS } from '../../market/ist.ts'
import type { JournalledTick } from '../../market/tick.ts'
import { attribute } from './attribution.ts'
import { futuresBar, minuteBar, optionBar } from './bar-rows.ts'
import { chainRows, type Market } from './chain-rows.ts'
import type { InstrumentFacts } from './instrument-facts.ts'
import { Ledger } from './ledger.ts'
import { LiveCoverage, type Stretch } from './live-coverage.ts'
import { inLogOrder, type JournalBatch } from './log-walk.ts'
import { ALL_TIME, InstrumentMinutes, type MinuteRow, type TimeWindow } from './minute-rows.ts'
import type { CoverageRow, OptionBarRow, Reference } from './reference-rows.ts'

export interface FoldGround {
  /** What is listed; must list every option with a closed minute, else rows throw. */
  readonly master: InstrumentMaster
  readonly calendar: MarketCalendar
  /** Continuous, decimal per year. */
  readonly riskFreeRate: number
  /** Minutes outside it have no rows; all where it is not said. */
  readonly window?: TimeWindow
  /** The last OI of a date before the window, in units, by tradingsymbol. */
  readonly oiBefore?: ReadonlyMap<string, number>
  /** Records that the store refused: folded by nobody. */
  readonly isDeadLetter?: (header: BatchHeader, sequence: number) => boolean
}

export interface ReferenceInput extends FoldGround {
  /** In any order, but whole: a missing batch throws. */
  readonly batches: Iterable<JournalBatch>
}

export function referenceFold(input: ReferenceInput): Reference {
  const fold = new ReferenceFold(input)
  for (const batch of inLogOrder(input.batches)) fold.add(batch)
  return fold.reference()
}

/** What one producer's log of one partition has said so far. */
interface LogState {
  readonly producer: string
  readonly partition: number
  instruments: Map<number, Instrument>
  coverage: LiveCoverage
  marketTimeMs: number
  /** False once the producer has said that it sends no more. */
  isLive: boolean
}

interface Book extends InstrumentFacts {
  stretches: readonly Stretch[]
  readonly minutes: InstrumentMinutes
}

export class ReferenceFold {
  readonly #ground: FoldGround
  #oiBefore: ReadonlyMap<string, number>
  readonly #window: TimeWindow
  readonly #logs = new Map<string, LogState>()
  /** By `instrumentKey`. */
  readonly #books = new Map<string, Book>()
  /** By tradingsymbol, and one of each underlying by its symbol. */
  readonly #names = new Map<string, Book>()
  readonly #ledger = new Ledger()

  constructor(ground: FoldGround) {
    this.#ground = ground
    this.#oiBefore = ground.oiBefore ?? new Map()
    this.#window = ground.window ?? ALL_TIME
  }

  /**
   * Folds the records of a batch from `fromSequence` to `toSequence`; each log's in its order.
   * Returns how many of them were ticks.
   */
  add(
    { header, bytes }: JournalBatch,
    fromSequence = header.firstSequence,
    toSequence = Number.POSITIVE_INFINITY,
  ): number {
    let ticks = 0
    const log = this.#logOf(header)
    if (fromSequence <= header.firstSequence) this.#ledger.addBatch({ header, bytes })
    const limit = toSequence - fromSequence + 1
    const visitor = {
      control: (record: ControlRecord) => this.#control(log, record),
      tick: (tick: JournalledTick, sequence: number) => {
        ticks += 1
        this.#tick(log, header, tick, sequence)
      },
    }
    forEachRecord(header, bytes, fromSequence, visitor, limit)
    return ticks
  }

  /** Records are missing here: what was streaming is told anew by the records that follow. */
  forget(producer: string, partition: number): void {
    const log = this.#logs.get(logKey(producer, partition))
    if (log === undefined) return
    log.coverage = new LiveCoverage()
    log.instruments = new Map()
    for (const [key, book] of this.#books) if (book.partition === partition) this.#touch(key, 0)
  }

  /** A row of `tradingsymbol` that the log does not tell of. */
  give(exchange: string, tradingsymbol: string, row: MinuteRow, isAboveLive: boolean): void {
    const book = this.#books.get(instrumentKey(exchange, tradingsymbol))
    const given = book ?? this.#listed(exchange, tradingsymbol)
    given?.minutes.give(row, isAboveLive)
  }

  /** The last OI before the window, in units, where it has come to be known otherwise. */
  giveOiBefore(oiBefore: ReadonlyMap<string, number>): void {
    const before = this.#oiBefore
    this.#oiBefore = oiBefore
    for (const { instrument, minutes } of this.#books.values()) {
      const { tradingsymbol } = instrument
      if (oiBefore.get(tradingsymbol) === before.get(tradingsymbol)) continue
      minutes.touch(Number.NEGATIVE_INFINITY)
    }
  }

  /** A contract that was never streamed is of its underlying's log. */
  #listed(exchange: string, tradingsymbol: string): Book | undefined {
    const instrument = this.#ground.master.byKey(exchange, tradingsymbol)
    const partition = instrument && this.#names.get(instrument.symbol)?.partition
    if (instrument === undefined || partition === undefined) return undefined
    const minutes = new InstrumentMinutes(this.#window)
    const book: Book = { instrument, partition, stretches: [], minutes }
    this.#books.set(keyOf(instrument), book)
    this.#names.set(tradingsymbol, book)
    return book
  }

  /** Of a tradingsymbol's or an underlying's log; undefined where the journal does not name it. */
  partitionOf(name: string): number | undefined {
    return this.#names.get(name)?.partition
  }

  /** The underlying of a tradingsymbol. */
  symbolOf(name: string | undefined): string | undefined {
    return this.#names.get(name ?? '')?.instrument.symbol
  }

  /** The first and the last minute of any row. */
  span(): TimeWindow | undefined {
    const minutes = [...this.#books.keys()].flatMap((key) => {
      const all = [...this.#rowsOf(key).keys()]
      return [all[0] ?? [], all.at(-1) ?? []].flat()
    })
    if (minutes.length === 0) return undefined
    return { fromMs: Math.min(...minutes), toMs: Math.max(...minutes) }
  }

  reference(): Reference {
    return {
      ...this.tables(ALL_TIME),
      coverage: this.coverage(),
      ledger: this.ledger(),
      marketTimes: this.marketTimes(),
    }
  }

  /** The rows of all minutes of `window`. */
  tables(window: TimeWindow): Omit<Reference, 'coverage' | 'ledger' | 'marketTimes'> {
    const market: Market = {
      ...this.#ground,
      factsOf: (key) => this.#books.get(key),
      row: (instrument, minuteMs) => this.#rowsOf(keyOf(instrument)).get(minuteMs),
    }
    const book = this.#rowsWithin(window)
    return { ...barsOfUnderlyings(book, market), ...chainTables(book, market) }
  }

  coverage(): CoverageRow[] {
    return coverageRows([...this.#books.values()])
  }

  ledger(): Reference['ledger'] {
    return this.#ledger
      .rows()
      .sort(byKey(({ minute, producer, epoch, partition }) => [minute, producer, epoch, partition]))
  }

  /** How far market time has come, by underlying. */
  marketTimes(): Map<string, number> {
    return new Map(
      [...this.#books.values()].map(({ instrument, partition }) => [
        instrument.symbol,
        this.#marketTimeOf(partition),
      ]),
    )
  }

  // ---------------------------------------------------------------- records

  #control(log: LogState, record: ControlRecord): void {
    log.isLive = record.kind !== 'epoch_end'
    if (record.kind === 'clock') log.marketTimeMs = Math.max(log.marketTimeMs, record.marketTimeMs)
    if (record.kind === 'instrument') this.#learn(log, record.instrument)
    log.coverage.apply(
      record,
      (token) => log.instruments.get(token) && keyOf(log.instruments.get(token)),
      (key, fromMs) => this.#touch(key, fromMs),
    )
  }

  #learn(log: LogState, instrument: Instrument): void {
    log.instruments.set(instrument.token, instrument)
    const key = keyOf(instrument)
    const known = this.#books.get(key)
    const book: Book = {
      instrument,
      partition: log.partition,
      stretches: known?.stretches ?? [],
      minutes: known?.minutes ?? new InstrumentMinutes(this.#window),
    }
    this.#books.set(key, book)
    this.#names.set(instrument.symbol, book)
    this.#names.set(instrument.tradingsymbol, book)
  }

  #touch(key: string, fromMs: number): void {
    const book = this.#books.get(key)
    if (book === undefined) return
    const logs = [...this.#logs.values()].filter(({ partition }) => partition === book.partition)
    book.stretches = logs
      .flatMap(({ coverage }) => coverage.of(key))
      .sort((a, b) => a.fromMs - b.fromMs)
    book.minutes.touch(fromMs)
  }

  #tick(log: LogState, header: BatchHeader, tick: JournalledTick, sequence: number): void {
    if (this.#ground.isDeadLetter?.(header, sequence) === true) {
      this.#ledger.addTick(header, 'dead_letter')
      return
    }
    const book = this.#books.get(keyOf(log.instruments.get(tick.token)))
    const logged = { tick, epoch: header.epoch, sequence }
    const packet = attribute(logged, book, this.#ground.calendar)
    this.#ledger.addTick(header, typeof packet === 'string' ? packet : null)
    if (typeof packet !== 'string') book?.minutes.add(packet)
  }

  #logOf({ producer, partition }: BatchHeader): LogState {
    const key = logKey(producer, partition)
    const known = this.#logs.get(key)
    if (known !== undefined) return known
    const log: LogState = {
      producer,
      partition,
      instruments: new Map(),
      coverage: new LiveCoverage(),
      marketTimeMs: Number.NEGATIVE_INFINITY,
      isLive: true,
    }
    this.#logs.set(key, log)
    return log
  }

  // ---------------------------------------------------------------- rows

  #rowsOf(key: string): ReadonlyMap<number, MinuteRow> {
    const book = this.#books.get(key)
    if (book === undefined) return NO_ROWS
    return book.minutes.rows({
      facts: book,
      calendar: this.#ground.calendar,
      marketTimeMs: this.#marketTimeOf(book.partition),
      oiBefore: this.#oiBefore.get(book.instrument.tradingsymbol) ?? null,
    })
  }

  #rowsWithin(window: TimeWindow): RowBook {
    return [...this.#books].map(([key, { instrument }]) => ({
      instrument,
      rows: rowsWithin(this.#rowsOf(key), window),
    }))
  }

  /** A minute is over when it is over for every producer that may still send. */
  #marketTimeOf(partition: number): number {
    const logs = [...this.#logs.values()].filter((log) => log.partition === partition)
    const live = logs.filter(({ isLive }) => isLive).map(({ marketTimeMs }) => marketTimeMs)
    return live.length > 0
      ? Math.min(...live)
      : Math.max(...logs.map(({ marketTimeMs }) => marketTimeMs))
  }
}

function rowsWithin(rows: ReadonlyMap<number, MinuteRow>, { fromMs, toMs }: TimeWindow) {
  if (!Number.isFinite(toMs - fromMs)) return [...rows.values()]
  const found: MinuteRow[] = []
  for (let minuteMs = fromMs; minuteMs < toMs; minuteMs += MINUTE_MS) {
    const row = rows.get(minuteMs)
    if (row !== undefined) found.push(row)
  }
  return found
}

const NO_ROWS: ReadonlyMap<number, MinuteRow> = new Map()

function logKey(producer: string, partition: number): string {
  return JSON.stringify([producer, partition])
}

/** No instrument has the empty key. */
function keyOf(instrument: Instrument | null | undefined): string {
  return instrument === null || instrument === undefined
    ? ''
    : instrumentKey(instrument.exchange, instrument.tradingsymbol)
}

/** Each instrument with its rows, ascending. */
type RowBook = readonly { readonly instrument: Instrument; readonly rows: readonly MinuteRow[] }[]

// ---------------------------------------------------------------- rows to tables

function barsOfUnderlyings(
  book: RowBook,
  { master, row: rowAt }: Market,
): Pick<Reference, 'minuteBars' | 'futuresBars'> {
  const minuteBars = []
  const futuresBars = []
  for (const { instrument, rows } of book) {
    const index = master.index(instrument.symbol)
    for (const row of rows) {
      if (instrument.kind === 'index' || instrument.kind === 'equity') {
        minuteBars.push(minuteBar(instrument, row))
      } else if (instrument.kind === 'future') {
        const spot = rowAt(index, row.minuteMs)?.close ?? null
        futuresBars.push(futuresBar(instrument, row, spot))
      }
    }
  }
  return {
    minuteBars: minuteBars.sort(byKey((bar) => [bar.symbol, bar.time, bar.exchange])),
    futuresBars: futuresBars.sort(byKey((bar) => [bar.tradingsymbol, bar.time])),
  }
}

function chainTables(
  book: RowBook,
  market: Market,
): Pick<Reference, 'optionBars' | 'expiryMetrics' | 'strikeDistribution'> {
  const optionBars: OptionBarRow[] = openOptionBars(book)
  const expiryMetrics = []
  const strikeDistribution = []
  for (const [series, minutes] of closedChains(book, market.master)) {
    for (const minuteMs of minutes) {
      const chain = chainRows(series, minuteMs, market)
      optionBars.push(...chain.optionBars)
      expiryMetrics.push(chain.metrics)
      strikeDistribution.push(...chain.distribution)
    }
  }
  return {
    optionBars: optionBars.sort(byKey((bar) => [bar.tradingsymbol, bar.bucket_time])),
    expiryMetrics: expiryMetrics.sort(
      byKey(({ symbol, expiry, bucket_time }) => [symbol, expiry, bucket_time]),
    ),
    strikeDistribution: strikeDistribution.sort(
      byKey(({ symbol, expiry, strike, bucket_time }) => [symbol, expiry, strike, bucket_time]),
    ),
  }
}

function openOptionBars(book: RowBook): OptionBarRow[] {
  const bars: OptionBarRow[] = []
  for (const { instrument, rows } of book) {
    if (instrument.kind !== 'option') continue
    for (const row of rows) {
      if (row.complete === null) bars.push(optionBar(instrument, row, null, null))
    }
  }
  return bars
}

/** Every series with the closed minutes in which any of its options has a row. */
function closedChains(book: RowBook, master: InstrumentMaster): Map<Series, Set<number>> {
  const chains = new Map<Series, Set<number>>()
  for (const { instrument, rows } of book) {
    const closed = rows.filter(({ complete }) => complete !== null)
    if (instrument.kind !== 'option' || closed.length === 0) continue
    const series = seriesOf(master, instrument)
    const minutes = chains.get(series) ?? new Set()
    chains.set(series, minutes)
    for (const { minuteMs } of closed) minutes.add(minuteMs)
  }
  return chains
}

function seriesOf(master: InstrumentMaster, option: Instrument): Series {
  const series = master.series(option.symbol, option.expiry ?? '')
  const isListed = series?.strikes.some(({ call, put }) =>
    [call, put].some((listed) => keyOf(listed) === keyOf(option)),
  )
  if (series !== undefined && isListed) return series
  throw new Error(
    `the list of instruments does not have ${keyOf(option)}, which the journal has: the platform was stopped before it had stored the list, and does so after its next start`,
  )
}

function coverageRows(books: readonly InstrumentFacts[]): CoverageRow[] {
  const rows = books.flatMap(({ instrument, stretches }) =>
    stretches.map(({ fromMs, toMs, mode }) => ({
      exchange: instrument.exchange,
      tradingsymbol: instrument.tradingsymbol,
      from: fromMs,
      to: toMs,
      source: 'live' as const,
      mode,
    })),
  )
  return rows.sort(byKey((row) => [row.exchange, row.tradingsymbol, row.from]))
}

// ---------------------------------------------------------------- order

type KeyPart = string | number

/** A comparison by the parts of a key, one after the other, as the store's `C` collation has it. */
function byKey<Row>(key: (row: Row) => readonly KeyPart[]): (a: Row, b: Row) => number {
  return (a, b) => {
    const keyOfB = key(b)
    for (const [i, part] of key(a).entries()) {
      const other = keyOfB[i]
      if (other === undefined || part === other) continue
      return part < other ? -1 : 1
    }
    return 0
  }
}
