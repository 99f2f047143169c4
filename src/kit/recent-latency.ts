/**
 * A latency histogram that also tells of the last minute alone: what was slow hours ago says nothing
 * about now. The minute is kept in slices, so it is between 50 and 60 s long.
 */
import type { Clock } from './clock.ts'
import { LatencyHistogram, type LatencySummary } from './latency-histogram.ts'

const SLICE_MS = 10_000
const SLICES = 6

interface Slice {
  /** Which slice of time it holds, counted from the clock's start. */
  number: number
  readonly histogram: LatencyHistogram
}

export class RecentLatency extends LatencyHistogram {
  readonly #clock: Pick<Clock, 'elapsedMs'>
  readonly #slices: readonly Slice[] = Array.from({ length: SLICES }, () => {
    return { number: Number.NEGATIVE_INFINITY, histogram: new LatencyHistogram() }
  })

  constructor(clock: Pick<Clock, 'elapsedMs'>) {
    super()
    this.#clock = clock
  }

  override record(durationMs: number, times = 1): void {
    super.record(durationMs, times)
    this.#current().record(durationMs, times)
  }

  /** Of the last minute. */
  recent(): LatencySummary {
    const oldest = this.#now() - SLICES + 1
    const sum = new LatencyHistogram()
    for (const { number, histogram } of this.#slices) if (number >= oldest) sum.add(histogram)
    return sum.summary()
  }

  override reset(): void {
    super.reset()
    for (const { histogram } of this.#slices) histogram.reset()
  }

  #current(): LatencyHistogram {
    const number = this.#now()
    const slice = this.#slices[number % SLICES] as Slice
    if (slice.number !== number) {
      slice.number = number
      slice.histogram.reset()
    }
    return slice.histogram
  }

  #now(): number {
    return Math.floor(this.#clock.elapsedMs() / SLICE_MS)
  }
}
