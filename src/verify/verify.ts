/**
 * Whether the store is what the journal says: the books, the gaps, the coverage, and every row of a
 * date folded a second time. Nothing is held open meanwhile: each answer of the store says at which
 * position it was given, and the fold is led to exactly there before the two are compared, so that
 * writers go on undisturbed.
 */
import type { Feed } from '../contract/journal-record.ts'
import { nearestName } from '../kit/nearest-name.ts'
import { VERIFY_DATES_SHOWN, VERIFY_DIFFERENCES_KEPT, VERIFY_WINDOW_MINUTES } from '../limits.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import { instrumentKey } from '../market/instrument.ts'
import { InstrumentMaster } from '../market/instrument-master.ts'
import { DAY_MS, istDate, MINUTE_MS, startOfDateMs } from '../market/ist.ts'
import { type BookFault, type BookSums, bookFaults, sumBooks } from './books.ts'
import {
  type Comparison,
  coverageComparison,
  type Difference,
  differencesOf,
  ledgerComparison,
  minuteComparisons,
} from './compare-rows.ts'
import { coverageReport, type InstrumentCoverage, RowCounts } from './coverage-report.ts'
import { givenRow, isAboveLive, isFromCandle, minuteOf, nameOf } from './given-rows.ts'
import { LogFollower, type MissingRecords } from './log-follower.ts'
import type { AskStore, JournalSource, Span } from './ports.ts'
import { ReferenceFold } from './reference-fold/reference-fold.ts'
import {
  askDates,
  askPositions,
  askRows,
  askState,
  type DatedOi,
  type DeadLetter,
  type NotSettled,
  type Standing,
  type StoredGap,
  type StoreState,
} from './store-answers.ts'
import type { StoreRow } from './store-tables.ts'
import { VerifyError } from './verify-error.ts'

export interface VerifyInput {
  readonly ask: AskStore
  readonly journals: readonly JournalSource[]
  readonly feed: Feed
  readonly calendar: MarketCalendar
  /** Continuous, decimal per year. */
  readonly riskFreeRate: number
  /** `YYYY-MM-DD`, IST; the date that the store has reached where undefined. */
  readonly date: string | undefined
  /** A tradingsymbol that is to be known on the date. */
  readonly known?: string | undefined
  /** Handed every stored bar that was complete. */
  readonly onCompleteBar?: (row: StoreRow) => void
  readonly onProgress?: (progress: VerifyProgress) => void
}

export type VerifyProgress =
  /** Bytes of the journals; how many there are undefined where one does not tell. */
  | { readonly doing: 'fold'; readonly bytes: number; readonly ofBytes: number | undefined }
  /** Minutes whose rows are compared. */
  | { readonly doing: 'compare'; readonly minutes: number; readonly ofMinutes: number }

export interface Verdict {
  readonly date: string
  readonly feed: Feed
  readonly books: readonly BookSums[]
  readonly bookFaults: readonly BookFault[]
  readonly missing: readonly MissingRecords[]
  readonly gaps: readonly StoredGap[]
  readonly deadLetters: readonly DeadLetter[]
  readonly notSettled: readonly NotSettled[]
  readonly coverage: readonly InstrumentCoverage[]
  /** The first ones; `differenceCounts` has all. */
  readonly differences: readonly Difference[]
  /** By table and column: `fo_option_strike_bars.close`. */
  readonly differenceCounts: Readonly<Record<string, number>>
  readonly rowsCompared: number
  /** From candles, or of minutes that the journal has no more. */
  readonly rowsGiven: number
  /** Of minutes whose final values are being written. */
  readonly rowsDue: number
  readonly recordsFolded: number
  readonly instruments: StoreState['instruments']
}

export function isFaultless(verdict: Verdict): boolean {
  const { bookFaults, missing, differenceCounts } = verdict
  return bookFaults.length + missing.length + Object.keys(differenceCounts).length === 0
}

/** Throws VerifyError where there is nothing to look at; other errors where a look failed. */
export async function verify(input: VerifyInput): Promise<Verdict> {
  const { ask, feed } = input
  const now = await askPositions(ask)
  if (now.feed !== null && now.feed !== feed) {
    throw new VerifyError('wrong_feed', `the store holds the ${now.feed} feed, not ${feed}`)
  }
  if (now.positions.length === 0 || now.marketTimeMs === null) {
    throw new VerifyError('nothing_stored', 'the store has not taken anything from a journal yet')
  }
  const date = input.date ?? istDate(now.marketTimeMs)
  refuseMissingJournals(now, input.journals)
  const fromMs = startOfDateMs(date)
  const span = { fromMs, toMs: fromMs + DAY_MS }
  const state = await askState(ask, span)
  refuseUnknown(input.known, state, date)
  const verdict = await new Verification(input, date, span, state).run()
  const isOfNothing = verdict.books.length === 0 && state.minutes === null
  if (isOfNothing && isFaultless(verdict)) throw nothingOf(verdict, await askDates(ask))
  return verdict
}

