/**
 * What the backend needs from outside: the log it reads and the store it writes. Each has more than
 * one implementation (journal in process or over HTTP; embedded or PostgreSQL store).
 */
import type { Feed, Position, TailItem } from '../contract/journal-record.ts'
import type { Instrument, InstrumentKind, OptionType } from '../market/instrument.ts'
import type { TickMode } from '../market/tick.ts'
import type { RollableBar } from '../market/timeframe.ts'

/** One producer's journal, as its readers see it. */
export interface TickLog {
  readonly producer: string
  readonly feed: Feed
  /** Ticks may be missing that nobody knows of: it claims no coverage. */
  readonly isAtMostOnce?: boolean
  /** First `opened`, then every batch after `from`, live without end until `signal` aborts. */
  tail(partition: number, from: Position, signal: AbortSignal): AsyncIterable<TailItem>
  /** Tells the journal up to where this consumer has committed, so that it may delete old segments. */
  committed(consumer: string, partition: number, position: Position): void
}

export type BarSource = 'live' | 'backfill' | 'repair' | 'snapshot' | 'settled'

/** Columns common to all bars. Prices in rupees, volumes in units, keys as stored bytes. */
export interface BarColumns {
  readonly minuteMs: number
  readonly open: number | null
  readonly high: number | null
  readonly low: number | null
  readonly close: number | null
  /** Units of the minute; null = leave what is stored. */
  readonly volume: number | null
  readonly dayVolume: number | null
  readonly baseVolume: number | null
  readonly tickCount: number
  readonly complete: boolean | null
  readonly source: BarSource
  readonly openKey: Uint8Array | null
  readonly closeKey: Uint8Array | null
  readonly quoteKey: Uint8Array | null
}

export interface MinuteBarRow extends BarColumns {
  readonly exchange: string
  /** The index's (or share's) tradingsymbol. */
  readonly symbol: string
}

/**
 * What live packets said of a minute whose row shows a broker's candle; all null where no packet came
 * and in a settled row. Without a trade only the close is known: the price that was shown.
 */
export interface LiveBeneath {
  readonly liveOpen: number | null
  readonly liveHigh: number | null
  readonly liveLow: number | null
  readonly liveClose: number | null
  readonly liveOi: number | null
}

/** A row that holds a broker's candle, with the live bar beneath it. */
export type CandleRow<Row> = Row & LiveBeneath

/** Rows that hold candles, of the three tables of bars. */
export interface CandleRows {
  readonly minuteBars: readonly CandleRow<MinuteBarRow>[]
  readonly futureBars: readonly CandleRow<FutureBarRow>[]
  readonly optionBars: readonly CandleRow<OptionBarRow>[]
}

interface DerivativeColumns extends BarColumns {
  readonly tradingsymbol: string
  readonly symbol: string
  readonly expiry: string
  readonly instrumentToken: number
  readonly oi: number | null
  readonly oiPrevClose: number | null
  readonly oiChange: number | null
  readonly bid: number | null
  readonly ask: number | null
}

export interface FutureBarRow extends DerivativeColumns {
  /** Future − spot, rupees. */
  readonly basis: number | null
}

export interface OptionBarRow extends DerivativeColumns {
  readonly strike: number
  readonly optionType: OptionType
  readonly iv: number | null
  readonly ivRaw: number | null
  readonly ivReason: string | null
  readonly delta: number | null
  readonly gamma: number | null
  readonly theta: number | null
  readonly vega: number | null
  readonly underlyingPrice: number | null
  readonly forward: number | null
  readonly forwardSource: string | null
}

