/**
 * The life of one of an account's sockets, as a pure function of state and event.
 *
 *              start                    opened
 *     idle ───────────▶ opening ─────────────────▶ open
 *      ▲                ▲     │                     │
 *      │ release     due│     │refused              │closed, mute, stalled, clock step
 *      │                │     ▼                     │
 *      └─────────────── waiting ◀───────────────────┘        any ── stop ──▶ stopped
 *
 * `docs/connection.md` is the specification: the whole table, the timings, the reasons. What holds,
 * whatever the order of events:
 *
 * 1. There is one attempt or one socket at a time: `open` is asked for only on the way into
 *    `opening`, and who leaves `opening` or `open` by itself asks for `close` of that generation.
 * 2. Every attempt has a new generation. What an older one says changes nothing, and a socket that
 *    it opens after all is closed.
 * 3. `waiting` has one timer, no other state has any.
 * 4. Leaving `open` asks for a gap, except where nothing is carried any more or the ticker stops.
 * 5. From `stopped` nothing leads away, and nothing is opened in it.
 */
import type { Backoff } from '../../kit/backoff.ts'
import {
  TICKER_BUSY_FIRST_MS,
  TICKER_BUSY_MAX_MS,
  TICKER_FIRST_STATES_MS,
  TICKER_MUTE_AFTER_MAX_MS,
  TICKER_RECONNECT_FIRST_MS,
  TICKER_RECONNECT_MAX_MS,
  TICKER_REFUSED_RETRY_MS,
  TICKER_SOCKET_PROVEN_MS,
  TICKER_STALL_MS,
} from '../../limits.ts'

/** Why a socket is not open at present. */
export type WaitCause = 'drop' | 'mute' | 'stall' | 'clock_step' | 'refused' | 'busy' | 'failed'

interface Common {
  /** Of the newest attempt; 0 before the first. */
  readonly generation: number
  /** Failures in a row, for the next pause. */
  readonly attempt: number
  /** Times in a row that the socket was mute, and has not streamed since. */
  readonly mutes: number
}

export type ConnectionState = Common &
  (
    | { readonly kind: 'idle' }
    | { readonly kind: 'opening' }
    | {
        readonly kind: 'open'
        /** Monotonic, ms. */
        readonly openedAtMs: number
        readonly hasData: boolean
      }
    | { readonly kind: 'waiting'; readonly cause: WaitCause }
    | { readonly kind: 'stopped' }
  )

/** `refused`: 403; `busy`: 429; `failed`: anything that may be over in a moment. */
export type OpenFailure = 'refused' | 'busy' | 'failed'

interface Silence {
  readonly silentMs: number
  readonly muteAfterMs: number
  /** By the pace of its instruments; counts once the socket has brought anything. */
  readonly isUnlikely: boolean
}

export type ConnectionEvent =
  /** There is something to carry. */
  | { readonly kind: 'start' }
  /** There is nothing more to carry. */
  | { readonly kind: 'release' }
  | { readonly kind: 'stop' }
  /** The timer of `waiting`. */
  | { readonly kind: 'due' }
  /** What kept it waiting is gone: a new token, another socket of the account that opened. */
  | { readonly kind: 'retry_now' }
  | { readonly kind: 'opened'; readonly generation: number }
  | {
      readonly kind: 'refused'
      readonly generation: number
      readonly failure: OpenFailure
      /** What the broker asks for. */
      readonly retryAfterMs: number | undefined
    }
  | { readonly kind: 'closed'; readonly generation: number }
  /** The first packet of this socket, and later ones once a second; heartbeats are none. */
  | { readonly kind: 'data'; readonly generation: number }
  /** Once a second, while data should come; not while it is paused or out of session. */
  | (Silence & { readonly kind: 'silence' })
  /** Data comes after so long a silence, and no check saw it last: it is told, and over. */
  | (Silence & { readonly kind: 'silence_over' })
  /** Once a second, not while it is paused: how long not even a heartbeat has come. */
  | { readonly kind: 'stall'; readonly silentMs: number }
  /** Wall and monotonic clock parted. */
  | { readonly kind: 'clock_step' }

