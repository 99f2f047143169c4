import { describe, expect, it } from 'vitest'
import { Coverage } from '../../src/market/coverage.ts'

const FULL = new Set(['full' as const])
const M = 60_000
const START = 1_795_146_300_000
const OPEN_ENDED = Number.POSITIVE_INFINITY

describe('coverage', () => {
  it('spans a minute only if one full stretch holds from its first to its last instant', () => {
    const coverage = new Coverage()
    coverage.begin(START + 1, 'full')
    expect(coverage.spansMinute(START, FULL)).toBe(false)
    expect(coverage.touchesMinute(START)).toBe(true)
    expect(coverage.spansMinute(START + M, FULL)).toBe(true)
    coverage.end(START + 2 * M)
    expect(coverage.spansMinute(START + M, FULL)).toBe(true)
    expect(coverage.touchesMinute(START + 2 * M)).toBe(false)
  })

  it('is cut back in time by a gap that is noticed late', () => {
    const coverage = new Coverage([
      { fromMs: START, toMs: START + M, mode: 'full' },
      { fromMs: START + 2 * M, toMs: OPEN_ENDED, mode: 'full' },
    ])
    expect(coverage.end(START + 30_000)).toBe(true)
    expect(coverage.stretches).toEqual([
      { fromMs: START, toMs: START + 30_000, mode: 'full' },
      { fromMs: START + 2 * M, toMs: START + 2 * M, mode: 'full' },
    ])
    expect(coverage.touchesMinute(START + 2 * M)).toBe(false)
    expect(coverage.end(START + 30_000)).toBe(false)
  })

  it('keeps the first begin that was told, however late the gap over it is noticed', () => {
    const coverage = new Coverage()
    coverage.begin(START + 10_000, 'full')
    coverage.end(START + 7_000)
    coverage.begin(START + 40_000, 'full')
    expect(coverage.coveredFromMs({ openMs: START, closeMs: START + 10 * M })).toBe(START + 10_000)
  })

  it('begins anew with another mode and ignores a repetition', () => {
    const coverage = new Coverage()
    expect(coverage.begin(START, 'full')).toBe(true)
    expect(coverage.begin(START + 5, 'full')).toBe(false)
    expect(coverage.begin(START + M, 'quote')).toBe(true)
    expect(coverage.stretches).toEqual([
      { fromMs: START, toMs: START + M, mode: 'full' },
      { fromMs: START + M, toMs: OPEN_ENDED, mode: 'quote' },
    ])
    expect(coverage.spansMinute(START + M, FULL)).toBe(false)
  })

  it('has one stretch an instant, also where the mode changes at once', () => {
    const coverage = new Coverage()
    coverage.begin(START, 'quote')
    coverage.begin(START, 'full')
    expect(coverage.stretches).toEqual([{ fromMs: START, toMs: OPEN_ENDED, mode: 'full' }])
  })

  it('knows the start of a minute only if the feed held up to it', () => {
    const coverage = new Coverage([{ fromMs: START, toMs: START + M, mode: 'full' }])
    expect(coverage.coversStartOf(START)).toBe(false)
    expect(coverage.coversStartOf(START + M)).toBe(true)
    expect(coverage.coversStartOf(START + 2 * M)).toBe(false)
  })
})
