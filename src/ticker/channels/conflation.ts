/**
 * The newest tick of each instrument within an interval; those that it replaces are counted.
 *
 *   add ──▶ gathering ──(interval over)──▶ due ──▶ take
 */
import type { PlacedTick } from './present-tick.ts'

export class Conflation {
  #gathering = new Map<number, PlacedTick>()
  #due: PlacedTick[] = []
  readonly #onReplaced: (placed: PlacedTick) => void

  constructor(onReplaced: (placed: PlacedTick) => void) {
    this.#onReplaced = onReplaced
  }

  get isDue(): boolean {
    return this.#due.length > 0
  }

  add(placed: PlacedTick): void {
    const replaced = this.#gathering.get(placed.tick.token)
    if (replaced !== undefined) this.#onReplaced(replaced)
    this.#gathering.set(placed.tick.token, placed)
  }

  /** The interval is over. What is due from the one before goes first: until then it goes on. */
  end(): void {
    if (this.isDue) return
    this.#due = [...this.#gathering.values()]
    this.#gathering.clear()
  }

  /** Up to `limit` of what is due. */
  take(limit: number): PlacedTick[] {
    return this.#due.splice(0, limit)
  }

  clear(): void {
    this.#gathering.clear()
    this.#due = []
  }
}
