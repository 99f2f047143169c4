import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  TICKER_MUTE_AFTER_MAX_MS,
  TICKER_RECONNECT_FIRST_MS,
  TICKER_REFUSED_RETRY_MS,
  TICKER_SOCKET_PROVEN_MS,
} from '../../../src/limits.ts'
import {
  type ConnectionEffect,
  type ConnectionEvent,
  type ConnectionState,
  INITIAL_STATE,
  transition,
} from '../../../src/ticker/connection/connection-state.ts'

const GENERATION = 7
const common = { generation: GENERATION, attempt: 2, mutes: 1 }

const STATES = {
  idle: { ...common, kind: 'idle' },
  opening: { ...common, kind: 'opening' },
  open: { ...common, kind: 'open', openedAtMs: 0, hasData: false },
  waiting: { ...common, kind: 'waiting', cause: 'drop' },
  stopped: { ...common, kind: 'stopped' },
} as const satisfies Record<string, ConnectionState>

const EVENTS = {
  start: { kind: 'start' },
  release: { kind: 'release' },
  stop: { kind: 'stop' },
  due: { kind: 'due' },
  retry_now: { kind: 'retry_now' },
  opened: { kind: 'opened', generation: GENERATION },
  stale_opened: { kind: 'opened', generation: GENERATION - 1 },
  refused_403: {
    kind: 'refused',
    generation: GENERATION,
    failure: 'refused',
    retryAfterMs: undefined,
  },
  refused_429: { kind: 'refused', generation: GENERATION, failure: 'busy', retryAfterMs: 9_000 },
  failed: { kind: 'refused', generation: GENERATION, failure: 'failed', retryAfterMs: undefined },
  stale_failed: {
    kind: 'refused',
    generation: GENERATION - 1,
    failure: 'failed',
    retryAfterMs: undefined,
  },
  closed: { kind: 'closed', generation: GENERATION },
  stale_closed: { kind: 'closed', generation: GENERATION - 1 },
  data: { kind: 'data', generation: GENERATION },
  stale_data: { kind: 'data', generation: GENERATION - 1 },
  short_silence: { kind: 'silence', silentMs: 10_000, muteAfterMs: 10_000 },
  long_silence: { kind: 'silence', silentMs: 20_000, muteAfterMs: 10_000 },
  clock_step: { kind: 'clock_step' },
} as const satisfies Record<string, ConnectionEvent>

type StateName = keyof typeof STATES
type EventName = keyof typeof EVENTS

/** Next state and effects; everything that is not listed changes nothing. */
const TABLE: Partial<Record<`${StateName} ${EventName}`, string>> = {
  'idle start': 'opening: open',
  'idle release': 'idle: ',
  'idle stop': 'stopped: ',
  'idle opened': 'idle: close',
  'idle stale_opened': 'idle: close',
  'opening release': 'idle: close',
  'opening stop': 'stopped: close',
  'opening opened': 'open: resubscribe, report accepted',
  'opening stale_opened': 'opening: close',
  'opening refused_403': 'waiting: wait_exactly, report refused',
  'opening refused_429': 'waiting: wait_exactly, report busy',
  'opening failed': 'waiting: wait',
  'open release': 'idle: close',
  'open stop': 'stopped: close',
  'open stale_opened': 'open: close',
  'open closed': 'waiting: gap disconnect, wait',
  'open long_silence': 'waiting: gap mute, close, wait',
  'open clock_step': 'waiting: gap clock_step, close, wait',
  'waiting release': 'idle: cancel_wait',
  'waiting stop': 'stopped: cancel_wait',
  'waiting due': 'opening: open',
  'waiting retry_now': 'opening: cancel_wait, open',
  'waiting opened': 'waiting: close',
  'waiting stale_opened': 'waiting: close',
  'stopped opened': 'stopped: close',
  'stopped stale_opened': 'stopped: close',
}

describe('every state with every event', () => {
  const states = Object.keys(STATES) as StateName[]
  const events = Object.keys(EVENTS) as EventName[]
  const cases = states.flatMap((state) => events.map((event) => [state, event] as const))

  it.each(cases)('%s, %s', (stateName, eventName) => {
    const before = STATES[stateName]
    const { state, effects } = transition(before, EVENTS[eventName], 1_000)
    const expected = TABLE[`${stateName} ${eventName}`] ?? `${stateName}: `
    expect(`${state.kind}: ${effects.map(shown).join(', ')}`).toBe(expected)
  })
})