function refuseUnknown(name: string | undefined, { instruments }: StoreState, date: string): void {
  if (name === undefined || instruments.some((one) => one.tradingsymbol === name)) return
  const names = instruments.map(({ tradingsymbol }) => tradingsymbol)
  const near = nearestName(name, names)?.name
  const hint = near === undefined ? '' : `; the nearest name is ${near}`
  throw new VerifyError('unknown_instrument', `nothing was listed as ${name} on ${date}${hint}`)
}

/** Not the same as nothing wrong: a mistyped date would pass for a good day. */
function nothingOf({ date, gaps }: Verdict, dates: readonly string[]): VerifyError {
  const shown = dates.slice(-VERIFY_DATES_SHOWN)
  const earlier = dates.length > shown.length ? `, and ${dates.length - shown.length} before` : ''
  const others = `There is something of ${shown.join(', ')}${earlier}`
  const known = dates.length === 0 ? 'Nor is there of any other date' : others
  const gap = gaps.length === 0 ? '' : ', and it lies in a gap'
  const message = `there is nothing of ${date} to verify: nothing of it was received or stored${gap}. ${known}`
  return new VerifyError('nothing_of_date', message)
}

function refuseMissingJournals(now: Standing, journals: readonly JournalSource[]): void {
  const known = new Set(journals.map(({ producer }) => producer))
  const unknown = now.positions.find(({ producer }) => !known.has(producer))
  if (unknown === undefined) return
  throw new VerifyError('no_journal', `the journal of ticker ${unknown.producer} was not found`)
}

class Verification {
  readonly #input: VerifyInput
  readonly #date: string
  readonly #span: Span
  readonly #state: StoreState
  readonly #fold: ReferenceFold
  readonly #follower: LogFollower
  readonly #counts = new RowCounts()
  readonly #exchanges = new Map<string, string>()
  readonly #differences: Difference[] = []
  readonly #differenceCounts: Record<string, number> = {}
  #rowsCompared = 0
  #rowsGiven = 0
  #rowsDue = 0

