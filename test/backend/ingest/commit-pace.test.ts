import { describe, expect, it } from 'vitest'
import { CommitPace } from '../../../src/backend/ingest/commit-pace.ts'
import { COMMIT_PAUSE_MS } from '../../../src/limits.ts'

/** What a commit of 100 instruments takes: with the share that none of them causes, that of 200. */
const BUILD_MS = 2
const STORE_MS = 40

/** A pace that has seen one commit of 100 instruments: built from 0 to 2, stored from 2 to 42. */
function learned(): CommitPace {
  const pace = new CommitPace()
  pace.built(0, BUILD_MS, 100)
  pace.sent(BUILD_MS, 100)
  pace.answered(BUILD_MS + STORE_MS)
  return pace
}

/** The same with a commit of 100 with the store since 44, thought to be through at 84. */
function oneInFlight(): CommitPace {
  const pace = learned()
  pace.built(42, 44, 100)
  pace.sent(44, 100)
  return pace
}

/** The same with one of 300 behind it: thought to be through at 84 + 80. */
function twoInFlight(): CommitPace {
  const pace = oneInFlight()
  pace.built(82, 84, 100)
  pace.sent(84, 300)
  return pace
}

describe('the pace of commits', () => {
  it('lets the first one begin at once, and the next one after nothing but the pause', () => {
    const pace = new CommitPace()
    expect(pace.tooEarlyByMs(1_000, 5_000)).toBeLessThanOrEqual(0)
    pace.built(1_000, 1_001, 100)
    expect(pace.tooEarlyByMs(1_001, 100)).toBe(COMMIT_PAUSE_MS - 1)
    // What the store takes is not known yet.
    pace.sent(1_001, 100)
    expect(pace.tooEarlyByMs(1_001, 100)).toBe(COMMIT_PAUSE_MS - 1)
    expect(pace.tooEarlyByMs(1_000 + COMMIT_PAUSE_MS, 100)).toBe(0)
  })

  it('begins a build so that it is ready when the store is thought to be free', () => {
    const pace = oneInFlight()
    expect(pace.tooEarlyByMs(50, 100)).toBeCloseTo(84 - BUILD_MS - 50, 9)
    expect(pace.tooEarlyByMs(82, 100)).toBeCloseTo(0, 9)
    expect(pace.tooEarlyByMs(90, 100)).toBeCloseTo(-8, 9)
  })

  it('begins the sooner the more instruments are to be built', () => {
    const pace = oneInFlight()
    expect(pace.tooEarlyByMs(50, 300)).toBeCloseTo(84 - 2 * BUILD_MS - 50, 9)
    expect(pace.tooEarlyByMs(50, 700)).toBeCloseTo(84 - 4 * BUILD_MS - 50, 9)
  })

  it('never begins two builds within the pause, however fast the store is', () => {
    const pace = learned()
    pace.built(42, 43, 0)
    expect(pace.tooEarlyByMs(43, 0)).toBe(42 + COMMIT_PAUSE_MS - 43)
  })

  it('thinks the store to be through with the second when it is through with both', () => {
    expect(twoInFlight().tooEarlyByMs(84, 100)).toBeCloseTo(164 - BUILD_MS - 84, 9)
  })

  it('counts the second from the answer to the first', () => {
    const late = twoInFlight()
    late.answered(94)
    // 50 ms for the 200: 0.25 each; an eighth of the way from 0.2 there, times 400, from 94 on.
    expect(late.tooEarlyByMs(94, 100)).toBeCloseTo(94 + 0.20625 * 400 - BUILD_MS - 94, 9)

    const early = twoInFlight()
    early.answered(64)
    // 20 ms for the 200: 0.1 each; a quarter of the way from 0.2 there.
    expect(early.tooEarlyByMs(64, 100)).toBeCloseTo(0.175 * 400 - BUILD_MS, 9)
  })

  it('does not count the wait behind another commit as the store’s work', () => {
    const pace = twoInFlight()
    pace.answered(94)
    pace.answered(134)
    // 40 ms since the first answer, not 50 since it was sent: 0.1 each of the 400.
    const each = 0.20625 + (0.1 - 0.20625) / 4
    pace.sent(134, 100)
    expect(pace.tooEarlyByMs(134, 100)).toBeCloseTo(each * 200 - BUILD_MS, 9)
  })

  it('learns of builds as well, more of a short one than of a long one', () => {
    const slower = oneInFlight()
    slower.built(44, 54, 100)
    // 0.05 instead of 0.01 for each of the 200: an eighth of the way.
    expect(slower.tooEarlyByMs(54, 100)).toBeCloseTo(84 - 0.015 * 200 - 54, 9)

    const faster = oneInFlight()
    faster.built(44, 45, 100)
    // 0.005: a quarter of the way.
    expect(faster.tooEarlyByMs(50, 100)).toBeCloseTo(84 - 0.00875 * 200 - 50, 9)
  })

  it('learns nothing from an answer to what was not sent', () => {
    const pace = learned()
    pace.answered(10_000)
    pace.sent(44, 100)
    expect(pace.tooEarlyByMs(50, 100)).toBeCloseTo(84 - BUILD_MS - 50, 9)
  })
})
