/**
 * The journal as the backend reads it; takes the time of every commit that the backend tells it, and
 * so knows how long each tick waited, whatever the program's own figures say.
 */
import type { TickLog } from '../../src/backend/ports.ts'
import type { Position } from '../../src/contract/journal-record.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { LatencyHistogram } from '../../src/kit/latency-histogram.ts'

interface Sent {
  readonly lastSequence: number
  readonly ticks: number
  /** Monotonic. */
  readonly dueAtMs: number
}

export class WatchedLog implements TickLog {
  readonly producer: string
  readonly feed: 'simulated' | 'kite'
  readonly latency = new LatencyHistogram()
  readonly #journal: Journal
  readonly #waiting: Sent[] = []

  constructor(journal: Journal) {
    this.#journal = journal
    this.producer = journal.producer
    this.feed = journal.feed
  }

  get isDrained(): boolean {
    return this.#waiting.length === 0
  }

  sent(batch: Sent): void {
    this.#waiting.push(batch)
  }

  tail(partition: number, from: Position, signal: AbortSignal) {
    return this.#journal.tail(partition, from, signal)
  }

  committed(consumer: string, partition: number, position: Position): void {
    const nowMs = performance.now()
    let done = 0
    for (const { lastSequence, dueAtMs, ticks } of this.#waiting) {
      if (lastSequence > position.sequence) break
      this.latency.record(nowMs - dueAtMs, ticks)
      done++
    }
    this.#waiting.splice(0, done)
    this.#journal.committed(consumer, partition, position)
  }
}
