/**
 * One partition as its readers see it: its segments, what the log knows at its end, and who is
 * reading. Its writer publishes here what is written, and nothing before it is.
 */
import { controlCount, controlRecords } from '../contract/journal-batch.ts'
import type { Feed, Position } from '../contract/journal-record.ts'
import type { Log } from '../kit/log.ts'
import { JOURNAL_DAMAGE_KEPT_MAX } from '../limits.ts'
import { lastPosition } from './chain-reader.ts'
import type { JournalFiles } from './files.ts'
import { KnownState } from './known-state.ts'
import type { LiveQueue, WrittenBatch } from './live-queue.ts'
import { beforeSegment, type Segment, type SegmentList } from './segment.ts'
import type { DamageItem } from './segment-reader.ts'
import { type SetAside, setAside } from './set-aside.ts'

export interface PartitionLogOptions {
  readonly feed: Feed
  readonly producer: string
  readonly partition: number
  readonly folder: string
  readonly files: JournalFiles
  readonly log: Log
}

/** A reader as `status` shows it. */
export interface ReaderView {
  readonly position: Position
  readonly isLive: boolean
  readonly queuedBytes: number
}

export class PartitionLog {
  readonly feed: Feed
  readonly producer: string
  readonly partition: number
  readonly folder: string
  readonly files: JournalFiles
  readonly log: Log
  readonly segments: SegmentList
  readonly readers = new Set<ReaderView>()
  /** What the log says at its end. */
  readonly known = new KnownState()
  readonly #live = new Set<LiveQueue>()
  readonly #damaged = new Map<string, SetAside>()
  #newest: Position
  #isClosed = false
  /** Of the readers that have left. */
  #highWaterQueueBytes = 0

  constructor(options: PartitionLogOptions, segments: SegmentList, newest: Position) {
    this.feed = options.feed
    this.producer = options.producer
    this.partition = options.partition
    this.folder = options.folder
    this.files = options.files
    this.log = options.log
    this.segments = segments
    this.#newest = newest
  }

  /** The last record that is written. */
  get newest(): Position {
    return this.#newest
  }

  /** The position before the oldest record that is kept. */
  get oldest(): Position {
    const { first } = this.segments
    return first === undefined ? this.#newest : beforeSegment(first)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get damaged(): readonly SetAside[] {
    return [...this.#damaged.values()]
  }

  /** The most that ever waited for one live reader, whether it is still there or not. */
  get highWaterQueueBytes(): number {
    const present = Array.from(this.#live, ({ highWaterBytes }) => highWaterBytes)
    return Math.max(this.#highWaterQueueBytes, ...present)
  }

  /** A new epoch begins: nothing is known in it yet. */
  beginEpoch(epoch: number): void {
    this.#newest = { epoch, sequence: 0 }
  }

  /** Takes note of a batch that is in its file, and hands it to the live readers. */
  publish(batch: WrittenBatch): void {
    if (controlCount(batch.bytes) > 0) {
      for (const entry of controlRecords(batch.header, batch.bytes)) this.known.apply(entry)
    }
    this.publishKnown(batch)
  }

  /** The same of a batch that only repeats what is known: thousands of records that need not be read. */
  publishKnown(batch: WrittenBatch): void {
    this.#newest = lastPosition(batch.header)
    batch.segment.last = this.#newest
    batch.segment.bytes = batch.endOffset
    for (const queue of this.#live) queue.push(batch)
  }

  attach(queue: LiveQueue): void {
    this.#live.add(queue)
    if (this.#isClosed) queue.close()
  }

  detach(queue: LiveQueue): void {
    this.#live.delete(queue)
    this.#highWaterQueueBytes = Math.max(this.#highWaterQueueBytes, queue.highWaterBytes)
  }

  /** Damage was found in a file: its bytes are set aside once, listed and reported. */
  async noteDamage({ path }: Segment, damage: DamageItem): Promise<void> {
    const { kind, offset, byteLength, lastGoodSequence, nextGoodSequence } = damage
    const place = { path, kind, offset, byteLength, lastGoodSequence, nextGoodSequence }
    const key = `${path}@${offset}`
    if (this.#damaged.has(key)) return
    this.log.error(place, 'Journal segment is damaged')
    if (this.#damaged.size >= JOURNAL_DAMAGE_KEPT_MAX) return
    this.#damaged.set(key, place)
    await setAside(this.files, place, this.log)
  }

  /** No more will be written: live readers end with what they have. */
  close(): void {
    this.#isClosed = true
    for (const queue of this.#live) queue.close()
  }
}
