/**
 * The thin shell around `live-chain-state.ts`: it owns the socket, the timers and the REST fallback, and
 * publishes at most one state per animation frame, however many messages arrived in between.
 */
import type { ClientMessage, ServerMessage } from '../src/contract/api/stream.ts'
import { PAGE_CLOCK_PERIOD_MS, PAGE_RETRY_JITTER } from '../src/limits.ts'
import { getChain } from './api-client.ts'
import {
  INITIAL,
  type LiveChainEffect,
  type LiveChainEvent,
  type LiveChainState,
  transition,
  type Wanted,
} from './live-chain-state.ts'

export interface LiveChain {
  choose(wanted: Wanted): void
  /** For `useSyncExternalStore`. */
  readonly subscribe: (listener: () => void) => () => void
  readonly published: () => LiveChainState
  stop(): void
}

export function startLiveChain(): LiveChain {
  let state = INITIAL
  let published = INITIAL
  let frame = 0
  let socket: WebSocket | undefined
  let retryTimer: ReturnType<typeof setTimeout> | undefined
  const listeners = new Set<() => void>()

  const publish = () => {
    frame = 0
    published = state
    for (const listener of listeners) listener()
  }

  const dispatch = (event: LiveChainEvent) => {
    const step = transition(state, event, performance.now())
    if (step.state !== state) {
      state = step.state
      frame ||= requestAnimationFrame(publish)
    }
    for (const effect of step.effects) perform(effect)
  }

  const perform = (effect: LiveChainEffect) => {
    switch (effect.kind) {
      case 'open':
        clearTimeout(retryTimer)
        socket = openSocket(dispatch, (candidate) => candidate === socket)
        return
      case 'close':
        closeSocket()
        return
      case 'send':
        send(effect.message)
        return
      case 'retry':
        clearTimeout(retryTimer)
        retryTimer = setTimeout(() => dispatch({ kind: 'retry_due' }), jittered(effect.afterMs))
        return
      case 'poll':
        void poll(effect.wanted).then(dispatch)
    }
  }

  const closeSocket = () => {
    const closing = socket
    socket = undefined
    closing?.close()
  }

  const send = (message: ClientMessage) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message))
  }

  const wake = () => {
    if (document.visibilityState === 'visible') dispatch({ kind: 'wake' })
  }
  const clock = setInterval(() => dispatch({ kind: 'clock' }), PAGE_CLOCK_PERIOD_MS)
  document.addEventListener('visibilitychange', wake)
  window.addEventListener('online', wake)

  return {
    choose: (wanted) => dispatch({ kind: 'choose', wanted }),
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    published: () => published,
    stop: () => {
      clearInterval(clock)
      clearTimeout(retryTimer)
      cancelAnimationFrame(frame)
      document.removeEventListener('visibilitychange', wake)
      window.removeEventListener('online', wake)
      closeSocket()
    },
  }
}

/** Events of a socket that is no longer the current one are not heard. */
function openSocket(
  dispatch: (event: LiveChainEvent) => void,
  isCurrent: (socket: WebSocket) => boolean,
): WebSocket {
  const socket = new WebSocket(streamUrl())
  const ifCurrent = (event: () => LiveChainEvent) => {
    if (isCurrent(socket)) dispatch(event())
  }
  socket.onopen = () => ifCurrent(() => ({ kind: 'opened' }))
  socket.onmessage = ({ data }) => ifCurrent(() => readMessage(data))
  socket.onclose = ({ code }) => ifCurrent(() => ({ kind: 'lost', reason: explainClose(code) }))
  return socket
}

function readMessage(data: unknown): LiveChainEvent {
  try {
    return { kind: 'message', message: JSON.parse(String(data)) as ServerMessage }
  } catch (cause) {
    return { kind: 'lost', reason: `the stream sent what is no JSON (${String(cause)})` }
  }
}

function explainClose(code: number): string {
  return code === 1006 ? 'the connection broke' : `the server closed the stream (${code})`
}

function streamUrl(): URL {
  const url = new URL('stream', document.baseURI)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  return url
}

/** Many pages must not come back at the same instant. */
function jittered(delayMs: number): number {
  return delayMs * (1 + PAGE_RETRY_JITTER * Math.random())
}

async function poll(wanted: Wanted): Promise<LiveChainEvent> {
  const answer = await getChain(wanted)
  if (answer.kind === 'ok') {
    return { kind: 'polled', wanted, chain: answer.value, ageMs: answer.value.age_ms }
  }
  return {
    kind: 'poll_failed',
    wanted,
    refusal: answer.kind === 'refused' ? answer.error : null,
  }
}
