/**
 * What the final values of a closed minute are: reads what the store holds of the minute, of the bar
 * before it and of coverage, and computes the rows from that alone.
 */
import { FINALS_PER_STATEMENT, FINALS_READ_AT_ONCE } from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { Coverage } from '../../market/coverage.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import type { InstrumentMaster, Series } from '../../market/instrument-master.ts'
import { istDate, MINUTE_MS, startOfDateMs } from '../../market/ist.ts'
import { computeChain, timeToExpiryYears } from '../../market/options/chain.ts'
import type { ForwardPoint } from '../../market/options/forward.ts'
import type { StrikeInput } from '../../market/options/strike.ts'
import { distributionRows, metricsRow } from '../chain/chain-rows.ts'
import { tickSizeOf } from '../chain/live-chains.ts'
import type { PartitionBooks } from '../ingest/partition-books.ts'
import type {
  BarIdentity,
  BarKey,
  CoverageRow,
  DueMinute,
  EarlierBar,
  FinalCommit,
  FutureBarRow,
  MinuteBarRow,
  OptionBarRow,
  PartitionStore,
  StoredBar,
} from '../ports.ts'
import { loadPreviousOi } from '../previous-oi/load-previous-oi.ts'
import { futureBarRow, minuteBarRow, optionBarRow } from './bar-rows.ts'
import { isCandle } from './candle-row.ts'
import { type FinalBar, finalBar, legOf } from './final-bar.ts'
import type { InstrumentBars } from './instrument-bars.ts'

/** One statement's worth of final values. */
export type FinalStatement = Omit<FinalCommit, 'partition' | 'expected' | 'done' | 'due'>

export interface ClosePlan {
  readonly due: DueMinute
  readonly books: PartitionBooks
  /** As of `books.previousOiChanges`. */
  readonly previousOi: number
  readonly statements: FinalStatement[]
  /** Whose candle gives way to the live bar beneath it, by tradingsymbol. */
  readonly promoted: ReadonlyMap<string, InstrumentBars>
  /** What rests on these figures and has to be done again. */
  readonly follow: readonly DueMinute[]
}

export class ClosePlanner {
  readonly #calendar: MarketCalendar
  readonly #master: () => InstrumentMaster
  readonly #rate: number

  /** @param rate continuous, decimal per year */
  constructor(calendar: MarketCalendar, master: () => InstrumentMaster, rate: number) {
    this.#calendar = calendar
    this.#master = master
    this.#rate = rate
  }

  /** `books` tells which instruments belong to the minute, and when they were streamed. */
  async plan(store: PartitionStore, books: PartitionBooks, due: DueMinute): Promise<ClosePlan> {
    const previousOi = books.previousOiChanges
    const { finals, barsRemoved, promoted, streamed } = await this.#finalBars(store, books, due)
    const statements =
      due.expiry === null
        ? this.#underlyingStatements(finals)
        : await this.#seriesStatements(store, books, due, finals, streamed)
    if (barsRemoved.length > 0) statements.unshift({ ...NO_ROWS, barsRemoved })
    const follow = await this.#following(store, books, due, finals)
    return { due, books, previousOi, statements, promoted, follow }
  }

  async #finalBars(store: PartitionStore, books: PartitionBooks, due: DueMinute) {
    const { minuteMs } = due
    const { members, rows } = await this.#members(store, books, due)
    const identities = members.map((bars) => bars.identity)
    const dayMs = startOfDateMs(this.#calendar.tradingDateOf('', minuteMs))
    const before = byName(
      await someAtOnce(identities, (some) => store.loadLatestBefore(some, dayMs, minuteMs)),
    )
    const stored = await this.#storedCoverage(store, books, minuteMs, identities, rows)
    await this.#loadPreviousOi(store, members, minuteMs)
    const finals: FinalBar[] = []
    const barsRemoved: BarKey[] = []
    const promoted = new Map<string, InstrumentBars>()
    const streamed = new Set<string>()
    for (const bars of members) {
      const row = rows.get(bars.instrument.tradingsymbol)
      const coverage = books.coverageAt(bars, minuteMs) ?? liveCoverage(stored.get(bars.key) ?? [])
      if (coverage.touchesMinute(minuteMs)) streamed.add(bars.key)
      const isNone = stored.get(bars.key)?.some((part) => isNoneAt(part, minuteMs)) === true
      const previous = before.get(bars.instrument.tradingsymbol)
      const final = finalBar({ bars, minuteMs, coverage, row, before: previous, isNone })
      if (final !== undefined) finals.push(final)
      else if (row !== undefined) barsRemoved.push({ ...bars.identity, minuteMs })
      if (final?.columns.source === 'live' && row !== undefined && isCandle(row.source)) {
        promoted.set(bars.instrument.tradingsymbol, bars)
      }
    }
    return { finals, barsRemoved, promoted, streamed }
  }

