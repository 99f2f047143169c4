/**
 * The books of one partition: per minute and epoch, what was received, rejected, dropped, journaled,
 * folded, not folded (by reason) and lost. Absolute figures, so that writing them twice is harmless.
 *
 *   received = journaled + rejected + dropped        journaled = folded + Σ not_folded + lost
 */
import type { BatchHeader } from '../../contract/journal-record.ts'
import { floorToMinute } from '../../market/ist.ts'
import type { LedgerRow } from '../ports.ts'

interface Entry {
  readonly minuteMs: number
  readonly epoch: number
  received: number
  rejected: number
  dropped: number
  journaled: number
  folded: number
  lost: number
  notFolded: Record<string, number>
}

export class Ledger {
  readonly #producer: string
  readonly #partition: number
  readonly #entries = new Map<string, Entry>()
  readonly #dirty = new Set<Entry>()
  #current: Entry | undefined

  constructor(producer: string, partition: number, stored: readonly LedgerRow[]) {
    this.#producer = producer
    this.#partition = partition
    for (const row of stored) {
      this.#entries.set(keyOf(row.minuteMs, row.epoch), { ...row, notFolded: { ...row.notFolded } })
    }
  }

  /** Opens the entry of the batch's minute. The header's counts are booked once, with its first record. */
  enter(header: BatchHeader, isFirstPart: boolean): void {
    const entry = this.#entry(floorToMinute(header.marketTimeMs), header.epoch)
    this.#current = entry
    this.#dirty.add(entry)
    if (!isFirstPart) return
    for (const range of header.connections) {
      entry.received += range.journaled + range.rejected + range.dropped
      entry.journaled += range.journaled
      entry.rejected += range.rejected
      entry.dropped += range.dropped
    }
  }

  folded(): void {
    const entry = this.#open()
    entry.folded++
    this.#dirty.add(entry)
  }

  notFolded(reason: string): void {
    const entry = this.#open()
    this.#dirty.add(entry)
    const { notFolded } = entry
    notFolded[reason] = (notFolded[reason] ?? 0) + 1
  }

  /** Records that the journal had and no longer has. */
  lost(records: number): void {
    const entry = this.#open()
    entry.lost += records
    entry.journaled += records
    entry.received += records
  }

  /** The entries changed since the last call, as rows. */
  takeDirty(): LedgerRow[] {
    const rows = [...this.#dirty].map((entry) => ({
      ...entry,
      notFolded: { ...entry.notFolded },
      producer: this.#producer,
      partition: this.#partition,
    }))
    this.#dirty.clear()
    return rows
  }

  /** Drops entries of minutes before `beforeMs` from memory. */
  forget(beforeMs: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.minuteMs < beforeMs && !this.#dirty.has(entry) && entry !== this.#current) {
        this.#entries.delete(key)
      }
    }
  }

  #open(): Entry {
    if (this.#current === undefined) throw new Error('ledger: no batch has been entered')
    return this.#current
  }

  #entry(minuteMs: number, epoch: number): Entry {
    const key = keyOf(minuteMs, epoch)
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = {
        minuteMs,
        epoch,
        received: 0,
        rejected: 0,
        dropped: 0,
        journaled: 0,
        folded: 0,
        lost: 0,
        notFolded: {},
      }
      this.#entries.set(key, entry)
    }
    return entry
  }
}

function keyOf(minuteMs: number, epoch: number): string {
  return `${minuteMs}:${epoch}`
}
