/**
 * The writer of one partition: reads the log of every producer from the committed position, folds,
 * and commits what changed together with the new position, as often as the store can take it.
 *
 *   claim ─▶ load ─▶ tail ─▶ fold ─▶ commit ─▶ finals of closed minutes ─┐
 *     ▲                       ▲__________________________________________│
 *     └── any doubt (lost connection, refused row, foreign position): forget all memory, begin again
 *
 * A slow store makes commits coarser, never ticks fewer: while one is under way folding goes on up
 * to a cap, then the reader waits, and the journal takes the load.
 */

import { controlRecords, forEachRecord } from '../../contract/journal-batch.ts'
import type {
  BatchHeader,
  ControlRecord,
  EpochStart,
  Position,
  TailItem,
} from '../../contract/journal-record.ts'
import type { Clock } from '../../kit/clock.ts'
import type { LatencyHistogram } from '../../kit/latency-histogram.ts'
import type { Log } from '../../kit/log.ts'
import { pause } from '../../kit/pause.ts'
import {
  CANDLES_FOLLOW_WITHIN_MS,
  COMMIT_PAUSE_MS,
  OTHERS_REST_SHARE,
  STORE_RETRY_FIRST_MS,
  STORE_RETRY_MAX_MS,
  UNCOMMITTED_RECORDS_MAX,
} from '../../limits.ts'
import type { Instrument } from '../../market/instrument.ts'
import { DAY_MS } from '../../market/ist.ts'
import type { JournalledTick } from '../../market/tick.ts'
import type { SessionLookup } from '../bars/instrument-bars.ts'
import type { MinuteClose } from '../bars/minute-close.ts'
import { CandlesNotWrittenError } from '../candles/candle-writer.ts'
import { knownBars } from '../candles/write-candles.ts'
import { WriteQueue, type WriteTurn } from '../candles/write-queue.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import type { LiveMetrics } from '../chain/live-metrics.ts'
import type {
  DeadLetterRow,
  PartitionStore,
  PreparedCommit,
  SourcePosition,
  StoreOpener,
  TickLog,
} from '../ports.ts'
import { buildCommit } from './build-commit.ts'
import { placeBatch } from './log-order.ts'
import type { LogSet } from './log-set.ts'
import { type MissingRows, PartitionBooks } from './partition-books.ts'
import { RowLoader } from './row-loader.ts'

/** Another writer has taken the partition over: this process must end. */
export class SupersededError extends Error {
  readonly code = 'superseded'
}

/** The memory no longer describes the store; it is thrown away and built again. */
class StartOver extends Error {}

/** Another log is to be folded: no fault, the memory is built again with it. */
class AnotherLog extends Error {}

type LogRecord =
  | { readonly sequence: number; readonly tick: JournalledTick }
  | { readonly sequence: number; readonly control: ControlRecord }

interface Suspect {
  /** Records a commit may hold while the one that the store refuses is looked for. */
  readonly step: number
  /** Beyond this position nothing is suspected. */
  readonly untilEpoch: number
  readonly untilSequence: number
  readonly reason: string
}

export interface IngestDependencies {
  readonly consumer: string
  readonly partition: number
  /** Those that this process writes beside it; they end with it. */
  readonly otherPartitions: readonly number[]
  readonly logs: LogSet
  readonly stores: StoreOpener
  readonly sessionOf: SessionLookup
  /** Whether a symbol's instruments are of this partition. */
  readonly isMine: (symbol: string) => boolean
  readonly tradingDateOf: (segment: string, atMs: number) => string
  readonly chains: LiveChains
  readonly metrics: LiveMetrics
  readonly minuteClose: MinuteClose
  readonly clock: Clock
  readonly log: Log
  readonly counters: IngestCounters
  /** Received (ticker's wall clock) → committed, ms. */
  readonly commitLatency: LatencyHistogram
  /** Told after every commit that took effect. */
  readonly onCommitted: (books: PartitionBooks) => void
}

/** Plain integers; metrics read them. */
export interface IngestCounters {
  batches: number
  records: number
  skippedRecords: number
  refusedBatches: number
  lostRecords: number
  commits: number
  finalStatements: number
  /** Minutes whose final values the store refused. */
  refusedFinals: number
  candleStatements: number
  /** Batches of candles and snapshots that the store refused. */
  refusedCandles: number
  restarts: number
  deadLetters: number
  /** Most records that were folded and not yet in a commit; at most UNCOMMITTED_RECORDS_MAX. */
  uncommittedHighWater: number
}

