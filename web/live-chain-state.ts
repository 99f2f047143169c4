/**
 * The page's view of the live stream as one pure transition: what is shown, over which link, how old.
 *
 *            opened            snapshot
 *   opening ────────▶ waiting ─────────▶ live ──┐ a jump in the sequence: waiting, resnapshot
 *      ▲  ╲              │                │     │
 *      │   ╲ lost        │ lost, silent   │ ◀───┘
 *      │    ▼            ▼                ▼
 *      └── pausing ◀─────┴────────────────┘
 *    retry due, wake
 *
 * The last chain stays through all of it and grows visibly old. While the link is away the chain is
 * asked for over REST now and then. Each `choose` gets a new subscription name, so that an answer to an
 * earlier choice can never be taken for the present one.
 */
import { applyDelta } from '../src/contract/api/chain-delta.ts'
import type { ErrorDetail } from '../src/contract/api/error.ts'
import type {
  BackfillMessage,
  ChainDeltaMessage,
  ChainSnapshot,
  ClientMessage,
  DroppedMessage,
  HealthMessage,
  ServerMessage,
} from '../src/contract/api/stream.ts'
import type { StreamChain } from '../src/contract/api/strike-distribution.ts'
import {
  PAGE_POLL_AFTER_ATTEMPTS,
  PAGE_POLL_PERIOD_MS,
  PAGE_RETRY_FIRST_MS,
  PAGE_RETRY_MAX_MS,
  PAGE_STALE_AFTER_MS,
  STREAM_SILENCE_MS,
} from '../src/limits.ts'
import type { StrikeWindow } from './choice.ts'

export type Link = 'opening' | 'waiting' | 'live' | 'pausing'

/** A chain to show; the symbol is known by now. */
export interface Wanted {
  readonly symbol: string
  readonly expiry: string | null
  readonly strikes: StrikeWindow
}

export interface LiveChainState {
  readonly link: Link
  /** Failed attempts in a row. */
  readonly attempt: number
  readonly wanted: Wanted | null
  /** Makes the subscription's name. */
  readonly ordinal: number
  /** Of the last message of the subscription; null until its snapshot. */
  readonly sequence: number | null
  readonly chain: StreamChain | null
  /** The chain's age in the message that brought it, and when that was (monotonic). */
  readonly age: { readonly ms: number; readonly atMs: number } | null
  readonly health: HealthMessage | null
  /** Jobs under way; null while the stream does not tell. */
  readonly backfill: BackfillMessage | null
  /** Why the chain asked for cannot be had. */
  readonly refusal: ErrorDetail | null
  /** What ended the last link. */
  readonly lostBecause: string | null
  /** Last answer over REST: true a chain, false none; null = not asked since the link was lost. */
  readonly restAnswers: boolean | null
  readonly lastMessageAtMs: number
  /** Last request over REST, or last refusal. */
  readonly lastAskedAtMs: number
}

export type LiveChainEvent =
  | { readonly kind: 'choose'; readonly wanted: Wanted }
  | { readonly kind: 'opened' }
  | { readonly kind: 'message'; readonly message: ServerMessage }
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'retry_due' }
  /** The tab is looked at again, or the network is back. */
  | { readonly kind: 'wake' }
  /** Once a second. */
  | { readonly kind: 'clock' }
  | {
      readonly kind: 'polled'
      readonly wanted: Wanted
      readonly chain: StreamChain
      readonly ageMs: number | null
    }
  | { readonly kind: 'poll_failed'; readonly wanted: Wanted; readonly refusal: ErrorDetail | null }

export type LiveChainEffect =
  | { readonly kind: 'open' }
  | { readonly kind: 'close' }
  | { readonly kind: 'send'; readonly message: ClientMessage }
  | { readonly kind: 'retry'; readonly afterMs: number }
  | { readonly kind: 'poll'; readonly wanted: Wanted }

interface Step {
  readonly state: LiveChainState
  readonly effects: readonly LiveChainEffect[]
}

export const HEALTH_ID = 'health'
const BACKFILL_ID = 'backfill'

export const INITIAL: LiveChainState = {
  link: 'pausing',
  attempt: 0,
  wanted: null,
  ordinal: 0,
  sequence: null,
  chain: null,
  age: null,
  health: null,
  backfill: null,
  refusal: null,
  lostBecause: null,
  restAnswers: null,
  lastMessageAtMs: 0,
  lastAskedAtMs: Number.NEGATIVE_INFINITY,
}