export type ConnectionEffect =
  | { readonly kind: 'open'; readonly generation: number }
  /** Ends the attempt or the socket; nothing of it may be heard after. */
  | { readonly kind: 'close'; readonly generation: number }
  | { readonly kind: 'wait'; readonly backoff: Backoff; readonly attempt: number }
  | { readonly kind: 'wait_exactly'; readonly delayMs: number }
  | { readonly kind: 'cancel_wait' }
  /** Tell the broker everything that this socket carries. */
  | { readonly kind: 'resubscribe' }
  | { readonly kind: 'gap'; readonly reason: 'disconnect' | 'mute' | 'clock_step' }
  /** What the account is to know. */
  | { readonly kind: 'report'; readonly news: 'accepted' | 'refused' | 'busy' }

export interface Transition {
  readonly state: ConnectionState
  readonly effects: readonly ConnectionEffect[]
}

export const INITIAL_STATE: ConnectionState = { kind: 'idle', generation: 0, attempt: 0, mutes: 0 }

const DROPPED: Backoff = { firstMs: TICKER_RECONNECT_FIRST_MS, capMs: TICKER_RECONNECT_MAX_MS }
const BUSY: Backoff = { firstMs: TICKER_BUSY_FIRST_MS, capMs: TICKER_BUSY_MAX_MS }

/** @param nowMs monotonic */
export function transition(
  state: ConnectionState,
  event: ConnectionEvent,
  nowMs: number,
): Transition {
  switch (event.kind) {
    case 'start':
      return state.kind === 'idle' ? open(state) : unchanged(state)
    case 'release':
      return state.kind === 'stopped' ? unchanged(state) : leave(state, 'idle')
    case 'stop':
      return state.kind === 'stopped' ? unchanged(state) : leave(state, 'stopped')
    case 'due':
      return state.kind === 'waiting' ? open(state) : unchanged(state)
    case 'retry_now':
      return state.kind === 'waiting'
        ? open({ ...state, attempt: 0 }, { kind: 'cancel_wait' })
        : unchanged(state)
    case 'opened':
      return opened(state, event.generation, nowMs)
    case 'refused':
      return refused(state, event)
    case 'closed':
      return isCurrent(state, event.generation) && state.kind === 'open'
        ? reopen(state, 'drop', nowMs)
        : unchanged(state)
    case 'data':
      return isCurrent(state, event.generation) && state.kind === 'open'
        ? unchanged({ ...state, hasData: true, mutes: mutesAfterData(state, nowMs) })
        : unchanged(state)
    case 'silence':
      return state.kind === 'open' && isMute(state, event)
        ? reopen(state, 'mute', nowMs)
        : unchanged(state)
    case 'silence_over':
      return state.kind === 'open' && isMute(state, event)
        ? { state, effects: [{ kind: 'gap', reason: 'mute' }] }
        : unchanged(state)
    case 'stall':
      return state.kind === 'open' && event.silentMs >= TICKER_STALL_MS
        ? reopen(state, 'stall', nowMs)
        : unchanged(state)
    case 'clock_step':
      return state.kind === 'open' ? reopen(state, 'clock_step', nowMs) : unchanged(state)
  }
}

type Open = Extract<ConnectionState, { kind: 'open' }>

/** States that were asked for come also while a market is halted: only what comes later is a stream. */
function mutesAfterData({ openedAtMs, mutes }: Open, nowMs: number): number {
  return nowMs - openedAtMs >= TICKER_FIRST_STATES_MS ? 0 : mutes
}

function isMute(state: Open, { silentMs, muteAfterMs, isUnlikely }: Silence): boolean {
  return silentMs >= muteThreshold(state, muteAfterMs) && (!state.hasData || isUnlikely)
}

