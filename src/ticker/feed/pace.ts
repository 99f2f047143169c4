/**
 * How often an instrument ticks, learned from its own seconds, and how unlikely a silence is at that
 * pace. A second with ticks counts once, however many came, so that bursts do not pass for a rate.
 *
 * The chance that seconds stay silent is that of a beta-distributed share of seconds with ticks, given
 * what was seen: with little knowledge a silence has to be long before it is unlikely, and an instrument
 * that ticks every second is missed sooner than one that ticks at random once a second on average.
 */
import { TICKER_PACE_SECONDS_KEPT } from '../../limits.ts'

/** What is taken as seen before anything was: one second without a tick. */
const QUIET_AT_FIRST = 1

export class Pace {
  #active = 0
  #quiet = QUIET_AT_FIRST
  /** Seconds without a tick since the last one; they count once there is another. */
  #run = 0
  /** Whether a run has begun: what was before the first tick says nothing of the pace. */
  #hasBegun = false

  /** Seconds with ticks that it was learned from. */
  get seen(): number {
    return this.#active
  }

  /** Takes one second of watching. */
  second(hasTicked: boolean): void {
    if (!this.#hasBegun) {
      this.#hasBegun = hasTicked
      return
    }
    if (!hasTicked) {
      this.#run++
      return
    }
    this.#learn()
    this.#active++
    if (this.#active >= TICKER_PACE_SECONDS_KEPT) this.#fade()
  }

  /** It is not watched for a while, or its next tick is a state that was asked for. */
  rest(): void {
    this.#hasBegun = false
    this.#run = 0
  }

  /** The silence so far is believed: it was no fault. Then as `rest`. */
  believe(): void {
    this.#learn()
    this.rest()
  }

  /** Another session, another pace. */
  forget(): void {
    this.#active = 0
    this.#quiet = QUIET_AT_FIRST
    this.rest()
  }

  /** How unlikely a silence of so many seconds is: −ln of its chance, 0 while nothing is known. */
  surprise(silentSeconds: number): number {
    const [a, q] = [this.#active, this.#quiet]
    return xlnx(a + q + silentSeconds) - xlnx(a + q) - xlnx(q + silentSeconds) + xlnx(q)
  }

  #learn(): void {
    this.#quiet += this.#run
    this.#run = 0
  }

  /** Older seconds count half, so that the pace of the opening is not expected at noon. */
  #fade(): void {
    this.#active /= 2
    this.#quiet = Math.max(QUIET_AT_FIRST, this.#quiet / 2)
  }
}

function xlnx(x: number): number {
  return x * Math.log(x)
}
