import { describe, expect, it } from 'vitest'
import { DueMinutes } from '../../../src/backend/ingest/due-minutes.ts'
import type { DueMinute } from '../../../src/backend/ports.ts'

const LATER = Number.POSITIVE_INFINITY
const SERIES = { symbol: 'NIFTY50', expiry: '2026-11-23' }

function due(minuteMs: number, over: Partial<DueMinute> = {}): DueMinute {
  return { ...SERIES, minuteMs, dueSinceMs: 0, reason: 'close', ...over }
}

function drained(minutes: DueMinutes, closedBeforeMs = LATER): string[] {
  const order: string[] = []
  for (let next = minutes.next(closedBeforeMs); next; next = minutes.next(closedBeforeMs)) {
    order.push(`${next.minuteMs} ${next.expiry ?? 'underlying'}`)
    minutes.settle(next)
  }
  return order
}

describe('due minutes', () => {
  it('come in order of time, the underlying before its series', () => {
    const minutes = new DueMinutes([3, 1, 2].flatMap((n) => [due(n), due(n, { expiry: null })]))
    expect(drained(minutes)).toEqual([
      ...['1 underlying', '1 2026-11-23', '2 underlying', '2 2026-11-23'],
      ...['3 underlying', '3 2026-11-23'],
    ])
  })

  it('wait for the statement that stores them, also where they were due before', () => {
    const minutes = new DueMinutes([due(1), due(2)])
    const again = due(1, { reason: 'late' })
    minutes.add(again)
    minutes.inserted([due(1, { reason: 'repair' })])
    expect(minutes.next(LATER)?.minuteMs).toBe(2)
    expect(minutes.takeUnwritten()).toEqual([again])
    expect(minutes.next(LATER)).toBe(again)
    expect(drained(minutes)).toHaveLength(2)
    expect(minutes.size).toBe(0)
  })

  it('are passed over while they are open in a log that is behind', () => {
    const minutes = new DueMinutes([due(60_000), due(120_000)])
    expect(drained(minutes, 120_000)).toEqual(['60000 2026-11-23'])
    expect(minutes.next(180_000)?.minuteMs).toBe(120_000)
  })

  it('wait for more candles of their series, but only those that candles made due', () => {
    const minutes = new DueMinutes([])
    minutes.hold(SERIES)
    minutes.inserted([
      ...[due(1, { reason: 'backfill' }), due(2), due(1, { reason: 'repair', expiry: null })],
    ])
    expect(drained(minutes)).toEqual(['2 2026-11-23', '1 underlying'])
    minutes.inserted([due(3, { reason: 'settled' })])
    minutes.hold(SERIES)
    expect(minutes.next(LATER)).toBeUndefined()
    minutes.release(SERIES)
    expect(drained(minutes)).toEqual(['1 2026-11-23', '3 2026-11-23'])
  })

  it('go before the minutes that candles made due, where the feed did', () => {
    const minutes = new DueMinutes([
      ...[due(1, { reason: 'backfill' }), due(2, { reason: 'follow' }), due(9), due(8)],
    ])
    expect(drained(minutes).map((text) => text[0])).toEqual(['8', '9', '1', '2'])
  })

  it('come in order whatever came in between', () => {
    const minutes = new DueMinutes([])
    for (let n = 0; n < 200; n++) minutes.add(due((n * 73) % 211))
    minutes.takeUnwritten()
    const order = drained(minutes).map((text) => Number.parseInt(text, 10))
    expect(order).toEqual([...order].sort((a, b) => a - b))
    expect(order).toHaveLength(200)
  })
})