export interface ExpiryMetricsRow {
  readonly symbol: string
  readonly expiry: string
  readonly minuteMs: number
  readonly spot: number | null
  readonly future: number | null
  readonly forward: number | null
  readonly forwardSource: string | null
  readonly atmStrike: number | null
  readonly atmIv: number | null
  readonly straddle: number | null
  readonly expectedMove: number | null
  readonly rr25: number | null
  readonly bf25: number | null
  readonly gex: number | null
  readonly totalCallOi: number | null
  readonly totalPutOi: number | null
  readonly totalCallVolume: number | null
  readonly totalPutVolume: number | null
  readonly pcrOi: number | null
  readonly pcrVolume: number | null
  readonly maxPain: number | null
  readonly maxPainHigh: number | null
  readonly strikesListed: number
  readonly strikesStreamed: number
  readonly strikesPresent: number
  readonly complete: boolean | null
}

export interface DistributionSide {
  readonly tradingsymbol: string
  readonly ltp: number | null
  readonly oi: number | null
  readonly oiChange: number | null
  /** The day's volume. */
  readonly volume: number | null
  readonly iv: number | null
  readonly delta: number | null
  readonly gamma: number | null
  readonly theta: number | null
  readonly vega: number | null
}

export interface DistributionRow {
  readonly symbol: string
  readonly expiry: string
  readonly strike: number
  readonly minuteMs: number
  readonly call: DistributionSide | null
  readonly put: DistributionSide | null
}

export interface CoverageRow {
  readonly exchange: string
  readonly tradingsymbol: string
  readonly fromMs: number
  /** Infinity while streaming goes on. */
  readonly toMs: number
  readonly source: 'live' | 'broker' | 'none'
  readonly mode: TickMode | null
}

export interface GapInstrument {
  readonly exchange: string
  readonly tradingsymbol: string
  readonly instrument_token: number
  /** Epoch ms of the instrument's first packet after the gap; null while it waits for it. */
  readonly to: number | null
}

export interface FeedGapRow {
  readonly id: string
  readonly producer: string
  readonly partition: number
  readonly reason: string
  readonly account: string | null
  readonly connection: number | null
  readonly status: 'open' | 'closed' | 'repaired' | 'unrepairable'
  readonly fromMs: number
  readonly toMs: number | null
  readonly instruments: readonly GapInstrument[]
  readonly openedAtMs: number
  readonly closedAtMs: number | null
}

export interface LedgerRow {
  readonly minuteMs: number
  readonly producer: string
  readonly epoch: number
  readonly partition: number
  readonly received: number
  readonly rejected: number
  readonly dropped: number
  readonly journaled: number
  readonly folded: number
  readonly lost: number
  readonly notFolded: Readonly<Record<string, number>>
}

export interface DeadLetterRow {
  readonly producer: string
  readonly partition: number
  readonly epoch: number
  readonly sequence: number
  readonly record: Uint8Array
  readonly reason: string
  readonly timeMs: number
}

/** A minute of a series (or, with `expiry` null, of the underlying's own rows) whose finals are due. */
export interface DueMinute {
  readonly symbol: string
  readonly expiry: string | null
  readonly minuteMs: number
  readonly dueSinceMs: number
  readonly reason: string
}

export interface SourcePosition {
  readonly producer: string
  readonly generation: number
  readonly position: Position
  readonly marketTimeMs: number | null
}

/** Everything that changed since the last commit, as absolute values, with the move of the position. */
/**
 * Rows in the order of their key that are made while they are read: thousands of them at a time would
 * cost more to keep and to collect than to make.
 */
export interface OrderedRows<Row> extends Iterable<Row> {
  readonly length: number
}

/** What packets change of an option's row of an open minute, once its opening trade is stored. */
export type OptionBarUpdate = Pick<
  OptionBarRow,
  | 'tradingsymbol'
  | 'minuteMs'
  | 'high'
  | 'low'
  | 'close'
  | 'volume'
  | 'dayVolume'
  | 'tickCount'
  | 'closeKey'
  | 'quoteKey'
  | 'oi'
  | 'oiChange'
  | 'bid'
  | 'ask'
>

