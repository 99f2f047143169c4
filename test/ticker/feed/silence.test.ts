import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TICKER_MUTE_AFTER_MAX_MS, TICKER_MUTE_AFTER_MS } from '../../../src/limits.ts'
import { Pace } from '../../../src/ticker/feed/pace.ts'
import { Silence } from '../../../src/ticker/feed/silence.ts'

const DAY_S = 86_400
const MUTE_AFTER_MS = TICKER_MUTE_AFTER_MS

/** One instrument, watched once a second; times are monotonic ms. */
class Watched {
  readonly silence = new Silence()
  nowMs = 0
  lastTickMs: number | undefined
  readonly strikes: number[] = []

  /** Seconds at random, a tick in each of them with this chance. */
  tickAtRandom(seconds: number, perSecond: number, random: () => number): this {
    const chance = 1 - Math.exp(-perSecond)
    for (let i = 0; i < seconds; i++) this.second(random() < chance)
    return this
  }

  tickEvery(seconds: number, times: number): this {
    for (let i = 0; i < times * seconds; i++) this.second(i % seconds === 0)
    return this
  }

  second(hasTicked: boolean): void {
    this.nowMs += 1_000
    if (hasTicked) this.lastTickMs = this.nowMs - 400
    this.silence.second(this.nowMs, this.lastTickMs)
    if (!this.silence.isTooLong(this.nowMs, MUTE_AFTER_MS)) return
    this.strikes.push(this.nowMs)
    this.silence.strike(this.nowMs)
  }

  /** Silence until it is noticed; how long it took from the last tick on. */
  noticeMs(withinS = 7_200): number | undefined {
    const before = this.strikes.length
    for (let i = 0; i < withinS; i++) {
      this.second(false)
      if (this.strikes.length > before) return this.nowMs - (this.lastTickMs ?? 0)
    }
    return undefined
  }
}

describe('an instrument that stops', () => {
  it('and ticked each second is noticed within the silence + 5 s, after ten seconds of it or an hour', () => {
    for (const seconds of [12, 30, 100, 3_600]) {
      const noticedMs = new Watched().tickEvery(1, seconds).noticeMs()
      expect(noticedMs).toBeGreaterThanOrEqual(MUTE_AFTER_MS)
      expect(noticedMs).toBeLessThanOrEqual(MUTE_AFTER_MS + 5_000)
    }
  })

  it('and ticked at random once a second is noticed within the silence + 5 s, nearly always', () => {
    const late = Array.from({ length: 200 }, (_, i) => {
      const watched = new Watched().tickAtRandom(600, 1, randomOf(i + 1))
      return watched.strikes.length + Number((watched.noticeMs() ?? 1e9) > MUTE_AFTER_MS + 5_000)
    }).filter((faults) => faults > 0)
    expect(late.length).toBeLessThanOrEqual(4)
  })

  it('and ticked rarely is noticed when its silence is a wonder, not before', () => {
    const noticedS = (new Watched().tickEvery(60, 60).noticeMs() ?? 0) / 1000
    expect(noticedS).toBeGreaterThan(600)
    expect(noticedS).toBeLessThan(1_200)
  })

  it('is asked for again at growing distances, and shown as mute until it ticks', () => {
    const watched = new Watched().tickEvery(1, 300)
    for (let i = 0; i < 3_600; i++) watched.second(false)
    const pauses = watched.strikes.map((ms, i) => ms - (watched.strikes[i - 1] ?? 300_000))
    expect(pauses.length).toBeGreaterThanOrEqual(4)
    expect(pauses.length).toBeLessThanOrEqual(15)
    for (const [i, pauseMs] of pauses.entries()) {
      const doubledMs = Math.min(TICKER_MUTE_AFTER_MAX_MS, MUTE_AFTER_MS * 2 ** i)
      expect(pauseMs).toBeGreaterThanOrEqual(doubledMs)
    }
    expect(watched.silence.isMute).toBe(true)
    watched.second(true)
    expect(watched.silence.isMute).toBe(false)
  })
})

describe('an instrument that ticks at random', () => {
  it.each([1, 2, 5, 10, 30, 60, 120, 300, 600])(
    'once in %i s is falsely taken for mute less than once a day',
    (meanS) => {
      const days = 5
      const watched = new Watched().tickAtRandom(days * DAY_S, 1 / meanS, randomOf(meanS))
      expect(watched.strikes.length).toBeLessThan(days)
    },
  )

  it('is never taken for mute before the configured silence, whatever its pace was', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 400 }), (seconds) => {
        const watched = new Watched()
        let lastMs = 0
        for (const hasTicked of seconds) {
          const before = watched.strikes.length
          watched.second(hasTicked)
          if (hasTicked) lastMs = watched.lastTickMs ?? 0
          if (watched.strikes.length > before) {
            expect(watched.nowMs - lastMs).toBeGreaterThanOrEqual(MUTE_AFTER_MS)
          }
        }
      }),
    )
  })
})

describe('what is expected', () => {
  it('is nothing of what never ticked, was not watched or is out of session', () => {
    const never = new Watched()
    expect(never.noticeMs()).toBeUndefined()
    const watched = new Watched().tickEvery(1, 300)
    watched.silence.rest()
    watched.nowMs += 3_600_000
    watched.second(false)
    expect(watched.strikes).toEqual([])
    watched.silence.close()
    expect(watched.noticeMs()).toBeUndefined()
  })

  it('follows the pace: one that has become slow is no longer expected each second', () => {
    const watched = new Watched().tickEvery(1, 600)
    for (let i = 0; i < 40; i++) watched.tickEvery(8, 1)
    expect(watched.strikes).toEqual([])
    expect(watched.noticeMs()).toBeGreaterThan(MUTE_AFTER_MS + 5_000)
  })

  it('of several together is more than of each', () => {
    const pace = new Pace()
    for (let i = 0; i < 20; i++) for (let s = 0; s < 60; s++) pace.second(s === 0)
    expect(pace.surprise(30)).toBeLessThan(1)
    expect(40 * pace.surprise(30)).toBeGreaterThan(13)
  })
})

/** A seeded generator (mulberry32): numbers in [0, 1). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
