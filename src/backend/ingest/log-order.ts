/**
 * Where a batch stands against the position that is committed: what of it is new, whether anything
 * is missing before it, whether it may be taken at all. Pure; the whole of "exactly once, without
 * holes" on the reading side is decided here.
 */
import {
  type BatchHeader,
  comparePositions,
  type EpochStart,
  LOG_START,
  type Position,
} from '../../contract/journal-record.ts'

export type BatchPlace =
  /** Everything in it is committed already. */
  | { readonly kind: 'skip' }
  /** Records from `fromSequence` on are new; `lost` records before them are gone for good. */
  | { readonly kind: 'take'; readonly fromSequence: number; readonly lost: number }
  /** It must not be taken: an older epoch, or a hole that the journal does not admit. */
  | { readonly kind: 'refuse'; readonly code: 'old_epoch' | 'hole'; readonly message: string }

/**
 * @param at the position of the last record taken
 * @param oldest the position before the oldest record that the journal still has: only what lies
 * before it may be stepped over
 * @param start the batch's epoch_start record, where it begins an epoch
 */
export function placeBatch(
  at: Position,
  header: BatchHeader,
  oldest: Position,
  start: EpochStart | undefined,
): BatchPlace {
  if (header.epoch < at.epoch) {
    return refuse('old_epoch', `batch of epoch ${header.epoch} after epoch ${at.epoch}`)
  }
  if (header.epoch === at.epoch) return placeInEpoch(at, header, oldest)
  return placeInNewEpoch(at, header, oldest, start)
}

function placeInEpoch(at: Position, header: BatchHeader, oldest: Position): BatchPlace {
  const lastSequence = header.firstSequence + header.recordCount - 1
  if (lastSequence <= at.sequence) return { kind: 'skip' }
  if (header.firstSequence <= at.sequence + 1) {
    return { kind: 'take', fromSequence: at.sequence + 1, lost: 0 }
  }
  const lost = header.firstSequence - at.sequence - 1
  if (comparePositions(oldest, at) <= 0) {
    return refuse(
      'hole',
      `sequence ${header.firstSequence} of epoch ${header.epoch} after ${at.sequence}: ${lost} records are missing`,
    )
  }
  return { kind: 'take', fromSequence: header.firstSequence, lost }
}

function placeInNewEpoch(
  at: Position,
  header: BatchHeader,
  oldest: Position,
  start: EpochStart | undefined,
): BatchPlace {
  // A consumer that has nothing begins with whatever the journal still has.
  if (comparePositions(at, LOG_START) === 0) {
    return { kind: 'take', fromSequence: header.firstSequence, lost: 0 }
  }
  const lostHead = header.firstSequence - 1
  if (start === undefined || header.firstSequence !== 1) {
    if (comparePositions(oldest, at) <= 0) {
      return refuse('hole', `epoch ${header.epoch} begins at sequence ${header.firstSequence}`)
    }
    return { kind: 'take', fromSequence: header.firstSequence, lost: lostHead }
  }
  if (start.previousEpoch === at.epoch) {
    const lostTail = Math.max(0, start.previousLastSequence - at.sequence)
    if (lostTail > 0 && comparePositions(oldest, at) <= 0) {
      return refuse(
        'hole',
        `epoch ${header.epoch} follows sequence ${start.previousLastSequence} of epoch ${at.epoch}, which ends here at ${at.sequence}`,
      )
    }
    return { kind: 'take', fromSequence: 1, lost: lostTail }
  }
  if (start.previousEpoch < at.epoch) {
    // The journal was made anew and knows nothing of our epoch: nothing of it can be missing here.
    return { kind: 'take', fromSequence: 1, lost: 0 }
  }
  if (comparePositions(oldest, at) <= 0) {
    return refuse(
      'hole',
      `epoch ${start.previousEpoch} between ${at.epoch} and ${header.epoch} is missing`,
    )
  }
  return { kind: 'take', fromSequence: 1, lost: start.previousLastSequence }
}

function refuse(code: 'old_epoch' | 'hole', message: string): BatchPlace {
  return { kind: 'refuse', code, message }
}
