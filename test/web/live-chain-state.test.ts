import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { diffChain } from '../../src/contract/api/chain-delta.ts'
import type { HealthMessage, ServerMessage } from '../../src/contract/api/stream.ts'
import {
  PAGE_POLL_PERIOD_MS,
  PAGE_RETRY_MAX_MS,
  PAGE_STALE_AFTER_MS,
  STREAM_SILENCE_MS,
} from '../../src/limits.ts'
import {
  freshness,
  INITIAL,
  type Link,
  type LiveChainEffect,
  type LiveChainEvent,
  type LiveChainState,
  retryAfterMs,
  transition,
  type Wanted,
} from '../../web/live-chain-state.ts'
import { chainAt, SERIES, type Series } from './synthetic-market.ts'

const NIFTY: Wanted = { symbol: 'NIFTY50', expiry: null, strikes: 10 }
const SENSEX: Wanted = { symbol: 'SENSEX', expiry: null, strikes: 10 }
const FIRST = chainAt(SERIES[0] as Series, 1, 0)
const SECOND = chainAt(SERIES[0] as Series, 2, 1_000)
const DELTA = diffChain(FIRST, SECOND) ?? {}

const chosen: LiveChainEvent = { kind: 'choose', wanted: NIFTY }
const opened: LiveChainEvent = { kind: 'opened' }
const lost: LiveChainEvent = { kind: 'lost', reason: 'the connection broke' }
const clock: LiveChainEvent = { kind: 'clock' }
const says = (message: ServerMessage): LiveChainEvent => ({ kind: 'message', message })

function snapshot(id = 'chain-1', sequence = 1): LiveChainEvent {
  return says({
    op: 'snapshot',
    id,
    channel: 'chain',
    stream_epoch: 'e1',
    sequence,
    age_ms: 300,
    chain: FIRST,
  })
}

function delta(sequence: number, id = 'chain-1'): LiveChainEvent {
  return says({ op: 'delta', id, channel: 'chain', sequence, age_ms: 300, ...DELTA })
}

const refusal: LiveChainEvent = says({
  op: 'error',
  id: 'chain-1',
  error: { code: 'unknown_symbol', message: 'No such underlying.', details: null },
})

function health(session: HealthMessage['calendar']['session']): LiveChainEvent {
  return says({
    op: 'health',
    id: 'health',
    channel: 'health',
    stream_epoch: 'e1',
    sequence: 1,
    at: '2026-11-23T10:15:02+05:30',
    feed: 'simulated',
    status: 'ok',
    message: null,
    market_time: null,
    market_time_age_ms: null,
    calendar: {
      mode: 'exchange',
      covered_through: '2026-12-31',
      assumed: false,
      session,
      next_change_at: null,
    },
    gaps_open: 0,
  })
}

const backfill: LiveChainEvent = says({
  op: 'backfill',
  id: 'backfill',
  channel: 'backfill',
  stream_epoch: 'e1',
  sequence: 1,
  queue: {
    waiting: 0,
    running: 0,
    later: 0,
    requests_per_second: 3,
    eta_ms: 0,
    waits_for: null,
  },
  backfills: [],
})

const dropped: LiveChainEvent = says({ op: 'dropped', reason: 'slow_client', message: 'Too slow.' })

/** Runs events from the start; answers the last state and all effects by kind. */
function run(events: readonly LiveChainEvent[], nowMs = 0, from: LiveChainState = INITIAL) {
  let state = from
  const effects: LiveChainEffect[] = []
  for (const event of events) {
    const step = transition(state, event, nowMs)
    state = step.state
    effects.push(...step.effects)
  }
  return { state, effects }
}

const AT: Readonly<Record<Link, LiveChainState>> = {
  opening: run([chosen]).state,
  waiting: run([chosen, opened]).state,
  live: run([chosen, opened, snapshot()]).state,
  pausing: run([chosen, opened, snapshot(), lost]).state,
}

