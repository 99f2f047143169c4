/**
 * Which minutes are due for their final values, as the store's `finalise_queue` holds them, with
 * what is not stored yet. An underlying's own rows (index, futures) come before its series, and
 * earlier minutes before later ones, since a final value may depend on both.
 *
 * Minutes that the feed made due go before those that candles did, and before what follows from either:
 * what a final value rests on makes it due again when it changes.
 *
 * While more candles of a series are on their way, what candles made due of it waits, so that its
 * chain is not computed once for each of its instruments.
 */
import type { CandleSource } from '../candles/candle-writer.ts'
import type { DueMinute } from '../ports.ts'

/** Reasons that candles give. */
const OF_CANDLES: ReadonlySet<string> = new Set<CandleSource>(['backfill', 'repair', 'settled'])

/** A series, or (`expiry` null) an underlying's own rows. */
type Scope = Pick<DueMinute, 'symbol' | 'expiry'>

export class DueMinutes {
  readonly #entries = new Map<string, DueMinute>()
  readonly #unwritten = new Map<string, DueMinute>()
  /** Stored entries, the first on top; those that are no longer current are passed over. */
  readonly #live = new DueHeap()
  readonly #history = new DueHeap()
  /** What waits, by scope. */
  readonly #waiting = new Map<string, DueMinute[]>()

  constructor(stored: readonly DueMinute[]) {
    this.inserted(stored)
  }

  get size(): number {
    return this.#entries.size
  }

  add(due: DueMinute): void {
    const key = keyOf(due)
    this.#entries.set(key, due)
    this.#unwritten.set(key, due)
  }

  has(due: DueMinute): boolean {
    return this.#entries.has(keyOf(due))
  }

  /** Entries that the next commit must insert. */
  takeUnwritten(): DueMinute[] {
    const entries = [...this.#unwritten.values()]
    this.#unwritten.clear()
    for (const due of entries) this.#store(due)
    return entries
  }

  /**
   * The entry to settle next among those that are stored, of a minute before `closedBeforeMs` (the log of
   * a ticker that joined may be behind); undefined where there is none.
   */
  next(closedBeforeMs: number): DueMinute | undefined {
    return this.nextOfFeed(closedBeforeMs) ?? this.#nextOf(this.#history, closedBeforeMs)
  }

  /** The same among those that the feed made due; those of candles may wait for days. */
  nextOfFeed(closedBeforeMs: number): DueMinute | undefined {
    return this.#nextOf(this.#live, closedBeforeMs)
  }

  #nextOf(stored: DueHeap, closedBeforeMs: number): DueMinute | undefined {
    for (;;) {
      const due = stored.first
      if (due === undefined || due.minuteMs >= closedBeforeMs) return undefined
      const waiting = OF_CANDLES.has(due.reason) ? this.#waiting.get(scopeOf(due)) : undefined
      if (this.isCurrent(due) && waiting === undefined) return due
      stored.pop()
      if (this.isCurrent(due)) waiting?.push(due)
    }
  }

  #store(due: DueMinute): void {
    const isHistory = OF_CANDLES.has(due.reason) || due.reason === 'follow'
    const stored = isHistory ? this.#history : this.#live
    stored.push(due)
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
    for (const due of entries) {
      // What a commit is still to store of the minute is due after that.
      if (this.#unwritten.has(keyOf(due))) continue
      this.#entries.set(keyOf(due), due)
      this.#store(due)
    }
  }

  /** What candles make due of the scope waits until it is released. */
  hold(scope: Scope): void {
    const key = scopeOf(scope)
    if (!this.#waiting.has(key)) this.#waiting.set(key, [])
  }

  release(scope: Scope): void {
    const waiting = this.#waiting.get(scopeOf(scope)) ?? []
    this.#waiting.delete(scopeOf(scope))
    for (const due of waiting) this.#store(due)
  }
}

/** A binary heap in the order in which minutes are settled. */
class DueHeap {
  readonly #heap: DueMinute[] = []

  get first(): DueMinute | undefined {
    return this.#heap[0]
  }

  push(due: DueMinute): void {
    const heap = this.#heap
    let at = heap.push(due) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      if (compareAt(heap, above, at) <= 0) return
      swap(heap, above, at)
      at = above
    }
  }

  pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    heap[0] = last
    for (let at = 0; ; ) {
      let least = at
      for (const below of [2 * at + 1, 2 * at + 2]) {
        if (below < heap.length && compareAt(heap, below, least) < 0) least = below
      }
      if (least === at) return
      swap(heap, at, least)
      at = least
    }
  }
}

function compareAt(heap: readonly DueMinute[], a: number, b: number): number {
  return compareDue(heap[a] as DueMinute, heap[b] as DueMinute)
}

function swap(heap: DueMinute[], a: number, b: number): void {
  const kept = heap[a] as DueMinute
  heap[a] = heap[b] as DueMinute
  heap[b] = kept
}

function scopeOf({ symbol, expiry }: Scope): string {
  return `${symbol}|${expiry ?? ''}`
}

function keyOf(due: DueMinute): string {
  return `${scopeOf(due)}|${due.minuteMs}`
}

function compareDue(a: DueMinute, b: DueMinute): number {
  if (a.minuteMs !== b.minuteMs) return a.minuteMs - b.minuteMs
  if ((a.expiry === null) !== (b.expiry === null)) return a.expiry === null ? -1 : 1
  if (a.symbol !== b.symbol) return a.symbol < b.symbol ? -1 : 1
  return (a.expiry ?? '') < (b.expiry ?? '') ? -1 : 1
}
