/**
 * Final values of closed minutes. They are computed from what the store holds of the minute, of the
 * bar before it and of coverage, never from what happens to be in memory: so they depend on the log
 * alone, not on when the writer flushed or how often it died.
 *
 * One due minute of one series is planned at once and written in statements of a bounded size, so
 * that a live commit never waits for more than one of them. Whatever makes the minute due again in
 * between lets the plan lapse; writing part of it twice is harmless.
 */
import { FINALS_PER_STATEMENT, PREVIOUS_CLOSE_DAYS } from '../../limits.ts'
import { minuteVolume } from '../../market/bar.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { InstrumentMaster, Series } from '../../market/instrument-master.ts'
import { DAY_MS, istDate, MINUTE_MS, startOfDateMs } from '../../market/ist.ts'
import { computeChain, timeToExpiryYears } from '../../market/options/chain.ts'
import type { ForwardPoint } from '../../market/options/forward.ts'
import type { LegInput, StrikeInput } from '../../market/options/strike.ts'
import type { TickMode } from '../../market/tick.ts'
import { distributionRows, metricsRow } from '../chain/chain-rows.ts'
import { tickSizeOf } from '../chain/live-chains.ts'
import type { PartitionBooks } from '../ingest/partition-books.ts'
import type {
  BarColumns,
  BarIdentity,
  BarKey,
  DueMinute,
  FinalCommit,
  FutureBarRow,
  MinuteBarRow,
  OptionBarRow,
  PartitionStore,
  StoredBar,
} from '../ports.ts'
import { type BookColumns, futureBarRow, minuteBarRow, optionBarRow } from './bar-rows.ts'
import type { InstrumentBars } from './instrument-bars.ts'

const FULL: ReadonlySet<TickMode> = new Set(['full'])

type Statement = Omit<FinalCommit, 'partition' | 'expected' | 'done' | 'due'>

interface Plan {
  readonly due: DueMinute
  readonly books: PartitionBooks
  readonly statements: Statement[]
  /** The minute after it, where its figures rest on this one. */
  readonly follow: DueMinute | undefined
}

/** A bar with its final columns. */
interface FinalBar {
  readonly bars: InstrumentBars
  readonly columns: BarColumns
  readonly book: BookColumns
  /** Close, volume or open interest differ from what was stored. */
  readonly changed: boolean
}

export class MinuteClose {
  readonly #calendar: MarketCalendar
  readonly #master: () => InstrumentMaster
  readonly #rate: number
  readonly #onFinal: (due: DueMinute) => void
  #plan: Plan | undefined

  /**
   * @param rate continuous, decimal per year
   * @param onFinal told when the final values of a minute are stored
   */
  constructor(
    calendar: MarketCalendar,
    master: () => InstrumentMaster,
    rate: number,
    onFinal: (due: DueMinute) => void,
  ) {
    this.#calendar = calendar
    this.#master = master
    this.#rate = rate
    this.#onFinal = onFinal
  }

  /** Writes the next statement of the due minute's finals. */
  async step(
    store: PartitionStore,
    books: PartitionBooks,
    due: DueMinute,
  ): Promise<'committed' | 'superseded'> {
    let plan = this.#plan
    if (plan === undefined || plan.due !== due || plan.books !== books) {
      plan = await this.#makePlan(store, books, due)
      this.#plan = plan
    }
    const statement = plan.statements.shift() ?? EMPTY
    const isLast = plan.statements.length === 0
    const settles = isLast && books.due.isCurrent(due)
    const follow = settles && plan.follow ? [plan.follow] : []
    const result = await store.finalise({
      ...statement,
      partition: books.partition,
      expected: books.expected,
      done: settles ? [due] : [],
      due: follow,
    })
    if (isLast) this.#plan = undefined
    if (result === 'committed' && settles) {
      books.due.settle(due)
      books.due.inserted(follow)
      this.#onFinal(due)
    }
    return result
  }

