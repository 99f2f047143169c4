import { describe, expect, it } from 'vitest'
import type { ControlRecord } from '../../../src/contract/journal-record.ts'
import { LiveCoverage, type Stretch } from '../../../src/verify/reference-fold/live-coverage.ts'
import { at, covered, FUTURE, gapClose, gapOpen, INDEX, uncovered } from './written-log.ts'

function stretchesAfter(...records: readonly ControlRecord[]): readonly Stretch[] {
  const coverage = new LiveCoverage()
  for (const record of records) coverage.apply(record, (token) => String(token))
  return coverage.stretches().get(String(FUTURE.token)) ?? []
}

function full(from: string, to?: string): Stretch {
  return { fromMs: at(from), toMs: to === undefined ? Infinity : at(to), mode: 'full' }
}

const ONE = [FUTURE]

describe('live coverage', () => {
  it('goes on until it is ended', () => {
    expect(stretchesAfter(covered(ONE, '10:00'))).toEqual([full('10:00')])
    expect(stretchesAfter(covered(ONE, '10:00'), uncovered(ONE, '10:05'))).toEqual([
      full('10:00', '10:05'),
    ])
  })

  it('is not begun again by a record that repeats it', () => {
    expect(stretchesAfter(covered(ONE, '10:00'), covered(ONE, '10:03'))).toEqual([full('10:00')])
  })

  it('is ended and begun by a changed mode', () => {
    const { end } = uncovered(ONE, '10:05')
    const change = { ...covered(ONE, '10:05', 'quote'), end }
    expect(stretchesAfter(covered(ONE, '10:00'), change)).toEqual([
      full('10:00', '10:05'),
      { fromMs: at('10:05'), toMs: Infinity, mode: 'quote' },
    ])
  })

  it('never begins before the end of the stretch before', () => {
    const records = [covered(ONE, '10:00'), uncovered(ONE, '10:05'), covered(ONE, '10:04')]
    expect(stretchesAfter(...records)).toEqual([full('10:00', '10:05'), full('10:05')])
  })

  it('is ended by a gap at the instant that the gap is set back to', () => {
    const records = [covered(ONE, '10:00'), gapOpen('g1', ONE, '10:02')]
    expect(stretchesAfter(...records)).toEqual([full('10:00', '10:02')])
    expect(stretchesAfter(...records, gapClose('g1', ONE, '10:03'))).toEqual([
      full('10:00', '10:02'),
      full('10:03'),
    ])
  })

  it('keeps of what began after the gap did only that it was told', () => {
    const records = [
      covered(ONE, '10:00'),
      uncovered(ONE, '10:02'),
      covered(ONE, '10:03'),
      gapOpen('g1', ONE, '10:01'),
    ]
    expect(stretchesAfter(...records)).toEqual([full('10:00', '10:01'), full('10:03', '10:03')])
  })

  it('does not begin while a gap is open, but with its close', () => {
    const records = [gapOpen('g1', ONE, '10:00'), covered(ONE, '10:01')]
    expect(stretchesAfter(...records)).toEqual([])
    expect(stretchesAfter(...records, gapClose('g1', ONE, '10:02'))).toEqual([full('10:02')])
  })

  it('does not go on after a gap where nobody wants the instrument any more', () => {
    const records = [covered(ONE, '10:00'), gapOpen('g1', ONE, '10:01')]
    expect(stretchesAfter(...records, gapClose('g1', ONE, '10:02', null))).toEqual([
      full('10:00', '10:01'),
    ])
  })

  it('waits for the last of several gaps', () => {
    const records = [
      covered(ONE, '10:00'),
      gapOpen('g1', ONE, '10:01'),
      gapOpen('g2', ONE, '10:02'),
      gapClose('g1', ONE, '10:03'),
    ]
    expect(stretchesAfter(...records)).toEqual([full('10:00', '10:01')])
    expect(stretchesAfter(...records, gapClose('g2', ONE, '10:04'))).toEqual([
      full('10:00', '10:01'),
      full('10:04'),
    ])
  })

  it('is not ended by a gap that was told before', () => {
    const records = [
      covered(ONE, '10:00'),
      gapOpen('g1', ONE, '10:01'),
      gapClose('g1', ONE, '10:02'),
      gapOpen('g1', ONE, '10:01'),
    ]
    expect(stretchesAfter(...records)).toEqual([full('10:00', '10:01'), full('10:02')])
  })

  it('of one instrument is not that of another', () => {
    expect(stretchesAfter(covered([INDEX], '10:00'))).toEqual([])
  })
})
