/** What the page says about its link and its data, in one label and one sentence. */
import { PAGE_POLL_PERIOD_MS } from '../src/limits.ts'
import type { Freshness, LiveChainState } from './live-chain-state.ts'

export type Tone = 'good' | 'idle' | 'busy' | 'warn' | 'bad'

export interface ConnectionText {
  readonly tone: Tone
  readonly label: string
  /** What happens by itself now; null where there is nothing to say. */
  readonly detail: string | null
}

export function describeConnection(state: LiveChainState, fresh: Freshness): ConnectionText {
  const answered = state.link === 'live' || (state.link === 'waiting' && state.attempt === 0)
  return answered ? describeAnswered(state, fresh) : describeAway(state)
}

function describeAnswered(state: LiveChainState, fresh: Freshness): ConnectionText {
  if (state.refusal !== null) return { tone: 'idle', label: 'Connected', detail: null }
  if (state.chain === null) return { tone: 'busy', label: 'Loading', detail: null }
  if (!fresh.sessionOpen) return { tone: 'idle', label: 'Market closed', detail: null }
  if (fresh.stale) {
    const detail = 'The connection is up, but no newer data has arrived.'
    return { tone: 'warn', label: 'Stale', detail }
  }
  return { tone: 'good', label: 'Live', detail: null }
}

function describeAway(state: LiveChainState): ConnectionText {
  if (state.attempt === 0) return { tone: 'busy', label: 'Connecting', detail: null }
  if (state.restAnswers === true) {
    const detail = `The live stream is away; the chain is asked for every ${PAGE_POLL_PERIOD_MS / 1000} s meanwhile.`
    return { tone: 'warn', label: 'Refreshing', detail }
  }
  if (state.restAnswers === false) {
    const detail = 'The backend does not answer. The page tries again by itself.'
    return { tone: 'bad', label: 'Backend gone', detail }
  }
  const reason = state.lostBecause ?? 'the connection broke'
  return { tone: 'warn', label: 'Reconnecting', detail: `Reconnecting by itself: ${reason}.` }
}
