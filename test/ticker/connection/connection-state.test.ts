import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  TICKER_FIRST_STATES_MS,
  TICKER_MUTE_AFTER_MAX_MS,
  TICKER_RECONNECT_FIRST_MS,
  TICKER_REFUSED_RETRY_MS,
  TICKER_SOCKET_PROVEN_MS,
  TICKER_STALL_MS,
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

const OLD = GENERATION - 1
const refusal = { kind: 'refused', generation: GENERATION, retryAfterMs: undefined } as const
const silence = { kind: 'silence', muteAfterMs: 10_000, isUnlikely: false } as const

/** By what the specification calls them. */
const EVENTS = {
  'start: there is something to carry': { kind: 'start' },
  'release: there is nothing more to carry': { kind: 'release' },
  stop: { kind: 'stop' },
  'due: the timer of waiting': { kind: 'due' },
  'retry_now: what kept it waiting is gone': { kind: 'retry_now' },
  opened: { kind: 'opened', generation: GENERATION },
  'opened, old': { kind: 'opened', generation: OLD },
  'refused with 403': { ...refusal, failure: 'refused' },
  'refused with 429': { ...refusal, failure: 'busy', retryAfterMs: 9_000 },
  'refused otherwise': { ...refusal, failure: 'failed' },
  'refused, old': { ...refusal, failure: 'failed', generation: OLD },
  'closed by the other side': { kind: 'closed', generation: GENERATION },
  'closed, old': { kind: 'closed', generation: OLD },
  data: { kind: 'data', generation: GENERATION },
  'data, old': { kind: 'data', generation: OLD },
  'silence, short': { ...silence, silentMs: 19_999 },
  'silence, long, before the first packet': { ...silence, silentMs: 20_000 },
  'silence over, short': { ...silence, kind: 'silence_over', silentMs: 19_999 },
  'silence over, long': { ...silence, kind: 'silence_over', silentMs: 20_000 },
  'stall, short': { kind: 'stall', silentMs: TICKER_STALL_MS - 1 },
  'stall, long': { kind: 'stall', silentMs: TICKER_STALL_MS },
  clock_step: { kind: 'clock_step' },
} as const satisfies Record<string, ConnectionEvent>

type StateName = keyof typeof STATES
type EventName = keyof typeof EVENTS

const STATE_NAMES = Object.keys(STATES) as StateName[]
const EVENT_NAMES = Object.keys(EVENTS) as EventName[]
/** Of the specification: event by event, the cell of each state. */
const TABLE = specifiedTable()

describe('every state with every event, as docs/connection.md has it', () => {
  it('is specified: no event and no state is missing there, and none is there that we do not know', () => {
    expect([...TABLE.keys()]).toEqual(EVENT_NAMES)
    for (const cells of TABLE.values()) expect([...cells.keys()]).toEqual(STATE_NAMES)
  })

  const cases = STATE_NAMES.flatMap((state) => EVENT_NAMES.map((event) => [state, event] as const))

  it.each(cases)('%s, %s', (stateName, eventName) => {
    const { state, effects } = transition(STATES[stateName], EVENTS[eventName], 1_000)
    const specified = TABLE.get(eventName)?.get(stateName)
    const expected = specified === '·' ? `${stateName}:` : specified
    expect(`${state.kind}: ${effects.map(shown).join(', ')}`.trim()).toBe(expected)
  })
})

