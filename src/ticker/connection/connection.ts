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
import { ConnectionHistory } from './connection-history.ts'
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
  readonly onSubscribed: (tokens: readonly number[], slot: SlotName) => void
}

/** What a check once a second needs to know of the instruments. */
export interface Due {
  /** Something that the broker has been told of is in session. */
  readonly isDataDue: boolean
  /** Enough has been seen of its instruments to say how often they tick. */
  readonly isPaceKnown: boolean
  /** Whether, at the pace of the instruments, their silence is no chance. */
  readonly isUnlikely: () => boolean
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
  #isProbing = false
  #isPaused = false
  #resumedAtMs = Number.NEGATIVE_INFINITY
  /** Since when data should come; undefined while the market is closed. */
  #dueSinceMs: number | undefined
  #openings = 0
  /** Monotonic: of anything at all, heartbeats too; and of the newest packet that was told as data. */
  #heardAtMs = Number.NEGATIVE_INFINITY
  #dataToldMs = Number.NEGATIVE_INFINITY
  readonly #history = new ConnectionHistory()
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

  /** What the broker has been told of on this socket. */
  get told(): Iterable<number> {
    return this.#told.keys()
  }

  /** Its socket is open and we take what it brings. */
  get isReading(): boolean {
    return this.#state.kind === 'open' && !this.#isPaused
  }

  /** Mute, or opened anew because it was and silent since. */
  get isMute(): boolean {
    const state = this.#state
    if (state.kind === 'waiting') return state.cause === 'mute'
    return state.kind === 'open' && state.mutes > 0 && !state.hasData
  }

  /** What is known over all of its sockets. */
  get history(): Readonly<ConnectionHistory> {
    return this.#history
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
    this.#releaseIdle()
  }

  /** Opens although it carries nothing, to learn whether the broker lets the account in. */
  setProbing(isProbing: boolean): void {
    if (this.#isProbing === isProbing) return
    this.#isProbing = isProbing
    if (isProbing) this.#handle({ kind: 'start' })
    else this.#releaseIdle()
  }

  /** Back-pressure from the journal. */
  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused
    if (isPaused) this.#attempt?.socket?.pause()
    else this.#attempt?.socket?.resume()
    if (!isPaused) this.#resumedAtMs = this.#deps.clock.elapsedMs()
  }

