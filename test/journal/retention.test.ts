import { describe, expect, it } from 'vitest'
import type { Position } from '../../src/contract/journal-record.ts'
import { planDeletions, type RetentionLimits } from '../../src/journal/retention.ts'
import { type Segment, SegmentList } from '../../src/journal/segment.ts'

const NOW_MS = 1_000_000

/** Segments of 100 bytes and 10 records each; `age` is how long ago each was last written to. */
function segments(ages: readonly number[], revisions: readonly number[] = []): SegmentList {
  return new SegmentList(
    ages.map((age, i): Segment => {
      const firstSequence = i * 10 + 1
      return {
        path: `${firstSequence}`,
        epoch: 1,
        firstSequence,
        revision: revisions[i] ?? 0,
        bytes: 100,
        last: { epoch: 1, sequence: firstSequence + 9 },
        modifiedMs: NOW_MS - age,
      }
    }),
  )
}

function deleted(
  list: SegmentList,
  committedSequence: number | undefined,
  limits: Partial<RetentionLimits>,
  freeBytes = 1_000_000,
): string[] {
  const committed: Position | undefined =
    committedSequence === undefined ? undefined : { epoch: 1, sequence: committedSequence }
  const all = { maxAgeMs: 1e9, maxBytes: 1e9, diskFloorBytes: 0, ...limits }
  const plan = planDeletions([{ partition: 0, segments: list, committed }], all, NOW_MS, freeBytes)
  return plan.map(({ segment, isCommitted }) => `${segment.path}${isCommitted ? '' : ' lost'}`)
}

describe('segments go', () => {
  const ages = [500, 400, 300, 200, 100]

  it('when they are committed and old', () => {
    expect(deleted(segments(ages), 50, { maxAgeMs: 250 })).toEqual(['1', '11', '21'])
  })

  it('when they are committed and the journal is large', () => {
    expect(deleted(segments(ages), 50, { maxBytes: 350 })).toEqual(['1', '11'])
  })

  it('only as far as the slowest consumer has committed them', () => {
    expect(deleted(segments(ages), 20, { maxAgeMs: 0 })).toEqual(['1', '11'])
    expect(deleted(segments(ages), 19, { maxAgeMs: 0 })).toEqual(['1'])
  })

  it('never for their age alone where nobody has committed anything', () => {
    expect(deleted(segments(ages), undefined, { maxAgeMs: 0, maxBytes: 0 })).toEqual([])
  })

  it('uncommitted, oldest first, when the disk runs low, and just as many as are needed', () => {
    expect(deleted(segments(ages), undefined, { diskFloorBytes: 1_000 }, 850)).toEqual([
      '1 lost',
      '11 lost',
    ])
  })

  it('but for the last one of a partition', () => {
    expect(deleted(segments(ages), 50, { maxAgeMs: 0, diskFloorBytes: 1e6 }, 0)).toHaveLength(4)
  })

  it('together with what cannot be read without them', () => {
    expect(deleted(segments(ages, [0, 1, 1]), 20, { maxAgeMs: 0 })).toEqual([])
    expect(deleted(segments(ages, [0, 1, 1]), 30, { maxAgeMs: 0 })).toEqual(['1', '11', '21'])
  })

  it('from the front only, so that no hole appears in the middle', () => {
    expect(deleted(segments([100, 500, 500, 500]), 40, { maxAgeMs: 250 })).toEqual([])
  })

  it('of an older epoch, although nobody has looked where it ends', () => {
    const list = segments([500, 400])
    for (const segment of list.all) segment.last = undefined
    const partitions = [{ partition: 0, segments: list, committed: { epoch: 2, sequence: 0 } }]
    const limits = { maxAgeMs: 0, maxBytes: 1e9, diskFloorBytes: 0 }
    expect(planDeletions(partitions, limits, NOW_MS, 1e9)).toHaveLength(1)
    expect(
      planDeletions(
        [{ partition: 0, segments: list, committed: { epoch: 1, sequence: 99 } }],
        limits,
        NOW_MS,
        1e9,
      ),
    ).toEqual([])
  })
})
