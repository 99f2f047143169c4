/**
 * Numbers the lifecycle events of this epoch and tells them in order: each one after what it says is
 * stored and it stands in the outbox itself, first to whoever listens in this process.
 */
import { eventIdOf, type LifecycleEvent, type LifecycleNews } from '../contract/events.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import { OUTBOX_EVENTS_MAX } from '../limits.ts'

export type LifecycleListener = (event: LifecycleEvent) => void

/** Resolves when what the news say is stored, or cannot be for now; never rejects. */
export type WhenStored = () => Promise<void>

export interface LifecycleDeps {
  /** Its `TICKER_ID`. */
  readonly ticker: string
  readonly epoch: number
  readonly clock: Clock
  readonly log: Log
  /** Resolves when the events outlive the process; never rejects. */
  readonly keep: (events: readonly LifecycleEvent[]) => Promise<void>
}

interface Waiting {
  readonly event: LifecycleEvent
  readonly whenStored: WhenStored | undefined
}

export class Lifecycle {
  readonly #deps: LifecycleDeps
  readonly #listeners = new Set<LifecycleListener>()
  readonly #waiting: Waiting[] = []
  #count = 0
  /** How many of those that wait are being stored: the oldest. */
  #storing = 0
  #dropped = 0
  #telling: Promise<void> | undefined

  constructor(deps: LifecycleDeps) {
    this.#deps = deps
  }

  /** Events that are not in the outbox yet, oldest first. */
  get untold(): readonly LifecycleEvent[] {
    return this.#waiting.map(({ event }) => event)
  }

  /** What is wrong with it; null where nothing is. */
  get fault(): string | null {
    return this.#dropped === 0 ? null : `${this.#dropped} events were never told, too many waited`
  }

  /** Returns how to stop listening. */
  onEvent(listener: LifecycleListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** It has its number and time from now on; it is told when it and all before it are stored. */
  publish(news: LifecycleNews, whenStored?: WhenStored): void {
    const { ticker, epoch, clock } = this.#deps
    const event: LifecycleEvent = {
      event_id: eventIdOf(ticker, epoch, ++this.#count),
      ...news,
      timestamp: Math.floor(clock.nowMs() / 1000),
    }
    this.#waiting.push({ event, whenStored })
    this.#makeRoom()
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = undefined
    })
  }

  /** Resolves when everything up to now has been told. */
  async settled(): Promise<void> {
    await this.#telling
  }

  describe(metrics: Metrics): void {
    metrics.gauge(
      'fostream_lifecycle_dropped_total',
      'Lifecycle events that were never told, since too many waited to be stored.',
      () => this.#dropped,
    )
  }

  /** What comes while a group is being stored goes together with the next one. */
  async #tellAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      // What is decided in one go is stored and told in one go.
      await Promise.resolve()
      const group = [...this.#waiting]
      this.#storing = group.length
      const conditions = new Set(group.flatMap(({ whenStored }) => whenStored ?? []))
      for (const whenStored of conditions) await whenStored()
      const events = group.map(({ event }) => event)
      await this.#deps.keep(events)
      this.#waiting.splice(0, this.#storing)
      this.#storing = 0
      for (const event of events) this.#tell(event)
    }
  }

  /** Behind those that are being stored the oldest give way, counted: receivers reconcile anyway. */
  #makeRoom(): void {
    if (this.#waiting.length - this.#storing <= OUTBOX_EVENTS_MAX) return
    this.#waiting.splice(this.#storing, 1)
    if (this.#dropped++ > 0) return
    this.#deps.log.error(
      { kept: OUTBOX_EVENTS_MAX },
      'Too many lifecycle events wait, the oldest go',
    )
  }

  /** A listener that throws is logged; the others hear of it all the same. */
  #tell(event: LifecycleEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        this.#deps.log.error({ err: error, event_id: event.event_id }, 'Lifecycle listener failed')
      }
    }
  }
}
