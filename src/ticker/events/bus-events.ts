/**
 * Lifecycle events on the bus: kept in the outbox first, then handed over.
 *
 *   append ─▶ outbox (on the disk) ─▶ publisher ─▶ {prefix}:events
 */
import { join } from 'node:path'
import type { LifecycleEvent } from '../../contract/events.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import type { Metrics } from '../../kit/metrics.ts'
import type { Bus } from '../ports.ts'
import { EventPublisher } from './event-publisher.ts'
import { Outbox } from './outbox.ts'

export interface BusEventsDeps {
  readonly bus: Bus
  readonly channel: string
  /** Where the outbox is kept, beside the own copy. */
  readonly folder: string
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
}

const OUTBOX_FILE = 'outbox.jsonl'

export class BusEvents {
  readonly #outbox: Outbox
  readonly #publisher: EventPublisher

  constructor({ folder, ...deps }: BusEventsDeps) {
    this.#outbox = new Outbox({ path: join(folder, OUTBOX_FILE), log: deps.log })
    this.#publisher = new EventPublisher({ ...deps, outbox: this.#outbox })
  }

  /** Events that are not handed over yet. */
  get waiting(): number {
    return this.#outbox.size
  }

  /** What is wrong with the outbox or with handing it over; null where nothing is. */
  get fault(): string | null {
    const { error, dropped } = this.#outbox
    if (error !== null) return `the outbox is not saved: ${error}`
    if (this.#publisher.error !== null) return `events wait: ${this.#publisher.error}`
    return dropped > 0 ? `${dropped} events were never handed over, the outbox was full` : null
  }

  /** Goes on where the process before ended; `untold` is what its own copy held beyond its outbox. */
  async start(untold: readonly LifecycleEvent[]): Promise<void> {
    await this.#outbox.open()
    await this.#outbox.append(untold)
    this.#publisher.start()
  }

  /** Resolves when the events outlive the process; they are handed over after that, in order. */
  async append(events: readonly LifecycleEvent[]): Promise<void> {
    await this.#outbox.append(events)
    this.#publisher.wake()
  }

  /** Hands over what the bus takes now; the rest waits for the next start. */
  async stop(): Promise<void> {
    await this.#publisher.flushed()
    this.#publisher.stop()
    await this.#outbox.close()
  }

  describe(metrics: Metrics): void {
    metrics.gauge('fostream_outbox_events', 'Lifecycle events not handed over yet.', () => {
      return this.#outbox.size
    })
    metrics.gauge(
      'fostream_outbox_high_water_events',
      'Most lifecycle events that ever waited to be handed over.',
      () => this.#outbox.highWater,
    )
    metrics.gauge(
      'fostream_outbox_dropped_total',
      'Lifecycle events that were never handed over, since the outbox was full.',
      () => this.#outbox.dropped,
    )
  }
}
