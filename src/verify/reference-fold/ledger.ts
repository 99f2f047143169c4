/** The books of delivery: what each minute's batches say they hold, and what became of their ticks. */
import type { BatchHeader } from '../../contract/journal-record.ts'
import { floorToMinute } from '../../market/ist.ts'
import type { NotFoldedReason } from './attribution.ts'
import type { JournalBatch } from './log-walk.ts'
import type { LedgerRow } from './reference-rows.ts'

type Counts = { -readonly [Column in keyof Omit<LedgerRow, 'not_folded'>]: LedgerRow[Column] } & {
  readonly not_folded: Record<string, number>
}

export class Ledger {
  readonly #rows = new Map<string, Counts>()

  addBatch({ header }: JournalBatch): void {
    const row = this.#of(header)
    for (const { journaled, rejected, dropped } of header.connections) {
      row.journaled += journaled
      row.rejected += rejected
      row.dropped += dropped
      row.received += journaled + rejected + dropped
    }
  }

  addTick(header: BatchHeader, reason: NotFoldedReason | null): void {
    const row = this.#of(header)
    if (reason === null) row.folded += 1
    else row.not_folded[reason] = (row.not_folded[reason] ?? 0) + 1
  }

  /** Minutes without a tick have no row. */
  rows(): LedgerRow[] {
    return [...this.#rows.values()].filter(isNotEmpty)
  }

  #of({ marketTimeMs, producer, epoch, partition }: BatchHeader): Counts {
    const minute = floorToMinute(marketTimeMs)
    const key = JSON.stringify([minute, producer, epoch, partition])
    const known = this.#rows.get(key)
    if (known !== undefined) return known
    const counts = { received: 0, rejected: 0, dropped: 0, journaled: 0, folded: 0 }
    const row: Counts = {
      ...{ minute, producer, epoch, partition },
      ...counts,
      lost: 0,
      not_folded: {},
    }
    this.#rows.set(key, row)
    return row
  }
}

function isNotEmpty({ received, folded, not_folded }: LedgerRow): boolean {
  return received > 0 || folded > 0 || Object.keys(not_folded).length > 0
}
