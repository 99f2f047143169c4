/**
 * One life of a partition's memory: reads the logs of all producers, folds their records into the books,
 * and has the committer write what changed. It ends with the stop or with the first doubt.
 *
 * A slow store makes commits coarser, never ticks fewer: while one is under way folding goes on up
 * to a cap, then the reader waits, and the journal takes the load.
 */
import { controlRecords, forEachRecord, RepeatedRecords } from '../../contract/journal-batch.ts'
import type {
  BatchHeader,
  ControlRecord,
  EpochStart,
  Position,
  TailItem,
} from '../../contract/journal-record.ts'
import { Bell } from '../../kit/bell.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { JournalledTick } from '../../market/tick.ts'
import { knownBars } from '../candles/write-candles.ts'
import type { WriteQueue } from '../candles/write-queue.ts'
import type { PartitionStore, TickLog } from '../ports.ts'
import { Committer, type CommitterSession } from './committer.ts'
import { StartOver, type Suspect } from './doubts.ts'
import type { IngestParts } from './ingest-parts.ts'
import { placeBatch } from './log-order.ts'
import type { MissingRows, PartitionBooks } from './partition-books.ts'
import { RowLoader } from './row-loader.ts'
import { Uncommitted } from './uncommitted.ts'

type LogRecord =
  | { readonly sequence: number; readonly tick: JournalledTick }
  | { readonly sequence: number; readonly control: ControlRecord }

export interface SessionMemory {
  readonly logs: readonly TickLog[]
  readonly store: PartitionStore
  readonly books: PartitionBooks
  /** What is to be written beside the logs. */
  readonly writes: WriteQueue
  /** Of the session before, where a refused record is being looked for. */
  readonly suspect: Suspect | undefined
  /** Told after every commit that took effect. */
  readonly onCommit: () => void
}

export class IngestSession implements CommitterSession {
  readonly store: PartitionStore
  readonly books: PartitionBooks
  readonly writes: WriteQueue
  readonly uncommitted: Uncommitted
  readonly bell = new Bell()
  readonly onCommit: () => void
  readonly #parts: IngestParts
  readonly #logs: readonly TickLog[]
  readonly #loader: RowLoader
  readonly #failing = new AbortController()
  readonly #opened = new Set<string>()
  readonly #repeated = new RepeatedRecords()
  #failure: { readonly error: unknown } | undefined
  #isFinished = false
  /** Queries for rows that a tick waits for. */
  #loads = 0

  constructor(parts: IngestParts, memory: SessionMemory) {
    const { logs, store, books, writes, suspect, onCommit } = memory
    this.#parts = parts
    this.#logs = logs
    this.store = store
    this.books = books
    this.writes = writes
    this.onCommit = onCommit
    this.uncommitted = new Uncommitted(parts.counters, suspect)
    this.#loader = new RowLoader(store, books, parts.chains, parts.tradingDateOf)
    writes.onAdded(() => this.bell.ring())
  }

  get failed(): AbortSignal {
    return this.#failing.signal
  }

  get isFinished(): boolean {
    return this.#isFinished
  }

  get isOpen(): boolean {
    return this.#opened.size === this.#logs.length
  }

  get isLoading(): boolean {
    return this.#loads > 0
  }

  /** Rejects with the first failure of a reader or the committer, once all of them have ended. */
  async run(stopping: AbortSignal): Promise<void> {
    const reading = AbortSignal.any([stopping, this.failed])
    const readers = this.#logs.map((log) => this.#watched(this.#read(log, reading)))
    const committing = this.#watched(new Committer(this.#parts, this).run())
    await Promise.all(readers)
    this.#isFinished = true
    this.bell.ring()
    await committing
    // Nobody waits for more candles any longer.
    this.#failing.abort()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** A task whose failure ends all others; never rejects itself. */
  #watched(task: Promise<void>): Promise<void> {
    return task.catch((error) => this.fail(error))
  }