  /**
   * The instruments that belong to the minute, with their stored rows: all that are known, and whatever
   * else is listed and has a row, which a candle or a snapshot may have written long before this start.
   */
  async #members(store: PartitionStore, books: PartitionBooks, due: DueMinute) {
    const members = membersOf(books, due)
    const others = new Map(
      this.#listed(due)
        .filter((instrument) => !books.instruments.has(keyOf(instrument)))
        .map((instrument) => [instrument.tradingsymbol, instrument]),
    )
    const wanted: BarIdentity[] = [...members.map((bars) => bars.identity), ...others.values()]
    const minutes = wanted.map((bar) => ({ bar, minuteMs: due.minuteMs }))
    const rows = byName(await someAtOnce(minutes, (some) => store.loadBars(some)))
    for (const [tradingsymbol, instrument] of others) {
      if (rows.has(tradingsymbol)) members.push(books.know(instrument))
    }
    return { members, rows }
  }

  #listed({ symbol, expiry }: DueMinute): Instrument[] {
    const master = this.#master()
    if (expiry !== null) {
      const strikes = master.series(symbol, expiry)?.strikes ?? []
      return strikes.flatMap(({ call, put }) => [call, put].filter((leg) => leg !== null))
    }
    const index = master.index(symbol)
    return [...(index ? [index] : []), ...master.futures(symbol)]
  }

  /** Coverage by instrument, where memory does not know it: of old minutes, and what the broker said. */
  async #storedCoverage(
    store: PartitionStore,
    books: PartitionBooks,
    minuteMs: number,
    identities: readonly BarIdentity[],
    rows: ReadonlyMap<string, StoredBar>,
  ): Promise<ReadonlyMap<string, CoverageRow[]>> {
    const isOld = minuteMs < books.coverageFromMs
    if (!isOld && ![...rows.values()].some((row) => isCandle(row.source))) return new Map()
    const parts = await store.loadCoverageOf(identities, minuteMs, minuteMs + MINUTE_MS)
    const byKey = new Map<string, CoverageRow[]>()
    for (const part of parts) {
      const known = byKey.get(keyOf(part))
      if (known === undefined) byKey.set(keyOf(part), [part])
      else known.push(part)
    }
    return byKey
  }

  /**
   * Reads the open interest at the end of the date before, once a date. All minutes of that date are
   * final by then, as earlier minutes come first; should one become due again, dates that rest on it are read anew.
   */
  async #loadPreviousOi(
    store: PartitionStore,
    instruments: readonly InstrumentBars[],
    minuteMs: number,
  ): Promise<void> {
    const date = istDate(minuteMs)
    const missing: InstrumentBars[] = []
    for (const bars of instruments) {
      for (const [later, { date: of }] of bars.previousOi) {
        if (later > date && (of ?? '') <= date) bars.previousOi.delete(later)
      }
      if (!bars.previousOi.has(date) && bars.instrument.expiry !== null) missing.push(bars)
    }
    if (missing.length > 0) await loadPreviousOi(store, missing, date)
  }

  #underlyingStatements(finals: readonly FinalBar[]): FinalStatement[] {
    const spot = finals.find(({ bars }) => bars.instrument.kind === 'index')?.columns.close ?? null
    const minuteBars: MinuteBarRow[] = []
    const futureBars: FutureBarRow[] = []
    for (const { bars, columns, book } of finals) {
      if (bars.instrument.kind === 'future') {
        futureBars.push(futureBarRow(bars, columns, book, spot))
      } else minuteBars.push(minuteBarRow(bars, columns))
    }
    return [{ ...NO_ROWS, minuteBars, futureBars }]
  }

  async #seriesStatements(
    store: PartitionStore,
    books: PartitionBooks,
    due: DueMinute,
    finals: readonly FinalBar[],
    streamed: ReadonlySet<string>,
  ): Promise<FinalStatement[]> {
    const series = this.#master().series(due.symbol, due.expiry ?? '')
    const { symbol, minuteMs } = due
    if (series === undefined) {
      const rows = finals.map(({ bars, columns, book }) =>
        optionBarRow(bars, columns, book, undefined),
      )
      return slices(rows).map((optionBars) => ({ ...NO_ROWS, optionBars }))
    }
    const surroundings = await this.#surroundings(store, series, due.minuteMs)
    const byTradingsymbol = new Map(finals.map((f) => [f.bars.instrument.tradingsymbol, f]))
    const input = series.strikes.map(
      ({ strike, call, put }): StrikeInput => ({
        strike,
        call: legOf(call && byTradingsymbol.get(call.tradingsymbol)),
        put: legOf(put && byTradingsymbol.get(put.tradingsymbol)),
      }),
    )
    const analytics = computeChain({
      expiryCloseMs: this.#calendar.expiryCloseMs(series.segment, series.expiry),
      barEndMs: due.minuteMs + MINUTE_MS,
      rate: this.#rate,
      strikes: input,
      ...surroundings,
      ...tickSizeOf(series),
    })
    const optionBars: OptionBarRow[] = []
    series.strikes.forEach(({ call, put }, i) => {
      const computed = analytics.strikes[i]
      for (const [instrument, leg] of [
        [call, computed?.call],
        [put, computed?.put],
      ] as const) {
        const final = instrument && byTradingsymbol.get(instrument.tradingsymbol)
        if (!final) continue
        const { bars, columns, book } = final
        const live = leg && {
          leg,
          forward: analytics.forward,
          underlyingPrice: surroundings.spot,
        }
        optionBars.push(optionBarRow(bars, columns, book, live ?? undefined))
      }
    })
    const strikesStreamed = series.strikes.filter(({ call, put }) =>
      [call, put].some((leg) => leg !== null && streamed.has(keyOf(leg))),
    ).length
    const chain = { series, minuteMs: due.minuteMs, input, analytics, strikesStreamed }
    const complete =
      optionBars.length > 0 &&
      analytics.metrics.strikesPresent === series.strikes.length &&
      optionBars.every((row) => row.complete === true)
    const previousOi = (instrument: { exchange: string; tradingsymbol: string }) =>
      books.instruments.get(keyOf(instrument))?.previousOiAt(due.minuteMs) ?? null
    const distribution = distributionRows(chain, previousOi)
    const { expiry } = series
    // While the minute was open it may have shown strikes of which no row is left.
    const present = new Set(distribution.map(({ strike }) => strike))
    const distributionRemoved = series.strikes
      .filter(({ strike }) => !present.has(strike))
      .map(({ strike }) => ({ symbol, expiry, strike, minuteMs }))
    const isEmpty = optionBars.length === 0
    return [
      ...slices(optionBars).map((rows) => ({ ...NO_ROWS, optionBars: rows })),
      ...slices(distribution).map((rows) => ({ ...NO_ROWS, distribution: rows })),
      {
        ...NO_ROWS,
        distributionRemoved,
        metrics: isEmpty ? [] : [metricsRow(chain, complete)],
        metricsRemoved: isEmpty ? [{ symbol, expiry, minuteMs }] : [],
      },
    ]
  }

  /** Spot and futures of the minute, from the final rows of the underlying. */
  async #surroundings(
    store: PartitionStore,
    series: Series,
    minuteMs: number,
  ): Promise<{ spot: number | null; future: number | null; otherForwards: ForwardPoint[] }> {
    const master = this.#master()
    const index = master.index(series.symbol)
    const futures = master.futures(series.symbol)
    const wanted: BarIdentity[] = [...futures, ...(index ? [index] : [])]
    const rows = byName(await store.loadBars(wanted.map((bar) => ({ bar, minuteMs }))))
    const closeOf = (tradingsymbol: string | undefined) =>
      tradingsymbol === undefined ? null : (rows.get(tradingsymbol)?.close ?? null)
    const otherForwards = futures.flatMap(({ expiry, segment, tradingsymbol }) => {
      const forward = closeOf(tradingsymbol)
      if (forward === null || expiry === null || expiry === series.expiry) return []
      const closeMs = this.#calendar.expiryCloseMs(segment, expiry)
      const timeYears = timeToExpiryYears(minuteMs + MINUTE_MS, closeMs)
      return timeYears === null ? [] : [{ timeYears, forward }]
    })
    return {
      spot: closeOf(index?.tradingsymbol),
      future: closeOf(futures.find((f) => f.expiry === series.expiry)?.tradingsymbol),
      otherForwards,
    }
  }

  /**
   * The next minute of the series rests on this one (flat fill, cumulative volume), and the series of
   * an underlying rest on its prices. What closes in its turn comes anyway; what was closed before has
   * to be done again.
   */
  async #following(
    store: PartitionStore,
    books: PartitionBooks,
    due: DueMinute,
    finals: readonly FinalBar[],
  ): Promise<DueMinute[]> {
    if (due.reason === 'close') return []
    if (due.reason === 'follow' && !finals.some((f) => f.changed)) return []
    const follow = { ...due, reason: 'follow' }
    const following: DueMinute[] = []
    const next = due.minuteMs + MINUTE_MS
    if (next < books.closedBeforeMs) following.push({ ...follow, minuteMs: next })
    if (due.expiry === null) {
      const { symbol, minuteMs } = due
      for (const { expiry } of await store.loadSeriesMinutes(symbol, minuteMs, minuteMs)) {
        following.push({ ...follow, expiry })
      }
    }
    return following
  }
}

