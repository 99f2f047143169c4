import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  parsePartitionFolder,
  parseSegmentFileName,
  type Segment,
  SegmentList,
  segmentFileName,
} from '../../src/journal/segment.ts'

function segment(epoch: number, firstSequence: number, revision = 0): Segment {
  const name = { epoch, firstSequence, revision }
  return { ...name, path: segmentFileName(name), bytes: 0, last: undefined, modifiedMs: 0 }
}

describe('a segment’s file name', () => {
  it('tells its place, and sorts as the log does', () => {
    expect(segmentFileName({ epoch: 1_795_000_000, firstSequence: 42, revision: 0 })).toBe(
      '001795000000-0000000000000042.seg',
    )
    const place = fc.record({
      epoch: fc.integer({ min: 0, max: 999_999_999_999 }),
      firstSequence: fc.integer({ min: 0, max: 2 ** 50 }),
      revision: fc.nat(20),
    })
    fc.assert(
      fc.property(place, place, (a, b) => {
        expect(parseSegmentFileName(segmentFileName(a))).toEqual(a)
        const order = a.epoch - b.epoch || a.firstSequence - b.firstSequence
        const [nameA, nameB] = [segmentFileName(a), segmentFileName(b)]
        if (order !== 0) expect(nameA < nameB).toBe(order < 0)
      }),
    )
  })

  it('is not taken for one where it is another', () => {
    for (const name of ['reserve', '1-1.seg', '001795000000-0000000000000042.seg.700.damaged']) {
      expect(parseSegmentFileName(name)).toBeUndefined()
    }
    expect(parsePartitionFolder('p12')).toBe(12)
    expect(parsePartitionFolder('px')).toBeUndefined()
  })
})

describe('a list of segments', () => {
  const [a, b, taken, c] = [segment(1, 1), segment(1, 50), segment(1, 80, 1), segment(2, 1)]
  const list = new SegmentList([c, taken, b, a])

  it('is in the order of the log', () => {
    expect(list.all).toEqual([a, b, taken, c])
    expect([list.first, list.last]).toEqual([a, c])
  })

  it.each([
    [{ epoch: 0, sequence: 0 }, a],
    [{ epoch: 1, sequence: 48 }, a],
    [{ epoch: 1, sequence: 49 }, b],
    [{ epoch: 1, sequence: 1_000 }, taken],
    [{ epoch: 1.5, sequence: 0 }, taken],
    [{ epoch: 2, sequence: 0 }, c],
    [{ epoch: 9, sequence: 9 }, c],
  ])('finds where the record after %o is to be looked for', (position, expected) => {
    expect(list.startFor(position)).toBe(expected)
  })

  it('knows from where a segment can be read', () => {
    expect(list.readableAloneFor(taken)).toBe(b)
    expect(list.readableAloneFor(c)).toBe(c)
    expect(new SegmentList([taken, c]).readableAloneFor(taken)).toBe(taken)
  })

  it('goes on from a segment that was deleted', () => {
    const shorter = new SegmentList([a, b, c])
    shorter.remove(b)
    expect(shorter.after(b)).toBe(c)
    expect(shorter.before(b)).toBe(a)
    expect(shorter.after(c)).toBeUndefined()
  })
})