  async #makePlan(store: PartitionStore, books: PartitionBooks, due: DueMinute): Promise<Plan> {
    const { finals, barsRemoved } = await this.#finalBars(store, books, due)
    const statements =
      due.expiry === null
        ? this.#underlyingStatements(finals)
        : await this.#seriesStatements(store, books, due, finals)
    if (barsRemoved.length > 0) statements.unshift({ ...EMPTY, barsRemoved })
    const follow = this.#following(books, due, finals)
    return { due, books, statements, follow }
  }

  async #finalBars(
    store: PartitionStore,
    books: PartitionBooks,
    due: DueMinute,
  ): Promise<{ finals: FinalBar[]; barsRemoved: BarKey[] }> {
    const instruments = membersOf(books, due)
    const identities = instruments.map((bars) => bars.identity)
    const dayMs = startOfDateMs(this.#calendar.tradingDateOf('', due.minuteMs))
    const rows = byName(
      await store.loadBars(identities.map((bar) => ({ bar, minuteMs: due.minuteMs }))),
    )
    const before = byName(await store.loadLatestBefore(identities, dayMs, due.minuteMs))
    await this.#loadPreviousOi(store, instruments, due.minuteMs)
    const finals: FinalBar[] = []
    const barsRemoved: BarKey[] = []
    for (const bars of instruments) {
      const row = rows.get(bars.instrument.tradingsymbol)
      const previous = before.get(bars.instrument.tradingsymbol)
      const final = finalBar(bars, due.minuteMs, row, previous)
      if (final !== undefined) finals.push(final)
      else if (row !== undefined) barsRemoved.push({ ...bars.identity, minuteMs: due.minuteMs })
    }
    return { finals, barsRemoved }
  }

  /**
   * Reads the open interest at the end of the date before, once a date. All minutes of that date are
   * final by then, as earlier minutes come first; should one become due again, later dates are read anew.
   */
  async #loadPreviousOi(
    store: PartitionStore,
    instruments: readonly InstrumentBars[],
    minuteMs: number,
  ): Promise<void> {
    const date = istDate(minuteMs)
    const startMs = startOfDateMs(date)
    const missing: InstrumentBars[] = []
    for (const bars of instruments) {
      for (const known of bars.previousOi.keys()) if (known > date) bars.previousOi.delete(known)
      if (!bars.previousOi.has(date) && bars.instrument.expiry !== null) missing.push(bars)
    }
    if (missing.length === 0) return
    const rows = byName(
      await store.loadLatestBefore(
        missing.map((bars) => bars.identity),
        startMs - PREVIOUS_CLOSE_DAYS * DAY_MS,
        startMs,
      ),
    )
    for (const bars of missing) {
      bars.previousOi.set(date, rows.get(bars.instrument.tradingsymbol)?.oi ?? null)
    }
  }

  #underlyingStatements(finals: readonly FinalBar[]): Statement[] {
    const spot = finals.find(({ bars }) => bars.instrument.kind === 'index')?.columns.close ?? null
    const minuteBars: MinuteBarRow[] = []
    const futureBars: FutureBarRow[] = []
    for (const { bars, columns, book } of finals) {
      if (bars.instrument.kind === 'future') {
        futureBars.push(futureBarRow(bars, columns, book, spot))
      } else minuteBars.push(minuteBarRow(bars, columns))
    }
    return [{ ...EMPTY, minuteBars, futureBars }]
  }

  async #seriesStatements(
    store: PartitionStore,
    books: PartitionBooks,
    due: DueMinute,
    finals: readonly FinalBar[],
  ): Promise<Statement[]> {
    const series = this.#master().series(due.symbol, due.expiry ?? '')
    const { symbol, minuteMs } = due
    if (series === undefined) {
      const rows = finals.map(({ bars, columns, book }) =>
        optionBarRow(bars, columns, book, undefined),
      )
      return slices(rows).map((optionBars) => ({ ...EMPTY, optionBars }))
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
      [call, put].some((leg) => {
        const bars = leg && byTradingsymbol.get(leg.tradingsymbol)?.bars
        return bars?.coverage.touchesMinute(due.minuteMs) === true
      }),
    ).length
    const chain = { series, minuteMs: due.minuteMs, input, analytics, strikesStreamed }
    const complete =
      optionBars.length > 0 &&
      analytics.metrics.strikesPresent === series.strikes.length &&
      optionBars.every((row) => row.complete === true)
    const previousOi = (instrument: { exchange: string; tradingsymbol: string }) =>
      books.instruments
        .get(`${instrument.exchange}:${instrument.tradingsymbol}`)
        ?.previousOiAt(due.minuteMs) ?? null
    const distribution = distributionRows(chain, previousOi)
    const { expiry } = series
    // While the minute was open it may have shown strikes of which no row is left.
    const distributionRemoved = series.strikes
      .filter(({ strike }) => !distribution.some((row) => row.strike === strike))
      .map(({ strike }) => ({ symbol, expiry, strike, minuteMs }))
    const isEmpty = optionBars.length === 0
    return [
      ...slices(optionBars).map((rows) => ({ ...EMPTY, optionBars: rows })),
      ...slices(distribution).map((rows) => ({ ...EMPTY, distribution: rows })),
      {
        ...EMPTY,
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
   * The next minute of the series rests on this one (flat fill, cumulative volume). A minute that
   * closes in its turn comes anyway; one that was closed before has to be done again.
   */
  #following(
    books: PartitionBooks,
    due: DueMinute,
    finals: readonly FinalBar[],
  ): DueMinute | undefined {
    if (due.reason === 'close') return undefined
    const next = due.minuteMs + MINUTE_MS
    if (next >= books.closedBeforeMs) return undefined
    if (due.reason === 'follow' && !finals.some((f) => f.changed)) return undefined
    return { ...due, minuteMs: next, reason: 'follow' }
  }
}

const EMPTY: Statement = {
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

/** The final columns of one instrument's minute; undefined where it has no row and is not due one. */
function finalBar(
  bars: InstrumentBars,
  minuteMs: number,
  row: StoredBar | undefined,
  before: StoredBar | undefined,
): FinalBar | undefined {
  const session = bars.sessionAt(minuteMs)
  const inSession = session && minuteMs >= session.openMs && minuteMs < session.closeMs
  const isCovered = inSession === true && bars.coverage.touchesMinute(minuteMs)
  const isLive = row === undefined || row.source === 'live'
  // A flat row of a minute that a gap took away says what nobody knows.
  const isBacked =
    isCovered || (row !== undefined && (!isLive || row.tickCount > 0 || row.openKey !== null))
  if (!isBacked) return undefined
  const hasPacket = row !== undefined && row.tickCount > 0
  const isTraded = row !== undefined && (row.openKey !== null || !isLive)
  // A minute without a packet repeats the one before it, which may have changed since it did.
  const isSilent = isLive && !hasPacket && !isTraded
  const price = (isSilent ? before?.close : row?.close) ?? before?.close ?? null
  const carried = isLive && !hasPacket ? before : undefined
  const dayVolume = (isSilent ? undefined : row?.dayVolume) ?? carried?.dayVolume ?? null
  const columns: BarColumns = {
    minuteMs,
    open: isTraded ? row.open : price,
    high: isTraded ? row.high : price,
    low: isTraded ? row.low : price,
    close: isTraded ? row.close : price,
    volume: volumeOf(bars, minuteMs, session?.openMs, isSilent ? undefined : row, before),
    dayVolume,
    baseVolume: isSilent ? null : (row?.baseVolume ?? null),
    tickCount: row?.tickCount ?? 0,
    complete: isLive && bars.coverage.spansMinute(minuteMs, FULL),
    source: row?.source ?? 'live',
    openKey: row?.openKey ?? null,
    closeKey: row?.closeKey ?? null,
    quoteKey: row?.quoteKey ?? null,
  }
  const book: BookColumns = {
    oi: carried === undefined ? (row?.oi ?? null) : carried.oi,
    bid: row?.bid ?? null,
    ask: row?.ask ?? null,
  }
  const changed =
    row === undefined ||
    row.close !== columns.close ||
    row.volume !== columns.volume ||
    row.dayVolume !== dayVolume ||
    row.oi !== book.oi
  return { bars, columns, book, changed }
}

/** Units traded in the minute; null where its packets do not tell. */
function volumeOf(
  bars: InstrumentBars,
  minuteMs: number,
  sessionOpenMs: number | undefined,
  row: StoredBar | undefined,
  before: StoredBar | undefined,
): number | null {
  if (row === undefined || bars.instrument.kind === 'index') return 0
  if (row.source !== 'live') return row.volume
  if (row.dayVolume === null) return null
  const isKnownAtStart = bars.coverage.coversStartOf(minuteMs)
  const atStart = minuteMs === sessionOpenMs ? 0 : (before?.dayVolume ?? null)
  return minuteVolume(row.dayVolume, row.baseVolume, isKnownAtStart ? atStart : null).volume
}

function legOf(final: FinalBar | null | undefined): LegInput | null {
  if (!final) return null
  const { columns, book } = final
  return {
    lastPrice: columns.close,
    tradedInMinute: columns.openKey !== null || columns.source !== 'live',
    bid: book.bid,
    ask: book.ask,
    volume: columns.dayVolume,
    oi: book.oi,
  }
}

function byName(rows: readonly StoredBar[]): Map<string, StoredBar> {
  return new Map(rows.map((row) => [row.tradingsymbol, row]))
}

function slices<T>(rows: readonly T[]): T[][] {
  const parts: T[][] = []
  for (let i = 0; i < rows.length; i += FINALS_PER_STATEMENT) {
    parts.push(rows.slice(i, i + FINALS_PER_STATEMENT))
  }
  return parts
}
