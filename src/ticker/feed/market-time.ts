/**
 * The ticker's market time M, from one watermark over all connections, and the watch over the two
 * clocks: when wall and monotonic time part (the machine slept, somebody set the clock), what the
 * sockets brought meanwhile is not to be trusted.
 */
import type { Clock } from '../../kit/clock.ts'
import { TICKER_CLOCK_AHEAD_RECENT_MS, TICKER_CLOCK_STEP_MS } from '../../limits.ts'
import { Watermark } from '../../market/watermark.ts'

export interface MarketTimeOptions {
  readonly clock: Clock
  /** Market seconds in one second: 1 with a real broker. */
  readonly speed: number
  /** Market time at the start, epoch ms. */
  readonly startMs: number
}

export class MarketTime {
  /** Market seconds in one second. */
  readonly speed: number
  readonly #clock: Clock
  readonly #watermark: Watermark
  readonly #startMs: number
  #partedMs: number
  /** The newest exchange second, whoever showed it, and when. */
  #newestSecond = Number.NEGATIVE_INFINITY
  #newestElapsedMs = Number.NEGATIVE_INFINITY

  constructor({ clock, speed, startMs }: MarketTimeOptions) {
    this.speed = speed
    this.#clock = clock
    this.#startMs = startMs
    this.#watermark = new Watermark(speed, startMs, clock.elapsedMs())
    this.#partedMs = clock.nowMs() - clock.elapsedMs()
  }

  /** Takes the exchange second of one packet. */
  observe(token: number, exchangeSecond: number, elapsedMs: number): void {
    if (exchangeSecond > this.#newestSecond) {
      this.#newestSecond = exchangeSecond
      this.#newestElapsedMs = elapsedMs
    }
    this.#watermark.observe(token, exchangeSecond, elapsedMs)
  }

  /** M at a monotonic instant, epoch ms. */
  at(elapsedMs: number): number {
    return this.#watermark.at(elapsedMs) ?? this.#startMs
  }

  now(): number {
    return this.at(this.#clock.elapsedMs())
  }

  /**
   * How far M was ahead of the exchange when it last showed a new second, ms; undefined where that is
   * not known or long ago. M never goes back, so a wall clock that was ahead at the start makes every
   * tick a late one.
   */
  get aheadOfExchangeMs(): number | undefined {
    if (this.#clock.elapsedMs() - this.#newestElapsedMs > TICKER_CLOCK_AHEAD_RECENT_MS) {
      return undefined
    }
    return this.at(this.#newestElapsedMs) - this.#newestSecond * 1000
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