  constructor(input: VerifyInput, date: string, span: Span, state: StoreState) {
    this.#input = input
    this.#date = date
    this.#span = span
    this.#state = state
    const { calendar, riskFreeRate, journals } = input
    const dead = new Set(state.deadLetters.map((letter) => deadKey(letter, letter.sequence)))
    this.#fold = new ReferenceFold({
      master: new InstrumentMaster(state.instruments),
      calendar,
      riskFreeRate,
      window: span,
      isDeadLetter: (header, sequence) => dead.size > 0 && dead.has(deadKey(header, sequence)),
    })
    this.#follower = new LogFollower(this.#fold, journals)
    for (const { exchange, tradingsymbol } of state.instruments) {
      this.#exchanges.set(tradingsymbol, exchange)
    }
  }

  async run(): Promise<Verdict> {
    const state = this.#state
    const ticksAhead = this.#follower.ticksAhead.bind(this.#follower)
    await this.#foldTo(state.positions)
    const books = sumBooks(state.ledger, ticksAhead)
    const faults = bookFaults(state.ledger, ticksAhead)
    this.#compareBooks()
    await this.#compareWindows([...this.#windows()])
    return {
      date: this.#date,
      feed: this.#input.feed,
      books,
      bookFaults: faults,
      missing: this.#follower.missing,
      gaps: state.gaps,
      deadLetters: state.deadLetters,
      notSettled: state.notSettled,
      coverage: this.#coverage(),
      differences: this.#differences,
      differenceCounts: this.#differenceCounts,
      rowsCompared: this.#rowsCompared,
      rowsGiven: this.#rowsGiven,
      rowsDue: this.#rowsDue,
      recordsFolded: this.#follower.records,
      instruments: state.instruments,
    }
  }

  async #foldTo(positions: StoreState['positions']): Promise<void> {
    const follower = this.#follower
    const ofBytes = await follower.bytesTo(positions)
    await follower.to(positions, () => {
      this.#input.onProgress?.({ doing: 'fold', bytes: follower.bytes, ofBytes })
    })
  }

  /** The books counted anew from batch headers and records, and when what was streamed. */
  #compareBooks(): void {
    const { ledger, coverage } = this.#state
    const { fromMs, toMs } = this.#span
    const isOfDate = (row: StoreRow) =>
      Number(row['minute']) >=
        Math.max(fromMs, this.#follower.wholeFromMs(Number(row['partition']))) &&
      Number(row['minute']) < toMs
    const booked = this.#fold.ledger().filter((row) => row.minute >= fromMs && row.minute < toMs)
    this.#compare(ledgerComparison(booked, isOfDate), ledger)
    const isTold = (row: StoreRow) => {
      const partition = this.#fold.partitionOf(String(row['tradingsymbol']))
      return Number(row['from']) >= this.#follower.wholeFromMs(partition)
    }
    const streamed = this.#fold.coverage().filter(({ from, to }) => from < toMs && to > fromMs)
    const live = coverage.filter((row) => row['source'] === 'live')
    this.#compare(coverageComparison(streamed, isTold), live)
  }

  *#windows(): Iterable<Span> {
    const { fromMs, toMs } = this.#span
    const stored = this.#state.minutes
    const folded = this.#fold.span()
    const firstMs = Math.min(stored?.fromMs ?? toMs, folded?.fromMs ?? toMs)
    const lastMs = Math.max(stored?.toMs ?? fromMs, folded?.toMs ?? fromMs)
    const lengthMs = VERIFY_WINDOW_MINUTES * MINUTE_MS
    for (let atMs = firstMs; atMs <= lastMs; atMs += lengthMs) {
      yield { fromMs: atMs, toMs: Math.min(atMs + lengthMs, toMs) }
    }
  }

  async #compareWindows(windows: readonly Span[]): Promise<void> {
    const ofMinutes = windows.length * VERIFY_WINDOW_MINUTES
    for (const [done, window] of windows.entries()) {
      const minutes = done * VERIFY_WINDOW_MINUTES
      this.#input.onProgress?.({ doing: 'compare', minutes, ofMinutes })
      await this.#compareWindow(window)
    }
  }

  /**
   * All tables as they stand together: a candle that came between two reads would be in a chain and in
   * no bar.
   */
  async #compareWindow(window: Span): Promise<void> {
    const { rows, dayOi, dueFrom, positions } = await askRows(this.#input.ask, window)
    await this.#follower.to(positions)
    this.#fold.giveOiBefore(this.#oiBefore(dayOi))
    const stored = [...rows.values()].flat()
    for (const row of stored) this.#note(row)
    const isLeftOut = (row: StoreRow) => this.#isLeftOut(row, dueFrom)
    this.#rowsDue += stored.filter((row) => !this.#isGiven(row) && isLeftOut(row)).length
    const tables = this.#fold.tables(window)
    const comparisons = minuteComparisons(tables, this.#fold.marketTimes(), { isLeftOut })
    for (const comparison of comparisons) {
      this.#compare(comparison, rows.get(comparison.table) ?? [])
    }
  }

  /** The base of the day's OI changes: the newest date's, of one date the broker's word on its close. */
  #oiBefore(dayOi: ReadonlyMap<string, DatedOi>): ReadonlyMap<string, number> {
    const before = new Map(Array.from(this.#state.oiBefore, ([name, { oi }]) => [name, oi]))
    for (const [name, { date, oi }] of dayOi) {
      if (date >= (this.#state.oiBefore.get(name)?.date ?? '')) before.set(name, oi)
    }
    return before
  }

  /** Counts a bar, and gives the fold what it cannot know. */
  #note(row: StoreRow): void {
    const name = nameOf(row)
    if (name === undefined) return
    const exchange = String(row['exchange'] ?? this.#exchanges.get(name) ?? '')
    this.#counts.add(instrumentKey(exchange, name), row['complete'] === true)
    if (row['complete'] === true) this.#input.onCompleteBar?.(row)
    if (!this.#isGiven(row)) return
    this.#rowsGiven += 1
    this.#fold.give(exchange, name, givenRow(row), isAboveLive(row))
  }

  #isGiven(row: StoreRow): boolean {
    if (isFromCandle(row)) return true
    const partition = this.#fold.partitionOf(nameOf(row) ?? String(row['symbol']))
    return minuteOf(row) < this.#follower.wholeFromMs(partition)
  }

  /** From the first minute that is due on, rows are on their way to their final values. */
  #isLeftOut(row: StoreRow, dueFrom: ReadonlyMap<string, number>): boolean {
    if (this.#isGiven(row)) return true
    const symbol = this.#fold.symbolOf(nameOf(row)) ?? String(row['symbol'])
    return minuteOf(row) >= (dueFrom.get(symbol) ?? Number.POSITIVE_INFINITY)
  }

  #compare(comparison: Comparison, stored: readonly StoreRow[]): void {
    this.#rowsCompared += stored.length
    for (const difference of differencesOf(comparison, stored)) {
      const what = `${difference.table}.${difference.column ?? 'row'}`
      const count = (this.#differenceCounts[what] ?? 0) + 1
      this.#differenceCounts[what] = count
      if (this.#differences.length < VERIFY_DIFFERENCES_KEPT) this.#differences.push(difference)
    }
  }

  #coverage(): InstrumentCoverage[] {
    const { coverage, instruments, marketTimeMs } = this.#state
    const when = { date: this.#date, untilMs: marketTimeMs ?? this.#span.toMs }
    return coverageReport(coverage, instruments, this.#counts, this.#input.calendar, when)
  }
}

function deadKey(
  { producer, partition, epoch }: { producer: string; partition: number; epoch: number },
  sequence: number,
): string {
  return `${producer}/${partition}/${epoch}/${sequence}`
}
