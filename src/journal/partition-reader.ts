/**
 * One reader of one partition: first what is known at its place, then every batch after it, each
 * once; from files as long as there are any ahead of it, then live, and from files again when it is
 * too slow for that.
 *
 *   open ──▶ files ──(nothing ahead)──▶ live
 *    ▲         │ ▲                        │
 *    └─(hole)──┘ └────(queue given up)────┘
 */
import { controlRecords } from '../contract/journal-batch.ts'
import {
  type BatchHeader,
  comparePositions,
  earlierPosition,
  type Position,
  type TailItem,
} from '../contract/journal-record.ts'
import type { Instrument } from '../market/instrument.ts'
import { ChainReader, lastPosition } from './chain-reader.ts'
import { KnownState } from './known-state.ts'
import { LiveQueue } from './live-queue.ts'
import type { PartitionLog, ReaderView } from './partition-log.ts'
import type { BatchItem } from './segment-reader.ts'

/**
 * `opened`, then the batches after `from`, until `signal` aborts or the journal is closed. Where the
 * journal has lost records ahead of the reader, it says `opened` again, and `oldest` is where it goes
 * on. Throws `JournalError` of code `unknown_version`.
 */
export async function* tailPartition(
  log: PartitionLog,
  from: Position,
  signal: AbortSignal,
  queueMaxBytes: number,
): AsyncGenerator<TailItem, void, void> {
  const reader = new PartitionReader(log, from, signal, queueMaxBytes)
  log.readers.add(reader)
  try {
    yield* reader.items()
  } finally {
    log.readers.delete(reader)
    await reader.close()
  }
}

class PartitionReader implements ReaderView {
  readonly #log: PartitionLog
  readonly #signal: AbortSignal
  readonly #queueMaxBytes: number
  #position: Position
  #chain: ChainReader
  #queue: LiveQueue | undefined

  constructor(log: PartitionLog, from: Position, signal: AbortSignal, queueMaxBytes: number) {
    this.#log = log
    this.#position = from
    this.#signal = signal
    this.#queueMaxBytes = queueMaxBytes
    this.#chain = new ChainReader(log.files, log.segments)
  }

  get position(): Position {
    return this.#position
  }

  get isLive(): boolean {
    return this.#queue !== undefined
  }

  get queuedBytes(): number {
    return this.#queue?.bytes ?? 0
  }

  async *items(): AsyncGenerator<TailItem, void, void> {
    while (!this.#isOver) {
      const { opened, ahead } = await this.#open()
      yield opened
      if (ahead !== undefined) yield this.#advance(ahead)
      yield* this.#batches()
    }
  }

  close(): Promise<void> {
    return this.#chain.close()
  }

