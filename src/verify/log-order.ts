/**
 * Whether a journal goes on without a hole where the records read so far end. Pure, and decided here
 * a second time: the product's own answer to the same question is what is verified.
 */
import type { BatchHeader, EpochStart, Position } from '../contract/journal-record.ts'

export type Continuation =
  /** Nothing is missing before it. */
  | { readonly kind: 'follows' }
  /** The journal begins here; what was before it was deleted as its age or size allows. */
  | { readonly kind: 'begins' }
  /** Records between are gone; how many, where the journal still says so. */
  | { readonly kind: 'hole'; readonly missing: number | null }

/** @param start the batch's first record, where it begins an epoch */
export function continuation(
  at: Position | undefined,
  { epoch, firstSequence }: BatchHeader,
  start: EpochStart | undefined,
): Continuation {
  if (at === undefined) return { kind: start?.previousEpoch === 0 ? 'follows' : 'begins' }
  if (epoch === at.epoch) {
    const missing = firstSequence - at.sequence - 1
    return missing > 0 ? { kind: 'hole', missing } : { kind: 'follows' }
  }
  if (firstSequence !== 1 || start === undefined) return { kind: 'hole', missing: null }
  if (start.previousEpoch !== at.epoch) return { kind: 'hole', missing: null }
  const missing = start.previousLastSequence - at.sequence
  return missing > 0 ? { kind: 'hole', missing } : { kind: 'follows' }
}