export function transition(state: LiveChainState, event: LiveChainEvent, nowMs: number): Step {
  switch (event.kind) {
    case 'choose':
      return choose(state, event.wanted, nowMs)
    case 'opened':
      return opened(state, nowMs)
    case 'message':
      return receive({ ...state, lastMessageAtMs: nowMs }, event.message, nowMs)
    case 'lost':
      return state.link === 'pausing' ? stay(state) : lose(state, event.reason)
    case 'retry_due':
    case 'wake':
      return state.link === 'pausing' && state.wanted !== null ? open(state, nowMs) : stay(state)
    case 'clock':
      return clock(state, nowMs)
    case 'polled':
      return stay(polled(state, event.wanted, event.chain, event.ageMs, nowMs))
    case 'poll_failed':
      return stay(pollFailed(state, event.wanted, event.refusal))
  }
}

/** What the page says about its data. */
export interface Freshness {
  /** null = no chain, or its age is not known. */
  readonly ageMs: number | null
  readonly sessionOpen: boolean
  /** Older than it may be while the market is open. */
  readonly stale: boolean
}

export function freshness(state: LiveChainState, nowMs: number): Freshness {
  const ageMs = state.age === null ? null : state.age.ms + (nowMs - state.age.atMs)
  const sessionOpen = state.health === null || state.health.calendar.session === 'open'
  const stale = sessionOpen && ageMs !== null && ageMs >= PAGE_STALE_AFTER_MS
  return { ageMs, sessionOpen, stale }
}

export function subscriptionId(ordinal: number): string {
  return `chain-${ordinal}`
}

/** Doubles up to the cap; the shell adds jitter. */
export function retryAfterMs(attempt: number): number {
  return Math.min(PAGE_RETRY_MAX_MS, PAGE_RETRY_FIRST_MS * 2 ** Math.max(0, attempt - 1))
}

function stay(state: LiveChainState): Step {
  return { state, effects: [] }
}

function choose(state: LiveChainState, wanted: Wanted, nowMs: number): Step {
  const series = state.wanted
  const sameSeries = series?.symbol === wanted.symbol && series.expiry === wanted.expiry
  const next: LiveChainState = {
    ...state,
    wanted,
    ordinal: state.ordinal + 1,
    sequence: null,
    refusal: null,
    ...(sameSeries ? {} : { chain: null, age: null }),
  }
  if (state.link === 'pausing') return open(next, nowMs)
  if (state.link === 'opening') return stay(next)
  const leave: LiveChainEffect = {
    kind: 'send',
    message: { op: 'unsubscribe', id: subscriptionId(state.ordinal) },
  }
  const waiting: LiveChainState = { ...next, link: 'waiting', lastMessageAtMs: nowMs }
  return { state: waiting, effects: [leave, subscribe(next.ordinal, wanted)] }
}

function open(state: LiveChainState, nowMs: number): Step {
  const next: LiveChainState = { ...state, link: 'opening', sequence: null, lastMessageAtMs: nowMs }
  return { state: next, effects: [{ kind: 'open' }] }
}

function opened(state: LiveChainState, nowMs: number): Step {
  if (state.link !== 'opening' || state.wanted === null) return stay(state)
  return {
    state: { ...state, link: 'waiting', lastMessageAtMs: nowMs },
    effects: [
      { kind: 'send', message: { op: 'subscribe', id: HEALTH_ID, channel: 'health' } },
      { kind: 'send', message: { op: 'subscribe', id: BACKFILL_ID, channel: 'backfill' } },
      subscribe(state.ordinal, state.wanted),
    ],
  }
}

function subscribe(ordinal: number, wanted: Wanted): LiveChainEffect {
  return {
    kind: 'send',
    message: {
      op: 'subscribe',
      id: subscriptionId(ordinal),
      channel: 'chain',
      symbol: wanted.symbol,
      ...(wanted.expiry === null ? {} : { expiry: wanted.expiry }),
      ...(wanted.strikes === null ? {} : { strikes: wanted.strikes }),
    },
  }
}

function lose(state: LiveChainState, reason: string): Step {
  const attempt = state.attempt + 1
  return {
    state: {
      ...state,
      link: 'pausing',
      attempt,
      sequence: null,
      backfill: null,
      lostBecause: reason,
    },
    effects: [{ kind: 'close' }, { kind: 'retry', afterMs: retryAfterMs(attempt) }],
  }
}

