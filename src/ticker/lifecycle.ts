/** Numbers the lifecycle events of this epoch and hands them to whoever listens in this process. */
import type { LifecycleEvent, LifecycleNews } from '../contract/events.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'

export type LifecycleListener = (event: LifecycleEvent) => void

export class Lifecycle {
  readonly #epoch: number
  readonly #clock: Clock
  readonly #log: Log
  readonly #listeners = new Set<LifecycleListener>()
  #count = 0

  constructor(epoch: number, clock: Clock, log: Log) {
    this.#epoch = epoch
    this.#clock = clock
    this.#log = log
  }

  /** Returns how to stop listening. */
  onEvent(listener: LifecycleListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A listener that throws is logged; the others hear of it all the same. */
  publish(news: LifecycleNews): void {
    this.#count++
    const event: LifecycleEvent = {
      event_id: `${this.#epoch}-${this.#count}`,
      ...news,
      timestamp: Math.floor(this.#clock.nowMs() / 1000),
    }
    for (const listener of this.#listeners) this.#tell(listener, event)
  }

  #tell(listener: LifecycleListener, event: LifecycleEvent): void {
    try {
      listener(event)
    } catch (error) {
      this.#log.error({ err: error, event_id: event.event_id }, 'Lifecycle listener failed')
    }
  }
}
