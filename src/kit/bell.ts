/** Lets a task wait until another one has news for it. */
export class Bell {
  readonly #waiting = new Set<() => void>()
  #rings = 0

  /** How often it was rung: whoever looked for news before it waits compares it. */
  get rings(): number {
    return this.#rings
  }

  /** Ends the wait of all who wait now. */
  ring(): void {
    this.#rings++
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  /** Resolves with the next ring. */
  heard(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve))
  }
}
