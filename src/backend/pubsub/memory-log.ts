/**
 * One partition of a log that is only in memory: what pub/sub brought and the store has not taken. The
 * writer reads it as it reads a journal, again from its committed position after any doubt; a new
 * start of the process begins a new epoch. It is bounded: while the store is away ticks are dropped,
 * and counted.
 */
import { BatchBuilder, isBatchFault, readHeader } from '../../contract/journal-batch.ts'
import {
  type BatchHeader,
  type ControlRecord,
  comparePositions,
  type Feed,
  type Position,
  type TailItem,
} from '../../contract/journal-record.ts'
import { invariant } from '../../kit/invariant.ts'
import { PUBSUB_BATCH_MAX_BYTES, PUBSUB_RETAINED_MAX_BYTES } from '../../limits.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { JournalledTick } from '../../market/tick.ts'

interface Batch {
  readonly header: BatchHeader
  readonly bytes: Uint8Array
  readonly last: Position
}

export interface MemoryLogOptions {
  readonly producer: string
  readonly partition: number
  readonly feed: Feed
  /** Wall clock, epoch ms. */
  readonly nowMs: () => number
  readonly retainedMaxBytes?: number
}

export class MemoryLog {
  readonly instruments = new Map<number, Instrument>()
  /** Ticks that found no room. */
  dropped = 0
  readonly #options: MemoryLogOptions
  readonly #builder = new BatchBuilder()
  readonly #batches: Batch[] = []
  readonly #wakers = new Set<() => void>()
  /** Undefined before the first reader says where the store stands. */
  #epoch: number | undefined
  #oldest: Position = { epoch: 0, sequence: 0 }
  #newest: Position = { epoch: 0, sequence: 0 }
  #bytes = 0
  #highWaterBytes = 0
  #connection = 0
  #ordinal = 0
  #firstOrdinal = 1
  #journaled = 0
  #rejected = 0
  #droppedOfBatch = 0

  constructor(options: MemoryLogOptions) {
    this.#options = options
    this.#begin()
  }

  get newest(): Position {
    return this.#newest
  }

  /** Bytes of what is not committed. */
  get retainedBytes(): number {
    return this.#bytes
  }

  /** The most that ever was, with what was not readable yet. */
  get highWaterBytes(): number {
    return this.#highWaterBytes
  }

  /** Each opening of the connection has a number of its own in the books. */
  set connection(connection: number) {
    this.flush(0)
    this.#connection = connection
    this.#ordinal = 0
    this.#firstOrdinal = 1
  }

  /** True where the tick was taken; else it is counted as dropped. */
  take(tick: JournalledTick, instrument: Instrument): boolean {
    this.#ordinal++
    if (this.#isFull()) {
      this.#droppedOfBatch++
      this.dropped++
      return false
    }
    this.#announce(instrument)
    this.#builder.addTick({ ...tick, connection: this.#connection })
    this.#highWaterBytes = Math.max(this.#highWaterBytes, this.#bytes + this.#builder.byteLength)
    this.#journaled++
    if (this.#builder.byteLength >= PUBSUB_BATCH_MAX_BYTES) this.flush(tick.marketTimeMs)
    return true
  }

  reject(): void {
    this.#ordinal++
    this.#rejected++
  }

  control(record: ControlRecord): void {
    if (!this.#isFull()) this.#builder.addControl(record)
  }

  /** Makes what has gathered readable. Counts without a record wait for the next one. */
  flush(marketTimeMs: number): void {
    const builder = this.#builder
    if (this.#epoch === undefined || builder.recordCount === 0) return
    this.#account()
    const bytes = builder.finish(marketTimeMs)
    const header = readHeader(bytes)
    invariant(!isBatchFault(header), 'a batch made here is readable')
    const sequence = header.firstSequence + header.recordCount - 1
    this.#newest = { epoch: header.epoch, sequence }
    this.#batches.push({ header, bytes, last: this.#newest })
    this.#bytes += bytes.length
    this.#begin()
    for (const wake of [...this.#wakers]) wake()
  }

  /** Everything after `from`; the first reader's position decides the epoch. */
  async *tail(from: Position, signal: AbortSignal): AsyncGenerator<TailItem, void, void> {
    this.#open(from)
    yield {
      kind: 'opened',
      feed: this.#options.feed,
      producer: this.#options.producer,
      partition: this.#options.partition,
      oldest: this.#oldest,
      newest: this.#newest,
      instruments: [...this.instruments.values()],
    }
    let at = from
    while (!signal.aborted) {
      const batch = this.#after(at)
      if (batch === undefined) await this.#untilMore(signal)
      else {
        at = batch.last
        yield { kind: 'batch', header: batch.header, bytes: batch.bytes }
      }
    }
  }

  committed(position: Position): void {
    for (let first = this.#batches[0]; first !== undefined; first = this.#batches[0]) {
      if (comparePositions(first.last, position) > 0) return
      this.#batches.shift()
      this.#bytes -= first.bytes.length
      this.#oldest = first.last
    }
  }

  #after(at: Position): Batch | undefined {
    return this.#batches.find(({ last }) => comparePositions(last, at) > 0)
  }

  #open(from: Position): void {
    if (this.#epoch !== undefined && from.epoch <= this.#epoch) return
    this.#epoch = Math.max(from.epoch + 1, Math.floor(this.#options.nowMs() / 1000))
    this.#oldest = from
    this.#newest = { epoch: this.#epoch, sequence: 0 }
    this.#batches.length = 0
    this.#bytes = 0
    this.#begin()
    this.#builder.addControl({
      kind: 'epoch_start',
      feed: this.#options.feed,
      previousEpoch: from.epoch,
      previousLastSequence: from.sequence,
      wallTimeMs: this.#options.nowMs(),
    })
    for (const instrument of this.instruments.values()) {
      this.#builder.addControl({ kind: 'instrument', instrument })
    }
  }

  /** Also where the exchange has given the token to another contract. */
  #announce(instrument: Instrument): void {
    const known = this.instruments.get(instrument.token)
    if (known === instrument) return
    this.instruments.set(instrument.token, instrument)
    this.#builder.addControl({ kind: 'instrument', instrument })
  }

  #isFull(): boolean {
    const most = this.#options.retainedMaxBytes ?? PUBSUB_RETAINED_MAX_BYTES
    return this.#epoch === undefined || this.#bytes + this.#builder.byteLength > most
  }

  #account(): void {
    const counted = this.#journaled + this.#rejected + this.#droppedOfBatch
    if (counted === 0) return
    this.#builder.addConnection({
      connection: this.#connection,
      firstOrdinal: this.#firstOrdinal,
      lastOrdinal: this.#ordinal,
      journaled: this.#journaled,
      rejected: this.#rejected,
      dropped: this.#droppedOfBatch,
    })
    this.#firstOrdinal = this.#ordinal + 1
    this.#journaled = 0
    this.#rejected = 0
    this.#droppedOfBatch = 0
  }

  #begin(): void {
    const { producer, partition } = this.#options
    this.#builder.begin(producer, partition, this.#epoch ?? 0, this.#newest.sequence + 1)
  }

  #untilMore(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#wakers.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#wakers.add(done)
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    })
  }
}
