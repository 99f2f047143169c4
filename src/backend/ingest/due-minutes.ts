/**
 * Which minutes are due for their final values, as the store's `finalise_queue` holds them, with
 * what is not stored yet. An underlying's own rows (index, futures) come before its series, and
 * earlier minutes before later ones, since a final value may depend on both.
 */
import type { DueMinute } from '../ports.ts'

export class DueMinutes {
  readonly #entries = new Map<string, DueMinute>()
  readonly #unwritten = new Map<string, DueMinute>()

  constructor(stored: readonly DueMinute[]) {
    for (const due of stored) this.#entries.set(keyOf(due), due)
  }

  get size(): number {
    return this.#entries.size
  }

  add(due: DueMinute): void {
    const key = keyOf(due)
    this.#entries.set(key, due)
    this.#unwritten.set(key, due)
  }

  /** Entries that the next commit must insert. */
  takeUnwritten(): DueMinute[] {
    const entries = [...this.#unwritten.values()]
    this.#unwritten.clear()
    return entries
  }

  /** The entry to settle next among those that are stored; undefined where nothing is. */
  next(): DueMinute | undefined {
    let best: DueMinute | undefined
    for (const [key, due] of this.#entries) {
      if (this.#unwritten.has(key)) continue
      if (best === undefined || compareDue(due, best) < 0) best = due
    }
    return best
  }

  /** True while nothing has made the minute due again since `due` was taken. */
  isCurrent(due: DueMinute): boolean {
    return this.#entries.get(keyOf(due)) === due
  }

  settle(due: DueMinute): void {
    if (this.isCurrent(due)) this.#entries.delete(keyOf(due))
  }

  /** Notes entries that a statement has inserted itself. */
  inserted(entries: readonly DueMinute[]): void {
    for (const due of entries) this.#entries.set(keyOf(due), due)
  }
}

function keyOf(due: DueMinute): string {
  return `${due.symbol}|${due.expiry ?? ''}|${due.minuteMs}`
}

function compareDue(a: DueMinute, b: DueMinute): number {
  if (a.minuteMs !== b.minuteMs) return a.minuteMs - b.minuteMs
  if ((a.expiry === null) !== (b.expiry === null)) return a.expiry === null ? -1 : 1
  if (a.symbol !== b.symbol) return a.symbol < b.symbol ? -1 : 1
  return (a.expiry ?? '') < (b.expiry ?? '') ? -1 : 1
}