describe('the live chain, link by event', () => {
  const kinds = ({ effects }: { effects: readonly LiveChainEffect[] }) =>
    effects.map((effect) => (effect.kind === 'send' ? `send ${effect.message.op}` : effect.kind))
  const resubscribes = 'waiting: send unsubscribe, send subscribe'
  const loses = 'pausing: close, retry'
  const table: Readonly<Record<string, Readonly<Record<Link, string>>>> = {
    choose: {
      opening: 'opening',
      waiting: resubscribes,
      live: resubscribes,
      pausing: 'opening: open',
    },
    opened: {
      opening: 'waiting: send subscribe, send subscribe, send subscribe',
      waiting: 'waiting',
      live: 'live',
      pausing: 'pausing',
    },
    snapshot: { opening: 'opening', waiting: 'live', live: 'live', pausing: 'pausing' },
    'next delta': { opening: 'opening', waiting: 'waiting', live: 'live', pausing: 'pausing' },
    'delta after a jump': {
      opening: 'opening',
      waiting: 'waiting',
      live: 'waiting: send resnapshot',
      pausing: 'pausing',
    },
    health: { opening: 'opening', waiting: 'waiting', live: 'live', pausing: 'pausing' },
    backfill: { opening: 'opening', waiting: 'waiting', live: 'live', pausing: 'pausing' },
    refusal: { opening: 'opening', waiting: 'waiting', live: 'waiting', pausing: 'pausing' },
    dropped: { opening: 'opening', waiting: loses, live: loses, pausing: 'pausing' },
    lost: { opening: loses, waiting: loses, live: loses, pausing: 'pausing' },
    'retry due': { opening: 'opening', waiting: 'waiting', live: 'live', pausing: 'opening: open' },
    wake: { opening: 'opening', waiting: 'waiting', live: 'live', pausing: 'opening: open' },
    clock: { opening: 'opening', waiting: 'waiting', live: 'live', pausing: 'pausing' },
    'clock after silence': { opening: loses, waiting: loses, live: loses, pausing: 'pausing' },
  }
  const events: Readonly<Record<string, readonly [LiveChainEvent, number]>> = {
    choose: [{ kind: 'choose', wanted: SENSEX }, 0],
    opened: [opened, 0],
    snapshot: [snapshot(), 0],
    'next delta': [delta(2), 0],
    'delta after a jump': [delta(3), 0],
    health: [health('open'), 0],
    backfill: [backfill, 0],
    refusal: [refusal, 0],
    dropped: [dropped, 0],
    lost: [lost, 0],
    'retry due': [{ kind: 'retry_due' }, 0],
    wake: [{ kind: 'wake' }, 0],
    clock: [clock, 0],
    'clock after silence': [clock, STREAM_SILENCE_MS + 1],
  }

  for (const [name, row] of Object.entries(table)) {
    for (const link of Object.keys(AT) as Link[]) {
      it(`${name} while ${link}: ${row[link]}`, () => {
        const [event, nowMs] = events[name] as readonly [LiveChainEvent, number]
        const step = transition(AT[link], event, nowMs)
        const done = kinds(step)
        expect([step.state.link, done.join(', ')].filter(Boolean).join(': ')).toBe(row[link])
      })
    }
  }
})

