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
import {
  COMMIT_PAUSE_MS,
  STORE_RETRY_FIRST_MS,
  STORE_RETRY_MAX_MS,
  UNCOMMITTED_RECORDS_MAX,
} from '../../limits.ts'
import type { JournalledTick } from '../../market/tick.ts'
import type { SessionLookup } from '../bars/instrument-bars.ts'
import type { MinuteClose } from '../bars/minute-close.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import type { LiveMetrics } from '../chain/live-metrics.ts'
import type {
  DeadLetterRow,
  PartitionStore,
  SourcePosition,
  StoreOpener,
  TickLog,
} from '../ports.ts'
import { buildCommit } from './build-commit.ts'
import { placeBatch } from './log-order.ts'
import { type MissingRows, PartitionBooks } from './partition-books.ts'
import { RowLoader } from './row-loader.ts'

/** Another writer has taken the partition over: this process must end. */
export class SupersededError extends Error {
  readonly code = 'superseded'
}

/** The memory no longer describes the store; it is thrown away and built again. */
class StartOver extends Error {}

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
  readonly logs: readonly TickLog[]
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
  restarts: number
  deadLetters: number
}

export class PartitionIngest {
  readonly #deps: IngestDependencies
  readonly #stopping = new AbortController()
  #generations = new Map<string, number>()
  #suspect: Suspect | undefined
  #books: PartitionBooks | undefined
  #done: Promise<void> | undefined
  #storeError: string | null = null

  constructor(deps: IngestDependencies) {
    this.#deps = deps
  }

  /** Runs until stopped; rejects only when the partition was taken over or the program is wrong. */
  start(): Promise<void> {
    this.#done ??= this.#run()
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
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#session(() => {
          pauseMs = STORE_RETRY_FIRST_MS
          this.#storeError = null
        })
      } catch (error) {
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

  #isCurable(error: unknown): boolean {
    if (error instanceof StartOver) return true
    return this.#deps.stores.classify(error) === 'connection'
  }

  /** One life of the memory: from a claim or a re-read position to the first doubt, or the stop. */
  async #session(onCommit: () => void): Promise<void> {
    const { stores, partition, logs, consumer, log } = this.#deps
    const store = await stores.openPartition(partition)
    const ended = new AbortController()
    try {
      const sources = await this.#claim(store)
      const books = await this.#load(store, sources)
      this.#books = books
      const session = new Session(this.#deps, store, books, this.#suspect, () => {
        onCommit()
        for (const { producer, position } of books.expected) {
          logs.find((l) => l.producer === producer)?.committed(consumer, partition, position)
        }
      })
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
      ended.abort()
      await store.close()
    }
  }

  async #claim(store: PartitionStore): Promise<readonly SourcePosition[]> {
    const producers = this.#deps.logs.map((l) => l.producer)
    if (this.#generations.size === 0) {
      const { sources } = await store.claim(producers)
      for (const { producer, generation } of sources) this.#generations.set(producer, generation)
      return sources
    }
    const sources = await store.positions(producers)
    for (const { producer, generation } of sources) {
      if (generation !== this.#generations.get(producer)) {
        throw new SupersededError(
          `another backend writes partition ${this.#deps.partition} (generation ${generation})`,
        )
      }
    }
    return sources
  }

  async #load(store: PartitionStore, sources: readonly SourcePosition[]): Promise<PartitionBooks> {
    const { partition, sessionOf, chains, isMine } = this.#deps
    const marketMs = Math.min(...sources.map((s) => s.marketTimeMs ?? 0))
    const sinceMs = marketMs - 86_400_000
    const [coverage, openGaps, due] = [
      await store.loadCoverage(sinceMs),
      await store.loadOpenGaps(),
      await store.loadDue(),
    ]
    const ledger = []
    for (const { producer } of sources) ledger.push(...(await store.loadLedger(producer, sinceMs)))
    chains.reset(partition)
    const state = { partition, sources, coverage, openGaps, ledger, due }
    const books = new PartitionBooks(state, sessionOf, chains)
    for (const { exchange, tradingsymbol } of coverage) {
      const instrument = chains.master.byKey(exchange, tradingsymbol)
      if (instrument && isMine(instrument.symbol)) books.know(instrument)
    }
    return books
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

/** Readers and committer over one memory. */
class Session {
  readonly #deps: IngestDependencies
  readonly #store: PartitionStore
  readonly #books: PartitionBooks
  readonly #loader: RowLoader
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

