import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addBrokerCoverage,
  coverWholly,
  type KnownSpan,
} from '../../../src/backend/candles/broker-coverage.ts'
import { repairedGap } from '../../../src/backend/candles/repaired-gaps.ts'
import type { CoverageRow, FeedGapRow } from '../../../src/backend/ports.ts'
import { minute } from './ingest-under-test.ts'

const NAME = { exchange: 'NFO', tradingsymbol: 'NIFTY26NOV24500CE' }

function row(from: number, to: number, source: CoverageRow['source']): CoverageRow {
  return { ...NAME, fromMs: from, toMs: to, source, mode: source === 'live' ? 'full' : null }
}

/** The stored intervals after a change, with the primary key's rule. */
function applied(stored: readonly CoverageRow[], change: ReturnType<typeof addBrokerCoverage>) {
  const byStart = new Map(stored.map((one) => [one.fromMs, one]))
  for (const { fromMs } of change.removed) byStart.delete(fromMs)
  for (const one of change.coverage) {
    expect(byStart.get(one.fromMs)?.source).not.toBe('live')
    byStart.set(one.fromMs, one)
  }
  return [...byStart.values()].sort((a, b) => a.fromMs - b.fromMs)
}

describe('what the broker told', () => {
  it('is merged with what touches it, and cut out where the feed streamed', () => {
    const stored = [row(0, 100, 'broker'), row(130, 160, 'live'), row(300, 400, 'none')]
    const added: KnownSpan[] = [{ fromMs: 100, toMs: 300, source: 'broker' }]
    expect(
      applied(stored, addBrokerCoverage(NAME, stored, [stored[1] as CoverageRow], added)),
    ).toEqual([
      row(0, 130, 'broker'),
      row(130, 160, 'live'),
      row(160, 300, 'broker'),
      row(300, 400, 'none'),
    ])
  })

  it('replaces what it told before', () => {
    const stored = [row(0, 300, 'none')]
    const added: KnownSpan[] = [{ fromMs: 100, toMs: 200, source: 'broker' }]
    expect(applied(stored, addBrokerCoverage(NAME, stored, [], added))).toEqual([
      ...[row(0, 100, 'none'), row(100, 200, 'broker'), row(200, 300, 'none')],
    ])
  })

  it('changes nothing when it is told again', () => {
    const added: KnownSpan[] = [{ fromMs: 100, toMs: 200, source: 'broker' }]
    const stored = applied([], addBrokerCoverage(NAME, [], [], added))
    const again = addBrokerCoverage(NAME, stored, [], added)
    expect(again).toMatchObject({ coverage: [], removed: [] })
  })

  it('leaves the key of an empty stretch of streaming to that', () => {
    const stored = [row(100, 100, 'live')]
    const added: KnownSpan[] = [{ fromMs: 100, toMs: 200, source: 'broker' }]
    const after = applied(stored, addBrokerCoverage(NAME, stored, [], added))
    expect(after).toEqual([row(100, 100, 'live'), row(101, 200, 'broker')])
    expect(coverWholly(after, 100, 200)).toBe(true)
  })

  it('says each instant once, and all that was told or streamed, in whatever order it comes', () => {
    const span = fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 8 }))
    const told = fc.record({ span, source: fc.constantFrom('broker' as const, 'none' as const) })
    fc.assert(
      fc.property(
        fc.array(told, { maxLength: 12 }),
        fc.array(span, { maxLength: 3 }),
        (all, live) => {
          const streamed = live.map(([from, length]) => ({
            fromMs: from * 10,
            toMs: (from + length) * 10,
          }))
          const isStreamed = (ms: number) => streamed.some((s) => s.fromMs <= ms && ms < s.toMs)
          let stored: CoverageRow[] = []
          const wanted = new Map<number, string>()
          for (const {
            span: [from, length],
            source,
          } of all) {
            const added = { fromMs: from * 10, toMs: (from + length) * 10, source }
            stored = applied(stored, addBrokerCoverage(NAME, stored, streamed, [added]))
            for (let ms = added.fromMs; ms < added.toMs; ms += 5) wanted.set(ms, source)
          }
          for (let ms = 0; ms < 400; ms += 5) {
            const found = stored.filter((one) => one.fromMs <= ms + 1 && ms + 1 < one.toMs)
            const source = isStreamed(ms) ? undefined : wanted.get(ms)
            expect(found.map((one) => one.source)).toEqual(source === undefined ? [] : [source])
          }
          for (const [i, one] of stored.entries()) {
            const next = stored[i + 1]
            expect(next?.fromMs === one.toMs && next.source === one.source).toBe(false)
          }
        },
      ),
    )
  })
})

describe('a gap', () => {
  const gap: FeedGapRow = {
    ...{ id: 'g', producer: 't1', partition: 0, reason: 'disconnect', account: null },
    ...{ connection: null, status: 'closed', fromMs: minute(370) + 30_000, toMs: null },
    instruments: [{ ...NAME, instrument_token: 1, to: minute(2 * 1440 + 60) + 5_000 }],
    ...{ openedAtMs: 0, closedAtMs: null },
  }
  const session = (_: unknown, atMs: number) => {
    const days = Math.round((atMs - minute(-555)) / 86_400_000)
    // A session, a day without one, a session.
    return days === 1
      ? undefined
      : { openMs: minute(1440 * days), closeMs: minute(1440 * days + 375) }
  }

  it('over a night and a holiday is repaired when its sessions are known', () => {
    const known = [
      { fromMs: minute(370), toMs: minute(375) },
      { fromMs: minute(2 * 1440), toMs: minute(2 * 1440 + 61) },
    ]
    expect(repairedGap(gap, session, () => known)).toEqual({
      ...{ id: 'g', producer: 't1', partition: 0, rows: 5 + 61 },
    })
    expect(repairedGap(gap, session, () => known.slice(1))).toBeUndefined()
    const short = [known[0], { fromMs: minute(2 * 1440), toMs: minute(2 * 1440 + 60) }]
    expect(repairedGap(gap, session, () => short as typeof known)).toBeUndefined()
  })

  it('that somebody still waits in is not', () => {
    const instruments = gap.instruments.map((one) => ({ ...one, to: null }))
    const known = [{ fromMs: 0, toMs: minute(9_999) }]
    expect(repairedGap({ ...gap, instruments }, session, () => known)).toBeUndefined()
    expect(repairedGap({ ...gap, status: 'open' }, session, () => known)).toBeUndefined()
  })
})