describe('the next pause', () => {
  it('grows with each failure in a row', () => {
    const first = transition(STATES.opening, EVENTS['refused otherwise'], 0)
    expect(first.state.attempt).toBe(3)
    expect(first.effects[0]).toMatchObject({ kind: 'wait', attempt: 2 })
  })

  it('begins anew after a socket that brought data', () => {
    const { state } = transition(STATES.open, EVENTS.data, 10)
    const dropped = transition(state, EVENTS['closed by the other side'], 20)
    expect(dropped.effects).toContainEqual(expect.objectContaining({ kind: 'wait', attempt: 0 }))
    expect(dropped.state.attempt).toBe(1)
  })

  it('begins anew after a socket that stayed open, and not after one that closed at once', () => {
    const lived = transition(
      STATES.open,
      EVENTS['closed by the other side'],
      TICKER_SOCKET_PROVEN_MS,
    )
    expect(lived.effects).toContainEqual(expect.objectContaining({ kind: 'wait', attempt: 0 }))
    const flapped = transition(
      STATES.open,
      EVENTS['closed by the other side'],
      TICKER_SOCKET_PROVEN_MS - 1,
    )
    expect(flapped.effects).toContainEqual(expect.objectContaining({ kind: 'wait', attempt: 2 }))
  })

  it('is what the broker asks for, but never none', () => {
    const told = transition(STATES.opening, EVENTS['refused with 429'], 0)
    expect(told.effects[0]).toEqual({ kind: 'wait_exactly', delayMs: 9_000 })
    const now = transition(STATES.opening, { ...EVENTS['refused with 429'], retryAfterMs: 0 }, 0)
    expect(now.effects[0]).toEqual({ kind: 'wait_exactly', delayMs: TICKER_RECONNECT_FIRST_MS })
  })

  it('is long after a 403, so that a dead token is not tried again and again', () => {
    const { effects } = transition(STATES.opening, EVENTS['refused with 403'], 0)
    expect(effects[0]).toEqual({ kind: 'wait_exactly', delayMs: TICKER_REFUSED_RETRY_MS })
  })
})

describe('a mute socket', () => {
  it('is noticed later each time that reopening did not help', () => {
    const silent = (mutes: number, silentMs: number) =>
      transition({ ...STATES.open, mutes }, { ...silence, silentMs }, silentMs).state
    expect(silent(0, 10_000)).toMatchObject({ kind: 'waiting', cause: 'mute', mutes: 1 })
    expect(silent(1, 19_999).kind).toBe('open')
    expect(silent(1, 20_000)).toMatchObject({ kind: 'waiting', mutes: 2 })
    expect(silent(30, TICKER_MUTE_AFTER_MAX_MS).kind).toBe('waiting')
  })

  it('is trusted again after data that is no mere first state', () => {
    const mutesAt = (ms: number) =>
      transition({ ...STATES.open, mutes: 3 }, EVENTS.data, ms).state.mutes
    expect(mutesAt(TICKER_FIRST_STATES_MS - 1)).toBe(3)
    expect(mutesAt(TICKER_FIRST_STATES_MS)).toBe(0)
  })

  it('that has brought data is judged by whether its silence is unlikely', () => {
    const state = { ...STATES.open, hasData: true }
    const event = { ...silence, silentMs: 250_000 }
    expect(transition(state, event, 0).state.kind).toBe('open')
    const unlikely = transition(state, { ...event, isUnlikely: true }, 0)
    expect(unlikely.effects.map(shown)).toEqual(['gap mute', 'close', 'wait'])
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
      { kind: 'silence', silentMs: 1e9, muteAfterMs: 1, isUnlikely: true },
      { kind: 'stall', silentMs: 1e9 },
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

  it('has one attempt or socket and one timer at most, fences the old, tells each gap, and stays stopped', () => {
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
          const gaps = next.effects.filter(({ kind }) => kind === 'gap').length
          const isOrderly = event.kind === 'release' || event.kind === 'stop'
          const hasLeftOpen = state.kind === 'open' && next.state.kind !== 'open'
          expect(gaps).toBe(hasLeftOpen && !isOrderly ? 1 : 0)
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

function specifiedTable(): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const spec = readFileSync(new URL('../../../docs/connection.md', import.meta.url), 'utf8')
  const rows = spec.split('\n').map((line) => line.split('|').map((cell) => cell.trim()))
  const head = rows.findIndex(([, first]) => first === 'event')
  const states = rows[head]?.slice(2, -1) ?? []
  const body = rows.slice(head + 2)
  const table = body.slice(
    0,
    body.findIndex((row) => row.length < 3),
  )
  return new Map(
    table.map(([, event = '', ...cells]) => [
      event,
      new Map(states.map((state, i) => [state, cells[i] ?? ''])),
    ]),
  )
}
