/** What verification needs from outside: the stored answers and the journals. */
import type { Position } from '../contract/journal-record.ts'
import type { JournalBatch } from './reference-fold/log-walk.ts'

/** Asks the store one question; the answer is one JSON text, all of it of one instant. */
export type AskStore = (question: StoreQuestion) => Promise<string>

/** Epoch ms, whole numbers. */
export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

export type StoreQuestion =
  /** How far the writers have come. */
  | { readonly ask: 'positions' }
  /** All that is known of a span beside its rows. */
  | { readonly ask: 'state'; readonly span: Span }
  /** The dates (IST) of which anything is known; so that one can be named that can be looked at. */
  | { readonly ask: 'dates' }
  /** The rows of all tables of minutes: bars and what was made of them, as they stand together. */
  | { readonly ask: 'rows'; readonly span: Span }

/** The journal of one producer. */
export interface JournalSource {
  readonly producer: string
  readonly partitions: readonly number[]
  /** How many bytes its batches have by now, where that can be told. */
  bytes?(partition: number): Promise<number>
  /**
   * The batches that have records after `from`, in order, to the one with the record `to`, or to the
   * end of what there is. Bytes are the caller's until the next one.
   */
  read(partition: number, from: Position, to: Position): AsyncIterable<JournalBatch>
}
