/**
 * Hands the outbox over to the bus, in order: one group of events at a time, and the next one only
 * when the bus has taken it. In doubt a group is repeated, with the same ids.
 */
import { backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import {
  BUS_AWAY_LOG_PERIOD_MS,
  BUS_EVENTS_PER_PUBLISH,
  BUS_RECONNECT_FIRST_MS,
  BUS_RECONNECT_MAX_MS,
} from '../../limits.ts'
import type { Bus } from '../ports.ts'
import type { Outbox } from './outbox.ts'

export interface EventPublisherDeps {
  readonly bus: Bus
  readonly outbox: Outbox
  readonly channel: string
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
}

const BACKOFF = { firstMs: BUS_RECONNECT_FIRST_MS, capMs: BUS_RECONNECT_MAX_MS }

export class EventPublisher {
  readonly #deps: EventPublisherDeps
  #running: Promise<void> | undefined
  #stopListening: (() => void) | undefined
  #cancelRetry: (() => void) | undefined
  #attempt = 0
  #error: string | null = null
  #saidAtMs: number | undefined
  #isStopped = false

  constructor(deps: EventPublisherDeps) {
    this.#deps = deps
  }

  /** Why the last group was not taken; null where it was. */
  get error(): string | null {
    return this.#error
  }

  start(): void {
    this.#stopListening = this.#deps.bus.onUp(() => this.#retryNow())
    this.wake()
  }

  /** There is something in the outbox. */
  wake(): void {
    if (this.#running !== undefined || this.#cancelRetry !== undefined || this.#isStopped) return
    if (this.#deps.bus.error !== null || this.#deps.outbox.ready === 0) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      this.wake()
    })
  }

  /** Resolves when the bus has taken everything, or does not take it now. */
  async flushed(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  stop(): void {
    this.#isStopped = true
    this.#stopListening?.()
    this.#cancelRetry?.()
  }

  async #run(): Promise<void> {
    const { bus, outbox, channel } = this.#deps
    while (outbox.ready > 0 && !this.#isStopped) {
      const group = outbox.oldest(BUS_EVENTS_PER_PUBLISH)
      try {
        await bus.publish(group.map(({ text }) => ({ channel, text })))
      } catch (error) {
        this.#retryLater(error)
        return
      }
      this.#attempt = 0
      this.#error = null
      const last = group.at(-1)
      if (last !== undefined) await outbox.told(last.id)
    }
  }

  #retryNow(): void {
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    this.wake()
  }

  #retryLater(error: unknown): void {
    const { clock, random } = this.#deps
    this.#error = error instanceof Error ? error.message : String(error)
    this.#say(error)
    if (this.#isStopped) return
    const delayMs = backoffDelayMs(BACKOFF, this.#attempt++, random)
    this.#cancelRetry = clock.after(delayMs, () => this.#retryNow())
  }

  #say(error: unknown): void {
    const { clock, log, outbox } = this.#deps
    const nowMs = clock.elapsedMs()
    if (this.#saidAtMs !== undefined && nowMs - this.#saidAtMs < BUS_AWAY_LOG_PERIOD_MS) return
    this.#saidAtMs = nowMs
    log.warn({ err: error, outbox: outbox.size }, 'Lifecycle events wait for Redis')
  }
}
