/**
 * Reads one partition's batches through its segments, in order and each once: where a segment took
 * over from one that could not be shortened, the batches that both hold come from the first.
 */
import {
  type BatchHeader,
  comparePositions,
  LOG_START,
  type Position,
} from '../contract/journal-record.ts'
import type { JournalFiles } from './files.ts'
import { isMissing } from './journal-error.ts'
import type { Segment, SegmentList } from './segment.ts'
import { type SegmentItem, SegmentReader } from './segment-reader.ts'

export type ChainItem = SegmentItem & { readonly segment: Segment }

/** The position of the batch's last record. */
export function lastPosition(header: BatchHeader): Position {
  return { epoch: header.epoch, sequence: header.firstSequence + header.recordCount - 1 }
}

export class ChainReader {
  readonly #files: JournalFiles
  readonly #segments: SegmentList
  #reader: SegmentReader | undefined
  /** Where to go on reading while no file is open. */
  #next: { readonly segment: Segment; readonly offset: number } | undefined
  #position: Position

  /** Begins at `start` (the oldest segment where undefined); leaves out what is not after `position`. */
  constructor(
    files: JournalFiles,
    segments: SegmentList,
    start?: { readonly segment: Segment; readonly offset: number },
    position: Position = LOG_START,
  ) {
    this.#files = files
    this.#segments = segments
    this.#next = start
    this.#position = position
  }

  /** True where nothing that is written by now is left to read. */
  get isAtEnd(): boolean {
    const segment = this.#reader?.segment ?? this.#next?.segment
    if (segment === undefined) return this.#segments.first === undefined
    const offset = this.#reader?.offset ?? this.#next?.offset ?? 0
    return offset >= segment.bytes && this.#segments.after(segment) === undefined
  }

  /** Where the next batch is expected. */
  get location(): { readonly segment: Segment; readonly offset: number } | undefined {
    if (this.#reader === undefined) return this.#next
    return { segment: this.#reader.segment, offset: this.#reader.offset }
  }

  /** The next batch, or damage; undefined where nothing more is written by now. */
  async next(): Promise<ChainItem | undefined> {
    while (await this.#openNext()) {
      const reader = this.#reader as SegmentReader
      const item = await reader.next()
      if (item === undefined) {
        if (!(await this.#leave(reader))) return undefined
      } else if (item.kind !== 'batch') {
        return { ...item, segment: reader.segment }
      } else if (this.#isNew(item.header)) {
        return { ...item, segment: reader.segment }
      }
    }
    return undefined
  }

  /** Lets the file go; a further `next` opens it again. */
  async close(): Promise<void> {
    const reader = this.#reader
    this.#next = this.location
    this.#reader = undefined
    await reader?.close()
  }

  #isNew(header: BatchHeader): boolean {
    const last = lastPosition(header)
    if (comparePositions(last, this.#position) <= 0) return false
    this.#position = last
    return true
  }

  /** Sees to it that a segment is open; false where there is none. */
  async #openNext(): Promise<boolean> {
    while (this.#reader === undefined) {
      this.#next ??= startOf(this.#segments.first)
      if (this.#next === undefined) return false
      await this.#tryOpen(this.#next)
    }
    return true
  }

  /** A segment that was deleted meanwhile is followed by what is kept. */
  async #tryOpen({ segment, offset }: { segment: Segment; offset: number }): Promise<void> {
    try {
      this.#reader = await SegmentReader.open(this.#files, segment, offset)
    } catch (error) {
      if (!isMissing(error)) throw error
      this.#segments.remove(segment)
      this.#next = startOf(this.#segments.after(segment))
    }
  }

  /** Goes on to the segment after the one that was read to its end; false where there is none yet. */
  async #leave(reader: SegmentReader): Promise<boolean> {
    const following = this.#segments.after(reader.segment)
    if (following === undefined) return false
    // The end may have moved on before the next segment was begun.
    if (!reader.isAtEnd) return true
    await this.close()
    this.#next = startOf(following)
    return true
  }
}

/** Hands over what is written from `start` on, to the end. */
export async function readChain(
  files: JournalFiles,
  segments: SegmentList,
  start: Segment,
  visit: (item: ChainItem) => void,
): Promise<void> {
  const chain = new ChainReader(files, segments, { segment: start, offset: 0 })
  try {
    for (let item = await chain.next(); item !== undefined; item = await chain.next()) visit(item)
  } finally {
    await chain.close()
  }
}

function startOf(segment: Segment | undefined): { segment: Segment; offset: number } | undefined {
  return segment && { segment, offset: 0 }
}