/** The silence that makes this socket mute: longer each time that reopening has not helped. */
function muteThreshold({ mutes }: Common, muteAfterMs: number): number {
  const longest = Math.max(muteAfterMs, TICKER_MUTE_AFTER_MAX_MS)
  return Math.min(longest, muteAfterMs * 2 ** mutes)
}

function isCurrent(state: ConnectionState, generation: number): boolean {
  return state.generation === generation
}

function unchanged(state: ConnectionState): Transition {
  return { state, effects: [] }
}

function common({ generation, attempt, mutes }: Common): Common {
  return { generation, attempt, mutes }
}

function open(state: ConnectionState, ...before: ConnectionEffect[]): Transition {
  const generation = state.generation + 1
  return {
    state: { ...common(state), kind: 'opening', generation },
    effects: [...before, { kind: 'open', generation }],
  }
}

function opened(state: ConnectionState, generation: number, nowMs: number): Transition {
  if (state.kind !== 'opening' || !isCurrent(state, generation)) {
    // A second word of the socket that is open already is no reason to close it.
    const isOurs = state.kind === 'open' && isCurrent(state, generation)
    return { state, effects: isOurs ? [] : [{ kind: 'close', generation }] }
  }
  return {
    state: { ...common(state), kind: 'open', openedAtMs: nowMs, hasData: false },
    effects: [{ kind: 'resubscribe' }, { kind: 'report', news: 'accepted' }],
  }
}

function refused(
  state: ConnectionState,
  { generation, failure, retryAfterMs }: Extract<ConnectionEvent, { kind: 'refused' }>,
): Transition {
  if (state.kind !== 'opening' || !isCurrent(state, generation)) return unchanged(state)
  const effects: ConnectionEffect[] = [waitAfter(failure, retryAfterMs, state.attempt)]
  if (failure !== 'failed') effects.push({ kind: 'report', news: failure })
  return {
    state: { ...common(state), kind: 'waiting', cause: failure, attempt: state.attempt + 1 },
    effects,
  }
}

function waitAfter(
  failure: OpenFailure,
  retryAfterMs: number | undefined,
  attempt: number,
): ConnectionEffect {
  if (retryAfterMs !== undefined) {
    return { kind: 'wait_exactly', delayMs: Math.max(retryAfterMs, TICKER_RECONNECT_FIRST_MS) }
  }
  if (failure === 'refused') return { kind: 'wait_exactly', delayMs: TICKER_REFUSED_RETRY_MS }
  return { kind: 'wait', backoff: failure === 'busy' ? BUSY : DROPPED, attempt }
}

function reopen(
  state: Open,
  cause: 'drop' | 'mute' | 'stall' | 'clock_step',
  nowMs: number,
): Transition {
  const isProven = state.hasData || nowMs - state.openedAtMs >= TICKER_SOCKET_PROVEN_MS
  const attempt = isProven ? 0 : state.attempt
  const mutes = cause === 'mute' ? state.mutes + 1 : state.mutes
  const reason = cause === 'drop' || cause === 'stall' ? 'disconnect' : cause
  const effects: ConnectionEffect[] = [{ kind: 'gap', reason }]
  if (cause !== 'drop') effects.push({ kind: 'close', generation: state.generation })
  effects.push({ kind: 'wait', backoff: DROPPED, attempt })
  return {
    state: { ...common(state), kind: 'waiting', cause, attempt: attempt + 1, mutes },
    effects,
  }
}

function leave(state: ConnectionState, kind: 'idle' | 'stopped'): Transition {
  const fresh: ConnectionState = { ...common(state), kind, attempt: 0, mutes: 0 }
  switch (state.kind) {
    case 'opening':
    case 'open':
      return { state: fresh, effects: [{ kind: 'close', generation: state.generation }] }
    case 'waiting':
      return { state: fresh, effects: [{ kind: 'cancel_wait' }] }
    case 'idle':
    case 'stopped':
      return { state: fresh, effects: [] }
  }
}