  /** Ends the session with `error`; what is folded and not committed is folded again. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#failing.abort()
    this.bell.ring()
  }

  async #read(log: TickLog, signal: AbortSignal): Promise<void> {
    const { partition } = this.#parts
    let oldest: Position = { epoch: 0, sequence: 0 }
    const from = this.books.positionOf(log.producer)
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
    const bars = item.instruments.map((instrument) => this.books.register(producer, instrument))
    await this.#load(bars.map((b) => ({ bars: b, minuteMs: null })))
    this.#opened.add(producer)
    // Minutes may be due that no further record would wake anybody for.
    this.bell.ring()
  }

  async #batch(
    producer: string,
    header: BatchHeader,
    bytes: Uint8Array,
    oldest: Position,
  ): Promise<void> {
    const { counters, log, clock } = this.#parts
    const at = this.books.positionOf(producer)
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
    this.books.enterBatch(producer, header, place.fromSequence)
    if (place.lost > 0) {
      counters.lostRecords += place.lost
      log.error(
        { producer, lost: place.lost, header },
        'the journal lost records before they were read',
      )
      this.books.applyLoss(producer, header, place.lost, clock.nowMs())
    }
    await this.#fold(producer, header, this.#recordsOf(header, bytes, place.fromSequence))
  }

  #recordsOf(header: BatchHeader, bytes: Uint8Array, fromSequence: number): LogRecord[] {
    const records: LogRecord[] = []
    forEachRecord(header, bytes, fromSequence, {
      tick: (tick, sequence) => records.push({ sequence, tick }),
      control: (control, sequence) => records.push({ sequence, control }),
      repeated: this.#repeated,
    })
    return records
  }

  async #fold(producer: string, header: BatchHeader, records: LogRecord[]): Promise<void> {
    let looked = false
    for (let i = 0; i < records.length; ) {
      const record = records[i] as LogRecord
      if (this.uncommitted.isNextRefused) {
        this.#bury(producer, header, record)
      } else if ('tick' in record) {
        const result = this.books.foldTick(producer, record.tick, record.sequence)
        if (typeof result === 'object') {
          // One query for the whole rest of the batch, then one by one for what a control record changed.
          await this.#load(looked ? [result] : this.#missing(producer, records, i, result))
          looked = true
          continue
        }
        this.uncommitted.noteReceived(record.tick.receivedAtMs)
      } else {
        this.books.applyControl(producer, record.sequence, record.control)
      }
      i++
      if (this.uncommitted.add(header, record.sequence)) await this.#untilCommitted()
    }
    this.bell.ring()
  }

  /** Rows that a tick waits for: nothing else is asked of the store meanwhile. */
  async #load(missing: readonly MissingRows[]): Promise<void> {
    this.#loads++
    try {
      await this.#loader.load(missing)
    } finally {
      this.#loads--
      this.bell.ring()
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
        ? [...this.books.notLoaded(producer), ...this.#relatives(first.bars.instrument)]
        : [first]
    for (let i = from + 1; i < records.length; i++) {
      const record = records[i] as LogRecord
      if (!('tick' in record)) continue
      const rows = this.books.missingFor(producer, record.tick)
      if (rows !== undefined) missing.push(rows)
    }
    return missing
  }

  /** What is listed beside an instrument and will hardly tick much later. */
  #relatives({ kind, symbol, expiry }: Instrument): MissingRows[] {
    const { master } = this.#parts.chains
    const strikes = kind === 'option' ? (master.series(symbol, expiry ?? '')?.strikes ?? []) : []
    const listed = strikes.flatMap(({ call, put }) => [call, put].filter((leg) => leg !== null))
    return listed.flatMap((instrument) => {
      const bars = knownBars(this.books, { instrument })
      return bars.isLoaded ? [] : [{ bars, minuteMs: null }]
    })
  }

  /** Sets the record aside of which a commit alone was refused: the first after the committed position. */
  #bury(producer: string, header: BatchHeader, record: LogRecord): void {
    const { partition, clock, counters, log } = this.#parts
    const { epoch } = header
    const { sequence } = record
    const reason = this.uncommitted.suspect?.reason ?? 'refused by the store'
    this.uncommitted.setAside({
      ...{ producer, partition, epoch, sequence, reason },
      record: Buffer.from(JSON.stringify('tick' in record ? record.tick : record.control)),
      timeMs: clock.nowMs(),
    })
    this.books.skip(producer, sequence, 'dead_letter')
    counters.deadLetters++
    log.error({ producer, epoch, sequence, reason }, 'record set aside')
  }

  async #untilCommitted(): Promise<void> {
    this.bell.ring()
    while (this.uncommitted.records > 0 && !this.failed.aborted) await this.bell.heard()
  }
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
