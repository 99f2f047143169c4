/**
 * The way of every packet from a socket into the journal, and nothing else: stamped, decoded, booked,
 * written. What the sockets carry and why is decided elsewhere.
 *
 *   socket ──▶ FeedSession.onFrame ──▶ PartitionFeed ──▶ journal
 *                  │  ordinal, received_at_ms, M            │
 *                  └──◀── pause ──── IntakeGate ◀── bytes ──┘
 */
import type { ClockRecord, GapReason } from '../../contract/journal-record.ts'
import type { Clock } from '../../kit/clock.ts'
import type { LatencyHistogram } from '../../kit/latency-histogram.ts'
import type { Log } from '../../kit/log.ts'
import type { Count } from '../../kit/metrics.ts'
import {
  TICKER_GAP_LOOKBACK_MS,
  TICKER_PENDING_MAX_BYTES,
  TICKER_PENDING_PAUSE_BYTES,
  TICKER_PENDING_RESUME_BYTES,
} from '../../limits.ts'
import type { JournalWriter } from '../ports.ts'
import { CoverageLog } from './coverage-log.ts'
import { FeedSession, type SilenceJudge } from './feed-session.ts'
import { IntakeGate, type IntakeLimits } from './intake-gate.ts'
import type { MarketTime } from './market-time.ts'
import { PartitionFeed, type PartitionFeedDeps } from './partition-feed.ts'
import type { OpenGap, SlotName, Stream } from './stream.ts'

/** Plain integers: they are on the hot path. Packets since the start, by what became of them. */
export interface FeedTotals {
  received: number
  rejected: number
  journaled: number
  dropped: number
}

export interface FeedDeps {
  readonly journal: JournalWriter
  readonly partitions: number
  readonly clock: Clock
  readonly log: Log
  readonly marketTime: MarketTime
  readonly journalLatency: LatencyHistogram
  /** Rejected packets by reason. */
  readonly rejections: (reason: string) => Count
  readonly silences: SilenceJudge
  readonly onPause: (isPaused: boolean) => void
  readonly onFirstTick: (stream: Stream) => void
  readonly onGapOpened: (gap: OpenGap) => void
  readonly onGapClosed: (gap: OpenGap) => void
  /** Another socket feeds the stream from now on. */
  readonly onTakenOver: (stream: Stream) => void
  readonly onJournalled?: PartitionFeedDeps['onJournalled']
  readonly intakeLimits?: IntakeLimits
  /** Journal batches leave so far apart at the least; by default as soon as the journal is idle. */
  readonly batchPauseMs?: number
}

const INTAKE_LIMITS: IntakeLimits = {
  resumeBytes: TICKER_PENDING_RESUME_BYTES,
  pauseBytes: TICKER_PENDING_PAUSE_BYTES,
  maxBytes: TICKER_PENDING_MAX_BYTES,
}

export class Feed {
  readonly coverage: CoverageLog
  readonly gate: IntakeGate
  readonly #deps: FeedDeps
  readonly #partitions: readonly PartitionFeed[]
  #sessions = 0
  #received = 0
  #rejected = 0
  #isFlushing = false