  get #isOver(): boolean {
    return this.#signal.aborted || (this.#log.isClosed && this.#chain.isAtEnd)
  }

  /** Up to the end, or to a hole. */
  async *#batches(): AsyncGenerator<TailItem, void, void> {
    while (!this.#isOver) {
      const item = await this.#nextFromFiles()
      if (item !== undefined) {
        if (!follows(this.#position, item)) return
        yield this.#advance(item)
      } else if (this.#chain.isAtEnd) {
        // Nothing is awaited between the look at the end and the queue, so nothing is missed.
        yield* this.#liveBatches(this.#attach())
      }
    }
  }

  /** Until the journal closes, the reader stops, or it was too slow. */
  async *#liveBatches(queue: LiveQueue): AsyncGenerator<TailItem, void, void> {
    let { location } = this.#chain
    try {
      await this.#chain.close()
      for (;;) {
        const batches = await queue.takeAll()
        if (batches.length === 0) return
        for (const batch of batches) {
          if (this.#signal.aborted) return
          location = { segment: batch.segment, offset: batch.endOffset }
          if (this.#isAhead(batch.header)) yield this.#advance(batch)
        }
      }
    } finally {
      this.#detach(queue)
      this.#chain = new ChainReader(this.#log.files, this.#log.segments, location, this.#position)
    }
  }

  readonly #onAbort = () => this.#queue?.close()

  #attach(): LiveQueue {
    const queue = new LiveQueue(this.#queueMaxBytes)
    this.#queue = queue
    this.#log.attach(queue)
    this.#signal.addEventListener('abort', this.#onAbort)
    if (this.#signal.aborted) queue.close()
    return queue
  }

  #detach(queue: LiveQueue): void {
    this.#log.detach(queue)
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#queue = undefined
  }

  async #nextFromFiles(): Promise<BatchItem | undefined> {
    for (;;) {
      const item = await this.#chain.next()
      if (item === undefined) return undefined
      if (item.kind !== 'batch') await this.#log.noteDamage(item.segment, item)
      else if (this.#isAhead(item.header)) return item
    }
  }

  #isAhead(header: BatchHeader): boolean {
    return comparePositions(lastPosition(header), this.#position) > 0
  }

  #advance({ header, bytes }: BatchItem): TailItem {
    this.#position = lastPosition(header)
    return { kind: 'batch', header, bytes }
  }

  /** Finds the first batch ahead, and what is known where it begins. */
  async #open(): Promise<{ opened: TailItem; ahead: BatchItem | undefined }> {
    await this.#chain.close()
    const { segments, newest, oldest, known } = this.#log
    if (comparePositions(this.#position, newest) < 0) return this.#openInFiles()
    const { last } = segments
    const end = last && { segment: last, offset: last.bytes }
    this.#chain = new ChainReader(this.#log.files, segments, end, this.#position)
    return { opened: this.#opened(oldest, known.instruments), ahead: undefined }
  }

  async #openInFiles(): Promise<{ opened: TailItem; ahead: BatchItem | undefined }> {
    const { files, segments, oldest } = this.#log
    const segment = segments.startFor(this.#position)
    const from = segment && { segment: segments.readableAloneFor(segment), offset: 0 }
    this.#chain = new ChainReader(files, segments, from)
    const { known, ahead } = await this.#readUpToPosition()
    const goesOn = ahead === undefined || follows(this.#position, ahead)
    const start = goesOn ? earlierPosition(oldest, this.#position) : beforeBatch(ahead.header)
    return { opened: this.#opened(start, known.instruments), ahead }
  }

  async #readUpToPosition(): Promise<{ known: KnownState; ahead: BatchItem | undefined }> {
    const known = new KnownState()
    for (;;) {
      const item = await this.#chain.next()
      if (item === undefined || this.#signal.aborted) return { known, ahead: undefined }
      if (item.kind !== 'batch') {
        await this.#log.noteDamage(item.segment, item)
        continue
      }
      applyUpTo(this.#position, item, known)
      if (this.#isAhead(item.header)) return { known, ahead: item }
    }
  }

  #opened(oldest: Position, instruments: readonly Instrument[]): TailItem {
    const { feed, producer, partition, newest } = this.#log
    return { kind: 'opened', feed, producer, partition, oldest, newest, instruments }
  }
}

function applyUpTo(position: Position, { header, bytes }: BatchItem, known: KnownState): void {
  for (const entry of controlRecords(header, bytes)) {
    const place = { epoch: header.epoch, sequence: entry.sequence }
    if (comparePositions(place, position) <= 0) known.apply(entry)
  }
}

function beforeBatch(header: BatchHeader): Position {
  return { epoch: header.epoch, sequence: header.firstSequence - 1 }
}

/**
 * True where nothing is missing between `position` and the batch: it holds the next sequence, or it
 * begins an epoch that was begun when the log held no more than the reader has.
 */
function follows(position: Position, { header, bytes }: BatchItem): boolean {
  if (header.epoch === position.epoch) return header.firstSequence <= position.sequence + 1
  const start = controlRecords(header, bytes)[0]?.record
  if (header.firstSequence !== 1 || start?.kind !== 'epoch_start') return false
  const before = { epoch: start.previousEpoch, sequence: start.previousLastSequence }
  return comparePositions(before, position) <= 0
}
