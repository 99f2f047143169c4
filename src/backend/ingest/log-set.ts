/**
 * The tickers' logs that are folded. A ticker that is found later joins later: its records wait in its
 * own journal meanwhile.
 */
import type { TickLog } from '../ports.ts'

export class LogSet {
  readonly #logs: TickLog[]
  readonly #listeners = new Set<() => void>()

  constructor(logs: readonly TickLog[] = []) {
    this.#logs = [...logs]
  }

  /** One a producer, in the order in which they were found. */
  get current(): readonly TickLog[] {
    return [...this.#logs]
  }

  /** @throws RangeError where another log of the same producer is there: its records would be folded twice */
  add(log: TickLog): void {
    if (this.#logs.some(({ producer }) => producer === log.producer)) {
      throw new RangeError(`two tickers call themselves ${log.producer}; give each a TICKER_ID`)
    }
    this.#logs.push(log)
    for (const listener of [...this.#listeners]) listener()
  }

  /** Returns how to stop listening. */
  onAdded(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
