import { describe, expect, it } from 'vitest'
import { placeBatch } from '../../../src/backend/ingest/log-order.ts'
import type { BatchHeader, EpochStart, Position } from '../../../src/contract/journal-record.ts'

const NOTHING_LOST: Position = { epoch: 0, sequence: 0 }

function batch(epoch: number, firstSequence: number, recordCount = 10): BatchHeader {
  return {
    version: 1,
    producer: 't1',
    partition: 0,
    epoch,
    firstSequence,
    recordCount,
    marketTimeMs: 0,
    connections: [],
    byteLength: 0,
  }
}

function starts(previousEpoch: number, previousLastSequence: number): EpochStart {
  return {
    kind: 'epoch_start',
    feed: 'simulated',
    previousEpoch,
    previousLastSequence,
    wallTimeMs: 0,
  }
}

describe('a batch against the committed position', () => {
  const at = { epoch: 5, sequence: 100 }

  it.each([
    ['the next one', batch(5, 101), { kind: 'take', fromSequence: 101, lost: 0 }],
    ['one that is known in part', batch(5, 95), { kind: 'take', fromSequence: 101, lost: 0 }],
    ['one that is known wholly', batch(5, 91), { kind: 'skip' }],
    ['one after a hole', batch(5, 102), { kind: 'refuse', code: 'hole' }],
    ['one of an older epoch', batch(4, 1000), { kind: 'refuse', code: 'old_epoch' }],
  ])('takes what is new of %s', (_, header, place) => {
    expect(placeBatch(at, header, NOTHING_LOST, undefined)).toMatchObject(place)
  })

  it('steps over a hole only where the journal says that it has lost those records', () => {
    expect(placeBatch(at, batch(5, 131), { epoch: 5, sequence: 130 }, undefined)).toEqual({
      kind: 'take',
      fromSequence: 131,
      lost: 30,
    })
  })

  it('passes to the next epoch when it has all that the journal still has of its own', () => {
    expect(placeBatch(at, batch(6, 1), NOTHING_LOST, starts(5, 100))).toEqual({
      kind: 'take',
      fromSequence: 1,
      lost: 0,
    })
  })

  it('passes on when a power cut took what it had already read', () => {
    expect(placeBatch(at, batch(6, 1), NOTHING_LOST, starts(5, 80))).toMatchObject({
      kind: 'take',
      lost: 0,
    })
  })

  it('does not pass to the next epoch before it has the tail of its own', () => {
    expect(placeBatch(at, batch(6, 1), NOTHING_LOST, starts(5, 120))).toMatchObject({
      kind: 'refuse',
      code: 'hole',
    })
    expect(placeBatch(at, batch(6, 1), { epoch: 6, sequence: 0 }, starts(5, 120))).toMatchObject({
      kind: 'take',
      lost: 20,
    })
  })

  it('does not skip an epoch that the journal still has', () => {
    expect(placeBatch(at, batch(7, 1), NOTHING_LOST, starts(6, 40))).toMatchObject({
      kind: 'refuse',
      code: 'hole',
    })
    expect(placeBatch(at, batch(7, 1), { epoch: 7, sequence: 0 }, starts(6, 40))).toMatchObject({
      kind: 'take',
      lost: 40,
    })
  })

  it('begins anywhere when it has nothing yet', () => {
    expect(placeBatch(NOTHING_LOST, batch(7, 51), { epoch: 7, sequence: 50 }, undefined)).toEqual({
      kind: 'take',
      fromSequence: 51,
      lost: 0,
    })
  })

  it('takes a journal that was made anew and knows nothing of the stored epoch', () => {
    expect(placeBatch(at, batch(9, 1), NOTHING_LOST, starts(0, 0))).toMatchObject({
      kind: 'take',
      lost: 0,
    })
  })
})
