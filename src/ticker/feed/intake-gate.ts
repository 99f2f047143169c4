/**
 * Back-pressure between the sockets and the journal, counted in bytes that are not written yet:
 *
 *   0 … resume … pause … max
 *
 * At `pause` the sockets stop reading until no more than `resume` is left; what is on its way by then
 * finds room up to `max`, and only beyond that ticks are dropped, until `resume` again.
 */
export interface IntakeLimits {
  readonly resumeBytes: number
  readonly pauseBytes: number
  readonly maxBytes: number
}

export class IntakeGate {
  readonly #limits: IntakeLimits
  readonly #onPause: (isPaused: boolean) => void
  #isPaused = false
  #isOverflowing = false
  #highWaterBytes = 0
  #pauses = 0

  constructor(limits: IntakeLimits, onPause: (isPaused: boolean) => void) {
    this.#limits = limits
    this.#onPause = onPause
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get isOverflowing(): boolean {
    return this.#isOverflowing
  }

  /** The most that ever waited. */
  get highWaterBytes(): number {
    return this.#highWaterBytes
  }

  get pauses(): number {
    return this.#pauses
  }

  update(pendingBytes: number): void {
    const { resumeBytes, pauseBytes, maxBytes } = this.#limits
    if (pendingBytes > this.#highWaterBytes) this.#highWaterBytes = pendingBytes
    if (pendingBytes >= maxBytes) this.#isOverflowing = true
    if (pendingBytes >= pauseBytes) this.#pause(true)
    if (pendingBytes > resumeBytes) return
    this.#isOverflowing = false
    this.#pause(false)
  }

  #pause(isPaused: boolean): void {
    if (this.#isPaused === isPaused) return
    this.#isPaused = isPaused
    if (isPaused) this.#pauses++
    this.#onPause(isPaused)
  }
}
