/**
 * The memory of a partition's writer: instruments with their bars, coverage, gaps, the ledger and
 * what is due. Records go in, one commit's worth of changes comes out. It holds no truth of its own:
 * after any doubt it is thrown away and built again from the store, and the log is read from there.
 */
import type {
  BatchHeader,
  ControlRecord,
  CoveredRecord,
  GapCloseRecord,
  GapOpenRecord,
  Position,
} from '../../contract/journal-record.ts'
import { ALLOWED_LATENESS_MS } from '../../limits.ts'
import type { NotFoldedReason } from '../../market/attribution.ts'
import { Coverage, SampledCoverage } from '../../market/coverage.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import { DAY_MS, floorToMinute, MINUTE_MS } from '../../market/ist.ts'
import type { JournalledTick } from '../../market/tick.ts'
import { InstrumentBars, type SessionLookup, type TickReceiver } from '../bars/instrument-bars.ts'
import type { CoverageRow, DueMinute, FeedGapRow, LedgerRow, SourcePosition } from '../ports.ts'
import { ChangedBars } from './changed-bars.ts'
import { DueMinutes } from './due-minutes.ts'
import { GapBook } from './gap-book.ts'
import { Ledger } from './ledger.ts'

export interface BooksState {
  readonly partition: number
  readonly sources: readonly SourcePosition[]
  /** Live stretches that end at or after `coverageFromMs`. */
  readonly coverage: readonly CoverageRow[]
  readonly coverageFromMs: number
  readonly openGaps: readonly FeedGapRow[]
  readonly ledger: readonly LedgerRow[]
  readonly due: readonly DueMinute[]
  /** Producers whose logs are delivered at most once. */
  readonly atMostOnce: ReadonlySet<string>
}

/** Who is told of every tick, folded or not: keeps the latest quotes. */
export interface TickObserver {
  /** Takes the ticks of one instrument; asked for once. */
  receiverOf(bars: InstrumentBars): TickReceiver
}

/** Counts that metrics show; plain integers, since they are on the tick path. */
export interface FoldCounters {
  ahead: number
  late: number
  /** Tokens in coverage and gap records that no instrument record has announced. */
  unknownTokens: number
}

interface Source {
  readonly producer: string
  readonly generation: number
  readonly committed: SourcePosition
  position: Position
  /** Epoch of the batch that is being read. */
  epoch: number
  /** A batch of which no record has been taken yet. */
  entering: { header: BatchHeader; isFirstPart: boolean; lost: number } | undefined
  marketTimeMs: number | null
  ended: boolean
  readonly isAtMostOnce: boolean
  readonly tokens: Map<number, InstrumentBars>
  readonly ledger: Ledger
}

export type FoldResult = 'folded' | NotFoldedReason | 'no_instrument'

/** What must be read from the store first: one minute of an instrument, or (null) all that is resident. */
export interface MissingRows {
  readonly bars: InstrumentBars
  readonly minuteMs: number | null
}

export class PartitionBooks {
  readonly partition: number
  readonly instruments = new Map<string, InstrumentBars>()
  readonly due: DueMinutes
  readonly gaps: GapBook
  /** What the next commit writes of bars. */
  readonly changedBars = new ChangedBars(this.instruments)
  readonly counters: FoldCounters = { ahead: 0, late: 0, unknownTokens: 0 }
  /** Every stored row from this minute on is in memory. */
  residentFromMs: number
  /** Minutes that begin before this instant are closed. */
  closedBeforeMs: number
  /** From here on the memory knows what was streamed. */
  coverageFromMs: number
  /** Rises when rows come to carry another open interest of the day before. */
  previousOiChanges = 0
  readonly #sources = new Map<string, Source>()
  readonly #storedCoverage = new Map<string, CoverageRow[]>()
  readonly #coverageDirty = new Set<InstrumentBars>()
  readonly #sessionOf: SessionLookup
  readonly #observer: TickObserver

