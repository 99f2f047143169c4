import { describe, expect, it } from 'vitest'
import { lastRunLines } from '../../src/compose/last-run.ts'

const MISSING_FROM_MS = Date.parse('2026-11-20T10:15:02.750+05:30')

const left = (epoch: number, hasEnded: boolean) => ({ last: { epoch }, hasEnded })

describe('what a start says of the run before', () => {
  it('is nothing where there was none, and where it ended in order', () => {
    expect(lastRunLines([], undefined)).toEqual([])
    expect(lastRunLines([left(0, false)], undefined)).toEqual([])
    expect(lastRunLines([left(7, true), left(7, true)], MISSING_FROM_MS)).toEqual([])
  })

  it('is since when ticks are missing, and where to see it', () => {
    const said =
      'did not end in order: ticks are missing from 2026-11-20T10:15:02+05:30 on, a gap that is ' +
      'repaired from history where it can be; fostream verify shows it'
    expect(lastRunLines([left(7, false)], MISSING_FROM_MS)).toEqual([['Last run', said]])
    expect(lastRunLines([left(7, true), left(7, false)], MISSING_FROM_MS)).toHaveLength(1)
  })

  it('is that nothing is missing where nothing was streaming', () => {
    expect(lastRunLines([left(7, false)], undefined)).toEqual([
      ['Last run', 'did not end in order: nothing was streaming'],
    ])
  })

  it('leaves out partitions that were given up before it', () => {
    expect(lastRunLines([left(7, true), left(3, false), left(0, false)], undefined)).toEqual([])
  })
})
