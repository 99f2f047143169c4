import { describe, expect, it } from 'vitest'
import type { ControlRecord } from '../../../src/contract/journal-record.ts'
import { KnownTicks } from '../../../src/exchange/replay/known-ticks.ts'
import type { KnownGap } from '../../../src/exchange/replay/ports.ts'
import { NIFTY, OPEN_MS, packet } from '../../backend/scenario.ts'

const { token } = NIFTY

function knownTicks(...gaps: KnownGap[]) {
  const known = new KnownTicks(gaps)
  const tickAt = (offsetMs: number) => {
    const timeMs = OPEN_MS + offsetMs
    return known.take({ timeMs, tick: packet(NIFTY, timeMs, 24_500) })
  }
  const controlAt = (offsetMs: number, control: ControlRecord) =>
    known.take({ timeMs: OPEN_MS + offsetMs, control })
  return { known, tickAt, controlAt }
}

function begins(mode: 'quote' | 'full', ...ended: number[]): ControlRecord {
  const end = ended.map((each) => ({ token: each, toMs: OPEN_MS }))
  return { kind: 'covered', begin: [{ token, mode, fromMs: OPEN_MS }], end }
}

describe('what a replay plays of an instrument', () => {
  it('is nothing before its streaming began', () => {
    const { known, tickAt } = knownTicks()
    expect(tickAt(0)).toEqual({ ended: [] })
    expect(known.newest(token)).toBeUndefined()
  })

  it('is every tick while it streams, also where its mode changes in between', () => {
    const { known, tickAt, controlAt } = knownTicks()
    controlAt(0, begins('quote'))
    expect(tickAt(1).tick?.token).toBe(token)
    expect(controlAt(2, begins('full', token)).ended).toEqual([])
    expect(tickAt(3).tick?.token).toBe(token)
    expect(known.newest(token)?.token).toBe(token)
  })

  it('ends with its coverage, and what it showed last is forgotten', () => {
    const { known, tickAt, controlAt } = knownTicks()
    controlAt(0, begins('full'))
    tickAt(1)
    const end: ControlRecord = { kind: 'covered', begin: [], end: [{ token, toMs: OPEN_MS }] }
    expect(controlAt(2, end).ended).toEqual([token])
    expect(tickAt(3)).toEqual({ ended: [] })
    expect(known.newest(token)).toBeUndefined()
  })

  it('ends where a gap begins, not where it was noticed, and goes on where the gap was closed', () => {
    const { tickAt, controlAt } = knownTicks({ atMs: OPEN_MS + 1_000, tokens: [token] })
    controlAt(0, begins('full'))
    expect(tickAt(1_000).tick).toBeDefined()
    const other: ControlRecord = { kind: 'clock', marketTimeMs: 0, wallTimeMs: 0 }
    expect(controlAt(1_001, other).ended).toEqual([token])
    const noticed: ControlRecord = {
      kind: 'gap_open',
      gapId: 'g',
      reason: 'mute',
      account: null,
      connection: null,
      fromMs: OPEN_MS,
      tokens: [token],
    }
    expect(controlAt(20_000, noticed).ended).toEqual([])
    expect(tickAt(20_001).tick).toBeUndefined()
    const ends = [{ token, toMs: OPEN_MS + 21_000, mode: 'full' as const }]
    controlAt(21_000, { kind: 'gap_close', gapId: 'g', ends })
    expect(tickAt(21_000).tick).toBeDefined()
  })

  it('ends where records of it are lost', () => {
    const { known, controlAt } = knownTicks()
    controlAt(0, begins('full'))
    expect(known.take({ timeMs: OPEN_MS, lostTokens: [token, 1] }).ended).toEqual([token])
  })
})