export class PartitionIngest {
  readonly #deps: IngestDependencies
  readonly #stopping = new AbortController()
  readonly #generations = new Map<string, number>()
  #suspect: Suspect | undefined
  #books: PartitionBooks | undefined
  #done: Promise<void> | undefined
  #storeError: string | null = null
  /** What is to be written beside the log: candles and snapshots. */
  readonly writes = new WriteQueue()

  constructor(deps: IngestDependencies) {
    this.#deps = deps
  }

  /** Runs until stopped; rejects only when the partition was taken over or the program is wrong. */
  start(): Promise<void> {
    this.#done ??= this.#run().finally(() => this.writes.end())
    return this.#done
  }

  /** Commits what is folded and ends. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.allSettled([this.#done])
  }

  get books(): PartitionBooks | undefined {
    return this.#books
  }

  /** Why nothing is being committed now; null while all is well. */
  get storeError(): string | null {
    return this.#storeError
  }

  async #run(): Promise<void> {
    let pauseMs = STORE_RETRY_FIRST_MS
    for (;;) {
      await this.#firstLog()
      if (this.#stopping.signal.aborted) return
      try {
        await this.#session(() => {
          pauseMs = STORE_RETRY_FIRST_MS
          this.#storeError = null
        })
      } catch (error) {
        if (error instanceof AnotherLog) continue
        if (error instanceof SupersededError) throw error
        if (!this.#isCurable(error)) throw error
        this.#deps.counters.restarts++
        this.#storeError = error instanceof Error ? error.message : String(error)
        this.#deps.log.warn(
          { err: error, partition: this.#deps.partition },
          'ingest begins again from the store',
        )
        await this.#pause(pauseMs)
        pauseMs = Math.min(pauseMs * 2, STORE_RETRY_MAX_MS)
      }
    }
  }

  /** Resolves when there is something to read, or the stop. */
  #firstLog(): Promise<void> {
    const { logs } = this.#deps
    const { signal } = this.#stopping
    return new Promise((resolve) => {
      if (logs.current.length > 0 || signal.aborted) return resolve()
      const done = () => {
        stopListening()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const stopListening = logs.onAdded(done)
      signal.addEventListener('abort', done)
    })
  }

  #isCurable(error: unknown): boolean {
    if (error instanceof StartOver) return true
    return this.#deps.stores.classify(error) === 'connection'
  }

  /** One life of the memory: from a claim or a re-read position to the first doubt, or the stop. */
  async #session(onCommit: () => void): Promise<void> {
    const { stores, partition, consumer, log } = this.#deps
    const logs = this.#deps.logs.current
    const store = await stores.openPartition(partition)
    let stopListening = () => {}
    try {
      const sources = await this.#claim(store, logs)
      const books = await this.#load(store, sources)
      this.#books = books
      const session = new Session(
        this.#deps,
        logs,
        store,
        books,
        this.writes,
        this.#suspect,
        () => {
          onCommit()
          for (const { producer, position } of books.expected) {
            logs.find((l) => l.producer === producer)?.committed(consumer, partition, position)
          }
        },
      )
      const onAdded = () => session.fail(new AnotherLog('another ticker was found'))
      stopListening = this.#deps.logs.onAdded(onAdded)
      if (this.#deps.logs.current.length > logs.length) onAdded()
      log.info({ partition, positions: sources.map((s) => s.position) }, 'ingest started')
      await session.run(this.#stopping.signal)
      this.#suspect = session.suspect
    } catch (error) {
      if (error instanceof RefusedByStore) {
        this.#suspect = error.suspect
        throw new StartOver(`the store refused a row: ${error.suspect.reason}`)
      }
      throw error
    } finally {
      stopListening()
      await store.close()
    }
  }

  /** Claims what this process has not claimed before, and checks that the rest is still its own. */
  async #claim(
    store: PartitionStore,
    logs: readonly TickLog[],
  ): Promise<readonly SourcePosition[]> {
    const producers = logs.map((l) => l.producer)
    const held = producers.filter((producer) => this.#generations.has(producer))
    const fresh = producers.filter((producer) => !this.#generations.has(producer))
    const known = held.length === 0 ? [] : await store.positions(held)
    for (const { producer, generation } of known) {
      if (generation !== this.#generations.get(producer)) {
        throw new SupersededError(supersededMessage(this.#deps, generation))
      }
    }
    const { sources: claimed } = fresh.length === 0 ? { sources: [] } : await store.claim(fresh)
    for (const { producer, generation } of claimed) this.#generations.set(producer, generation)
    return [...known, ...claimed]
  }

  async #load(store: PartitionStore, sources: readonly SourcePosition[]): Promise<PartitionBooks> {
    const { partition, sessionOf, chains, isMine } = this.#deps
    const marketMs = Math.min(...sources.map((s) => s.marketTimeMs ?? 0))
    const sinceMs = marketMs - DAY_MS
    const [coverage, openGaps, due] = [
      await store.loadCoverage(sinceMs),
      await store.loadOpenGaps(),
      (await store.loadDue()).filter(({ symbol }) => isMine(symbol)),
    ]
    const ledger = []
    for (const { producer } of sources) ledger.push(...(await store.loadLedger(producer, sinceMs)))
    chains.reset(partition)
    const atMostOnce = this.#atMostOnce()
    const state = {
      ...{ partition, sources, coverage, coverageFromMs: sinceMs },
      ...{ openGaps, ledger, due, atMostOnce },
    }
    const books = new PartitionBooks(state, sessionOf, chains)
    for (const { exchange, tradingsymbol } of coverage) {
      const instrument = chains.master.byKey(exchange, tradingsymbol)
      if (instrument && isMine(instrument.symbol)) books.know(instrument)
    }
    return books
  }

  #atMostOnce(): Set<string> {
    const logs = this.#deps.logs.current.filter(({ isAtMostOnce }) => isAtMostOnce === true)
    return new Set(logs.map(({ producer }) => producer))
  }

  #pause(ms: number): Promise<void> {
    return pause(this.#deps.clock, ms, this.#stopping.signal)
  }
}

/** The store refused a row of a commit for what it holds (SQLSTATE class 22 or 23). */
class RefusedByStore extends Error {
  readonly suspect: Suspect
  constructor(suspect: Suspect) {
    super(suspect.reason)
    this.suspect = suspect
  }
}

interface SentCommit {
  /** The position that it moves to. */
  readonly next: readonly SourcePosition[]
  readonly records: number
  readonly oldestReceivedMs: number | null
  /** Monotonic. */
  readonly sentAtMs: number
}

/** What something took lately. */
class RunningMean {
  mean = 0

  add(value: number): void {
    this.mean += (value - this.mean) / 8
  }
}

/** Readers and committer over one memory. */
class Session {
  readonly #deps: IngestDependencies
  readonly #logs: readonly TickLog[]
  readonly #store: PartitionStore
  readonly #books: PartitionBooks
  readonly #loader: RowLoader
  readonly #writes: WriteQueue
  readonly #onCommit: () => void
  readonly #failed = new AbortController()
  readonly #deadLetters: DeadLetterRow[] = []
  readonly #wakers = new Set<() => void>()
  suspect: Suspect | undefined
  #failure: { readonly error: unknown } | undefined
  readonly #opened = new Set<string>()
  #uncommitted = 0
  #changed = false
  #finished = false
  #oldestReceivedMs: number | null = null
  /** The commit that the store works on. */
  #inFlight: { readonly sentAtMs: number; readonly done: Promise<void> } | undefined
  readonly #buildMs = new RunningMean()
  readonly #sendMs = new RunningMean()
  readonly #turn: WriteTurn
  /** What ends the wait of a series' finals for candles: the timer that was set last. */
  readonly #holds = new Map<string, symbol>()
  #wakes = 0
  /** Queries for rows that a tick waits for. */
  #loads = 0
  /** Neither candles nor finals are written. */
  #isResting = false
  /** Candles and finals take turns. */
  #isFinalsTurn = true

  constructor(
    deps: IngestDependencies,
    logs: readonly TickLog[],
    store: PartitionStore,
    books: PartitionBooks,
    writes: WriteQueue,
    suspect: Suspect | undefined,
    onCommit: () => void,
  ) {
    this.#deps = deps
    this.#logs = logs
    this.#store = store
    this.#books = books
    this.#loader = new RowLoader(store, books, deps.chains, deps.tradingDateOf)
    this.suspect = suspect
    this.#onCommit = onCommit
    this.#writes = writes
    this.#turn = { store, books, chains: deps.chains, hold: (scope) => this.#hold(scope) }
    writes.onAdded(() => this.#wake())
  }

  /** Rejects with the first failure of a reader or the committer, once all of them have ended. */
  async run(stopping: AbortSignal): Promise<void> {
    const reading = AbortSignal.any([stopping, this.#failed.signal])
    const readers = this.#logs.map((log) => this.#watched(this.#read(log, reading)))
    const committing = this.#watched(this.#commitUntilFinished())
    await Promise.all(readers)
    this.#finished = true
    this.#wake()
    await committing
    // Nobody waits for more candles any longer.
    this.#failed.abort()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** A task whose failure ends all others; never rejects itself. */
  #watched(task: Promise<void>): Promise<void> {
    return task.catch((error) => this.fail(error))
  }

  /** Ends the session with `error`; what is folded and not committed is folded again. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#failed.abort()
    this.#wake()
  }

  async #read(log: TickLog, signal: AbortSignal): Promise<void> {
    const { partition } = this.#deps
    let oldest: Position = { epoch: 0, sequence: 0 }
    const from = this.#books.positionOf(log.producer)
    for await (const item of log.tail(partition, from, signal)) {
      if (item.kind === 'opened') {
        oldest = item.oldest
        await this.#open(log.producer, item)
      } else {
        await this.#batch(log.producer, item.header, item.bytes, oldest)
      }
      if (signal.aborted) return
    }
    // The log has ended (its producer stopped); what is due of it is still to be written.
    await untilAborted(signal)
  }

  async #open(producer: string, item: TailItem & { kind: 'opened' }): Promise<void> {
    const bars = item.instruments.map((instrument) => this.#books.register(producer, instrument))
    await this.#load(bars.map((b) => ({ bars: b, minuteMs: null })))
    this.#opened.add(producer)
    // Minutes may be due that no further record would wake anybody for.
    this.#wake()
  }

  async #batch(
    producer: string,
    header: BatchHeader,
    bytes: Uint8Array,
    oldest: Position,
  ): Promise<void> {
    const { counters, log, clock } = this.#deps
    const at = this.#books.positionOf(producer)
    const place = placeBatch(at, header, oldest, epochStartOf(header, bytes))
    counters.batches++
    if (place.kind === 'skip') {
      counters.skippedRecords += header.recordCount
      return
    }
    if (place.kind === 'refuse') {
      counters.refusedBatches++
      log.error({ producer, code: place.code, at, header }, `batch refused: ${place.message}`)
      if (place.code === 'hole') throw new StartOver(place.message)
      return
    }
    this.#books.enterBatch(producer, header, place.fromSequence)
    if (place.lost > 0) {
      counters.lostRecords += place.lost
      log.error(
        { producer, lost: place.lost, header },
        'the journal lost records before they were read',
      )
      this.#books.applyLoss(producer, header, place.lost, clock.nowMs())
    }
    await this.#fold(producer, header, recordsOf(header, bytes, place.fromSequence))
  }

  async #fold(producer: string, header: BatchHeader, records: LogRecord[]): Promise<void> {
    let looked = false
    for (let i = 0; i < records.length; ) {
      const record = records[i] as LogRecord
      if (this.suspect?.step === 0 && this.#uncommitted === 0) {
        this.#bury(producer, header, record)
      } else if ('tick' in record) {
        const result = this.#books.foldTick(producer, record.tick, record.sequence)
        if (typeof result === 'object') {
          // One query for the whole rest of the batch, then one by one for what a control record changed.
          await this.#load(looked ? [result] : this.#missing(producer, records, i, result))
          looked = true
          continue
        }
        this.#noteReceived(record.tick.receivedAtMs)
      } else {
        this.#books.applyControl(producer, record.sequence, record.control)
      }
      i++
      this.#deps.counters.records++
      this.#uncommitted++
      this.#changed = true
      this.#noteUncommitted()
      if (this.#uncommitted >= this.#cap(header, record.sequence)) await this.#untilCommitted()
    }
    this.#wake()
  }

  /** Rows that a tick waits for: nothing else is asked of the store meanwhile. */
  async #load(missing: readonly MissingRows[]): Promise<void> {
    this.#loads++
    try {
      await this.#loader.load(missing)
    } finally {
      this.#loads--
      this.#wake()
    }
  }

  #missing(
    producer: string,
    records: readonly LogRecord[],
    from: number,
    first: MissingRows,
  ): MissingRows[] {
    // The first ticks of many instruments come in many batches: with one of them all are loaded.
    const missing =
      first.minuteMs === null
        ? [...this.#books.notLoaded(producer), ...this.#relatives(first.bars.instrument)]
        : [first]
    for (let i = from + 1; i < records.length; i++) {
      const record = records[i] as LogRecord
      if (!('tick' in record)) continue
      const rows = this.#books.missingFor(producer, record.tick)
      if (rows !== undefined) missing.push(rows)
    }
    return missing
  }

  /** What is listed beside an instrument and will hardly tick much later. */
  #relatives({ kind, symbol, expiry }: Instrument): MissingRows[] {
    const { master } = this.#deps.chains
    const strikes = kind === 'option' ? (master.series(symbol, expiry ?? '')?.strikes ?? []) : []
    const listed = strikes.flatMap(({ call, put }) => [call, put].filter((leg) => leg !== null))
    return listed.flatMap((instrument) => {
      const bars = knownBars(this.#books, { instrument })
      return bars.isLoaded ? [] : [{ bars, minuteMs: null }]
    })
  }

  /** While a refused record is looked for, commits hold few records; else as many as memory may. */
  #cap(header: BatchHeader, sequence: number): number {
    const suspect = this.suspect
    if (suspect === undefined) return UNCOMMITTED_RECORDS_MAX
    const passed =
      header.epoch > suspect.untilEpoch ||
      (header.epoch === suspect.untilEpoch && sequence > suspect.untilSequence)
    if (passed) this.suspect = undefined
    return passed ? UNCOMMITTED_RECORDS_MAX : suspect.step
  }

  /** Sets the record aside of which a commit alone was refused: the first after the committed position. */
  #bury(producer: string, header: BatchHeader, record: LogRecord): void {
    const reason = this.suspect?.reason ?? 'refused by the store'
    this.#deadLetters.push({
      producer,
      partition: this.#deps.partition,
      epoch: header.epoch,
      sequence: record.sequence,
      record: Buffer.from(JSON.stringify('tick' in record ? record.tick : record.control)),
      reason,
      timeMs: this.#deps.clock.nowMs(),
    })
    this.#books.skip(producer, record.sequence, 'dead_letter')
    this.#deps.counters.deadLetters++
    this.#deps.log.error(
      { producer, epoch: header.epoch, sequence: record.sequence, reason },
      'record set aside',
    )
    this.suspect = undefined
  }

  #noteUncommitted(): void {
    const { counters } = this.#deps
    if (this.#uncommitted > counters.uncommittedHighWater) {
      counters.uncommittedHighWater = this.#uncommitted
    }
  }

  #noteReceived(receivedAtMs: number): void {
    if (this.#oldestReceivedMs === null || receivedAtMs < this.#oldestReceivedMs) {
      this.#oldestReceivedMs = receivedAtMs
    }
  }

  /**
   * One commit is with the store and the next is built meanwhile, so that neither waits for the other.
   * Finals come between two commits, never beside one: both move on from the same position.
   */
  async #commitUntilFinished(): Promise<void> {
    const { clock } = this.#deps
    let beganAtMs = Number.NEGATIVE_INFINITY
    while (!this.#failed.signal.aborted) {
      if (this.#inFlight !== undefined && !this.#mayBuildAhead) {
        await this.#inFlight.done
        // Live commits go first: finals only get a turn between two of them.
        if (!this.#failed.signal.aborted) await this.#writeOther()
      } else if (!this.#changed && this.#inFlight !== undefined) {
        const { done } = this.#inFlight
        await (this.#finished ? done : Promise.race([this.#untilWoken(), done]))
      } else if (!this.#changed) {
        if (this.#finished) return
        const wakes = this.#wakes
        // Whatever came while this looked for something to write has called in vain.
        if (!(await this.#writeOther()) && wakes === this.#wakes) await this.#untilWoken()
      } else {
        const waitMs = this.#finished ? 0 : this.#tooEarlyByMs(beganAtMs + COMMIT_PAUSE_MS)
        if (waitMs <= 0) {
          beganAtMs = clock.elapsedMs()
          await this.#commit()
        } else if (this.#inFlight !== undefined) {
          await Promise.race([pause(clock, waitMs, this.#failed.signal), this.#inFlight.done])
        } else if (!(await this.#writeOther())) {
          // While changes gather for the next commit finals go on; they need no pause.
          await pause(clock, waitMs, this.#failed.signal)
        }
      }
    }
  }

  /** Not while a refused record is looked for: then commits are counted record by record. */
  get #mayBuildAhead(): boolean {
    if (this.suspect !== undefined) return false
    return this.#books.nextDue() === undefined && this.#writes.first === undefined
  }

  /** What is built too early misses the ticks that come while it waits for the store. */
  #tooEarlyByMs(paceMs: number): number {
    const nowMs = this.#deps.clock.elapsedMs()
    const inFlight = this.#inFlight
    if (inFlight === undefined) return paceMs - nowMs
    const freeAtMs = inFlight.sentAtMs + this.#sendMs.mean
    return Math.max(paceMs, freeAtMs - this.#buildMs.mean) - nowMs
  }

  /** Builds a commit and hands it to the store once that is done with the one before. */
  async #commit(): Promise<void> {
    const { clock } = this.#deps
    const beganAtMs = clock.elapsedMs()
    const oldestReceivedMs = this.#oldestReceivedMs
    const records = this.#uncommitted
    this.#uncommitted = 0
    this.#changed = false
    this.#oldestReceivedMs = null
    // What is with the store may go: whoever reads it again on this connection comes behind it.
    this.#books.forgetOld()
    const { next, preparing } = this.#prepare(records)
    this.#buildMs.add(clock.elapsedMs() - beganAtMs)
    // What is refused before it is sent is told after the commit before it has come to its end.
    await Promise.allSettled([preparing, this.#inFlight?.done])
    if (this.#failed.signal.aborted) return
    const send = await preparing
    const sentAtMs = clock.elapsedMs()
    const commit = { next, records, oldestReceivedMs, sentAtMs }
    this.#inFlight = { sentAtMs, done: this.#watched(this.#send(send, commit)) }
  }

  /** Its rows are gone when this returns: some megabytes that would else outlive the next ticks. */
  #prepare(records: number): {
    next: readonly SourcePosition[]
    preparing: Promise<PreparedCommit>
  } {
    const { chains, clock, metrics } = this.#deps
    const deadLetters = this.#deadLetters.splice(0)
    const commit = buildCommit(this.#books, chains, metrics, deadLetters, clock)
    const { next } = commit
    return {
      next,
      preparing: this.#guarded(async () => this.#store.prepare(commit), next, records),
    }
  }

  async #send(
    send: PreparedCommit,
    { next, records, oldestReceivedMs, sentAtMs }: SentCommit,
  ): Promise<void> {
    const { clock, counters, commitLatency, onCommitted } = this.#deps
    const result = await this.#guarded(() => send(this.#books.expected), next, records)
    if (result === 'superseded') throw new StartOver('the stored position is not ours')
    this.#inFlight = undefined
    this.#sendMs.add(clock.elapsedMs() - sentAtMs)
    this.#books.committed(next)
    counters.commits++
    if (oldestReceivedMs !== null) commitLatency.record(clock.nowMs() - oldestReceivedMs)
    this.#onCommit()
    onCommitted(this.#books)
    this.#wake()
  }

  /** One statement beside the live commits, of candles or of finals; false where there is none. */
  async #writeOther(): Promise<boolean> {
    // Until every log is open the instruments are not known whose rows are due.
    if (this.#opened.size < this.#logs.length) return false
    const { clock } = this.#deps
    const beganAtMs = clock.elapsedMs()
    if (this.#loads > 0 || this.#isResting) return false
    const isWritten = await this.#writeOtherInTurn()
    if (this.#loads > 0) this.#rest(OTHERS_REST_SHARE * (clock.elapsedMs() - beganAtMs))
    return isWritten
  }

  /** Ticks waited for rows meanwhile: for a while nothing stands in their way. */
  #rest(ms: number): void {
    this.#isResting = true
    void pause(this.#deps.clock, ms, this.#failed.signal).then(() => {
      this.#isResting = false
      this.#wake()
    })
  }

  async #writeOtherInTurn(): Promise<boolean> {
    this.#isFinalsTurn = !this.#isFinalsTurn
    return this.#isFinalsTurn
      ? (await this.#finaliseSome()) || (await this.#writeCandles())
      : (await this.#writeCandles()) || (await this.#finaliseSome())
  }

  /** Writes one statement's worth of what waits beside the log. */
  async #writeCandles(): Promise<boolean> {
    const { counters, stores, log } = this.#deps
    const write = this.#writes.first
    if (write === undefined) return false
    const [step] = await Promise.allSettled([write.step(this.#turn)])
    if (step.status === 'rejected') {
      if (stores.classify(step.reason) !== 'data') throw step.reason
      log.error({ err: step.reason }, 'candles refused by the store')
      counters.refusedCandles++
      this.#writes.shift()
      const cause = { cause: step.reason }
      write.fail(new CandlesNotWrittenError('refused', 'the store refuses the candles', cause))
      return true
    }
    if (step.value === 'superseded') throw new StartOver('the stored position is not ours')
    if (step.value === 'later') {
      this.#writes.postpone()
      return false
    }
    counters.candleStatements++
    if (step.value === 'done') this.#writes.shift()
    return true
  }

  #hold(scope: { readonly symbol: string; readonly expiry: string | null }): void {
    const { clock } = this.#deps
    const key = `${scope.symbol}|${scope.expiry ?? ''}`
    // Not by the clock: a timer may come a moment before its time.
    const timer = Symbol(key)
    this.#holds.set(key, timer)
    this.#books.due.hold(scope)
    void pause(clock, CANDLES_FOLLOW_WITHIN_MS, this.#failed.signal).then(() => {
      if (this.#holds.get(key) !== timer) return
      this.#books.due.release(scope)
      this.#wake()
    })
  }

  /** Writes one statement's worth of final values; false where nothing is due. */
  async #finaliseSome(): Promise<boolean> {
    const due = this.#books.nextDue()
    if (due === undefined) return false
    const { minuteClose, counters, stores, log } = this.#deps
    const [step] = await Promise.allSettled([minuteClose.step(this.#store, this.#books, due)])
    if (step.status === 'rejected') {
      if (stores.classify(step.reason) !== 'data') throw step.reason
      // It stays in the stored queue and is tried again after the next start.
      log.error({ err: step.reason, due }, 'final values refused by the store')
      counters.refusedFinals++
      this.#books.due.settle(due)
      return true
    }
    const result = step.value
    counters.finalStatements++
    if (result === 'superseded') throw new StartOver('the stored position is not ours')
    return true
  }

  async #guarded<T>(
    write: () => Promise<T>,
    next: readonly SourcePosition[],
    records: number,
  ): Promise<T> {
    try {
      return await write()
    } catch (error) {
      if (this.#deps.stores.classify(error) !== 'data') throw error
      const until = next[0]?.position ?? { epoch: 0, sequence: 0 }
      throw new RefusedByStore({
        step: records <= 1 ? 0 : Math.max(1, Math.floor(records / 2)),
        untilEpoch: this.suspect?.untilEpoch ?? until.epoch,
        untilSequence: this.suspect?.untilSequence ?? until.sequence,
        reason: error instanceof Error ? error.message : String(error),
      })
    }
  }

  #untilCommitted(): Promise<void> {
    this.#wake()
    return this.#untilWoken(() => this.#uncommitted > 0 && !this.#failed.signal.aborted)
  }

  async #untilWoken(stillWaiting: () => boolean = () => false): Promise<void> {
    do {
      await new Promise<void>((resolve) => {
        if (this.#finished || this.#failed.signal.aborted) resolve()
        else this.#wakers.add(resolve)
      })
    } while (stillWaiting() && !this.#finished)
  }

  #wake(): void {
    this.#wakes++
    const wakers = [...this.#wakers]
    this.#wakers.clear()
    for (const wake of wakers) wake()
  }
}

function recordsOf(header: BatchHeader, bytes: Uint8Array, fromSequence: number): LogRecord[] {
  const records: LogRecord[] = []
  forEachRecord(header, bytes, fromSequence, {
    tick: (tick, sequence) => records.push({ sequence, tick }),
    control: (control, sequence) => records.push({ sequence, control }),
  })
  return records
}

function epochStartOf(header: BatchHeader, bytes: Uint8Array): EpochStart | undefined {
  if (header.firstSequence !== 1) return undefined
  const first = controlRecords(header, bytes)[0]
  return first?.sequence === 1 && first.record.kind === 'epoch_start' ? first.record : undefined
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Says also what becomes of the partitions that nobody has taken over. */
function supersededMessage(
  { partition, otherPartitions }: IngestDependencies,
  generation: number,
): string {
  const taken = `another backend writes partition ${partition} (generation ${generation})`
  if (otherPartitions.length === 0) return taken
  const rest = otherPartitions.join(',')
  return `${taken}; the log keeps partition ${rest} for a backend that is started with BACKEND_PARTITIONS=${rest}`
}
