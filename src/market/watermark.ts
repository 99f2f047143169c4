/**
 * Market time M: the instant up to which the log says that time has passed.
 *
 * M is the newest exchange second that two different instruments have shown; between such
 * confirmations it goes on with the monotonic clock at the market's speed. It never goes back.
 * One instrument with a wild timestamp can therefore not move it.
 */

export class Watermark {
  readonly #speed: number
  #leaderToken = -1
  #leaderSecond = -1
  #confirmedSecond = -1
  #baseMs: number | undefined
  #baseElapsedMs = 0

  /**
   * @param speed market seconds per elapsed second (1 with a real broker)
   * @param startMs the market time known at the start, epoch ms; undefined until two instruments confirm one
   */
  constructor(speed: number, startMs: number | undefined, elapsedMs: number) {
    this.#speed = speed
    this.#baseMs = startMs
    this.#baseElapsedMs = elapsedMs
  }

  /** Takes the exchange second of one packet. */
  observe(token: number, exchangeSecond: number, elapsedMs: number): void {
    if (exchangeSecond <= this.#confirmedSecond) return
    if (token === this.#leaderToken) {
      if (exchangeSecond > this.#leaderSecond) this.#leaderSecond = exchangeSecond
      return
    }
    if (exchangeSecond > this.#leaderSecond) {
      const confirmed = this.#leaderSecond
      this.#leaderToken = token
      this.#leaderSecond = exchangeSecond
      if (confirmed > this.#confirmedSecond) this.#confirm(confirmed, elapsedMs)
    } else {
      this.#confirm(exchangeSecond, elapsedMs)
    }
  }

  /** Market time at `elapsedMs`, epoch ms; undefined while none is known. */
  at(elapsedMs: number): number | undefined {
    if (this.#baseMs === undefined) return undefined
    return Math.floor(this.#baseMs + Math.max(0, elapsedMs - this.#baseElapsedMs) * this.#speed)
  }

  /** Gives a market time from elsewhere (the wall clock, the previous epoch); a lower one is ignored. */
  advanceTo(marketTimeMs: number, elapsedMs: number): void {
    const now = this.at(elapsedMs)
    if (now !== undefined && marketTimeMs <= now) return
    this.#baseMs = marketTimeMs
    this.#baseElapsedMs = elapsedMs
  }

  #confirm(second: number, elapsedMs: number): void {
    this.#confirmedSecond = second
    this.advanceTo(second * 1000, elapsedMs)
  }
}