describe('the live chain', () => {
  it('knows what backfill does as long as the stream tells', () => {
    expect(run([backfill], 0, AT.live).state.backfill).toMatchObject({ backfills: [] })
    expect(run([backfill, lost], 0, AT.live).state.backfill).toBeNull()
  })

  it('asks for health, backfill and the chain when the socket opens', () => {
    const { effects } = run([chosen, opened])
    expect(effects.filter(({ kind }) => kind === 'send')).toEqual([
      { kind: 'send', message: { op: 'subscribe', id: 'health', channel: 'health' } },
      { kind: 'send', message: { op: 'subscribe', id: 'backfill', channel: 'backfill' } },
      {
        kind: 'send',
        message: {
          op: 'subscribe',
          id: 'chain-1',
          channel: 'chain',
          symbol: 'NIFTY50',
          strikes: 10,
        },
      },
    ])
  })

  it('makes the next chain out of each delta', () => {
    expect(run([chosen, opened, snapshot(), delta(2)]).state.chain).toEqual(SECOND)
  })

  it('does not show what was asked for before the last choice', () => {
    const { state } = run([
      chosen,
      opened,
      snapshot(),
      { kind: 'choose', wanted: SENSEX },
      delta(2),
      snapshot('chain-1', 3),
    ])
    expect(state.chain).toBeNull()
    expect(state.link).toBe('waiting')
  })

  it('keeps the chain when only the window changes', () => {
    const wider: LiveChainEvent = { kind: 'choose', wanted: { ...NIFTY, strikes: 20 } }
    expect(run([chosen, opened, snapshot(), wider]).state.chain).toBe(FIRST)
  })

  it('keeps the last chain while the link is away, and lets it age', () => {
    const { state } = run([lost], 5_000, AT.live)
    expect(state.chain).toBe(FIRST)
    expect(freshness(state, 5_000)).toEqual({ ageMs: 5_300, sessionOpen: true, stale: false })
    expect(freshness(state, PAGE_STALE_AFTER_MS).stale).toBe(true)
  })

  it('calls nothing stale while the market is closed', () => {
    const { state } = run([health('closed')], 0, AT.live)
    expect(freshness(state, 3_600_000)).toEqual({
      ageMs: 3_600_300,
      sessionOpen: false,
      stale: false,
    })
  })

  it('shows why a chain is refused, and nothing old under its name', () => {
    const { state } = run([refusal], 0, AT.live)
    expect(state.refusal?.message).toBe('No such underlying.')
    expect(state.chain).toBeNull()
  })

  it('asks again now and then for a chain that was refused', () => {
    const { state } = run([refusal], 1_000, AT.live)
    expect(transition(state, clock, PAGE_POLL_PERIOD_MS).effects).toEqual([])
    expect(transition(state, clock, 1_000 + PAGE_POLL_PERIOD_MS).effects).toMatchObject([
      { kind: 'send', message: { op: 'subscribe', id: 'chain-1' } },
    ])
  })

  it('waits longer after each failure, up to the cap', () => {
    const pauses = [1, 2, 3, 4, 5, 40].map(retryAfterMs)
    expect(pauses).toEqual([
      500,
      1_000,
      2_000,
      PAGE_RETRY_MAX_MS,
      PAGE_RETRY_MAX_MS,
      PAGE_RETRY_MAX_MS,
    ])
    const retry: LiveChainEvent = { kind: 'retry_due' }
    const { effects } = run([lost, retry, lost, retry, lost], 0, AT.live)
    const afterMs = effects.flatMap((effect) => (effect.kind === 'retry' ? [effect.afterMs] : []))
    expect(afterMs).toEqual([500, 1_000, 2_000])
  })

  it('asks over REST once the stream has failed twice, no more often than allowed', () => {
    const away = run([chosen, lost, { kind: 'retry_due' }, lost]).state
    const first = transition(away, clock, 100)
    expect(first.effects).toEqual([{ kind: 'poll', wanted: NIFTY }])
    expect(transition(first.state, clock, 100 + PAGE_POLL_PERIOD_MS - 1).effects).toEqual([])
    expect(transition(first.state, clock, 100 + PAGE_POLL_PERIOD_MS).effects).toHaveLength(1)
  })

  it('takes a chain over REST only while the stream is away and nothing else is wanted', () => {
    const polled: LiveChainEvent = { kind: 'polled', wanted: NIFTY, chain: SECOND, ageMs: 900 }
    const away = run([lost], 0, AT.live).state
    expect(transition(away, polled, 0).state).toMatchObject({ chain: SECOND, restAnswers: true })
    expect(transition(AT.live, polled, 0).state.chain).toBe(FIRST)
    const other: LiveChainEvent = { ...polled, wanted: SENSEX }
    expect(transition(away, other, 0).state.chain).toBe(FIRST)
  })

  it('never shows a chain that no message and no answer brought, in whatever order events come', () => {
    const any = fc.constantFrom<LiveChainEvent>(
      chosen,
      { kind: 'choose', wanted: SENSEX },
      opened,
      snapshot(),
      snapshot('chain-2'),
      delta(2),
      delta(3),
      health('open'),
      refusal,
      dropped,
      lost,
      { kind: 'retry_due' },
      { kind: 'wake' },
      clock,
    )
    fc.assert(
      fc.property(fc.array(any, { maxLength: 40 }), (events) => {
        const { state, effects } = run(events)
        expect([null, FIRST, SECOND].some((chain) => same(chain, state.chain))).toBe(true)
        expect(state.link === 'live' && state.chain === null).toBe(false)
        // Whenever it pauses, something will wake it.
        const last = effects.findLast(({ kind }) => kind === 'retry' || kind === 'open')
        if (state.link === 'pausing' && state.wanted !== null) expect(last?.kind).toBe('retry')
      }),
      { numRuns: 300 },
    )
  })
})

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