  constructor(
    deps: IngestDependencies,
    store: PartitionStore,
    books: PartitionBooks,
    suspect: Suspect | undefined,
    onCommit: () => void,
  ) {
    this.#deps = deps
    this.#store = store
    this.#books = books
    this.#loader = new RowLoader(store, books, deps.chains, deps.tradingDateOf)
    this.suspect = suspect
    this.#onCommit = onCommit
  }

  /** Rejects with the first failure of a reader or the committer, once all of them have ended. */
  async run(stopping: AbortSignal): Promise<void> {
    const reading = AbortSignal.any([stopping, this.#failed.signal])
    const readers = this.#deps.logs.map((log) => this.#watched(this.#read(log, reading)))
    const committing = this.#watched(this.#commitUntilFinished())
    await Promise.all(readers)
    this.#finished = true
    this.#wake()
    await committing
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** A task whose failure ends all others; never rejects itself. */
  #watched(task: Promise<void>): Promise<void> {
    return task.catch((error) => {
      this.#failure ??= { error }
      this.#failed.abort()
      this.#wake()
    })
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
    await this.#loader.load(bars.map((b) => ({ bars: b, minuteMs: null })))
    this.#opened.add(producer)
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
          await this.#loader.load(looked ? [result] : this.#missing(producer, records, i, result))
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
      if (this.#uncommitted >= this.#cap(header, record.sequence)) await this.#untilCommitted()
    }
    this.#wake()
  }

  #missing(
    producer: string,
    records: readonly LogRecord[],
    from: number,
    first: MissingRows,
  ): MissingRows[] {
    // The first ticks of many instruments come in many batches: with one of them all are loaded.
    const missing = first.minuteMs === null ? this.#books.notLoaded(producer) : [first]
    for (let i = from + 1; i < records.length; i++) {
      const record = records[i] as LogRecord
      if (!('tick' in record)) continue
      const rows = this.#books.missingFor(producer, record.tick)
      if (rows !== undefined) missing.push(rows)
    }
    return missing
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

  #noteReceived(receivedAtMs: number): void {
    if (this.#oldestReceivedMs === null || receivedAtMs < this.#oldestReceivedMs) {
      this.#oldestReceivedMs = receivedAtMs
    }
  }

  async #commitUntilFinished(): Promise<void> {
    const { clock } = this.#deps
    let beganAtMs = Number.NEGATIVE_INFINITY
    while (!(this.#finished && !this.#changed) && !this.#failed.signal.aborted) {
      const waitMs = this.#finished ? 0 : beganAtMs + COMMIT_PAUSE_MS - clock.elapsedMs()
      if (this.#changed && waitMs <= 0) {
        beganAtMs = clock.elapsedMs()
        await this.#commit()
      } else if (!(await this.#finaliseSome())) {
        // While changes gather for the next commit finals go on; they need no pause.
        if (this.#changed) await pause(clock, waitMs, this.#failed.signal)
        else await this.#untilWoken()
      }
    }
  }

  async #commit(): Promise<void> {
    const { chains, clock, counters, commitLatency, onCommitted } = this.#deps
    const oldestReceivedMs = this.#oldestReceivedMs
    const records = this.#uncommitted
    this.#uncommitted = 0
    this.#changed = false
    this.#oldestReceivedMs = null
    const commit = buildCommit(
      this.#books,
      chains,
      this.#deps.metrics,
      this.#deadLetters.splice(0),
      clock,
    )
    const result = await this.#guarded(() => this.#store.commit(commit), commit.next, records)
    if (result === 'superseded') throw new StartOver('the stored position is not ours')
    this.#books.committed(commit.next)
    counters.commits++
    if (oldestReceivedMs !== null) commitLatency.record(clock.nowMs() - oldestReceivedMs)
    this.#books.forgetOld()
    this.#onCommit()
    onCommitted(this.#books)
    this.#wake()
    // Live commits go first: finals only get a turn between two of them.
    await this.#finaliseSome()
  }

  /** Writes one statement's worth of final values; false where nothing is due. */
  async #finaliseSome(): Promise<boolean> {
    // Until every log is open the instruments are not known whose rows are due.
    if (this.#opened.size < this.#deps.logs.length) return false
    const due = this.#books.due.next()
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

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(ms, done)
    signal.addEventListener('abort', done, { once: true })
  })
}