  /** Once a second: looks whether it is stalled or mute. */
  check({ isDataDue, isPaceKnown, isUnlikely }: Due): void {
    const nowMs = this.#deps.clock.elapsedMs()
    const isDue = isDataDue && this.#told.size > 0
    this.#dueSinceMs = isDue ? (this.#dueSinceMs ?? nowMs) : undefined
    if (!this.isReading) return
    if (isPaceKnown) this.#tellData()
    const stalledMs = nowMs - Math.max(this.#heardAtMs, this.#resumedAtMs)
    this.#handle({ kind: 'stall', silentMs: stalledMs })
    if (!isDue || this.#state.kind !== 'open') return
    const silentMs = this.silentMs(nowMs)
    const { muteAfterMs } = this.#deps
    if (silentMs < muteAfterMs) return
    this.#handle({ kind: 'silence', silentMs, muteAfterMs, isUnlikely: isUnlikely() })
  }

  /** How long the open socket has brought no tick while some were due and we read it. */
  silentMs(nowMs: number): number {
    const session = this.#session
    if (session === undefined || this.#dueSinceMs === undefined) return 0
    return nowMs - Math.max(session.lastDataElapsedMs, this.#resumedAtMs, this.#dueSinceMs)
  }

  /**
   * A packet that has not been taken in yet ends so long a silence by the exchange's seconds; only
   * while some were due and we read it is that a fault.
   *
   * @param isUnlikely whether so long a one is no chance
   */
  onSilenceOver(silentMs: number, isUnlikely: (silentMs: number) => boolean): void {
    if (this.#dueSinceMs === undefined || !this.isReading) return
    const watchedMs = this.#deps.clock.elapsedMs() - Math.max(this.#resumedAtMs, this.#dueSinceMs)
    const dueMs = Math.min(silentMs, watchedMs)
    const { muteAfterMs } = this.#deps
    if (dueMs < muteAfterMs) return
    const event = { silentMs: dueMs, muteAfterMs, isUnlikely: isUnlikely(dueMs) }
    this.#handle({ kind: 'silence_over', ...event })
  }

  /** Tells the broker of these instruments once more, as if it had never heard of them. */
  askAnew(tokens: readonly number[]): void {
    const socket = this.#attempt?.socket
    if (socket === undefined || this.#state.kind !== 'open') return
    this.#tell(socket, { kind: 'unsubscribe', tokens: tokens.filter((t) => this.#told.has(t)) })
    for (const token of tokens) this.#changed.add(token)
    this.#sync()
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

  #releaseIdle(): void {
    if (this.#wanted.size === 0 && !this.#isProbing) this.#handle({ kind: 'release' })
  }

  #tellData(): void {
    const session = this.#session
    if (session?.lastTickAtMs === undefined || session.lastDataElapsedMs === this.#dataToldMs)
      return
    this.#dataToldMs = session.lastDataElapsedMs
    this.#handle({ kind: 'data', generation: this.#sessionGeneration })
  }

  #handle(event: ConnectionEvent): void {
    const before = this.#state
    const { state, effects } = transition(before, event, this.#deps.clock.elapsedMs())
    this.#state = state
    if (event.kind === 'silence' || event.kind === 'stall') this.#noteSilence(event, before, state)
    for (const effect of effects) this.#perform(effect)
  }

  #noteSilence(
    { kind, silentMs }: Extract<ConnectionEvent, { kind: 'silence' | 'stall' }>,
    before: ConnectionState,
    after: ConnectionState,
  ): void {
    if (before.kind === after.kind) return
    const seconds = Math.round(silentMs / 1000)
    const what = kind === 'silence' ? 'no tick' : 'neither tick nor heartbeat'
    this.#history.lastError = `${what} for ${seconds} s`
    const fields = { ...this.slot, silent_ms: Math.round(silentMs) }
    this.#deps.log.warn(fields, kind === 'silence' ? 'Broker socket mute' : 'Broker socket stalled')
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
        this.#waitIsOver()
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
        this.#hear(bytes.length)
        const session = this.#sessionOf(attempt)
        const isFirst = session.lastTickAtMs === undefined
        if (session.onFrame(bytes, receivedAtMs) && isFirst) {
          this.#handle({ kind: 'data', generation: attempt.generation })
        }
      },
      onText: (text) => {
        if (this.#attempt !== attempt) return
        this.#hear(Buffer.byteLength(text))
        this.#onText(text)
      },
      onClose: ({ code, reason, error }) => {
        if (this.#attempt !== attempt) return
        this.#deps.log.warn({ ...this.slot, code, reason, cause: error }, 'Broker socket closed')
        this.#history.lastError = `closed (${code})${reason === '' ? '' : `: ${reason}`}`
        this.#handle({ kind: 'closed', generation: attempt.generation })
      },
    }
  }

  #hear(bytes: number): void {
    this.#heardAtMs = this.#deps.clock.elapsedMs()
    this.#history.bytesReceived += bytes
  }

  #sessionOf(attempt: Attempt): FeedSession {
    if (this.#session === undefined || this.#sessionGeneration !== attempt.generation) {
      this.#history.end(this.#session)
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
    this.#heardAtMs = this.#deps.clock.elapsedMs()
    this.#history.openedAtMs = this.#deps.clock.nowMs()
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
    this.#history.lastError = message
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
    this.#history.nextRetryAtMs = this.#deps.clock.nowMs() + delayMs
    this.#cancelWait = this.#deps.clock.after(delayMs, () => {
      this.#waitIsOver()
      this.#handle({ kind: 'due' })
    })
  }

  #waitIsOver(): void {
    this.#cancelWait = undefined
    this.#history.nextRetryAtMs = undefined
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
    for (const message of messages) this.#tell(socket, message)
  }

  #tell(socket: BrokerSocket, message: WireMessage): void {
    if (message.tokens.length === 0) return
    this.#note(message)
    send(socket, message).then(
      () => this.#sent(message),
      (error: unknown) => this.#notSent(error),
    )
  }

  #note(message: WireMessage): void {
    for (const token of message.tokens) {
      if (message.kind === 'unsubscribe') this.#told.delete(token)
      else this.#told.set(token, message.kind === 'mode' ? message.mode : 'quote')
    }
  }

  #sent(message: WireMessage): void {
    if (message.kind === 'subscribe') this.#deps.onSubscribed(message.tokens, this.slot)
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