export interface LiveCommit {
  readonly partition: number
  /** What the store holds afterwards. */
  readonly next: readonly SourcePosition[]
  readonly minuteBars: OrderedRows<MinuteBarRow>
  readonly futureBars: OrderedRows<FutureBarRow>
  readonly optionBars: OrderedRows<OptionBarRow>
  /** Of rows that the store has: what packets change of them, without IV and Greeks. */
  readonly optionUpdates: OrderedRows<OptionBarUpdate>
  /** Minutes that hold a candle: what packets say of them, beneath it. */
  readonly beneath: CandleRows
  readonly metrics: readonly ExpiryMetricsRow[]
  readonly distribution: readonly DistributionRow[]
  readonly coverage: readonly CoverageRow[]
  readonly gaps: readonly FeedGapRow[]
  readonly ledger: readonly LedgerRow[]
  readonly due: readonly DueMinute[]
  readonly deadLetters: readonly DeadLetterRow[]
}

/**
 * Sends what was prepared, once.
 *
 * @param expected what the store must hold for it to take effect; the producers of `next`, in its order
 */
export type PreparedCommit = (
  expected: readonly SourcePosition[],
) => Promise<'committed' | 'superseded'>

/** A flat row of a minute that turned out not to be covered. */
export interface BarKey extends BarIdentity {
  readonly minuteMs: number
}

export interface DistributionKey {
  readonly symbol: string
  readonly expiry: string
  readonly strike: number
  readonly minuteMs: number
}

export interface MetricsKey {
  readonly symbol: string
  readonly expiry: string
  readonly minuteMs: number
}

/**
 * Final values of a part of one due minute. Rows are inserted where missing (flat minutes), and
 * taken away where what they said turned out not to be known.
 */
export interface FinalCommit {
  readonly partition: number
  readonly expected: readonly SourcePosition[]
  readonly minuteBars: readonly MinuteBarRow[]
  readonly futureBars: readonly FutureBarRow[]
  readonly optionBars: readonly OptionBarRow[]
  readonly metrics: readonly ExpiryMetricsRow[]
  readonly distribution: readonly DistributionRow[]
  readonly barsRemoved: readonly BarKey[]
  readonly metricsRemoved: readonly MetricsKey[]
  readonly distributionRemoved: readonly DistributionKey[]
  /** Entries that this statement settles. */
  readonly done: readonly DueMinute[]
  /** Minutes that became due by it (the next minute of a series whose figures changed). */
  readonly due: readonly DueMinute[]
}

/** The start of a stored interval of coverage. */
export interface CoverageKey {
  readonly exchange: string
  readonly tradingsymbol: string
  readonly fromMs: number
}

/** A gap of which nothing is missing any more. */
export interface RepairedGap {
  readonly id: string
  readonly producer: string
  readonly partition: number
  /** Minutes of all its instruments that it touched. */
  readonly rows: number
}

/** A part of a broker's candles, with what becomes true by it. */
export interface CandleCommit {
  readonly partition: number
  readonly expected: readonly SourcePosition[]
  readonly rows: CandleRows
  readonly coverage: readonly CoverageRow[]
  readonly coverageRemoved: readonly CoverageKey[]
  readonly gapsRepaired: readonly RepairedGap[]
  readonly due: readonly DueMinute[]
}

/** Open interest at the end of a day as the broker's day candle tells it, units. */
export interface DayOiRow {
  readonly exchange: string
  readonly tradingsymbol: string
  /** IST. */
  readonly date: string
  readonly oi: number
}

/** What a contract's rows of a date are to carry as the open interest of the session before. */
export interface PreviousOiRow {
  readonly instrument: Instrument
  readonly oi: number
}

/** The rows of [fromMs, toMs) brought up to it, with what day candles told. */
export interface PreviousOiCommit {
  readonly partition: number
  readonly expected: readonly SourcePosition[]
  readonly dayOi: readonly DayOiRow[]
  readonly rows: readonly PreviousOiRow[]
  readonly fromMs: number
  readonly toMs: number
}

