/**
 * Segments: the files of one partition, in order.
 *
 *   <journal>/<producer>/p<partition>/<epoch>-<first sequence>.seg
 *
 * A segment begins with a preamble that repeats what is known, so it can be read alone. One that
 * takes over after a failed write does not (`….1.seg`): it is read after the one before it.
 */
import { join } from 'node:path'
import { comparePositions, type Position } from '../contract/journal-record.ts'

export interface SegmentName {
  readonly epoch: number
  readonly firstSequence: number
  /** Zero for a segment that begins with a preamble; else it takes over from the segment before it. */
  readonly revision: number
}

export interface Segment extends SegmentName {
  readonly path: string
  /** Bytes that hold whole batches; those of the last segment grow. */
  bytes: number
  /** Position of the last record; undefined where nobody has looked. */
  last: Position | undefined
  /** Wall clock when it was last written to, epoch ms. */
  modifiedMs: number
}

const PATTERN = /^(\d{12})-(\d{16})(?:\.(\d+))?\.seg$/

export function segmentFileName({ epoch, firstSequence, revision }: SegmentName): string {
  const place = `${pad(epoch, 12)}-${pad(firstSequence, 16)}`
  return revision === 0 ? `${place}.seg` : `${place}.${revision}.seg`
}

/** Undefined for a file that is no segment. */
export function parseSegmentFileName(fileName: string): SegmentName | undefined {
  const match = PATTERN.exec(fileName)
  if (match === null) return undefined
  const [, epoch, firstSequence, revision = '0'] = match
  return {
    epoch: Number(epoch),
    firstSequence: Number(firstSequence),
    revision: Number(revision),
  }
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0')
}

export function partitionFolder(producerFolder: string, partition: number): string {
  return join(producerFolder, `p${partition}`)
}

/** Undefined for a folder that is no partition's. */
export function parsePartitionFolder(name: string): number | undefined {
  const match = /^p(\d+)$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

/** The position before a segment's first record. */
export function beforeSegment(segment: SegmentName): Position {
  return { epoch: segment.epoch, sequence: segment.firstSequence - 1 }
}

function compareSegments(a: SegmentName, b: SegmentName): number {
  return comparePositions(beforeSegment(a), beforeSegment(b)) || a.revision - b.revision
}

/** One partition's segments, oldest first. */
export class SegmentList {
  #segments: Segment[]

  constructor(segments: readonly Segment[] = []) {
    this.#segments = segments.toSorted(compareSegments)
  }

  get all(): readonly Segment[] {
    return this.#segments
  }

  get first(): Segment | undefined {
    return this.#segments[0]
  }

  get last(): Segment | undefined {
    return this.#segments.at(-1)
  }

  add(segment: Segment): void {
    this.#segments = [...this.#segments, segment].sort(compareSegments)
  }

  remove(segment: Segment): void {
    this.#segments = this.#segments.filter((other) => other !== segment)
  }

  /** The segment in which to look for the record after `position`: the last one that begins at or before it. */
  startFor(position: Position): Segment | undefined {
    const found = this.#segments.findLast(
      (segment) => comparePositions(beforeSegment(segment), position) <= 0,
    )
    return found ?? this.first
  }

  /** The nearest segment at or before `segment` that can be read alone; the oldest where there is none. */
  readableAloneFor(segment: Segment): Segment {
    const index = this.#segments.indexOf(segment)
    const found = this.#segments.slice(0, index + 1).findLast((other) => other.revision === 0)
    return found ?? this.first ?? segment
  }

  before(segment: Segment): Segment | undefined {
    return this.#segments.findLast((other) => compareSegments(other, segment) < 0)
  }

  /** Also answers for a segment that is in the list no more. */
  after(segment: Segment): Segment | undefined {
    return this.#segments.find((other) => compareSegments(other, segment) > 0)
  }
}
