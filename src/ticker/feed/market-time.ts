/**
 * The ticker's market time M, from one watermark over all connections, and the watch over the two
 * clocks: when wall and monotonic time part (the machine slept, somebody set the clock), what the
 * sockets brought meanwhile is not to be trusted.
 */
import type { Clock } from '../../kit/clock.ts'
import { TICKER_CLOCK_STEP_MS } from '../../limits.ts'
import { Watermark } from '../../market/watermark.ts'

export interface MarketTimeOptions {
  readonly clock: Clock
  /** Market seconds in one second: 1 with a real broker. */
  readonly speed: number
  /** Market time at the start, epoch ms. */
  readonly startMs: number
}

export class MarketTime {
  readonly #clock: Clock
  readonly #watermark: Watermark
  readonly #startMs: number
  #partedMs: number

  constructor({ clock, speed, startMs }: MarketTimeOptions) {
    this.#clock = clock
    this.#startMs = startMs
    this.#watermark = new Watermark(speed, startMs, clock.elapsedMs())
    this.#partedMs = clock.nowMs() - clock.elapsedMs()
  }

  /** Takes the exchange second of one packet. */
  observe(token: number, exchangeSecond: number, elapsedMs: number): void {
    this.#watermark.observe(token, exchangeSecond, elapsedMs)
  }

  /** M at a monotonic instant, epoch ms. */
  at(elapsedMs: number): number {
    return this.#watermark.at(elapsedMs) ?? this.#startMs
  }

  now(): number {
    return this.at(this.#clock.elapsedMs())
  }

  /** By how much the wall clock was stepped since the last call, ms; 0 where it was not. */
  takeClockStep(): number {
    const partedMs = this.#clock.nowMs() - this.#clock.elapsedMs()
    const stepMs = partedMs - this.#partedMs
    // Followed also where they part slowly: that is no step.
    this.#partedMs = partedMs
    return Math.abs(stepMs) > TICKER_CLOCK_STEP_MS ? stepMs : 0
  }
}