function receive(state: LiveChainState, message: ServerMessage, nowMs: number): Step {
  if (state.link === 'opening' || state.link === 'pausing') return stay(state)
  switch (message.op) {
    case 'health':
      return stay({ ...state, health: message })
    case 'backfill':
      return stay({ ...state, backfill: message })
    case 'snapshot':
      return isCurrent(state, message.id) ? stay(takeSnapshot(state, message, nowMs)) : stay(state)
    case 'delta':
      return isCurrent(state, message.id) ? takeDelta(state, message, nowMs) : stay(state)
    case 'error':
      return isCurrent(state, message.id) ? streamRefused(state, message.error, nowMs) : stay(state)
    case 'dropped':
      return lose(state, explainDrop(message))
  }
}

function isCurrent(state: LiveChainState, id: string | null): boolean {
  return id === subscriptionId(state.ordinal)
}

function takeSnapshot(state: LiveChainState, message: ChainSnapshot, nowMs: number) {
  return {
    ...state,
    link: 'live' as const,
    attempt: 0,
    sequence: message.sequence,
    chain: message.chain,
    age: ageOf(message.age_ms, nowMs),
    refusal: null,
    lostBecause: null,
    restAnswers: null,
  }
}

function takeDelta(state: LiveChainState, message: ChainDeltaMessage, nowMs: number): Step {
  if (state.sequence === null || state.chain === null) return stay(state)
  if (message.sequence !== state.sequence + 1) {
    return {
      state: { ...state, link: 'waiting', sequence: null },
      effects: [{ kind: 'send', message: { op: 'resnapshot', id: message.id } }],
    }
  }
  return stay({
    ...state,
    sequence: message.sequence,
    chain: applyDelta(state.chain, message),
    age: ageOf(message.age_ms, nowMs),
  })
}

/** The link is well, so it is asked again now and then: a series may be listed yet. */
function streamRefused(state: LiveChainState, refusal: ErrorDetail, nowMs: number): Step {
  const next = refused(state, refusal)
  return stay({ ...next, link: 'waiting', attempt: 0, sequence: null, lastAskedAtMs: nowMs })
}

function refused(state: LiveChainState, refusal: ErrorDetail): LiveChainState {
  return { ...state, refusal, chain: null, age: null }
}

/** A silent link is dead: health is due every few seconds. */
function clock(state: LiveChainState, nowMs: number): Step {
  if (state.link !== 'pausing' && nowMs - state.lastMessageAtMs > STREAM_SILENCE_MS) {
    return lose(state, 'the stream fell silent')
  }
  return askIfDue(state, nowMs)
}

/** Asks again for what was refused, and over REST for what the stream fails to bring. */
function askIfDue(state: LiveChainState, nowMs: number): Step {
  const { wanted, link } = state
  if (wanted === null || nowMs - state.lastAskedAtMs < PAGE_POLL_PERIOD_MS) return stay(state)
  const asked = { ...state, lastAskedAtMs: nowMs }
  if (link === 'waiting' && state.refusal !== null) {
    return { state: asked, effects: [subscribe(state.ordinal, wanted)] }
  }
  if (link !== 'live' && state.attempt >= PAGE_POLL_AFTER_ATTEMPTS) {
    return { state: asked, effects: [{ kind: 'poll', wanted }] }
  }
  return stay(state)
}

function polled(
  state: LiveChainState,
  wanted: Wanted,
  chain: StreamChain,
  ageMs: number | null,
  nowMs: number,
): LiveChainState {
  if (state.link === 'live' || state.wanted !== wanted) return state
  return { ...state, chain, age: ageOf(ageMs, nowMs), refusal: null, restAnswers: true }
}

function pollFailed(
  state: LiveChainState,
  wanted: Wanted,
  refusal: ErrorDetail | null,
): LiveChainState {
  if (state.link === 'live' || state.wanted !== wanted) return state
  return refusal === null ? { ...state, restAnswers: false } : refused(state, refusal)
}

function ageOf(ms: number | null, atMs: number): LiveChainState['age'] {
  return ms === null ? null : { ms, atMs }
}

function explainDrop(message: DroppedMessage): string {
  return message.message === '' ? message.reason.replaceAll('_', ' ') : message.message
}
