/**
 * A subscriber of Redis channels. Redis keeps nothing: what is published while the connection is lost,
 * or after the server has cut a subscriber that fell behind (32 MB, or 8 MB for a minute), never
 * comes. So whoever listens is told when the connection is lost and when it is back.
 *
 * A silent channel and a dead connection look alike, so the server is asked for a sign of life.
 */
import { Redis } from 'ioredis'
import { backoffDelayMs } from '../kit/backoff.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import {
  BUS_ANSWER_TIMEOUT_MS,
  BUS_CONNECT_TIMEOUT_MS,
  BUS_RECONNECT_FIRST_MS,
  BUS_RECONNECT_MAX_MS,
} from '../limits.ts'
import { faultText } from './bus-error.ts'
import { type LinkEvent, type LinkState, newLink, transition } from './link-state.ts'

export interface SubscriberOptions {
  readonly url: string
  readonly channels: readonly string[]
  /** Connected, but listening only from `resume` on. */
  readonly isPaused?: boolean
  readonly clock: Clock
  readonly log: Log
  /** Numbers in [0, 1). */
  readonly random: () => number
  readonly onMessage: (channel: string, text: string) => void
  /** All channels are subscribed; from here on nothing is missed until `onDown` or `pause`. */
  readonly onUp: () => void
  readonly onDown: () => void
}

const BACKOFF = { firstMs: BUS_RECONNECT_FIRST_MS, capMs: BUS_RECONNECT_MAX_MS }

export class ChannelSubscriber {
  readonly #options: SubscriberOptions
  readonly #log: Log
  readonly #redis: Redis
  readonly #cancelPings: () => void
  #link: LinkState
  #isWanted: boolean
  #isConnected = false
  #isSubscribed = false
  #isAligning = false

  /** Begins to connect; the server need not be there. */
  constructor(options: SubscriberOptions) {
    const { url, clock, log, random } = options
    this.#options = options
    this.#isWanted = options.isPaused !== true
    this.#log = log.child({ redis: new URL(url).host })
    this.#link = newLink(clock.elapsedMs())
    this.#redis = new Redis(url, {
      enableOfflineQueue: false,
      autoResubscribe: false,
      maxRetriesPerRequest: 0,
      connectTimeout: BUS_CONNECT_TIMEOUT_MS,
      socketTimeout: BUS_ANSWER_TIMEOUT_MS,
      retryStrategy: (attempt) => backoffDelayMs(BACKOFF, attempt - 1, random),
    })
    this.#redis.on('ready', () => {
      this.#isConnected = true
      void this.#align()
    })
    this.#redis.on('message', (channel: string, text: string) => {
      if (this.#isWanted) options.onMessage(channel, text)
    })
    this.#redis.on('close', () => this.#onClose())
    this.#redis.on('error', (error: unknown) => this.#fail(error))
    this.#cancelPings = clock.every(BUS_ANSWER_TIMEOUT_MS / 2, () => this.#ping())
  }

  /** Why nothing comes; null while all is well. */
  get error(): string | null {
    return this.#link.kind === 'up' ? null : this.#link.error
  }

  /** Listens to nothing until `resume`; the connection stays. */
  pause(): void {
    this.#isWanted = false
    void this.#align()
  }

  resume(): void {
    this.#isWanted = true
    void this.#align()
  }

  /** Closing twice is fine. */
  close(): void {
    this.#cancelPings()
    this.#redis.removeAllListeners('close')
    this.#redis.disconnect()
  }

  /** Brings the server's view in line with what is wanted, one command at a time. */
  async #align(): Promise<void> {
    if (this.#isAligning) return
    this.#isAligning = true
    try {
      while (this.#isConnected && this.#isSubscribed !== this.#isWanted) await this.#switch()
      if (this.#isConnected) this.#note({ kind: 'ready' })
    } catch (error) {
      this.#fail(error)
      // Where the server does not let us subscribe (yet), it is tried again like a lost connection.
      this.#redis.disconnect(true)
    } finally {
      this.#isAligning = false
    }
  }

  async #switch(): Promise<void> {
    const { channels, onUp } = this.#options
    if (!this.#isWanted) {
      await this.#redis.unsubscribe(...channels)
      this.#isSubscribed = false
      return
    }
    await this.#redis.subscribe(...channels)
    if (!this.#isConnected) return
    this.#isSubscribed = true
    this.#note({ kind: 'ready' })
    if (this.#isWanted) onUp()
  }

  #ping(): void {
    if (this.#link.kind === 'up') this.#redis.ping().catch((error) => this.#fail(error))
  }

  #onClose(): void {
    const wasListening = this.#isSubscribed && this.#isWanted
    this.#isConnected = false
    this.#isSubscribed = false
    this.#note({ kind: 'closed' })
    if (wasListening) this.#options.onDown()
  }

  #fail(error: unknown): void {
    this.#note({ kind: 'failed', error: faultText(error) })
  }

  #note(event: LinkEvent): void {
    const { state, line } = transition(this.#link, event, this.#options.clock.elapsedMs())
    this.#link = state
    if (line !== undefined) this.#log[line.level](line.fields, line.message)
  }
}
