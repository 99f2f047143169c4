/**
 * How fast histories come in while some wait: from the newest answers of one busy stretch. What the
 * tickers say they may ask for stands in until there are enough; before that, what one key may.
 */
import { BACKFILL_ASSUMED_RATE, BACKFILL_RATE_ANSWERS } from '../../limits.ts'

/** Fewer answers say more of the first ones' luck than of the rate. */
const ANSWERS_NEEDED = 5

export class RequestRate {
  #answeredAtMs: number[] = []
  #told = BACKFILL_ASSUMED_RATE

  /** An answer came. @param atMs monotonic */
  answered(atMs: number): void {
    this.#answeredAtMs.push(atMs)
    if (this.#answeredAtMs.length > BACKFILL_RATE_ANSWERS) this.#answeredAtMs.shift()
  }

  /** The tickers' own figure; 0 where no account may ask now, which says nothing of the rate. */
  told(perSecond: number): void {
    if (perSecond > 0) this.#told = perSecond
  }

  /** Nothing waits any more: the time until the next answer says nothing of the rate. */
  idle(): void {
    this.#answeredAtMs = []
  }

  get perSecond(): number {
    const [first] = this.#answeredAtMs
    const last = this.#answeredAtMs.at(-1)
    const count = this.#answeredAtMs.length
    if (first === undefined || last === undefined || count < ANSWERS_NEEDED || last <= first) {
      return this.#told
    }
    return ((count - 1) * 1_000) / (last - first)
  }

  /** Milliseconds until `requests` more are answered. */
  etaMs(requests: number): number {
    return Math.round((requests * 1_000) / this.perSecond)
  }
}
