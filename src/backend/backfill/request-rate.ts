/**
 * How fast histories come in while some wait. The tickers tell what the broker allows; that stands in
 * for whatever of the last seconds was not measured. The first answers of a busy stretch say nothing:
 * they come while hundreds of subscriptions are made.
 */
import {
  BACKFILL_ASSUMED_RATE,
  BACKFILL_RATE_WARM_UP_MS,
  BACKFILL_RATE_WINDOW_MS,
} from '../../limits.ts'

/** Without the tickers' own figure, from so many answers on what was measured counts alone. */
const ANSWERS_NEEDED = 5

export class RequestRate {
  /** When the busy stretch began, monotonic; undefined while nothing waits. */
  #begunAtMs: number | undefined
  /** Of the stretch and the window, oldest first. */
  #answeredAtMs: number[] = []
  #told: number | undefined

  /** Something is asked for. @param atMs monotonic */
  begun(atMs: number): void {
    this.#begunAtMs ??= atMs
  }

  /** An answer came. @param atMs monotonic */
  answered(atMs: number): void {
    this.#answeredAtMs.push(atMs)
    const old = this.#answeredAtMs.findIndex((ms) => ms > atMs - BACKFILL_RATE_WINDOW_MS)
    this.#answeredAtMs.splice(0, old)
  }

  /** The tickers' own figure; 0 where no account may ask now, which says nothing of the rate. */
  told(perSecond: number): void {
    if (perSecond > 0) this.#told = perSecond
  }

  /** Nothing waits any more, or nothing went on: the time until the next answer says nothing. */
  idle(): void {
    this.#begunAtMs = undefined
    this.#answeredAtMs = []
  }

  /** Requests a second. @param nowMs monotonic */
  perSecond(nowMs: number): number {
    const warmAtMs = Math.min(nowMs, (this.#begunAtMs ?? nowMs) + BACKFILL_RATE_WARM_UP_MS)
    const beginMs = Math.max(warmAtMs, nowMs - BACKFILL_RATE_WINDOW_MS)
    const answers = this.#answeredAtMs.filter((ms) => ms > beginMs).length
    const measuredMs = nowMs - beginMs
    if (this.#told === undefined) {
      const isEnough = answers >= ANSWERS_NEEDED && measuredMs > 0
      return isEnough ? (answers * 1_000) / measuredMs : BACKFILL_ASSUMED_RATE
    }
    const standIn = (this.#told * (BACKFILL_RATE_WINDOW_MS - measuredMs)) / 1_000
    // A window without any answer says that it takes longer than that, not that it takes for ever.
    return (Math.max(answers + standIn, 1) * 1_000) / BACKFILL_RATE_WINDOW_MS
  }
}
