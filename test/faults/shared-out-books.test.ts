/** What the judge of the fault tests says of packets that a ticker had not read when it was stopped. */
import { describe, expect, it } from 'vitest'
import type { SentConnection } from '../../bench/soak/sent-books.ts'
import { BatchBuilder, readHeader } from '../../src/contract/journal-batch.ts'
import { START_MS, tick } from '../journal/journal-fixture.ts'
import { sharedOutFaults } from './shared-out-books.ts'

const TOKEN = 7
/** One packet every 100 ms, the first at the start. */
const SENT = 100
/** The last three were on their way when the socket was read no more. */
const READ = SENT - 3
const LAST_READ_MS = START_MS + (READ - 1) * 100
const covered = new Map([[TOKEN, [{ fromMs: START_MS - 10_000, toMs: Number.POSITIVE_INFINITY }]]])

describe('packets that were under way when a ticker was told to stop', () => {
  it('are told by the gap of the next start, from the last data on', () => {
    expect(faultsWithGap(LAST_READ_MS - 3_000, LAST_READ_MS + 20_000)).toEqual([])
  })

  it.each([
    ['no gap', undefined, undefined],
    ['a gap that begins too late', LAST_READ_MS + 5_000, LAST_READ_MS + 20_000],
    ['a gap that ends too early', LAST_READ_MS - 13_000, LAST_READ_MS - 3_000],
  ])('are missed with %s', (_, fromMs, toMs) => {
    expect(faultsWithGap(fromMs, toMs)).toEqual([
      expect.stringContaining(`3 missing packets are in no gap, from ordinal ${READ + 1} `),
    ])
  })

  it('are no matter where nothing was known of the instrument', () => {
    expect(sharedOutFaults([sent()], [batch()], { covered: new Map(), gaps: new Map() })).toEqual(
      [],
    )
  })
})

function faultsWithGap(fromMs: number | undefined, toMs: number | undefined): string[] {
  const told = fromMs === undefined || toMs === undefined ? [] : [{ gapId: 't1-2-1', fromMs, toMs }]
  return sharedOutFaults([sent()], [batch()], { covered, gaps: new Map([[TOKEN, told]]) })
}

function sent(): SentConnection {
  const packets = Array.from({ length: SENT }, (_, i) => {
    return { ordinal: i + 1, token: TOKEN, time_ms: START_MS + i * 100, kind: 'whole' as const }
  })
  return { connection: 1, account: 'sim1', openedMs: START_MS, closedMs: START_MS, packets }
}

function batch() {
  const builder = new BatchBuilder()
  builder.begin('t1', 0, 1, 1)
  for (let i = 0; i < READ; i++) builder.addTick(tick(TOKEN))
  const counts = { journaled: READ, rejected: 0, dropped: 0 }
  builder.addConnection({ connection: 1, firstOrdinal: 1, lastOrdinal: READ, ...counts })
  const bytes = builder.finish(START_MS)
  const header = readHeader(bytes)
  if ('fault' in header) throw new Error(header.fault)
  return { header, bytes }
}
