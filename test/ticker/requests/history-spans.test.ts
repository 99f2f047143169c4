import { describe, expect, it } from 'vitest'
import { HISTORY_SPAN_DAYS } from '../../../src/kite/rest.ts'
import type { KiteCandle } from '../../../src/kite/rest-answers.ts'
import { alwaysOpenCalendar } from '../../../src/market/calendar.ts'
import { DAY_MS, MINUTE_MS, msOfIst } from '../../../src/market/ist.ts'
import {
  candleEnd,
  finalCandles,
  finalUntil,
  joinSpans,
  partsOf,
} from '../../../src/ticker/requests/history-spans.ts'

const OPEN_MS = msOfIst('2026-11-23', '09:15')

describe('a span of history', () => {
  it.each(['minute', '15minute', '60minute', 'day'] as const)(
    'of %s candles is split at what the broker answers, without a hole or an overlap',
    (interval) => {
      const toMs = OPEN_MS + 2.5 * HISTORY_SPAN_DAYS[interval] * DAY_MS
      const parts = partsOf({ fromMs: OPEN_MS, toMs }, interval)
      expect(parts).toHaveLength(3)
      for (const [i, part] of parts.entries()) {
        expect(part.toMs - part.fromMs).toBeLessThan(HISTORY_SPAN_DAYS[interval] * DAY_MS)
        const next = parts[i + 1]
        if (next !== undefined) expect(next.fromMs).toBe(part.toMs + MINUTE_MS)
      }
      expect(parts[0]?.fromMs).toBeLessThanOrEqual(OPEN_MS)
      expect(parts.at(-1)?.toMs).toBeGreaterThanOrEqual(toMs - MINUTE_MS)
    },
  )

  it('of longer candles is asked for by whole days, since the broker cuts candles at its ends', () => {
    const span = { fromMs: OPEN_MS + 37 * MINUTE_MS, toMs: OPEN_MS + 90 * MINUTE_MS }
    const midnightMs = msOfIst('2026-11-23', '00:00')
    expect(partsOf(span, '60minute')).toEqual([
      { fromMs: midnightMs, toMs: midnightMs + DAY_MS - MINUTE_MS },
    ])
    expect(partsOf(span, 'minute')).toEqual([span])
  })

  it('joins another one that meets it, up to the limit', () => {
    const a = { fromMs: 0, toMs: 10 * MINUTE_MS }
    const next = { fromMs: 11 * MINUTE_MS, toMs: 20 * MINUTE_MS }
    expect(joinSpans(a, next, 'minute')).toEqual({ fromMs: 0, toMs: 20 * MINUTE_MS })
    expect(joinSpans(next, a, 'minute')).toEqual({ fromMs: 0, toMs: 20 * MINUTE_MS })
    const apart = { fromMs: 12 * MINUTE_MS, toMs: 20 * MINUTE_MS }
    expect(joinSpans(a, apart, 'minute')).toBeUndefined()
    expect(joinSpans(a, { fromMs: 0, toMs: 60 * DAY_MS }, 'minute')).toBeUndefined()
  })

  it('gives candles from one end to the other, both included, each once', () => {
    const minutes = [3, 0, 1, 2, 2, 4].map((i) => candle(OPEN_MS + i * MINUTE_MS))
    const span = { fromMs: OPEN_MS + MINUTE_MS, toMs: OPEN_MS + 3 * MINUTE_MS }
    const given = finalCandles(minutes, span, Number.POSITIVE_INFINITY, (ms) => ms + MINUTE_MS)
    expect(given.map(({ timeMs }) => (timeMs - OPEN_MS) / MINUTE_MS)).toEqual([1, 2, 3])
  })

  it('leaves out the running minute, and one that ended less than 15 s ago', () => {
    const minutes = [0, 1, 2].map((i) => candle(OPEN_MS + i * MINUTE_MS))
    const span = { fromMs: OPEN_MS, toMs: OPEN_MS + DAY_MS }
    const countAt = (second: number) => {
      const untilMs = finalUntil(OPEN_MS + second * 1_000)
      return finalCandles(minutes, span, untilMs, (ms) => ms + MINUTE_MS).length
    }
    expect([74, 75, 134, 135, 195].map(countAt)).toEqual([0, 1, 1, 2, 3])
  })

  it('knows when a candle is over', () => {
    const calendar = alwaysOpenCalendar()
    expect(candleEnd(OPEN_MS, '15minute', 'NFO-OPT', calendar)).toBe(OPEN_MS + 15 * MINUTE_MS)
    const midnightMs = msOfIst('2026-11-23', '00:00')
    expect(candleEnd(midnightMs, 'day', 'NFO-OPT', calendar)).toBe(midnightMs + DAY_MS)
  })
})

function candle(timeMs: number): KiteCandle {
  return { timeMs, open: 1, high: 1, low: 1, close: 1, volume: 1, openInterest: 1 }
}
