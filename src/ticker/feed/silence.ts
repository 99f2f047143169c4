/**
 * Whether one instrument is mute: it ought to tick, its socket brings others, and it does not.
 *
 *            a silence too long and too unlikely              a tick
 *   ticking ────────────────────────────────────▶ mute ─────────────────▶ ticking
 *                                                  │ ▲
 *                                                  └─┘ still nothing: asked for again, each time later
 *
 * Watched once a second while it is in session on an open socket that is being read; all else is rest.
 */
import {
  TICKER_MUTE_AFTER_MAX_MS,
  TICKER_SILENCE_SURPRISE,
  TICKER_STRIKES_FORGIVEN_TICKS,
} from '../../limits.ts'
import { Pace } from './pace.ts'

export class Silence {
  readonly pace = new Pace()
  /** Monotonic; undefined while it is not watched. */
  #sinceMs: number | undefined
  #tickSeenMs: number | undefined
  /** Times that it was asked for anew and has not proved itself since. */
  #strikes = 0
  #secondsSinceStrike = 0
  #isMute = false

  get isMute(): boolean {
    return this.#isMute
  }

  /** Not watched now. */
  rest(): void {
    this.#sinceMs = undefined
    this.pace.rest()
  }

  /** Its session is over: silence is as it should be. */
  close(): void {
    this.#sinceMs = undefined
    this.#isMute = false
    this.#strikes = 0
    this.pace.forget()
  }

  /**
   * Takes one second of watching.
   *
   * @param lastTickMs monotonic; undefined before the first
   */
  second(nowMs: number, lastTickMs: number | undefined): void {
    const hasTicked = lastTickMs !== undefined && lastTickMs !== this.#tickSeenMs
    this.#tickSeenMs = lastTickMs
    if (this.#sinceMs === undefined || hasTicked) this.#sinceMs = hasTicked ? lastTickMs : nowMs
    this.pace.second(hasTicked)
    if (hasTicked) this.#onTick()
  }

  /** How long it has been silent while it was watched. */
  silentMs(nowMs: number): number {
    return this.#sinceMs === undefined ? 0 : nowMs - this.#sinceMs
  }

  /** How unlikely that is; see `Pace.surprise`. */
  surprise(nowMs: number): number {
    return this.pace.surprise(this.silentMs(nowMs) / 1000)
  }

  isTooLong(nowMs: number, muteAfterMs: number): boolean {
    return this.#isTooLong(this.silentMs(nowMs), muteAfterMs)
  }

  /** Whether a silence of so long was, which a tick ends that `second` has not been told of. */
  wasTooLong(silentMs: number, nowMs: number, muteAfterMs: number): boolean {
    return this.#isTooLong(Math.min(silentMs, this.silentMs(nowMs)), muteAfterMs)
  }

  /** It is asked for anew; what it sends at once is no proof of life. */
  strike(nowMs: number): void {
    this.#isMute = true
    this.#strikes++
    this.#secondsSinceStrike = 0
    this.#sinceMs = nowMs
    this.pace.believe()
  }

  #isTooLong(silentMs: number, muteAfterMs: number): boolean {
    const longestMs = Math.max(muteAfterMs, TICKER_MUTE_AFTER_MAX_MS)
    const leastMs = Math.min(longestMs, muteAfterMs * 2 ** this.#strikes)
    return silentMs >= leastMs && this.pace.surprise(silentMs / 1000) >= TICKER_SILENCE_SURPRISE
  }

  #onTick(): void {
    this.#isMute = false
    this.#secondsSinceStrike++
    if (this.#secondsSinceStrike >= TICKER_STRIKES_FORGIVEN_TICKS) this.#strikes = 0
  }
}
