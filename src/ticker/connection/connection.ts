/**
 * One socket slot of an account: performs what the state machine asks for, and keeps the broker told
 * of what the slot carries. Callbacks of an attempt that is no longer current find nobody.
 */
import { backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { KiteError } from '../../kite/kite-error.ts'
import type { KiteSocketHandlers } from '../../kite/socket.ts'
import { parseTextMessage } from '../../kite/text-message.ts'
import type { TickMode } from '../../market/tick.ts'
import type { BrokerSocket } from '../broker.ts'
import type { FeedSession } from '../feed/feed-session.ts'
import type { SlotName } from '../feed/stream.ts'
import {
  type ConnectionEffect,
  type ConnectionEvent,
  type ConnectionState,
  INITIAL_STATE,
  type OpenFailure,
  transition,
} from './connection-state.ts'
import { planWire, type Wanted, type WireMessage } from './wire-plan.ts'

export interface ConnectionDeps {
  readonly slot: SlotName
  readonly clock: Clock
  readonly log: Log
  /** Numbers in [0, 1). */
  readonly random: () => number
  /** Silence in session after which the socket is mute, ms. */
  readonly muteAfterMs: number
  /** Rejects with a `KiteError`; one of code `forbidden` where there is no access token. */
  readonly openSocket: (handlers: KiteSocketHandlers, signal: AbortSignal) => Promise<BrokerSocket>
  /** A socket is open: its packets go through the session from now on. */
  readonly openSession: (slot: SlotName) => FeedSession
  readonly onGap: (
    reason: 'disconnect' | 'mute' | 'clock_step',
    slot: SlotName,
    session: FeedSession,
  ) => void
  /** What the account should know; `error` where it was refused. */
  readonly onReport: (news: 'accepted' | 'refused' | 'busy', error: KiteError | undefined) => void
  /** The broker has been told of these tokens on an open socket. */
  readonly onSubscribed: (tokens: readonly number[]) => void
}

/** What belongs to one generation of the state machine. */
interface Attempt {
  readonly generation: number
  readonly abort: AbortController
  socket: BrokerSocket | undefined
  error: KiteError | undefined
}

export class Connection {
  readonly slot: SlotName
  readonly #deps: ConnectionDeps
  #state: ConnectionState = INITIAL_STATE
  #attempt: Attempt | undefined
  /** Of the newest socket that has shown itself, and whose it is. */
  #session: FeedSession | undefined
  #sessionGeneration = 0
  #cancelWait: (() => void) | undefined
  readonly #wanted = new Map<number, Wanted>()
  readonly #told = new Map<number, TickMode>()
  readonly #changed = new Set<number>()
  #isSyncing = false
  #isPaused = false
  #resumedAtMs = Number.NEGATIVE_INFINITY
  /** Since when data should come; undefined while the market is closed. */
  #dueSinceMs: number | undefined
  #openings = 0
  #closing: Promise<void> = Promise.resolve()

  constructor(deps: ConnectionDeps) {
    this.slot = deps.slot
    this.#deps = deps
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** Instruments that it carries, or will when it is open. */
  get size(): number {
    return this.#wanted.size
  }

  get tokens(): Iterable<number> {
    return this.#wanted.keys()
  }

  /** Times that it was opened anew. */
  get reconnects(): number {
    return Math.max(0, this.#openings - 1)
  }

  /** Of the open socket, or of the last one. */
  get session(): FeedSession | undefined {
    return this.#session
  }

  /** Carries the token from now on, or carries it differently. */
  want(token: number, wanted: Wanted): void {
    this.#wanted.set(token, wanted)
    this.#change(token)
    if (this.#state.kind === 'idle') this.#handle({ kind: 'start' })
  }

  unwant(token: number): void {
    if (!this.#wanted.delete(token)) return
    this.#change(token)
    if (this.#wanted.size === 0) this.#handle({ kind: 'release' })
  }

  /** Back-pressure from the journal. */
  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused
    if (isPaused) this.#attempt?.socket?.pause()
    else this.#attempt?.socket?.resume()
    if (!isPaused) this.#resumedAtMs = this.#deps.clock.elapsedMs()
  }

  /** Once a second. `isDataDue`: something that it carries is in session. */
  check(isDataDue: boolean): void {
    const nowMs = this.#deps.clock.elapsedMs()
    const session = this.#session
    const isDue = isDataDue && this.#told.size > 0
    this.#dueSinceMs = isDue ? (this.#dueSinceMs ?? nowMs) : undefined
    if (this.#dueSinceMs === undefined || this.#isPaused || session === undefined) return
    const lastMs = Math.max(session.lastDataElapsedMs, this.#resumedAtMs, this.#dueSinceMs)
    const silentMs = nowMs - lastMs
    this.#handle({ kind: 'silence', silentMs, muteAfterMs: this.#deps.muteAfterMs })
  }

  /** Wall and monotonic clock parted. */
  onClockStep(): void {
    this.#handle({ kind: 'clock_step' })
  }

  /** What kept it waiting is gone. */
  retryNow(): void {
    this.#handle({ kind: 'retry_now' })
  }

  /** Closes the socket for good; resolves when it is gone. */
  stop(): Promise<void> {
    this.#handle({ kind: 'stop' })
    return this.#closing
  }

  #handle(event: ConnectionEvent): void {
    const before = this.#state
    const { state, effects } = transition(before, event, this.#deps.clock.elapsedMs())
    this.#state = state
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: ConnectionEffect): void {
    switch (effect.kind) {
      case 'open':
        this.#open(effect.generation)
        break
      case 'close':
        this.#close(effect.generation)
        break
      case 'wait':
        this.#wait(backoffDelayMs(effect.backoff, effect.attempt, this.#deps.random))
        break
      case 'wait_exactly':
        this.#wait(effect.delayMs)
        break
      case 'cancel_wait':
        this.#cancelWait?.()
        this.#cancelWait = undefined
        break
      case 'resubscribe':
        this.#resubscribe()
        break
      case 'gap':
        if (this.#session !== undefined) {
          this.#deps.onGap(effect.reason, this.slot, this.#session)
        }
        break
      case 'report':
        this.#deps.onReport(effect.news, this.#attempt?.error)
        break
    }
  }

  // ---------------------------------------------------------------- the socket

  #open(generation: number): void {
    const attempt: Attempt = {
      generation,
      abort: new AbortController(),
      socket: undefined,
      error: undefined,
    }
    this.#attempt = attempt
    this.#deps.openSocket(this.#handlersOf(attempt), attempt.abort.signal).then(
      (socket) => this.#opened(attempt, socket),
      (error: unknown) => this.#refused(attempt, error),
    )
  }

  /** Handlers may be called before the opening promise resolves. */
  #handlersOf(attempt: Attempt): KiteSocketHandlers {
    return {
      onFrame: (bytes, receivedAtMs) => {
        if (this.#attempt !== attempt) return
        const session = this.#sessionOf(attempt)
        const isFirst = session.lastTickAtMs === undefined
        if (session.onFrame(bytes, receivedAtMs) && isFirst) {
          this.#handle({ kind: 'data', generation: attempt.generation })
        }
      },
      onText: (text) => {
        if (this.#attempt === attempt) this.#onText(text)
      },
      onClose: ({ code, reason, error }) => {
        if (this.#attempt !== attempt) return
        this.#deps.log.warn({ ...this.slot, code, reason, cause: error }, 'Broker socket closed')
        this.#handle({ kind: 'closed', generation: attempt.generation })
      },
    }
  }

  #sessionOf(attempt: Attempt): FeedSession {
    if (this.#session === undefined || this.#sessionGeneration !== attempt.generation) {
      this.#session = this.#deps.openSession(this.slot)
      this.#sessionGeneration = attempt.generation
    }
    return this.#session
  }

  #opened(attempt: Attempt, socket: BrokerSocket): void {
    attempt.socket = socket
    if (this.#attempt !== attempt) {
      void socket.close()
      return
    }
    const session = this.#sessionOf(attempt)
    this.#openings++
    if (this.#isPaused) socket.pause()
    this.#deps.log.info({ ...this.slot, instruments: this.size }, 'Broker socket open')
    const { generation } = attempt
    this.#handle({ kind: 'opened', generation })
    // It may have shown itself before the promise said so.
    if (session.lastTickAtMs !== undefined) this.#handle({ kind: 'data', generation })
  }

  #refused(attempt: Attempt, error: unknown): void {
    if (this.#attempt !== attempt) return
    const { generation } = attempt
    if (!(error instanceof KiteError)) throw error
    attempt.error = error
    const { code, message, retryAfterMs } = error
    this.#deps.log.warn(
      { ...this.slot, code, reason: message },
      'Broker socket could not be opened',
    )
    this.#handle({ kind: 'refused', generation, failure: failureOf(error), retryAfterMs })
  }

  #close(generation: number): void {
    const attempt = this.#attempt
    if (attempt === undefined || attempt.generation !== generation) return
    this.#attempt = undefined
    attempt.abort.abort()
    if (attempt.socket !== undefined) this.#closing = attempt.socket.close()
  }

  #wait(delayMs: number): void {
    this.#cancelWait = this.#deps.clock.after(delayMs, () => {
      this.#cancelWait = undefined
      this.#handle({ kind: 'due' })
    })
  }

  #onText(text: string): void {
    const message = parseTextMessage(text)
    if (message.kind === 'order') return
    this.#deps.log.warn({ ...this.slot, kind: message.kind, text: message.message }, 'Broker says')
  }

  // ---------------------------------------------------------------- what the broker is told

  #change(token: number): void {
    this.#changed.add(token)
    if (this.#isSyncing || this.#state.kind !== 'open') return
    this.#isSyncing = true
    // Whoever wants 500 instruments says so 500 times in one turn: they leave in one message.
    queueMicrotask(() => {
      this.#isSyncing = false
      this.#sync()
    })
  }

  #resubscribe(): void {
    this.#told.clear()
    for (const token of this.#wanted.keys()) this.#changed.add(token)
    this.#sync()
  }

  #sync(): void {
    const socket = this.#attempt?.socket
    if (socket === undefined || this.#state.kind !== 'open') return
    const messages = planWire(this.#changed, this.#wanted, this.#told)
    this.#changed.clear()
    for (const message of messages) {
      this.#note(message)
      send(socket, message).then(
        () => this.#sent(message),
        (error: unknown) => this.#notSent(error),
      )
    }
  }

  #note(message: WireMessage): void {
    for (const token of message.tokens) {
      if (message.kind === 'unsubscribe') this.#told.delete(token)
      else this.#told.set(token, message.kind === 'mode' ? message.mode : 'quote')
    }
  }

  #sent(message: WireMessage): void {
    if (message.kind === 'subscribe') this.#deps.onSubscribed(message.tokens)
  }

  /** The socket is closing: the next one is told everything anew. */
  #notSent(error: unknown): void {
    if (!(error instanceof KiteError)) throw error
    this.#deps.log.debug({ ...this.slot, reason: error.message }, 'Broker was not told')
  }
}

function send(socket: BrokerSocket, message: WireMessage): Promise<void> {
  switch (message.kind) {
    case 'subscribe':
      return socket.subscribe(message.tokens)
    case 'unsubscribe':
      return socket.unsubscribe(message.tokens)
    case 'mode':
      return socket.setMode(message.mode, message.tokens)
  }
}

function failureOf({ code }: KiteError): OpenFailure {
  if (code === 'forbidden' || code === 'token_expired') return 'refused'
  return code === 'too_many_connections' || code === 'too_many_requests' ? 'busy' : 'failed'
}
