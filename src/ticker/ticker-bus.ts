/** The ticker's end of the bus: the events that it is owed, who listens, and how it stands. */
import type { TickerStatus } from '../contract/api/ticker-status.ts'
import { channelsOf } from '../contract/channels.ts'
import type { LifecycleEvent } from '../contract/events.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import { BusListeners } from './bus-listeners.ts'
import { BusEvents } from './events/bus-events.ts'
import type { Bus } from './ports.ts'

export interface TickerBusDeps {
  readonly bus: Bus
  readonly channelPrefix: string
  /** Where the outbox is kept. */
  readonly folder: string
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
}

export class TickerBus {
  /** Who listens to the channels. */
  readonly listeners: BusListeners
  readonly #deps: TickerBusDeps
  readonly #events: BusEvents

  constructor(deps: TickerBusDeps) {
    const channels = channelsOf(deps.channelPrefix)
    this.#deps = deps
    this.#events = new BusEvents({ ...deps, channel: channels.events })
    this.listeners = new BusListeners({ ...deps, channels })
  }

  /** Why it is not as it should be; null where it is. */
  get fault(): string | null {
    const { error } = this.#deps.bus
    return error === null ? this.#events.fault : `Redis does not answer: ${error}`
  }

  status(): TickerStatus['redis'] {
    return {
      status: this.#deps.bus.error === null ? 'up' : 'down',
      channel_prefix: this.#deps.channelPrefix,
      listeners: this.listeners.counts,
      outbox: this.#events.waiting,
      error: this.#deps.bus.error ?? this.#events.fault ?? this.listeners.error,
    }
  }

  /** `untold`: what the own copy held beyond the outbox. */
  async start(untold: readonly LifecycleEvent[]): Promise<void> {
    await this.#events.start(untold)
    this.listeners.start()
  }

  keep(events: readonly LifecycleEvent[]): Promise<void> {
    return this.#events.append(events)
  }

  async stop(): Promise<void> {
    this.listeners.stop()
    await this.#events.stop()
  }

  describe(metrics: Metrics): void {
    const { bus } = this.#deps
    metrics.gauge('fostream_redis_up', 'Redis answers.', () => (bus.error === null ? 1 : 0))
    metrics.gauge(
      'fostream_bus_dropped_total',
      'Messages for the tick channels that did not reach Redis.',
      () => bus.dropped,
    )
    metrics.gauge(
      'fostream_bus_high_water_bytes',
      'Most bytes of ticks that ever waited for Redis to take them.',
      () => bus.highWaterBytes,
    )
    this.#events.describe(metrics)
  }
}

export function noBus(channelPrefix: string): TickerStatus['redis'] {
  return {
    status: 'not_configured',
    channel_prefix: channelPrefix,
    listeners: {},
    outbox: 0,
    error: null,
  }
}
