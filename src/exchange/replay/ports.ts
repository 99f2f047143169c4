/** What the replay plays: a journal, as the composition root reads it. */
import type { ControlRecord } from '../../contract/journal-record.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { JournalledTick, TickMode } from '../../market/tick.ts'

/** One record with the market time at which it stands in the journal, epoch ms. */
export type ReplayRecord =
  | { readonly timeMs: number; readonly tick: JournalledTick }
  | { readonly timeMs: number; readonly control: ControlRecord }
  /** Records that the journal cannot show any more: of these tokens nothing is known from here on. */
  | { readonly timeMs: number; readonly lostTokens: readonly number[] }

/** From an instant on nothing is known of some instruments: a gap, told ahead of where it was noticed. */
export interface KnownGap {
  /** Market time of the last data before it, epoch ms. */
  readonly atMs: number
  readonly tokens: readonly number[]
}

export interface ReplayJournal {
  /** Everything that is listed: what the journal announces, and the rest of its dump where there is one. */
  readonly instruments: readonly Instrument[]
  /** Market time of the first and the last tick, epoch ms. */
  readonly firstMs: number
  readonly lastMs: number
  /** What was streaming in the window at some time, by token, in the highest mode in which it was. */
  readonly streamed: ReadonlyMap<number, TickMode>
  /** Ascending. */
  readonly gaps: readonly KnownGap[]
  /** Everything in it, batch by batch: in journal order within a partition, by time between them. */
  batches(): AsyncIterable<readonly ReplayRecord[]>
}
