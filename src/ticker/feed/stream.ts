/**
 * One instrument as the feed knows it: who carries it, what has been said of it in the log, and when
 * it ticked. The hot path finds it by token and reads `coveredMode`; all else is for the slow path.
 */
import type { GapReason } from '../../contract/journal-record.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { TickMode } from '../../market/tick.ts'
import type { PartitionFeed } from './partition-feed.ts'
import type { Silence } from './silence.ts'

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

/** When the newest tick came. One object for all of them: a number a tick that is kept is one to collect. */
export interface LastTick {
  /** Wall clock. */
  receivedAtMs: number
  /** Monotonic. */
  elapsedMs: number
  /** Market time of its sending, as far as it tells. */
  marketMs: number
}

export interface Stream {
  instrument: Instrument
  readonly partition: PartitionFeed
  /**
   * The socket that feeds it: a gap opens when this one drops. Undefined where nobody wants it any more
   * (after a restart) or no socket carries it yet.
   */
  slot: SlotName | undefined
  /** The socket that takes over with its first whole packet; the other one feeds it until then. */
  nextSlot: SlotName | undefined
  /** Undefined where nobody wants it. */
  wantedMode: TickMode | undefined
  /** Its instrument record is in this epoch. */
  isAnnounced: boolean
  /** What the log says is covered now; undefined before the first tick and in a gap. */
  coveredMode: TickMode | undefined
  gap: OpenGap | undefined
  /** Wall clock, in this epoch. */
  firstTickAtMs: number | undefined
  /** Undefined before the first tick. */
  last: LastTick | undefined
  readonly silence: Silence
}

export function isSameSlot(a: SlotName | undefined, b: SlotName): boolean {
  return a?.account === b.account && a.connection === b.connection
}

const RANK: Readonly<Record<TickMode, number>> = { ltp: 0, quote: 1, full: 2 }

/** The mode that carries less. */
export function lowerMode(a: TickMode, b: TickMode): TickMode {
  return RANK[a] <= RANK[b] ? a : b
}

export function isLowerMode(a: TickMode, b: TickMode): boolean {
  return RANK[a] < RANK[b]
}
