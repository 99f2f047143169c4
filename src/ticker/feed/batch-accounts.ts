/**
 * What each connection contributed to one batch: the books must balance per batch, so that a reader
 * can add them up and find every packet that reached us.
 *
 *   received = journaled + rejected + dropped
 */
import type { ConnectionRange } from '../../contract/journal-record.ts'

/** `ConnectionRange` while it grows. */
interface OpenRange {
  connection: number
  firstOrdinal: number
  lastOrdinal: number
  journaled: number
  rejected: number
  dropped: number
}

export type PacketFate = 'journaled' | 'rejected' | 'dropped'

export class BatchAccounts {
  readonly #ranges = new Map<number, OpenRange>()
  /** Packets come in runs of one connection. */
  #newest: OpenRange | undefined

  get ranges(): readonly ConnectionRange[] {
    return [...this.#ranges.values()]
  }

  get isEmpty(): boolean {
    return this.#ranges.size === 0
  }

  book(connection: number, ordinal: number, fate: PacketFate): void {
    const range = this.#newest?.connection === connection ? this.#newest : this.#range(connection)
    this.#newest = range
    if (ordinal < range.firstOrdinal) range.firstOrdinal = ordinal
    if (ordinal > range.lastOrdinal) range.lastOrdinal = ordinal
    range[fate]++
  }

  /** Takes over what a batch that was never written contained: its ticks are dropped. Returns how many. */
  addDropped(lost: BatchAccounts): number {
    let dropped = 0
    for (const from of lost.#ranges.values()) {
      const into = this.#range(from.connection)
      into.firstOrdinal = Math.min(into.firstOrdinal, from.firstOrdinal)
      into.lastOrdinal = Math.max(into.lastOrdinal, from.lastOrdinal)
      into.rejected += from.rejected
      into.dropped += from.dropped + from.journaled
      dropped += from.journaled
    }
    return dropped
  }

  #range(connection: number): OpenRange {
    const known = this.#ranges.get(connection)
    if (known !== undefined) return known
    const range: OpenRange = {
      connection,
      firstOrdinal: Number.POSITIVE_INFINITY,
      lastOrdinal: 0,
      journaled: 0,
      rejected: 0,
      dropped: 0,
    }
    this.#ranges.set(connection, range)
    return range
  }
}