/** A bar as stored, of any of the three tables. */
export interface StoredBar extends BarColumns, LiveBeneath {
  readonly kind: InstrumentKind
  readonly exchange: string | null
  readonly tradingsymbol: string
  readonly oi: number | null
  readonly oiPrevClose: number | null
  readonly bid: number | null
  readonly ask: number | null
}

/** What later minutes rest on. */
export type EarlierBar = Pick<
  StoredBar,
  | 'exchange'
  | 'tradingsymbol'
  | 'minuteMs'
  | 'close'
  | 'dayVolume'
  | 'oi'
  | 'bid'
  | 'ask'
  | 'source'
  | 'openKey'
>

/** What identifies an instrument's bars in the store. */
export interface BarIdentity {
  readonly kind: InstrumentKind
  readonly exchange: string
  readonly tradingsymbol: string
}

export interface PartitionClaim {
  readonly sources: readonly SourcePosition[]
}

/**
 * The store as the one writer of a partition sees it. Every write is guarded by generation and
 * position; a guard that fails answers `superseded` and has written nothing.
 */
export interface PartitionStore {
  /** Raises the generation of every producer's offset (creating it at the log's start) and returns where they stand. */
  claim(producers: readonly string[]): Promise<PartitionClaim>
  /** Positions as stored now, without raising anything. */
  positions(producers: readonly string[]): Promise<readonly SourcePosition[]>
  /**
   * Puts the commit into the store's own form, so that its rows can go before it is sent. Throws
   * RangeError on a figure that cannot be stored.
   */
  prepare(commit: LiveCommit): PreparedCommit
  /** Whether `LiveCommit.optionUpdates` pay; where they do not, rows are written whole. */
  readonly takesUpdates: boolean
  finalise(commit: FinalCommit): Promise<'committed' | 'superseded'>
  /** Rows that stand above a candle (settled, or live and complete) are left alone. */
  writeCandles(commit: CandleCommit): Promise<'committed' | 'superseded'>
  writePreviousOi(commit: PreviousOiCommit): Promise<'committed' | 'superseded'>

  loadCoverage(sinceMs: number): Promise<readonly CoverageRow[]>
  loadOpenGaps(): Promise<readonly FeedGapRow[]>
  /** Gaps of this partition by id, whatever became of them. */
  loadGaps(ids: readonly string[]): Promise<readonly FeedGapRow[]>
  /** Intervals of any source that overlap or touch [fromMs, toMs], by start. */
  loadCoverageOf(
    bars: readonly Pick<BarIdentity, 'exchange' | 'tradingsymbol'>[],
    fromMs: number,
    toMs: number,
  ): Promise<readonly CoverageRow[]>
  /** Minutes in [fromMs, toMs] of which metrics of a series of the underlying are stored. */
  loadSeriesMinutes(
    symbol: string,
    fromMs: number,
    toMs: number,
  ): Promise<readonly { readonly expiry: string; readonly minuteMs: number }[]>
  loadLedger(producer: string, sinceMs: number): Promise<readonly LedgerRow[]>
  loadDue(): Promise<readonly DueMinute[]>
  /** Stored bars at exactly these minutes. */
  loadBars(
    wanted: readonly { readonly bar: BarIdentity; readonly minuteMs: number }[],
  ): Promise<readonly StoredBar[]>
  /** All stored bars of the given instruments from `fromMs` on. */
  loadBarsSince(bars: readonly BarIdentity[], fromMs: number): Promise<readonly StoredBar[]>
  /** The newest stored bar of each instrument in [sinceMs, beforeMs). */
  loadLatestBefore(
    bars: readonly BarIdentity[],
    sinceMs: number,
    beforeMs: number,
  ): Promise<readonly EarlierBar[]>
  /**
   * The open interest of contracts at the end of the newest of the dates before `date` that bars or a
   * day's candle tell of; none of those of which nothing is stored.
   */
  loadPreviousOi(bars: readonly BarIdentity[], date: string): Promise<readonly DayOiRow[]>
  close(): Promise<void>
}

