/**
 * One instrument as the feed knows it: who carries it, what has been said of it in the log, and when
 * it ticked. The hot path finds it by token and reads `coveredMode`; all else is for the slow path.
 */
import type { GapReason } from '../../contract/journal-record.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { TickMode } from '../../market/tick.ts'
import type { PartitionFeed } from './partition-feed.ts'

/** One of an account's sockets, as users see it. */
export interface SlotName {
  readonly account: string
  /** 1, 2, 3 */
  readonly connection: number
}

/** A gap that has not ended for every instrument. */
export interface OpenGap {
  readonly gapId: string
  readonly reason: GapReason
  readonly slot: SlotName | undefined
  /** Market time, epoch ms. */
  readonly fromMs: number
  /** Instruments that it touched in all. */
  instruments: number
  /** Those that wait for their first packet. */
  waiting: number
  /** The latest end so far, market time. */
  toMs: number
}

export interface Stream {
  instrument: Instrument
  readonly partition: PartitionFeed
  /** Undefined where nobody wants it any more (after a restart) or no socket carries it yet. */
  slot: SlotName | undefined
  /** Undefined where nobody wants it. */
  wantedMode: TickMode | undefined
  /** Its instrument record is in this epoch. */
  isAnnounced: boolean
  /** What the log says is covered now; undefined before the first tick and in a gap. */
  coveredMode: TickMode | undefined
  gap: OpenGap | undefined
  /** Wall clock, in this epoch. */
  firstTickAtMs: number | undefined
  lastTickAtMs: number | undefined
}

const RANK: Readonly<Record<TickMode, number>> = { ltp: 0, quote: 1, full: 2 }

/** The mode that carries less. */
export function lowerMode(a: TickMode, b: TickMode): TickMode {
  return RANK[a] <= RANK[b] ? a : b
}

export function isLowerMode(a: TickMode, b: TickMode): boolean {
  return RANK[a] < RANK[b]
}
