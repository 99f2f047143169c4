import { describe, expect, it } from 'vitest'
import { bookFaults, sumBooks } from '../../src/verify/books.ts'
import { continuation } from '../../src/verify/log-order.ts'
import type { StoreRow } from '../../src/verify/store-tables.ts'
import { at } from './reference-fold/written-log.ts'

function row(changed: Partial<StoreRow> = {}): StoreRow {
  return {
    ...{ minute: at('10:00'), producer: 't1', partition: 0, epoch: 7 },
    ...{ received: 12, rejected: 1, dropped: 1, journaled: 10 },
    ...{ folded: 8, not_folded: { no_session: 2 }, lost: 0 },
    ...changed,
  }
}

const NONE = () => 0

describe('the books', () => {
  it('are without fault where both equations hold', () => {
    expect(bookFaults([row()], NONE)).toEqual([])
  })

  it.each<[Partial<StoreRow>, RegExp]>([
    [{ received: 13 }, /^received 13 is not 10 journaled \+ 1 rejected \+ 1 dropped$/],
    [{ folded: 7 }, /^journaled 10 is not 7 folded \+ 2 not folded \+ 0 lost$/],
    [{ folded: 5, lost: 3 }, /^3 records are lost$/],
  ])('name a minute with %o', (changed, what) => {
    const faults = bookFaults([row(), row({ minute: at('10:01'), ...changed })], NONE)
    expect(faults).toHaveLength(1)
    expect(faults[0]?.where).toBe('t1, partition 0, epoch 7, 2026-11-20T10:01:00+05:30')
    expect(faults[0]?.what).toMatch(what)
  })

  it('allow for ticks behind the committed position, to the tick', () => {
    expect(bookFaults([row({ folded: 5 })], () => 3)).toEqual([])
    expect(bookFaults([row({ folded: 5 })], () => 2)).toHaveLength(1)
  })

  it('are summed by producer, partition and epoch', () => {
    const sums = sumBooks([row(), row({ minute: at('10:01') }), row({ epoch: 8 })], NONE)
    expect(sums).toMatchObject([
      { epoch: 7, received: 24, folded: 16, not_folded: { no_session: 4 } },
      { epoch: 8, received: 12, folded: 8, not_folded: { no_session: 2 } },
    ])
  })
})

describe('a journal', () => {
  const batch = (epoch: number, firstSequence: number) =>
    ({ epoch, firstSequence }) as Parameters<typeof continuation>[1]
  const start = (previousEpoch: number, previousLastSequence: number) =>
    ({
      kind: 'epoch_start',
      feed: 'kite',
      wallTimeMs: 0,
      previousEpoch,
      previousLastSequence,
    }) as const

  it.each([
    [
      'goes on with the next sequence',
      { epoch: 7, sequence: 5 },
      batch(7, 6),
      undefined,
      'follows',
    ],
    ['has a hole behind a jump', { epoch: 7, sequence: 5 }, batch(7, 7), undefined, 'hole'],
    ['goes on in the next epoch', { epoch: 7, sequence: 5 }, batch(9, 1), start(7, 5), 'follows'],
    [
      'has a hole at the end of an epoch',
      { epoch: 7, sequence: 5 },
      batch(9, 1),
      start(7, 6),
      'hole',
    ],
    ['has a hole of a whole epoch', { epoch: 7, sequence: 5 }, batch(9, 1), start(8, 2), 'hole'],
    ['is whole from its first epoch on', undefined, batch(7, 1), start(0, 0), 'follows'],
    ['begins where older segments were deleted', undefined, batch(7, 90), undefined, 'begins'],
    ['begins where older epochs were deleted', undefined, batch(7, 1), start(6, 40), 'begins'],
  ] as const)('%s', (_what, position, header, epochStart, kind) => {
    expect(continuation(position, header, epochStart).kind).toBe(kind)
  })
})