/** How a failed store call is to be taken. */
export type StoreFailure = 'data' | 'connection' | 'other'

export interface StoreOpener {
  openPartition(partition: number): Promise<PartitionStore>
  classify(error: unknown): StoreFailure
}

/** One option of a stored chain: its bar's figures, and the distribution's where it has no bar. */
export interface StoredLeg {
  readonly strike: number
  readonly optionType: OptionType
  readonly tradingsymbol: string
  readonly instrumentToken: number | null
  readonly lastPrice: number | null
  readonly bid: number | null
  readonly ask: number | null
  /** The day's volume. */
  readonly volume: number | null
  readonly oi: number | null
  readonly oiPrevClose: number | null
  readonly oiChange: number | null
  readonly iv: number | null
  readonly ivRaw: number | null
  readonly ivReason: string | null
  readonly delta: number | null
  readonly gamma: number | null
  readonly theta: number | null
  readonly vega: number | null
  readonly source: BarSource | null
  readonly complete: boolean | null
  readonly closeKey: Uint8Array | null
  readonly quoteKey: Uint8Array | null
}

/** A series as one minute stored it. */
export interface StoredChain {
  readonly metrics: ExpiryMetricsRow
  /** By strike, the call before the put. */
  readonly legs: readonly StoredLeg[]
  /** Whether the index sent anything in that minute. */
  readonly spotTicked: boolean
  readonly indiaVix: number | null
}

/** A series to read, with what its minute bars are kept under. */
export interface StoredSeries {
  readonly symbol: string
  readonly expiry: string
  /** The index's tradingsymbol; null where there is none. */
  readonly index: string | null
}

/** What an option did on one day up to a minute; rupees, null where it did not trade. */
export interface OptionDay {
  readonly tradingsymbol: string
  readonly open: number | null
  readonly high: number | null
  readonly low: number | null
  /** Close of the newest bar before the day. */
  readonly previousClose: number | null
}

/** A stored bar of one minute or longer; rupees. */
export interface SpanBar extends RollableBar {
  /** Of options only. */
  readonly iv: number | null
  readonly delta: number | null
  /** Minutes that it is made of. */
  readonly minutes: number
  /** Null while one of them is open. */
  readonly complete: boolean | null
}

/** Lengths of bars that the store makes; all others are made of these. */
export type SpanLength = '1m' | '5m' | '15m' | '1d'

/** One strike of a series that is or was listed; a side that never was is null. */
export interface ListedStrike {
  readonly strike: number
  readonly call: string | null
  readonly put: string | null
}

export interface AtmMinute {
  readonly minuteMs: number
  readonly atmStrike: number | null
}

/** What can be read of both sides of a strike; `volume` is the minute's, all else stands at its end. */
export type StrikeFigure =
  | 'ltp'
  | 'oi'
  | 'oi_change'
  | 'iv'
  | 'delta'
  | 'gamma'
  | 'theta'
  | 'vega'
  | 'volume'

export interface StrikeMinute {
  readonly minuteMs: number
  readonly strike: number
  readonly call: number | null
  readonly put: number | null
}

/** A gap as one, also where it touches several partitions. */
export interface GapEntry {
  readonly id: string
  readonly producer: string
  readonly account: string | null
  readonly connection: number | null
  readonly reason: string
  readonly status: FeedGapRow['status']
  readonly fromMs: number
  readonly toMs: number | null
  readonly instruments: number
  /** The first ones by name. */
  readonly tradingsymbols: readonly string[]
  readonly rows: number | null
  readonly error: string | null
  readonly openedAtMs: number
  readonly closedAtMs: number | null
  readonly repairedAtMs: number | null
}

