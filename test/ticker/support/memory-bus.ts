/** The bus in memory: it can be away, refuse, or take something and not say so. */
import type { Bus, BusMessage } from '../../../src/ticker/ports.ts'

export class MemoryBus implements Bus {
  error: string | null = null
  dropped = 0
  highWaterBytes = 0
  readonly heard: BusMessage[] = []
  /** Set: messages arrive, and the sender is told that nobody knows. */
  isInDoubt = false
  counts = new Map<string, number>()
  readonly #onUp = new Set<() => void>()

  async publish(messages: readonly BusMessage[]): Promise<void> {
    await Promise.resolve()
    if (this.error !== null) throw new Error(this.error)
    this.heard.push(...messages)
    if (this.isInDoubt) throw new Error('no answer')
  }

  send(messages: readonly BusMessage[]): boolean {
    if (this.error === null) this.heard.push(...messages)
    else this.dropped += messages.length
    return this.error === null
  }

  async listeners(channels: readonly string[]): Promise<ReadonlyMap<string, number>> {
    await Promise.resolve()
    if (this.error !== null) throw new Error(this.error)
    return new Map(channels.map((channel) => [channel, this.counts.get(channel) ?? 0]))
  }

  onUp(listener: () => void): () => void {
    this.#onUp.add(listener)
    return () => this.#onUp.delete(listener)
  }

  comeBack(): void {
    this.error = null
    for (const listener of this.#onUp) listener()
  }

  /** The events that were heard on a channel, repeated ones too. */
  eventIds(): string[] {
    return this.heard.map(({ text }) => (JSON.parse(text) as { event_id: string }).event_id)
  }
}
