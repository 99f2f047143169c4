/**
 * Who listens to the ticker's channels: asked once a second, nobody while the bus is away. It is said
 * when the first comes to a channel of ticks and when the last one goes.
 */
import { type Channels, TICK_CHANNELS, type TickChannel } from '../contract/channels.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import { BUS_LISTENERS_PERIOD_MS } from '../limits.ts'
import type { Bus } from './ports.ts'

export interface BusListenersDeps {
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly channels: Channels
}

export class BusListeners {
  readonly #deps: BusListenersDeps
  /** By the channel's whole name. */
  #counts: ReadonlyMap<string, number> = new Map()
  #heard: ReadonlySet<TickChannel> = new Set()
  #error: string | null = null
  #isAsking = false
  readonly #stop: (() => void)[] = []
  readonly #onChange = new Set<() => void>()

  constructor(deps: BusListenersDeps) {
    this.#deps = deps
  }

  /** As of the last second, by the channel's whole name; a subscriber of any pattern counts for every one. */
  get counts(): Readonly<Record<string, number>> {
    const names = Object.values(this.#deps.channels)
    return Object.fromEntries(names.map((name) => [name, this.#counts.get(name) ?? 0]))
  }

  /** Why the counts are not known; null while they are. */
  get error(): string | null {
    return this.#error
  }

  /** Whether anybody hears ticks at all. */
  get hearTicks(): boolean {
    return this.#heard.size > 0
  }

  /** Whether anybody listens to this channel. */
  hear(channel: TickChannel): boolean {
    return this.#heard.has(channel)
  }

  /** Tells when a channel of ticks has its first listener or loses its last; returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#onChange.add(listener)
    return () => this.#onChange.delete(listener)
  }

  start(): void {
    const { bus, clock } = this.#deps
    this.#stop.push(clock.every(BUS_LISTENERS_PERIOD_MS, () => void this.#ask()))
    this.#stop.push(bus.onUp(() => void this.#ask()))
    void this.#ask()
  }

  stop(): void {
    for (const stop of this.#stop.splice(0)) stop()
  }

  /** What the server did not answer counts as nobody: ticks are sent to those who are known. */
  async #ask(): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    const { bus, channels } = this.#deps
    try {
      this.#take(await bus.listeners(Object.values(channels)))
      this.#error = null
    } catch (error) {
      this.#take(new Map())
      this.#error = error instanceof Error ? error.message : String(error)
    }
    this.#isAsking = false
  }

  #take(counts: ReadonlyMap<string, number>): void {
    const before = this.#heard
    const { channels, log } = this.#deps
    this.#counts = counts
    this.#heard = new Set(TICK_CHANNELS.filter((name) => (counts.get(channels[name]) ?? 0) > 0))
    if (TICK_CHANNELS.every((channel) => before.has(channel) === this.hear(channel))) return
    log.info({ channels: [...this.#heard] }, 'Tick channels that are listened to')
    for (const listener of this.#onChange) listener()
  }
}
