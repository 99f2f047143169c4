import { describe, expect, it } from 'vitest'
import type { InstrumentKind } from '../../src/market/instrument.ts'
import { MINUTE_MS } from '../../src/market/ist.ts'
import {
  type BarFigures,
  classDifferences,
  type DifferenceClass,
} from '../../src/verify/broker-classes.ts'
import { at } from './reference-fold/written-log.ts'

const OPEN_MS = at('09:15')
const SAME = { open: 100, high: 102, low: 99, close: 101, volume: 650, oi: 1_300 }

function figures(time: string, changed: Partial<BarFigures> = {}): BarFigures {
  return { minuteMs: at(time), ...SAME, ...changed }
}

/** The classes of a bar of `time` that is `changed`, where the broker has the same figures all day. */
function classesOf(
  time: string,
  changed: Partial<BarFigures>,
  kind: InstrumentKind = 'option',
  candle: Partial<BarFigures> = {},
): string[] {
  const candles = new Map(
    Array.from({ length: 375 }, (_, i) => OPEN_MS + i * MINUTE_MS).map((minuteMs) => [
      minuteMs,
      { minuteMs, ...SAME, ...(minuteMs === at(time) ? candle : {}) },
    ]),
  )
  const found = classDifferences(figures(time, changed), { kind, openMs: OPEN_MS, candles })
  return found.map((one) => `${one.column} ${one.class}`)
}

describe("a difference from the broker's candle", () => {
  it.each<
    [what: string, time: string, Partial<BarFigures>, InstrumentKind, string, DifferenceClass]
  >([
    ['a lower high', '10:00', { high: 101.5 }, 'option', 'high', 'sampled_high_or_low'],
    ['a higher low', '10:00', { low: 99.5 }, 'option', 'low', 'sampled_high_or_low'],
    ['a higher high', '10:00', { high: 103 }, 'option', 'high', 'unexplained'],
    ['a lower low', '10:00', { low: 98 }, 'option', 'low', 'unexplained'],
    ['another open at 09:19', '09:19', { open: 101 }, 'future', 'open', 'opening_price_corrected'],
    [
      'an open at 09:20 as traded',
      '09:20',
      { open: 101 },
      'future',
      'open',
      'sampled_open_or_close',
    ],
    ['an open that was not traded', '09:20', { open: 102.1 }, 'future', 'open', 'unexplained'],
    ['a close as traded', '09:15', { close: 100 }, 'option', 'close', 'sampled_open_or_close'],
    ['a close that was not traded', '10:00', { close: 98.9 }, 'option', 'close', 'unexplained'],
    ["an index's close within", '10:00', { close: 100 }, 'index', 'close', 'sampled_open_or_close'],
    ['an index at 15:15', '15:15', { close: 1 }, 'index', 'close', 'index_minutes_before_close'],
    ['an index at 15:14', '15:14', { close: 1 }, 'index', 'close', 'unexplained'],
    ['an option at 15:20', '15:20', { close: 1 }, 'option', 'close', 'unexplained'],
    ["a future's first volume", '09:15', { volume: 1 }, 'future', 'volume', 'pre_open_volume'],
    ["a future's second volume", '09:16', { volume: 1 }, 'future', 'volume', 'unexplained'],
    ["an option's first volume", '09:15', { volume: 1 }, 'option', 'volume', 'unexplained'],
    ['an OI that no candle near has', '10:00', { oi: 7 }, 'option', 'oi', 'unexplained'],
    ['an OI that is not known', '10:00', { oi: null }, 'option', 'oi', 'unexplained'],
  ])('%s', (_what, time, changed, kind, column, expected) => {
    expect(classesOf(time, changed, kind)).toEqual([`${column} ${expected}`])
  })

  it('is none where all is the same, and of an index never in volume or OI', () => {
    expect(classesOf('10:00', {})).toEqual([])
    expect(classesOf('10:00', { volume: 0, oi: null }, 'index')).toEqual([])
  })

  it('is a stepped OI where a candle within three minutes has the stored one', () => {
    expect(classesOf('10:00', { oi: 1_300 }, 'option', { oi: 1_950 })).toEqual(['oi stepped_oi'])
  })

  it('is not sampled where the minute was not seen to trade and only repeats a price', () => {
    const flat = { open: 100.5, high: 100.5, low: 100.5, close: 100.5, volume: 0 }
    expect(classesOf('10:00', flat)).toEqual([
      'open unexplained',
      'high sampled_high_or_low',
      'low sampled_high_or_low',
      'close unexplained',
      'volume unexplained',
    ])
  })

  it('moves the high with an opening price that was corrected', () => {
    const corrected = classesOf('09:15', { open: 105, high: 105 }, 'future')
    expect(corrected).toEqual(['open opening_price_corrected', 'high opening_price_corrected'])
  })

  it('is a flat minute that the broker has no candle of, and only a flat one', () => {
    const ground = { kind: 'option', openMs: OPEN_MS, candles: new Map() } as const
    const flat = { open: 100, high: 100, low: 100, close: 100, volume: 0 }
    expect(classDifferences(figures('10:00', flat), ground)[0]?.class).toBe('flat_minute_absent')
    expect(classDifferences(figures('10:00'), ground)[0]?.class).toBe('unexplained')
  })
})
