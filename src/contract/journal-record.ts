/**
 * What stands in the journal, as ticker and backend understand it. The bytes are in `journal-batch.ts`.
 *
 * Records of one (producer, partition) are numbered 1, 2, 3 … in each epoch, without holes.
 */
import type { Instrument } from '../market/instrument.ts'
import type { JournalledTick, TickMode } from '../market/tick.ts'

export type Feed = 'simulated' | 'kite'

/** A place in one partition of one producer's log; compares as (epoch, sequence). */
export interface Position {
  readonly epoch: number
  readonly sequence: number
}

export const LOG_START: Position = { epoch: 0, sequence: 0 }

export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.sequence - b.sequence
}

export function earlierPosition(a: Position, b: Position): Position {
  return comparePositions(a, b) <= 0 ? a : b
}

/** First record of every epoch in every partition. */
export interface EpochStart {
  readonly kind: 'epoch_start'
  readonly feed: Feed
  /** Zero where there was no epoch before. */
  readonly previousEpoch: number
  /** The last sequence of the previous epoch that the journal still has; a reader at or beyond it may pass. */
  readonly previousLastSequence: number
  readonly wallTimeMs: number
}

/** An orderly end: this producer sends no more in this epoch. */
export interface EpochEnd {
  readonly kind: 'epoch_end'
  readonly wallTimeMs: number
}

/**
 * Precedes a token's first tick in every journal segment; readers attribute ticks by it alone. So a
 * new segment repeats, as records of their own, the instruments known, the gaps open (with the tokens
 * still waiting) and the coverage that goes on: repeating what holds says nothing new.
 */
export interface InstrumentRecord {
  readonly kind: 'instrument'
  readonly instrument: Instrument
}

/** Once a second in every partition: time passes, and a reader sees that it has the log's tail. */
export interface ClockRecord {
  readonly kind: 'clock'
  readonly marketTimeMs: number
  readonly wallTimeMs: number
}

/**
 * Streaming begins or ends for instruments. An instrument begins right before its first tick is
 * journalled, with the market time from which its ticks are known; a changed mode ends one stretch and begins another.
 */
export interface CoveredRecord {
  readonly kind: 'covered'
  readonly begin: readonly {
    readonly token: number
    readonly mode: TickMode
    readonly fromMs: number
  }[]
  readonly end: readonly { readonly token: number; readonly toMs: number }[]
}

export type GapReason =
  | 'disconnect'
  | 'mute'
  | 'restart'
  | 'overflow'
  | 'disk_full'
  | 'clock_step'
  | 'power_cut'

/**
 * Ticks may be missing for `tokens` from `fromMs` (market time, already set back) on: their coverage
 * ends there until `gap_close` lets it go on.
 */
export interface GapOpenRecord {
  readonly kind: 'gap_open'
  readonly gapId: string
  readonly reason: GapReason
  readonly account: string | null
  readonly connection: number | null
  readonly fromMs: number
  readonly tokens: readonly number[]
}

/**
 * The gap ends for the instruments listed, each at its first packet; their coverage goes on from there
 * in `mode` (null: it is no longer wanted). The gap is closed when every instrument has ended.
 */
export interface GapCloseRecord {
  readonly kind: 'gap_close'
  readonly gapId: string
  readonly ends: readonly {
    readonly token: number
    readonly toMs: number
    readonly mode: TickMode | null
  }[]
}

export type ControlRecord =
  | EpochStart
  | EpochEnd
  | InstrumentRecord
  | ClockRecord
  | CoveredRecord
  | GapOpenRecord
  | GapCloseRecord

export interface TickRecord {
  readonly kind: 'tick'
  readonly tick: JournalledTick
}

export type JournalRecord = TickRecord | ControlRecord

/** What one socket connection contributed to a batch; ordinals count every packet, malformed ones too. */
export interface ConnectionRange {
  readonly connection: number
  readonly firstOrdinal: number
  readonly lastOrdinal: number
  readonly journaled: number
  readonly rejected: number
  readonly dropped: number
}

export interface BatchHeader {
  readonly version: number
  readonly producer: string
  readonly partition: number
  readonly epoch: number
  readonly firstSequence: number
  readonly recordCount: number
  /** Market time when the batch was made, epoch ms; the ledger's minute. */
  readonly marketTimeMs: number
  readonly connections: readonly ConnectionRange[]
  /** Bytes of the whole batch, header and checksum included. */
  readonly byteLength: number
}

/** What a reader of one partition is given. */
export type TailItem =
  | {
      /**
       * Always first: what the journal holds and the instruments known at the reader's position. Said
       * again where the journal finds later that records ahead of the reader are lost.
       */
      readonly kind: 'opened'
      readonly feed: Feed
      readonly producer: string
      readonly partition: number
      /**
       * The position before the oldest record that the journal still has. It is beyond the reader's
       * position exactly when records after that are lost, and the next batch then begins behind it.
       */
      readonly oldest: Position
      readonly newest: Position
      readonly instruments: readonly Instrument[]
    }
  | { readonly kind: 'batch'; readonly header: BatchHeader; readonly bytes: Uint8Array }