/** Gaps that touch [fromMs, toMs). */
export interface GapQuery {
  readonly fromMs: number
  readonly toMs: number
  readonly status: FeedGapRow['status'] | undefined
  readonly tradingsymbol: string | undefined
  /** The newest so many. */
  readonly limit: number
}

export interface LedgerSums {
  /** First minute that is counted; null where there is none. */
  readonly sinceMs: number | null
  readonly received: number
  readonly rejected: number
  readonly dropped: number
  readonly journaled: number
  readonly folded: number
  readonly lost: number
  readonly notFolded: Readonly<Record<string, number>>
}

export interface GapSums {
  readonly open: number
  /** Closed and not repaired yet. */
  readonly closed: number
  readonly unrepairable: number
  readonly oldestOpenFromMs: number | null
}

export interface TableNewest {
  readonly table: string
  readonly symbol: string
  /** Opening instant of the newest row's minute; null where there is none in the time looked at. */
  readonly newestMs: number | null
}

export interface StoreDescription {
  readonly kind: 'pglite' | 'postgresql' | 'timescaledb'
  /** The server's own version. */
  readonly version: string
  /** Why the store was begun anew at this start, to be filled from the journal; null where it was not. */
  readonly rebuiltBecause: string | null
}

/** What the API reads from the store. Every read is bounded in time or rows; a failed one rejects. */
export interface BackendReads {
  /** Also the proof that the store answers. */
  describe(): Promise<StoreDescription>
  /** The newest stored minute of the series in (notBeforeMs, atMs]; undefined where there is none. */
  chainAt(series: StoredSeries, atMs: number, notBeforeMs: number): Promise<StoredChain | undefined>
  /** The first expiry on or after a date of which anything is stored. */
  firstStoredExpiry(symbol: string, fromDate: string): Promise<string | undefined>
  /** Days of options in [dayMs, untilMs], their previous closes not before `notBeforeMs`. */
  optionDays(
    tradingsymbols: readonly string[],
    dayMs: number,
    untilMs: number,
    notBeforeMs: number,
  ): Promise<readonly OptionDay[]>
  /** Stored minutes of a series in [fromMs, toMs), ascending, at most `limit`. */
  expiryMetrics(
    symbol: string,
    expiry: string,
    fromMs: number,
    toMs: number,
    limit: number,
  ): Promise<readonly ExpiryMetricsRow[]>
  /** Bars that open in [fromMs, toMs), ascending, at most `limit`. */
  bars(
    of: BarIdentity,
    length: SpanLength,
    fromMs: number,
    toMs: number,
    limit: number,
  ): Promise<readonly SpanBar[]>
  /** Everything that was ever listed under the name, the newest first; one for each exchange. */
  everListed(tradingsymbol: string): Promise<readonly Instrument[]>
  /** Strikes of a series that were ever listed, ascending. */
  listedStrikes(symbol: string, expiry: string): Promise<readonly ListedStrike[]>
  /** The ATM strike of each stored minute of a series in [fromMs, toMs), ascending, at most `limit`. */
  atmStrikes(
    symbol: string,
    expiry: string,
    fromMs: number,
    toMs: number,
    limit: number,
  ): Promise<readonly AtmMinute[]>
  /** A figure of strikes of a series in [fromMs, toMs), in no order. */
  strikeFigures(
    series: Pick<StoredSeries, 'symbol' | 'expiry'>,
    strikes: readonly ListedStrike[],
    figure: StrikeFigure,
    fromMs: number,
    toMs: number,
  ): Promise<readonly StrikeMinute[]>
  /** Newest first. */
  gaps(query: GapQuery): Promise<readonly GapEntry[]>
  /** The newest row of each table, per index (by its tradingsymbol) or underlying. */
  newestRows(
    indices: readonly string[],
    symbols: readonly string[],
    notBeforeMs: number,
  ): Promise<readonly TableNewest[]>
  ledgerSums(sinceMs: number): Promise<LedgerSums>
  gapSums(): Promise<GapSums>
  deadLetters(): Promise<number>
}
