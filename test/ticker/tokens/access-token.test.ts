import { describe, expect, it } from 'vitest'
import { msOfIst } from '../../../src/market/ist.ts'
import {
  type AccessToken,
  endedReason,
  judgeToken,
  newestToken,
  tokenPhase,
  tokensEndAfterMs,
} from '../../../src/ticker/tokens/access-token.ts'

const at = (time: string, date = '2026-11-23') => msOfIst(date, time)

function token(accessToken: string, issued: number | undefined, ends = issued): AccessToken {
  const endsAtMs = ends === undefined ? undefined : tokensEndAfterMs(ends)
  return { accessToken, source: 'file', issuedAtMs: issued, endsAtMs }
}

describe('a token ends', () => {
  it.each([
    ['a login in the morning', at('08:30'), at('06:00', '2026-11-24')],
    ['one before six', at('05:59'), at('06:00')],
    ['one at six', at('06:00'), at('06:00', '2026-11-24')],
    ['one late at night', at('23:59'), at('06:00', '2026-11-24')],
    ['one on new year’s eve', at('20:00', '2026-12-31'), at('06:00', '2027-01-01')],
  ])('at the next 06:00: %s', (_what, issuedAtMs, endsAtMs) => {
    expect(tokensEndAfterMs(issuedAtMs)).toBe(endsAtMs)
  })
})

describe('of a token in use and one that is offered', () => {
  const now = at('10:00')
  const morning = token('morning', at('08:30'))
  const later = token('later', at('09:30'))
  const yesterday = token('yesterday', at('20:00', '2026-11-22'))
  const unknown = token('unknown', undefined, at('09:00'))
  const unknownOld = token('unknown-old', undefined, at('20:00', '2026-11-22'))
  const endless: AccessToken = { ...token('endless', at('08:00')), endsAtMs: undefined }

  it.each([
    ['nothing', undefined, morning, 'take'],
    ['nothing', undefined, yesterday, 'ended'],
    ['nothing', undefined, unknown, 'take'],
    ['nothing', undefined, unknownOld, 'ended'],
    ['an older one', morning, later, 'take'],
    ['a newer one', later, morning, 'older'],
    ['one as old', morning, token('twin', at('08:30')), 'older'],
    ['one of unknown age', unknown, morning, 'take'],
    ['a known one', morning, unknown, 'older'],
    ['another of unknown age', unknown, token('other', undefined, now), 'older'],
    ['one that has ended', yesterday, unknown, 'take'],
    ['one that has ended', unknownOld, morning, 'take'],
    ['one of today', morning, yesterday, 'ended'],
    ['one without an end', endless, later, 'take'],
    ['one without an end', later, endless, 'older'],
    ['the same', morning, { ...morning, source: 'api' as const }, 'same'],
  ])('%s in use: %#', (_what, current, offered, verdict) => {
    expect(judgeToken(current, offered, now)).toBe(verdict)
  })

  it.each([
    [[morning, later, yesterday], 'later'],
    [[yesterday, unknown], 'unknown'],
    [[unknown, morning], 'morning'],
    [[unknownOld, yesterday, morning], 'morning'],
    [[token('older', at('20:00', '2026-11-20')), yesterday], 'yesterday'],
    [[], undefined],
  ])('the start takes the newest that lives, else the last that did: %#', (tokens, chosen) => {
    expect(newestToken(tokens, now)?.accessToken).toBe(chosen)
    expect(newestToken(tokens.toReversed(), now)?.accessToken).toBe(chosen)
  })
})

describe('over its life a token', () => {
  const issued = token('t', at('08:30', '2026-11-22'))

  it.each([
    ['20:00', '2026-11-22', 'good'],
    ['05:29', '2026-11-23', 'good'],
    ['05:30', '2026-11-23', 'ends_soon'],
    ['05:59', '2026-11-23', 'ends_soon'],
    ['06:00', '2026-11-23', 'ended'],
    ['07:59', '2026-11-23', 'ended'],
    ['08:00', '2026-11-23', 'overdue'],
    ['23:59', '2026-11-23', 'overdue'],
    ['00:00', '2026-11-24', 'ended'],
  ])('at %s of %s is %s', (time, date, phase) => {
    expect(tokenPhase(issued, at(time, date), true)).toBe(phase)
  })

  it('is not overdue on a day without trading', () => {
    expect(tokenPhase(issued, at('08:00'), false)).toBe('ended')
    expect(tokenPhase(undefined, at('23:59'), false)).toBe('ended')
  })

  it('says when it ended, and nothing before', () => {
    expect(endedReason(issued, at('05:59'))).toBeNull()
    expect(endedReason(issued, at('06:00'))).toContain('ended at 06:00 on 2026-11-23')
    expect(endedReason(undefined, at('06:00'))).toBeNull()
  })

  it('of the simulated exchange does not end', () => {
    const endless = { ...issued, endsAtMs: undefined }
    expect(tokenPhase(endless, at('08:00', '2027-01-01'), true)).toBe('good')
  })
})
