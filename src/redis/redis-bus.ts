/**
 * The bus on Redis pub/sub. The server may be away at any time: it is looked for with growing pauses
 * for ever, nothing is queued for it here, and whoever hands something over is told at once.
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
  BUS_SENDING_MAX_BYTES,
} from '../limits.ts'
import type { Bus, BusMessage } from '../ticker/ports.ts'
import { BusError, busError, faultText } from './bus-error.ts'
import { type LinkEvent, type LinkState, newLink, transition } from './link-state.ts'

export interface RedisBusOptions {
  /** `redis://` or `rediss://`, with user and password where the server wants them. */
  readonly url: string
  readonly clock: Clock
  readonly log: Log
  /** Numbers in [0, 1). */
  readonly random: () => number
}

const BACKOFF = { firstMs: BUS_RECONNECT_FIRST_MS, capMs: BUS_RECONNECT_MAX_MS }

/** Begins to connect; the server need not be there. */
export function openRedisBus(options: RedisBusOptions): RedisBus {
  return new RedisBus(options)
}

export class RedisBus implements Bus {
  readonly #clock: Clock
  readonly #log: Log
  readonly #redis: Redis
  readonly #onUp = new Set<() => void>()
  #link: LinkState
  #sendingBytes = 0
  #highWaterBytes = 0
  #dropped = 0

  constructor({ url, clock, log, random }: RedisBusOptions) {
    this.#clock = clock
    this.#log = log.child({ redis: new URL(url).host })
    this.#link = newLink(clock.elapsedMs())
    this.#redis = new Redis(url, {
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      // What was in flight when the connection went is refused at once, not kept for the next one.
      maxRetriesPerRequest: 0,
      connectTimeout: BUS_CONNECT_TIMEOUT_MS,
      socketTimeout: BUS_ANSWER_TIMEOUT_MS,
      retryStrategy: (attempt) => backoffDelayMs(BACKOFF, attempt - 1, random),
    })
    this.#redis.on('ready', () => this.#onReady())
    this.#redis.on('close', () => this.#note({ kind: 'closed' }))
    this.#redis.on('error', (error: unknown) => {
      this.#note({ kind: 'failed', error: faultText(error) })
    })
  }

  get error(): string | null {
    return this.#link.kind === 'up' ? null : this.#link.error
  }

  get dropped(): number {
    return this.#dropped
  }

  get highWaterBytes(): number {
    return this.#highWaterBytes
  }

  async publish(messages: readonly BusMessage[]): Promise<void> {
    const failures = await this.#publish(messages)
    if (failures[0] !== undefined) throw failures[0]
  }

  send(messages: readonly BusMessage[]): boolean {
    const bytes = messages.reduce((sum, { text }) => sum + text.length, 0)
    if (this.error !== null || this.#sendingBytes + bytes > BUS_SENDING_MAX_BYTES) {
      this.#dropped += messages.length
      return false
    }
    this.#sendingBytes += bytes
    this.#highWaterBytes = Math.max(this.#highWaterBytes, this.#sendingBytes)
    void this.#publish(messages).then((failures) => {
      this.#sendingBytes -= bytes
      this.#dropped += failures.length
    })
    return true
  }

  async listeners(channels: readonly string[]): Promise<ReadonlyMap<string, number>> {
    this.#assertUp()
    try {
      const [counts, patterns] = await Promise.all([
        this.#redis.pubsub('NUMSUB', ...channels),
        this.#redis.pubsub('NUMPAT'),
      ])
      return countsByChannel(counts, Number(patterns))
    } catch (error) {
      throw busError(error)
    }
  }

  onUp(listener: () => void): () => void {
    this.#onUp.add(listener)
    return () => this.#onUp.delete(listener)
  }

  /** What is in flight is refused. Closing twice is fine. */
  close(): void {
    this.#onUp.clear()
    this.#redis.removeAllListeners('close')
    this.#redis.disconnect()
  }

  /** One failure a message that the server has not taken, or perhaps not. */
  async #publish(messages: readonly BusMessage[]): Promise<BusError[]> {
    if (messages.length === 0) return []
    try {
      this.#assertUp()
      const pipeline = this.#redis.pipeline()
      for (const { channel, text } of messages) pipeline.publish(channel, text)
      const answers = (await pipeline.exec()) ?? []
      return answers.flatMap(([error]) => (error === null ? [] : [busError(error)]))
    } catch (error) {
      return messages.map(() => busError(error))
    }
  }

  #assertUp(): void {
    if (this.error !== null) throw new BusError('away', this.error)
  }

  #onReady(): void {
    this.#note({ kind: 'ready' })
    for (const listener of this.#onUp) listener()
  }

  #note(event: LinkEvent): void {
    const { state, line } = transition(this.#link, event, this.#clock.elapsedMs())
    this.#link = state
    if (line !== undefined) this.#log[line.level](line.fields, line.message)
  }
}

/** NUMSUB answers `[channel, count, channel, count, …]`. */
function countsByChannel(answer: readonly unknown[], patterns: number): Map<string, number> {
  const counts = new Map<string, number>()
  for (let i = 0; i + 1 < answer.length; i += 2) {
    counts.set(String(answer[i]), Number(answer[i + 1]) + patterns)
  }
  return counts
}
