/**
 * Whether the server answers, and what is said about it: pure.
 *
 *   away ──ready──▶ up ──closed──▶ away
 *
 * People are told once when it is lost and once when it is back; while it is away, and of a link that
 * comes and goes, no more than once a minute.
 */
import { BUS_AWAY_LOG_PERIOD_MS } from '../limits.ts'

export interface LinkState {
  readonly kind: 'up' | 'away'
  /** Why it is away, or the last trouble while it is up; null where there is none. */
  readonly error: string | null
  /** Since when it is so, monotonic. */
  readonly sinceMs: number
  /** When its being away was last said, monotonic; undefined where it never was. */
  readonly saidAtMs: number | undefined
  /** Its being away was said, so its return is worth a line. */
  readonly isSaid: boolean
}

export type LinkEvent =
  | { readonly kind: 'ready' }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly error: string }

export interface LinkLine {
  readonly message: 'Redis connected' | 'Redis lost' | 'Redis is away' | 'Redis is back'
  readonly level: 'info' | 'warn'
  readonly fields: Readonly<Record<string, unknown>>
}

export interface LinkStep {
  readonly state: LinkState
  readonly line: LinkLine | undefined
}

export function newLink(nowMs: number): LinkState {
  const error = 'not connected yet'
  return { kind: 'away', error, sinceMs: nowMs, saidAtMs: undefined, isSaid: false }
}

/** `nowMs` is monotonic. */
export function transition(state: LinkState, event: LinkEvent, nowMs: number): LinkStep {
  switch (event.kind) {
    case 'ready':
      return onReady(state, nowMs)
    case 'closed':
      return state.kind === 'up' ? onLost(state, nowMs) : { state, line: undefined }
    case 'failed':
      return onFailed({ ...state, error: event.error }, nowMs)
  }
}

function onReady(state: LinkState, nowMs: number): LinkStep {
  const next: LinkState = { ...state, kind: 'up', error: null, sinceMs: nowMs, isSaid: false }
  if (state.kind === 'up') return { state: next, line: undefined }
  const isFirst = state.saidAtMs === undefined
  if (!isFirst && !state.isSaid) return { state: next, line: undefined }
  const fields = isFirst ? {} : { away_ms: Math.round(nowMs - state.sinceMs) }
  const message = isFirst ? 'Redis connected' : 'Redis is back'
  return { state: next, line: { message, level: 'info', fields } }
}

function onLost(state: LinkState, nowMs: number): LinkStep {
  const error = state.error ?? 'the connection was closed'
  return said({ ...state, kind: 'away', error, sinceMs: nowMs }, 'Redis lost', nowMs)
}

/** A trouble of an open link ends it in a moment; that it is lost is said then. */
function onFailed(state: LinkState, nowMs: number): LinkStep {
  return state.kind === 'up' ? { state, line: undefined } : said(state, 'Redis is away', nowMs)
}

function said(state: LinkState, message: LinkLine['message'], nowMs: number): LinkStep {
  const { saidAtMs, error } = state
  if (saidAtMs !== undefined && nowMs - saidAtMs < BUS_AWAY_LOG_PERIOD_MS) {
    return { state, line: undefined }
  }
  const line = { message, level: 'warn', fields: { error } } as const
  return { state: { ...state, saidAtMs: nowMs, isSaid: true }, line }
}
