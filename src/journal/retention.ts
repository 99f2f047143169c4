/**
 * Which segments may go. What every consumer has committed goes by age or by the size of the whole
 * journal, whichever comes first; when the disk runs low the oldest go, committed or not. The last
 * segment of a partition always stays.
 */
import { comparePositions, type Position } from '../contract/journal-record.ts'
import type { Segment, SegmentList } from './segment.ts'

export interface RetentionLimits {
  readonly maxAgeMs: number
  readonly maxBytes: number
  readonly diskFloorBytes: number
}

export interface RetainedPartition {
  readonly partition: number
  readonly segments: SegmentList
  /** The least that any known consumer has committed; undefined where no consumer is known. */
  readonly committed: Position | undefined
}

export interface Deletion {
  readonly partition: number
  readonly segment: Segment
  /** False where some consumer has not read it: its records are lost to that one. */
  readonly isCommitted: boolean
}

interface Candidate extends Deletion {
  /** Rises within a partition, whatever happened to the files' times. */
  readonly orderMs: number
  /** Segments that cannot be read without this one; they go with it. */
  readonly followers: readonly Segment[]
}

/** The segments to delete now, oldest first. */
export function planDeletions(
  partitions: readonly RetainedPartition[],
  limits: RetentionLimits,
  nowMs: number,
  freeBytes: number,
): Deletion[] {
  const candidates = partitions.flatMap(candidatesOf).sort(byAge)
  let totalBytes = sum(partitions.flatMap(({ segments }) => segments.all))
  let missingBytes = limits.diskFloorBytes - freeBytes
  const stopped = new Set<number>()
  const deletions: Deletion[] = []
  for (const candidate of candidates) {
    const isOld = nowMs - candidate.segment.modifiedMs > limits.maxAgeMs
    const mayGo = candidate.isCommitted && (isOld || totalBytes > limits.maxBytes)
    // Only from the front: a hole in the middle would be a loss that nobody expects.
    if (stopped.has(candidate.partition) || !(mayGo || missingBytes > 0)) {
      stopped.add(candidate.partition)
      continue
    }
    const group = deletionsOf(candidate)
    const bytes = sum(group.map(({ segment }) => segment))
    deletions.push(...group)
    totalBytes -= bytes
    missingBytes -= bytes
  }
  return deletions
}

/** Each segment that can be read alone with those that cannot behind it, the last group left out. */
function candidatesOf({ partition, segments, committed }: RetainedPartition): Candidate[] {
  const groups: Segment[][] = []
  for (const segment of segments.all) {
    const group = groups.at(-1)
    if (segment.revision === 0 || group === undefined) groups.push([segment])
    else group.push(segment)
  }
  let orderMs = 0
  return groups.slice(0, -1).map((group) => {
    const [segment, ...followers] = group as [Segment, ...Segment[]]
    const isCommitted = group.every((member) => isBehind(member, committed))
    orderMs = Math.max(orderMs, segment.modifiedMs)
    return { partition, segment, followers, isCommitted, orderMs }
  })
}

function isBehind(segment: Segment, committed: Position | undefined): boolean {
  if (committed === undefined) return false
  if (segment.last === undefined) return committed.epoch > segment.epoch
  return comparePositions(segment.last, committed) <= 0
}

function deletionsOf({ partition, segment, followers, isCommitted }: Candidate): Deletion[] {
  return [segment, ...followers].map((one) => ({ partition, segment: one, isCommitted }))
}

function byAge(a: Candidate, b: Candidate): number {
  return a.orderMs - b.orderMs
}

function sum(segments: readonly Segment[]): number {
  return segments.reduce((bytes, segment) => bytes + segment.bytes, 0)
}
