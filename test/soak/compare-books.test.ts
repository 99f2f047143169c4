import { describe, expect, it } from 'vitest'
import { compareBooks } from '../../bench/soak/compare-books.ts'
import { Journalled } from '../../bench/soak/journalled.ts'
import { SentBooks } from '../../bench/soak/sent-books.ts'

const OPENED_MS = 1_000_000
const SENT = [11, 12, 11, 13, 12]

describe('the soak, comparing what was sent with what was journalled,', () => {
  it('is content where all was received', () => {
    expect(faultsOf(SENT)).toEqual([])
  })

  it('takes a missing end that a gap tells of', () => {
    const gap = { gapId: 'g', fromMs: OPENED_MS - 3_000, toMs: OPENED_MS + 9_000 }
    expect(faultsOf(SENT.slice(0, 3), { 12: gap, 13: gap })).toEqual([])
  })

  it('finds a missing end that no gap tells of', () => {
    expect(faultsOf(SENT.slice(0, 3))).toEqual([expect.stringMatching(/2 of 2 missing.*in no gap/)])
  })

  it('takes a missing end that another connection had taken over, and no other', () => {
    expect(faultsOf(SENT.slice(0, 3), {}, 3, [12, 13])).toEqual([])
    expect(faultsOf(SENT.slice(0, 3), {}, 3, [12])).toEqual([
      expect.stringMatching(/1 of 2 missing.*in no gap/),
    ])
  })

  it('finds a packet that is missing in the middle', () => {
    expect(faultsOf([11, 12, 13, 12], {}, SENT.length)).toEqual([
      expect.stringContaining('4 ticks, 5 in the books'),
    ])
  })

  it('finds ticks that were never sent, or twice', () => {
    for (const tokens of [
      [11, 12, 14],
      [11, 11, 11],
    ]) {
      expect(faultsOf(tokens)).toContainEqual(expect.stringContaining('was never open'))
    }
  })
})

/** All are covered all the time; the one connection's books say that `received` packets came. */
function faultsOf(
  tokens: number[],
  gaps: Record<number, { gapId: string; fromMs: number; toMs: number }> = {},
  received = tokens.length,
  takenOver: readonly number[] = [],
): readonly string[] {
  const sent = new SentBooks('http://nowhere')
  sent.connections.set(1, {
    connection: 1,
    account: 'sim1',
    openedMs: OPENED_MS,
    closedMs: Number.POSITIVE_INFINITY,
    packets: SENT.map((token, i) => {
      return { ordinal: i + 1, token, time_ms: OPENED_MS + 5_000, kind: 'whole' }
    }),
  })
  const journalled = new Journalled()
  journalled.connections.set('1/1', {
    epoch: 1,
    connection: 1,
    tokens,
    firstReceivedMs: OPENED_MS + 10,
    arrivals: new Map(),
    lastOrdinal: received,
    journaled: received,
    rejected: 0,
    dropped: 0,
  })
  journalled.connections.set('1/2', {
    epoch: 1,
    connection: 2,
    tokens: [],
    firstReceivedMs: OPENED_MS + 4_000,
    arrivals: new Map(takenOver.map((token) => [token, [OPENED_MS + 4_000]])),
    lastOrdinal: 0,
    journaled: 0,
    rejected: 0,
    dropped: 0,
  })
  for (const token of [11, 12, 13]) {
    journalled.covered.set(token, [{ fromMs: OPENED_MS, toMs: Number.POSITIVE_INFINITY }])
    const gap = gaps[token]
    if (gap !== undefined) journalled.gaps.set(token, [gap])
  }
  return compareBooks(sent, journalled, 0).faults
}
