import { describe, expect, it } from 'vitest'
import { BUS_AWAY_LOG_PERIOD_MS } from '../../src/limits.ts'
import { type LinkEvent, type LinkState, newLink, transition } from '../../src/redis/link-state.ts'

const NOW_MS = 10_000_000
const SINCE_MS = NOW_MS - 1_500
const RECENTLY_MS = NOW_MS - BUS_AWAY_LOG_PERIOD_MS + 1
const LONG_AGO_MS = NOW_MS - BUS_AWAY_LOG_PERIOD_MS

const READY: LinkEvent = { kind: 'ready' }
const CLOSED: LinkEvent = { kind: 'closed' }
const FAILED: LinkEvent = { kind: 'failed', error: 'ECONNREFUSED' }

/** What was said of it before: nothing; that it is away, lately or long ago; and whether this absence was. */
const SAID = {
  never: { saidAtMs: undefined, isSaid: false },
  'lately, of this absence': { saidAtMs: RECENTLY_MS, isSaid: true },
  'long ago, of this absence': { saidAtMs: LONG_AGO_MS, isSaid: true },
  'lately, of another': { saidAtMs: RECENTLY_MS, isSaid: false },
  'long ago, of another': { saidAtMs: LONG_AGO_MS, isSaid: false },
} as const
type Said = keyof typeof SAID

function link(kind: LinkState['kind'], said: Said): LinkState {
  return { kind, error: kind === 'up' ? null : 'away', sinceMs: SINCE_MS, ...SAID[said] }
}

/** Every state, every event: what it is then, and what is said. */
const TABLE: readonly [LinkState['kind'], Said, LinkEvent, LinkState['kind'], string | null][] = [
  ['away', 'never', READY, 'up', 'Redis connected'],
  ['away', 'never', CLOSED, 'away', null],
  ['away', 'never', FAILED, 'away', 'Redis is away'],
  ['away', 'lately, of this absence', READY, 'up', 'Redis is back'],
  ['away', 'lately, of this absence', CLOSED, 'away', null],
  ['away', 'lately, of this absence', FAILED, 'away', null],
  ['away', 'long ago, of this absence', READY, 'up', 'Redis is back'],
  ['away', 'long ago, of this absence', CLOSED, 'away', null],
  ['away', 'long ago, of this absence', FAILED, 'away', 'Redis is away'],
  ['away', 'lately, of another', READY, 'up', null],
  ['away', 'lately, of another', CLOSED, 'away', null],
  ['away', 'lately, of another', FAILED, 'away', null],
  ['away', 'long ago, of another', READY, 'up', null],
  ['away', 'long ago, of another', CLOSED, 'away', null],
  ['away', 'long ago, of another', FAILED, 'away', 'Redis is away'],
  // While it is up no absence runs.
  ['up', 'never', READY, 'up', null],
  ['up', 'never', CLOSED, 'away', 'Redis lost'],
  ['up', 'never', FAILED, 'up', null],
  ['up', 'lately, of another', READY, 'up', null],
  ['up', 'lately, of another', CLOSED, 'away', null],
  ['up', 'lately, of another', FAILED, 'up', null],
  ['up', 'long ago, of another', READY, 'up', null],
  ['up', 'long ago, of another', CLOSED, 'away', 'Redis lost'],
  ['up', 'long ago, of another', FAILED, 'up', null],
]

describe('the link to the server', () => {
  it.each(TABLE)('%s, said %s, %o: is then %s, and %s is said', (kind, said, event, then, line) => {
    const before = link(kind, said)
    const step = transition(before, event, NOW_MS)
    expect(step.state.kind).toBe(then)
    expect(step.line?.message ?? null).toBe(line)
    const isAbsenceSaid = line === 'Redis lost' || line === 'Redis is away'
    expect(step.state.saidAtMs).toBe(isAbsenceSaid ? NOW_MS : before.saidAtMs)
    expect(step.state.sinceMs).toBe(kind === then && event.kind !== 'ready' ? SINCE_MS : NOW_MS)
  })

  it('says why it is away, and how long it was', () => {
    const away = transition(newLink(SINCE_MS), FAILED, SINCE_MS)
    expect(away.state.error).toBe('ECONNREFUSED')
    expect(away.line).toMatchObject({ level: 'warn', fields: { error: 'ECONNREFUSED' } })
    const back = transition(away.state, READY, NOW_MS)
    expect(back.state.error).toBeNull()
    expect(back.line).toMatchObject({ level: 'info', fields: { away_ms: 1_500 } })
  })

  it('that was closed without a word says so, else with the last trouble', () => {
    const closed = transition(link('up', 'never'), CLOSED, NOW_MS)
    expect(closed.line?.fields).toEqual({ error: 'the connection was closed' })
    const troubled = transition(link('up', 'never'), FAILED, NOW_MS)
    const lost = transition(troubled.state, CLOSED, NOW_MS)
    expect(lost.line?.fields).toEqual({ error: 'ECONNREFUSED' })
  })
})