describe('the next pause', () => {
  it('grows with each failure in a row', () => {
    const first = transition(STATES.opening, EVENTS.failed, 0)
    expect(first.state.attempt).toBe(3)
    expect(first.effects[0]).toMatchObject({ kind: 'wait', attempt: 2 })
  })

  it('begins anew after a socket that brought data', () => {
    const { state } = transition(STATES.open, EVENTS.data, 10)
    const dropped = transition(state, EVENTS.closed, 20)
    expect(dropped.effects).toContainEqual(expect.objectContaining({ kind: 'wait', attempt: 0 }))
    expect(dropped.state.attempt).toBe(1)
  })

  it('begins anew after a socket that stayed open, and not after one that closed at once', () => {
    const lived = transition(STATES.open, EVENTS.closed, TICKER_SOCKET_PROVEN_MS)
    expect(lived.effects).toContainEqual(expect.objectContaining({ kind: 'wait', attempt: 0 }))
    const flapped = transition(STATES.open, EVENTS.closed, TICKER_SOCKET_PROVEN_MS - 1)
    expect(flapped.effects).toContainEqual(expect.objectContaining({ kind: 'wait', attempt: 2 }))
  })

  it('is what the broker asks for, but never none', () => {
    const told = transition(STATES.opening, EVENTS.refused_429, 0)
    expect(told.effects[0]).toEqual({ kind: 'wait_exactly', delayMs: 9_000 })
    const now = transition(STATES.opening, { ...EVENTS.refused_429, retryAfterMs: 0 }, 0)
    expect(now.effects[0]).toEqual({ kind: 'wait_exactly', delayMs: TICKER_RECONNECT_FIRST_MS })
  })

  it('is long after a 403, so that a dead token is not tried again and again', () => {
    const { effects } = transition(STATES.opening, EVENTS.refused_403, 0)
    expect(effects[0]).toEqual({ kind: 'wait_exactly', delayMs: TICKER_REFUSED_RETRY_MS })
  })
})

describe('a mute socket', () => {
  it('is noticed later each time that reopening did not help, and at once again after data', () => {
    const silent = (mutes: number, silentMs: number) =>
      transition(
        { ...STATES.open, mutes },
        { kind: 'silence', silentMs, muteAfterMs: 10_000 },
        silentMs,
      ).state.kind
    expect(silent(0, 10_000)).toBe('waiting')
    expect(silent(1, 19_999)).toBe('open')
    expect(silent(1, 20_000)).toBe('waiting')
    expect(silent(30, TICKER_MUTE_AFTER_MAX_MS)).toBe('waiting')
    expect(transition({ ...STATES.open, mutes: 3 }, EVENTS.data, 0).state.mutes).toBe(0)
  })
})

describe('whatever the order of events', () => {
  const anyGeneration = fc.integer({ min: 0, max: 4 })
  const anyEvent: fc.Arbitrary<ConnectionEvent> = fc.oneof(
    fc.constantFrom<ConnectionEvent>(
      { kind: 'start' },
      { kind: 'release' },
      { kind: 'due' },
      { kind: 'retry_now' },
      { kind: 'clock_step' },
      { kind: 'silence', silentMs: 1e9, muteAfterMs: 1 },
    ),
    fc.record({
      kind: fc.constantFrom('opened' as const, 'closed' as const, 'data' as const),
      generation: anyGeneration,
    }),
    fc.record({
      kind: fc.constant('refused' as const),
      generation: anyGeneration,
      failure: fc.constantFrom('refused' as const, 'busy' as const, 'failed' as const),
      retryAfterMs: fc.constantFrom(undefined, 0, 5_000),
    }),
    fc.constant({ kind: 'stop' as const }),
  )

  it('has one attempt or socket and one timer at most, fences the old, and stays stopped', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
        let state = INITIAL_STATE
        let timers = 0
        let live = new Set<number>()
        events.forEach((event, i) => {
          const wasStopped = state.kind === 'stopped'
          if (event.kind === 'due' && timers > 0) timers--
          if (event.kind === 'closed' || event.kind === 'refused') live.delete(event.generation)
          const next = transition(state, event, i)
          for (const effect of next.effects) {
            if (effect.kind === 'wait' || effect.kind === 'wait_exactly') timers++
            if (effect.kind === 'cancel_wait') timers--
            if (effect.kind === 'open') {
              expect(wasStopped).toBe(false)
              expect(effect.generation).toBeGreaterThan(state.generation)
              live = new Set([...live, effect.generation])
            }
            if (effect.kind === 'close') live.delete(effect.generation)
          }
          state = next.state
          if (wasStopped) expect(state.kind).toBe('stopped')
          expect(timers).toBe(state.kind === 'waiting' ? 1 : 0)
          const expectedLive = state.kind === 'opening' || state.kind === 'open' ? 1 : 0
          // A stray `due`, `closed` or `refused` of the generator may end one that lives.
          expect(live.size).toBeLessThanOrEqual(expectedLive)
        })
      }),
      { numRuns: 500 },
    )
  })
})

function shown(effect: ConnectionEffect): string {
  if (effect.kind === 'gap') return `gap ${effect.reason}`
  if (effect.kind === 'report') return `report ${effect.news}`
  return effect.kind
}
