/**
 * One change of subscriptions at a time, whoever makes it: what one lets go another may be about to
 * hold, and both count with the same room.
 */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** Turns that have not ended, the one under way included. */
  get waiting(): number {
    return this.#waiting
  }

  take<T>(turn: () => Promise<T>): Promise<T> {
    this.#waiting++
    const result = this.#last.then(turn).finally(() => {
      this.#waiting--
    })
    // Whoever waits for the turn hears of it; the next one begins all the same.
    this.#last = result.then(noted, noted)
    return result
  }

  /** When every turn taken so far has ended. */
  async idle(): Promise<void> {
    await this.#last
  }
}

function noted(): void {}