/** A statement without rows. */
export const NO_ROWS: FinalStatement = {
  minuteBars: [],
  futureBars: [],
  optionBars: [],
  metrics: [],
  distribution: [],
  barsRemoved: [],
  metricsRemoved: [],
  distributionRemoved: [],
}

function membersOf(books: PartitionBooks, due: DueMinute): InstrumentBars[] {
  return [...books.instruments.values()].filter(({ instrument }) =>
    due.expiry === null
      ? instrument.symbol === due.symbol && instrument.kind !== 'option'
      : instrument.symbol === due.symbol &&
        instrument.expiry === due.expiry &&
        instrument.kind === 'option',
  )
}

/** The stretches of streaming among intervals of coverage. */
function liveCoverage(parts: readonly CoverageRow[]): Coverage {
  const live = parts.filter((part) => part.source === 'live')
  return new Coverage(
    live.map(({ fromMs, toMs, mode }) => ({ fromMs, toMs, mode: mode ?? 'full' })),
  )
}

function isNoneAt({ source, fromMs, toMs }: CoverageRow, minuteMs: number): boolean {
  return source === 'none' && fromMs < minuteMs + MINUTE_MS && toMs > minuteMs
}

function keyOf({ exchange, tradingsymbol }: { exchange: string; tradingsymbol: string }): string {
  return instrumentKey(exchange, tradingsymbol)
}

function byName<Row extends EarlierBar>(rows: readonly Row[]): Map<string, Row> {
  return new Map(rows.map((row) => [row.tradingsymbol, row]))
}

/** Commits go between two reads: none of them waits for a whole series. */
async function someAtOnce<Item, Row>(
  items: readonly Item[],
  load: (some: readonly Item[]) => Promise<readonly Row[]>,
): Promise<Row[]> {
  const found: Row[] = []
  for (const some of inPartsOf(FINALS_READ_AT_ONCE, items)) found.push(...(await load(some)))
  return found
}

function slices<T>(rows: readonly T[]): T[][] {
  return inPartsOf(FINALS_PER_STATEMENT, rows)
}

function inPartsOf<T>(size: number, items: readonly T[]): T[][] {
  const parts: T[][] = []
  for (let i = 0; i < items.length; i += size) parts.push(items.slice(i, i + size))
  return parts
}