  constructor(deps: FeedDeps) {
    this.#deps = deps
    this.gate = new IntakeGate(deps.intakeLimits ?? INTAKE_LIMITS, deps.onPause)
    this.#partitions = Array.from({ length: deps.partitions }, (_, partition) => {
      return this.#newPartition(partition)
    })
    this.coverage = new CoverageLog({
      producer: deps.journal.producer,
      epoch: deps.journal.epoch,
      partitions: this.#partitions,
      marketTimeMs: () => deps.marketTime.now(),
      onGapOpened: deps.onGapOpened,
      onGapClosed: deps.onGapClosed,
      onTakenOver: deps.onTakenOver,
    })
  }

  get totals(): FeedTotals {
    const totals = { received: this.#received, rejected: this.#rejected, journaled: 0, dropped: 0 }
    for (const { journaled, dropped } of this.#partitions) {
      totals.journaled += journaled
      totals.dropped += dropped
    }
    return totals
  }

  /** True while the journal does not take ticks. */
  get isRefused(): boolean {
    return this.#partitions.some(({ isRefused }) => isRefused)
  }

  /** A socket was opened: its packets come through the session, numbered from 1. */
  openSession(slot: SlotName): FeedSession {
    this.#sessions++
    return new FeedSession({
      connection: this.#sessions,
      slot,
      clock: this.#deps.clock,
      log: this.#deps.log.child({ account: slot.account, connection: slot.connection }),
      marketTime: this.#deps.marketTime,
      coverage: this.coverage,
      silences: this.#deps.silences,
      onReceived: (received, rejected) => this.#onReceived(received, rejected),
      onFirstTick: this.#deps.onFirstTick,
      reject: (connection, ordinal, reason) => this.#reject(connection, ordinal, reason),
    })
  }

  /** Ticks of the slot may be missing since the session's last data. */
  openGap(reason: GapReason, slot: SlotName, session: FeedSession): OpenGap | undefined {
    const fromMs = session.lastDataMarketMs - TICKER_GAP_LOOKBACK_MS
    const gap = this.coverage.openSlotGap(reason, slot, fromMs)
    this.scheduleFlush()
    return gap
  }

  /** Ticks of these instruments, all of one socket, may be missing since the last one of each. */
  openMuteGap(streams: readonly Stream[]): void {
    const nowMs = this.#deps.marketTime.now()
    const lastMs = Math.min(...streams.map(({ last }) => last?.marketMs ?? nowMs))
    this.coverage.openStreamGap('mute', streams, lastMs - TICKER_GAP_LOOKBACK_MS)
    this.scheduleFlush()
  }

  /** Says in every partition that time has passed; carries what had to wait for a record. */
  writeClock(): void {
    const { clock, marketTime } = this.#deps
    const record: ClockRecord = {
      kind: 'clock',
      marketTimeMs: marketTime.now(),
      wallTimeMs: clock.nowMs(),
    }
    for (const partition of this.#partitions) partition.passTime(record)
    this.#flush()
  }

  /** Sends what has gathered, once the work of this turn is done. */
  scheduleFlush(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    queueMicrotask(() => this.#flush())
  }

  /** The orderly end of the epoch: nothing may come after it. */
  async end(): Promise<void> {
    const wallTimeMs = this.#deps.clock.nowMs()
    for (const partition of this.#partitions) {
      partition.control({ kind: 'clock', marketTimeMs: this.#deps.marketTime.now(), wallTimeMs })
      partition.control({ kind: 'epoch_end', wallTimeMs })
    }
    await Promise.all(this.#partitions.map((partition) => partition.drain()))
  }

  #newPartition(partition: number): PartitionFeed {
    const { journal, clock, log, journalLatency, marketTime } = this.#deps
    return new PartitionFeed({
      journal,
      producer: journal.producer,
      partition,
      clock,
      log,
      journalLatency,
      marketTimeMs: () => marketTime.now(),
      isOverflowing: () => this.gate.isOverflowing,
      onLoss: (feed, reason, fromMs) => this.coverage.openPartitionGap(reason, feed, fromMs),
      onJournalled: this.#deps.onJournalled,
      onRoom: () => this.#measure(),
      batchPauseMs: this.#deps.batchPauseMs ?? 0,
    })
  }

  #onReceived(received: number, rejected: number): void {
    this.#received += received
    this.#rejected += rejected
    this.#measure()
    this.scheduleFlush()
  }

  /** Nobody knows whose it was, so the first partition books it. */
  #reject(connection: number, ordinal: number, reason: string): void {
    this.#deps.rejections(reason).value++
    this.#partitions[0]?.reject(connection, ordinal)
  }

  #flush(): void {
    this.#isFlushing = false
    for (const partition of this.#partitions) partition.flush()
  }

  #measure(): void {
    let bytes = 0
    for (const partition of this.#partitions) bytes += partition.pendingBytes
    this.gate.update(bytes)
  }
}
