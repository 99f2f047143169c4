/** A bus in memory: who listens and what it has room for is the test's to say. */
import type { Bus, BusMessage } from '../../../src/ticker/ports.ts'

export class MemoryBus implements Bus {
  error: string | null = null
  dropped = 0
  highWaterBytes = 0
  /** False: `send` has no room. */
  hasRoom = true
  /** By channel name. */
  readonly subscribers = new Map<string, number>()
  readonly sent: BusMessage[] = []
  readonly #onUp = new Set<() => void>()

  publish(messages: readonly BusMessage[]): Promise<void> {
    this.sent.push(...messages)
    return Promise.resolve()
  }

  send(messages: readonly BusMessage[]): boolean {
    if (this.error !== null || !this.hasRoom) {
      this.dropped += messages.length
      return false
    }
    this.sent.push(...messages)
    return true
  }

  listeners(channels: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (this.error !== null) return Promise.reject(new Error(this.error))
    return Promise.resolve(new Map(channels.map((name) => [name, this.subscribers.get(name) ?? 0])))
  }

  onUp(listener: () => void): () => void {
    this.#onUp.add(listener)
    return () => this.#onUp.delete(listener)
  }
}
