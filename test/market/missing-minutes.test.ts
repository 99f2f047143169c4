import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  intervalsOf,
  judgeAnswer,
  minutesOf,
  missingMinutes,
} from '../../src/market/missing-minutes.ts'
import type { Interval } from '../../src/market/session-time.ts'

const M = 60_000
const START = 1_795_146_300_000
const at = (minute: number) => START + minute * M
const span = (from: number, to: number): Interval => ({ fromMs: at(from), toMs: at(to) })

describe('missing minutes', () => {
  it('are holes within the window as well as its ends', () => {
    const known = [span(2, 4), span(6, 7)]
    expect(missingMinutes(known, [span(0, 10)])).toEqual([span(0, 2), span(4, 6), span(7, 10)])
  })

  it('include a minute that is covered in part, by one stretch or by two that do not meet', () => {
    const known = [span(0, 2.5), span(2.6, 5)]
    expect(missingMinutes(known, [span(0, 5)])).toEqual([span(2, 3)])
  })

  it('are none where streaming goes on without an end', () => {
    const live = { fromMs: at(3), toMs: Number.POSITIVE_INFINITY }
    expect(missingMinutes([live], [span(0, 2), span(2, 9)])).toEqual([span(0, 3)])
  })

  it('lie in sessions only', () => {
    expect(missingMinutes([], [span(0, 2), span(5, 6)])).toEqual([span(0, 2), span(5, 6)])
  })

  it('are none where the broker tells what was not streamed of a minute', () => {
    const live = [span(0, 2.5), span(2.75, 9)]
    expect(missingMinutes([...live, span(2.5, 2.75)], [span(0, 5)])).toEqual([])
    // The store moves a start whose instant is taken as a key.
    const told = { fromMs: at(3) + 1, toMs: at(4) }
    expect(missingMinutes([span(0, 3), told], [span(3, 4)])).toEqual([])
    expect(missingMinutes([told], [span(3, 4)])).toEqual([])
  })

  it('are what a look at every quarter of a minute finds, whatever is known', () => {
    const edge = fc.integer({ min: -40, max: 400 }).map((n) => n / 4)
    const interval = fc.tuple(edge, edge).map(([a, b]) => span(Math.min(a, b), Math.max(a, b)))
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 12 }), (known) => {
        const sessions = [span(0, 30), span(45, 60), span(60, 80)]
        const isKnown = (fromMs: number) =>
          known.some((k) => k.fromMs <= fromMs && k.toMs >= fromMs + M / 4)
        const expected = minutesOf(sessions).filter(
          (minuteMs) => ![0, 1, 2, 3].every((quarter) => isKnown(minuteMs + (quarter * M) / 4)),
        )
        const found = missingMinutes(known, sessions)
        expect(minutesOf(found)).toEqual(expected)
        expect(intervalsOf(minutesOf(found))).toEqual(found)
      }),
    )
  })
})

describe('an answer of the broker', () => {
  const never = () => false

  it('knows a minute to be without a candle only where a later one is in it', () => {
    const wanted = [at(0), at(1), at(2), at(3)]
    expect(judgeAnswer(wanted, [at(0), at(2)], at(9), never)).toEqual({
      given: [at(0), at(2)],
      none: [at(1)],
      doubtful: [at(3)],
      open: [],
    })
  })

  it('says nothing of minutes that are not final', () => {
    const verdict = judgeAnswer([at(0), at(1), at(2)], [at(0)], at(2), never)
    expect(verdict).toEqual({ given: [at(0)], none: [], doubtful: [at(1)], open: [at(2)] })
  })

  it('confirms what an earlier answer lacked, an empty one too', () => {
    const verdict = judgeAnswer([at(0), at(1)], [], at(9), (minuteMs) => minuteMs === at(0))
    expect(verdict).toEqual({ given: [], none: [at(0)], doubtful: [at(1)], open: [] })
  })

  it('puts every minute into one list, and takes none for missing that it gives', () => {
    const minutes = fc.uniqueArray(fc.integer({ min: 0, max: 50 }), { maxLength: 40 })
    fc.assert(
      fc.property(minutes, minutes, fc.integer({ min: 0, max: 60 }), (wanted, answered, final) => {
        const asked = wanted.sort((a, b) => a - b).map(at)
        const verdict = judgeAnswer(asked, answered.map(at), at(final), never)
        const all = [...verdict.given, ...verdict.none, ...verdict.doubtful, ...verdict.open]
        expect(all.sort((a, b) => a - b)).toEqual(asked)
        expect(verdict.given).toEqual(asked.filter((ms) => answered.map(at).includes(ms)))
      }),
    )
  })
})