  constructor(state: BooksState, sessionOf: SessionLookup, observer: TickObserver) {
    this.partition = state.partition
    this.#sessionOf = sessionOf
    this.#observer = observer
    this.due = new DueMinutes(state.due)
    this.gaps = new GapBook(state.openGaps)
    this.coverageFromMs = state.coverageFromMs
    for (const row of state.coverage) {
      const key = instrumentKey(row.exchange, row.tradingsymbol)
      const rows = this.#storedCoverage.get(key)
      if (rows === undefined) this.#storedCoverage.set(key, [row])
      else rows.push(row)
    }
    for (const stored of state.sources) {
      this.#sources.set(stored.producer, {
        producer: stored.producer,
        generation: stored.generation,
        committed: stored,
        position: stored.position,
        epoch: stored.position.epoch,
        entering: undefined,
        marketTimeMs: stored.marketTimeMs,
        ended: false,
        isAtMostOnce: state.atMostOnce.has(stored.producer),
        tokens: new Map(),
        ledger: new Ledger(
          stored.producer,
          state.partition,
          state.ledger.filter((row) => row.producer === stored.producer),
        ),
      })
    }
    const marketMs = this.marketTimeMs
    this.closedBeforeMs = marketMs === null ? 0 : closedBefore(marketMs)
    this.residentFromMs = this.closedBeforeMs - MINUTE_MS
  }

  /** The slowest live producer's market time; null while none has told one. */
  get marketTimeMs(): number | null {
    let slowest: number | null = null
    for (const source of this.#sources.values()) {
      if (source.ended) continue
      if (source.marketTimeMs === null) return null
      if (slowest === null || source.marketTimeMs < slowest) slowest = source.marketTimeMs
    }
    return slowest
  }

  positionOf(producer: string): Position {
    return this.#source(producer).position
  }

  get expected(): SourcePosition[] {
    return [...this.#sources.values()].map((source) => source.committed)
  }

  get next(): SourcePosition[] {
    return [...this.#sources.values()].map(({ producer, generation, position, marketTimeMs }) => ({
      producer,
      generation,
      position,
      marketTimeMs,
    }))
  }

  /** Makes an instrument known under its token in a producer's log. */
  register(producer: string, instrument: Instrument): InstrumentBars {
    const source = this.#source(producer)
    const bars = this.know(instrument, source.isAtMostOnce)
    source.tokens.set(instrument.token, bars)
    return bars
  }

  /** Makes an instrument known whose stored coverage or rows may still be due. */
  know(instrument: Instrument, isSampled = false): InstrumentBars {
    const key = instrumentKey(instrument.exchange, instrument.tradingsymbol)
    const known = this.instruments.get(key)
    if (known !== undefined && (!isSampled || known.coverage instanceof SampledCoverage)) {
      // The same contract told anew keeps its memory: what is not committed of it stands nowhere else.
      if (!isSameInstrument(known.instrument, instrument)) known.redefine(instrument)
      return known
    }
    // All logs of a backend are of one kind, so nothing has been folded for the one that is replaced.
    const coverage = this.#coverageOf(key, isSampled)
    const bars = new InstrumentBars(instrument, coverage, this.#sessionOf)
    this.instruments.set(key, bars)
    this.changedBars.instrumentsChanged()
    return bars
  }

  /** Opens a batch. Its header is booked with its first record, as the position moves with that. */
  enterBatch(producer: string, header: BatchHeader, fromSequence: number): void {
    const source = this.#source(producer)
    source.epoch = header.epoch
    source.entering = { header, isFirstPart: fromSequence === header.firstSequence, lost: 0 }
    if (this.closedBeforeMs === 0) {
      this.closedBeforeMs = closedBefore(header.marketTimeMs)
      this.residentFromMs = this.closedBeforeMs - MINUTE_MS
    }
  }

  /** What has to be read before this tick can be folded; changes nothing. */
  missingFor(producer: string, tick: JournalledTick): MissingRows | undefined {
    const bars = this.#source(producer).tokens.get(tick.token)
    if (bars === undefined) return undefined
    if (!bars.isLoaded) return { bars, minuteMs: null }
    const minuteMs = bars.missingFor(tick, this.residentFromMs)
    return minuteMs === undefined ? undefined : { bars, minuteMs }
  }

  /** Announced instruments whose stored rows have not been taken in. */
  notLoaded(producer: string): MissingRows[] {
    const known = [...this.#source(producer).tokens.values()]
    return known.filter(({ isLoaded }) => !isLoaded).map((bars) => ({ bars, minuteMs: null }))
  }

  /** Which rows must be read from the store before this tick can be folded; undefined where none. */
  foldTick(producer: string, tick: JournalledTick, sequence: number): MissingRows | FoldResult {
    const source = this.#source(producer)
    const bars = source.tokens.get(tick.token)
    if (bars === undefined) return this.#notFolded(source, sequence, 'no_instrument')
    if (!bars.isLoaded) return { bars, minuteMs: null }
    if (source.isAtMostOnce) bars.coverage.begin(tick.marketTimeMs, 'ltp')
    const result = bars.fold(tick, source.epoch, sequence, this.residentFromMs)
    if (typeof result !== 'string' && 'needsMinuteMs' in result) {
      return { bars, minuteMs: result.needsMinuteMs }
    }
    bars.receiver ??= this.#observer.receiverOf(bars)
    bars.receiver(tick)
    if (typeof result === 'string') return this.#notFolded(source, sequence, result)
    this.#advance(source, sequence)
    source.ledger.folded()
    if (bars.changed.length > 0) this.changedBars.mark(bars)
    if (result.ahead) this.counters.ahead++
    if (result.quoteMinuteMs < this.closedBeforeMs) this.#late(bars, result.quoteMinuteMs)
    const { tradeMinuteMs } = result
    if (tradeMinuteMs !== undefined && tradeMinuteMs < this.closedBeforeMs) {
      if (bars.bars.get(tradeMinuteMs)?.isChanged) this.#late(bars, tradeMinuteMs)
    }
    return 'folded'
  }

  /** Steps over a record that the store refuses, or that cannot be read. */
  skip(producer: string, sequence: number, reason: string): void {
    this.#notFolded(this.#source(producer), sequence, reason)
  }

  applyControl(producer: string, sequence: number, record: ControlRecord): void {
    const source = this.#source(producer)
    this.#advance(source, sequence)
    switch (record.kind) {
      case 'epoch_start':
        source.ended = false
        return
      case 'epoch_end':
        source.ended = this.#sources.size > 1
        return
      case 'instrument':
        this.register(producer, record.instrument)
        return
      case 'clock':
        this.#passTime(source, record.marketTimeMs)
        return
      case 'covered':
        this.#cover(source, record)
        return
      case 'gap_open':
        this.#openGap(source, record)
        return
      case 'gap_close':
        this.#closeGap(source, record)
        return
    }
  }

  /**
   * Records that the journal no longer had: a gap for every instrument that was covered, from the
   * last known market time to that of the batch that follows.
   */
  applyLoss(producer: string, header: BatchHeader, records: number, wallMs: number): void {
    const source = this.#source(producer)
    if (source.entering) source.entering.lost = records
    const fromMs = source.marketTimeMs ?? header.marketTimeMs
    const toMs = header.marketTimeMs
    const covered = [...source.tokens.values()].filter((bars) => bars.coverage.current)
    const ends = covered.map((bars) => ({ key: bars.key, toMs, mode: bars.coverage.current?.mode }))
    const id = `${producer}-${header.epoch}-${header.firstSequence}-lost`
    this.#startGap(source, id, 'log_lost', null, null, fromMs, covered, wallMs)
    this.gaps.end(id, ends, wallMs)
    for (const { key, mode } of ends) {
      const bars = this.instruments.get(key)
      if (bars && mode) this.#beginCoverage(bars, toMs, mode)
    }
  }

  takeCoverage(): CoverageRow[] {
    const changed: CoverageRow[] = []
    for (const { instrument, coverage } of this.#coverageDirty) {
      const { exchange, tradingsymbol } = instrument
      for (const { fromMs, toMs, mode } of coverage.stretches) {
        changed.push({ exchange, tradingsymbol, fromMs, toMs, source: 'live', mode })
      }
    }
    this.#coverageDirty.clear()
    return changed
  }

  /** The closed minute whose final values are to be written next. */
  nextDue(): DueMinute | undefined {
    return this.due.next(this.closedBeforeMs)
  }

  /** When the instrument was streamed, around the minute; undefined where only the store knows. */
  coverageAt(bars: InstrumentBars, minuteMs: number): Coverage | undefined {
    return minuteMs >= this.coverageFromMs ? bars.coverage : undefined
  }

  takeLedger(): LedgerRow[] {
    return [...this.#sources.values()].flatMap((source) => source.ledger.takeDirty())
  }

  /** The commit that moved the position has taken effect. */
  committed(next: readonly SourcePosition[]): void {
    for (const position of next) {
      Object.assign(this.#source(position.producer), { committed: position })
    }
  }

  /** Drops what is older than the minutes that are still likely to change. */
  forgetOld(): void {
    const keepFromMs = this.closedBeforeMs - 2 * MINUTE_MS
    if (keepFromMs <= this.residentFromMs) return
    this.residentFromMs = keepFromMs
    for (const bars of this.instruments.values()) {
      bars.evict(keepFromMs)
      bars.coverage.forget(keepFromMs - DAY_MS)
    }
    this.coverageFromMs = Math.max(this.coverageFromMs, keepFromMs - DAY_MS)
    for (const source of this.#sources.values()) source.ledger.forget(keepFromMs - 10 * MINUTE_MS)
  }

  #source(producer: string): Source {
    const source = this.#sources.get(producer)
    if (source === undefined) throw new Error(`no producer ${producer} in this partition`)
    return source
  }

  /** The record is taken: the position moves, and with a batch's first record its header is booked. */
  #advance(source: Source, sequence: number): void {
    source.position = { epoch: source.epoch, sequence }
    const entering = source.entering
    if (entering === undefined) return
    source.ledger.enter(entering.header, entering.isFirstPart)
    if (entering.lost > 0) source.ledger.lost(entering.lost)
    source.entering = undefined
  }

  #notFolded(source: Source, sequence: number, reason: string): FoldResult {
    this.#advance(source, sequence)
    source.ledger.notFolded(reason)
    return reason as FoldResult
  }

  #coverageOf(key: string, isSampled: boolean): Coverage {
    // What another log had covered before is none of what comes at most once.
    return isSampled ? new SampledCoverage() : this.#coverageFromStore(key)
  }

  #coverageFromStore(key: string): Coverage {
    const rows = this.#storedCoverage.get(key) ?? []
    return new Coverage(
      rows
        .filter((row) => row.source === 'live')
        .sort((a, b) => a.fromMs - b.fromMs)
        .map(({ fromMs, toMs, mode }) => ({ fromMs, toMs, mode: mode ?? 'full' })),
    )
  }

  #late(bars: InstrumentBars, minuteMs: number): void {
    this.counters.late++
    this.#makeDue(bars, minuteMs, 'late')
  }

  #makeDue(bars: InstrumentBars, minuteMs: number, reason: string): void {
    const { symbol, kind, expiry } = bars.instrument
    this.due.add({
      symbol,
      expiry: kind === 'option' ? expiry : null,
      minuteMs,
      dueSinceMs: this.marketTimeMs ?? minuteMs,
      reason,
    })
  }

  #passTime(source: Source, marketTimeMs: number): void {
    if (source.marketTimeMs !== null && marketTimeMs <= source.marketTimeMs) return
    source.marketTimeMs = marketTimeMs
    const slowest = this.marketTimeMs
    if (slowest === null) return
    const before = this.closedBeforeMs
    const after = closedBefore(slowest)
    if (after <= before) return
    this.closedBeforeMs = after
    for (const bars of this.instruments.values()) this.#closeMinutes(bars, before, after)
  }

  /** Makes due every covered minute of the instrument in [fromMs, toMs). */
  #closeMinutes(bars: InstrumentBars, fromMs: number, toMs: number): void {
    for (const stretch of bars.coverage.stretches) {
      const first = Math.max(fromMs, floorToMinute(stretch.fromMs))
      const end = Math.min(toMs, stretch.toMs)
      for (let minuteMs = first; minuteMs < end; minuteMs += MINUTE_MS) {
        const session = bars.sessionAt(minuteMs)
        if (session && minuteMs >= session.openMs && minuteMs < session.closeMs) {
          this.#makeDue(bars, minuteMs, 'close')
        }
      }
    }
    for (const minuteMs of bars.bars.keys()) {
      if (minuteMs >= fromMs && minuteMs < toMs) this.#makeDue(bars, minuteMs, 'close')
    }
  }

  #barsOf(source: Source, token: number): InstrumentBars | undefined {
    const bars = source.tokens.get(token)
    if (bars === undefined) this.counters.unknownTokens++
    return bars
  }

  #cover(source: Source, record: CoveredRecord): void {
    for (const { token, toMs } of record.end) {
      const bars = this.#barsOf(source, token)
      if (bars) this.#endCoverage(bars, toMs)
    }
    for (const { token, mode, fromMs } of record.begin) {
      const bars = this.#barsOf(source, token)
      if (bars && !this.gaps.isWaiting(bars.key)) this.#beginCoverage(bars, fromMs, mode)
    }
  }

  #beginCoverage(bars: InstrumentBars, fromMs: number, mode: JournalledTick['mode']): void {
    if (bars.coverage.begin(fromMs, mode)) this.#coverageDirty.add(bars)
  }

  #endCoverage(bars: InstrumentBars, toMs: number): void {
    if (!bars.coverage.end(toMs)) return
    this.#coverageDirty.add(bars)
    const firstMs = floorToMinute(toMs)
    for (let minuteMs = firstMs; minuteMs < this.closedBeforeMs; minuteMs += MINUTE_MS) {
      this.#makeDue(bars, minuteMs, 'gap')
    }
  }

  #openGap(source: Source, record: GapOpenRecord): void {
    if (this.gaps.isOpen(record.gapId)) return
    const covered = record.tokens
      .map((token) => this.#barsOf(source, token))
      .filter((bars) => bars !== undefined)
    this.#startGap(
      source,
      record.gapId,
      record.reason,
      record.account,
      record.connection,
      record.fromMs,
      covered,
      source.marketTimeMs ?? record.fromMs,
    )
  }

  #startGap(
    source: Source,
    id: string,
    reason: string,
    account: string | null,
    connection: number | null,
    fromMs: number,
    instruments: readonly InstrumentBars[],
    openedAtMs: number,
  ): void {
    this.gaps.open({
      id,
      producer: source.producer,
      partition: this.partition,
      reason,
      account,
      connection,
      status: 'open',
      fromMs,
      toMs: null,
      instruments: instruments.map(({ instrument }) => ({
        exchange: instrument.exchange,
        tradingsymbol: instrument.tradingsymbol,
        instrument_token: instrument.token,
        to: null,
      })),
      openedAtMs,
      closedAtMs: null,
    })
    for (const bars of instruments) this.#endCoverage(bars, fromMs)
  }

  #closeGap(source: Source, record: GapCloseRecord): void {
    const ends = record.ends.flatMap(({ token, toMs, mode }) => {
      const bars = this.#barsOf(source, token)
      return bars === undefined ? [] : [{ bars, key: bars.key, toMs, mode }]
    })
    this.gaps.end(record.gapId, ends, source.marketTimeMs ?? record.ends[0]?.toMs ?? 0)
    for (const { bars, toMs, mode } of ends) {
      if (mode !== null) this.#beginCoverage(bars, toMs, mode)
    }
  }
}

function isSameInstrument(a: Instrument, b: Instrument): boolean {
  if (a === b) return true
  return (Object.keys(a) as (keyof Instrument)[]).every((field) => a[field] === b[field])
}

/** Minutes that end at least the allowed lateness before market time are closed. */
function closedBefore(marketTimeMs: number): number {
  return floorToMinute(marketTimeMs - ALLOWED_LATENESS_MS)
}
