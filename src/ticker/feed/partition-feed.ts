/**
 * One partition's way into the journal. Records gather in a batch; the batch leaves as soon as the
 * one before it is written and some milliseconds old: each costs a write, a message to every reader and
 * some changes of threads, whatever it holds. So a quiet feed is written at once and a busy one in
 * larger batches.
 *
 *   take, control ──▶ gathering ──(journal idle)──▶ in flight ──▶ written
 *                         ▲                             │
 *                         └── its control records ◀── refused: its ticks are dropped, counted, in a gap
 */
import { BatchBuilder } from '../../contract/journal-batch.ts'
import type {
  BatchHeader,
  ClockRecord,
  ControlRecord,
  GapReason,
} from '../../contract/journal-record.ts'
import type { Clock } from '../../kit/clock.ts'
import type { LatencyHistogram } from '../../kit/latency-histogram.ts'
import type { Log } from '../../kit/log.ts'
import { TICKER_GAP_LOOKBACK_MS } from '../../limits.ts'
import type { JournalWriter } from '../ports.ts'
import { BatchAccounts } from './batch-accounts.ts'
import type { StampedTick } from './stamped-tick.ts'

export type LossReason = Extract<GapReason, 'overflow' | 'disk_full'>

export interface PartitionFeedDeps {
  readonly journal: Pick<JournalWriter, 'append' | 'epoch' | 'status'>
  readonly producer: string
  readonly partition: number
  readonly clock: Clock
  readonly log: Log
  /** From a packet's arrival to its batch in the file. */
  readonly journalLatency: LatencyHistogram
  readonly marketTimeMs: () => number
  /** True while so much waits for the journal that ticks must be dropped. */
  readonly isOverflowing: () => boolean
  /** Ticks of this partition have been dropped; those from `fromMs` (market time) on may be missing. */
  readonly onLoss: (partition: PartitionFeed, reason: LossReason, fromMs: number) => void
  /** A batch is in the journal, with its place there; its bytes do not change any more. */
  readonly onJournalled?: ((header: BatchHeader, bytes: Uint8Array) => void) | undefined
  /** Something was written or given up: there is more room. */
  readonly onRoom: () => void
  /** Batches leave so far apart at the least. */
  readonly batchPauseMs: number
}

interface Gathering {
  readonly accounts: BatchAccounts
  readonly controls: ControlRecord[]
  ticks: number
  /** Of the first tick. */
  firstSentMs: number
  firstReceivedAtMs: number
}

interface InFlight extends Gathering {
  readonly byteLength: number
}

const DEFAULT_RETRY_MS = 1_000

export class PartitionFeed {
  readonly partition: number
  /** Ticks since the start. */
  journaled = 0
  dropped = 0
  readonly #deps: PartitionFeedDeps
  readonly #builder = new BatchBuilder()
  #gathering: Gathering
  #inFlight: InFlight | undefined
  #settled: Promise<void> = Promise.resolve()
  /** Why the journal refused a batch, until it takes ticks again. */
  #refusedFor: LossReason | undefined
  /** Monotonic; after a refusal nothing is tried before it. */
  #retryAtMs = Number.NEGATIVE_INFINITY
  /** When the last batch left, monotonic. */
  #leftAtMs = Number.NEGATIVE_INFINITY
  /** Of the flush that is to come when the pause is over. */
  #cancelWait: (() => void) | undefined
  /** Nothing more is to gather. */
  #isEnding = false
  /** A loss has been told and no tick taken since. */
  #isLosing = false

  constructor(deps: PartitionFeedDeps) {
    this.#deps = deps
    this.partition = deps.partition
    this.#gathering = this.#begin([], new BatchAccounts())
  }

  /** Bytes that are not in the journal yet. */
  get pendingBytes(): number {
    return this.#builder.byteLength + (this.#inFlight?.byteLength ?? 0)
  }

  /** True from a refusal on, until the journal takes ticks again. */
  get isRefused(): boolean {
    return this.#refusedFor !== undefined
  }

  /** Whether a tick would be taken now. */
  get isTaking(): boolean {
    return this.#refusedFor === undefined && !this.#deps.isOverflowing()
  }

  /** Adds a tick; false where it was dropped (and counted). */
  take(tick: StampedTick, ordinal: number): boolean {
    if (!this.isTaking) {
      this.#drop(tick, ordinal)
      return false
    }
    const gathering = this.#gathering
    this.#builder.addTick(tick)
    gathering.accounts.book(tick.connection, ordinal, 'journaled')
    if (gathering.ticks === 0) {
      gathering.firstSentMs = tick.sentMs
      gathering.firstReceivedAtMs = tick.receivedAtMs
    }
    gathering.ticks++
    this.#isLosing = false
    return true
  }

  /** Books a packet that is no tick. */
  reject(connection: number, ordinal: number): void {
    this.#gathering.accounts.book(connection, ordinal, 'rejected')
  }

  control(record: ControlRecord): void {
    this.#gathering.controls.push(record)
    this.#builder.addControl(record)
  }

  /** Says that time has passed; where nothing leaves at present, once is enough. */
  passTime(record: ClockRecord): void {
    const isWaiting = this.#gathering.controls.some(({ kind }) => kind === 'clock')
    if (this.isTaking || !isWaiting) this.control(record)
  }

  /**
   * Sends what has gathered, unless a batch is on its way or left a moment ago; what waits goes when that
   * is over.
   */
  flush(): void {
    if (this.#inFlight !== undefined || this.#builder.recordCount === 0) return
    const { clock, batchPauseMs } = this.#deps
    const waitMs = this.#leftAtMs + batchPauseMs - clock.elapsedMs()
    if (this.#isEnding || waitMs <= 0) this.#send()
    else {
      this.#cancelWait ??= clock.after(waitMs, () => {
        this.#cancelWait = undefined
        this.flush()
      })
    }
  }

  #send(): void {
    if (this.#refusedFor !== undefined && this.#deps.clock.elapsedMs() < this.#retryAtMs) return
    for (const range of this.#gathering.accounts.ranges) this.#builder.addConnection(range)
    this.#leftAtMs = this.#deps.clock.elapsedMs()
    const batch = this.#builder.finish(this.#deps.marketTimeMs())
    this.#inFlight = { ...this.#gathering, byteLength: batch.length }
    this.#gathering = this.#begin([], new BatchAccounts())
    this.#settled = this.#append(batch)
  }

  /** Writes everything that has gathered, without a pause; gives up what the journal refuses. */
  async drain(): Promise<void> {
    this.#isEnding = true
    this.#cancelWait?.()
    this.flush()
    while (this.#inFlight !== undefined) await this.#settled
  }

  async #append(batch: Uint8Array): Promise<void> {
    const header = await this.#journalled(batch)
    if (header !== undefined) this.#deps.onJournalled?.(header, batch)
    this.#deps.onRoom()
    this.flush()
  }

  /** Its place in the journal; undefined where it was refused. */
  async #journalled(batch: Uint8Array): Promise<BatchHeader | undefined> {
    try {
      const header = await this.#deps.journal.append(this.partition, batch)
      this.#written()
      return header
    } catch (error) {
      this.#refused(error)
      return undefined
    }
  }

  #written(): void {
    const written = this.#inFlight
    this.#inFlight = undefined
    // On a full disk control records are taken, ticks are not.
    if (this.isRefused && !this.#deps.journal.status().isDiskFull) this.#refusedFor = undefined
    if (written === undefined || written.ticks === 0) return
    this.journaled += written.ticks
    const latencyMs = this.#deps.clock.nowMs() - written.firstReceivedAtMs
    this.#deps.journalLatency.record(latencyMs, written.ticks)
  }

  /**
   * Keeps the control records; the ticks of this batch, and of the one that gathered meanwhile, are
   * dropped. No tick is taken until the control records are written, so that these stay few.
   */
  #refused(error: unknown): void {
    const lost = this.#inFlight
    const { partition, clock, log } = this.#deps
    if (lost === undefined) return
    const next = this.#gathering
    this.#inFlight = undefined
    const refusal = refusalOf(error)
    // The ticks may have been all that was refused: without them the next try is at once.
    const waitMs = lost.ticks > 0 && !this.isRefused ? 0 : refusal.retryAfterMs
    this.#refusedFor = refusal.reason
    this.#retryAtMs = clock.elapsedMs() + waitMs
    const accounts = new BatchAccounts()
    const dropped = accounts.addDropped(lost.accounts) + accounts.addDropped(next.accounts)
    this.dropped += dropped
    log.error({ err: error, partition, dropped }, 'Journal refused a batch')
    // Time that has passed is said again by the next clock record.
    const controls = [...lost.controls, ...next.controls].filter(({ kind }) => kind !== 'clock')
    this.#gathering = this.#begin(controls, accounts)
    const fromMs = lost.ticks > 0 ? lost.firstSentMs : next.firstSentMs
    if (dropped > 0) this.#tellLoss(refusal.reason, fromMs)
  }

  #drop(tick: StampedTick, ordinal: number): void {
    this.#gathering.accounts.book(tick.connection, ordinal, 'dropped')
    this.dropped++
    if (!this.#isLosing) this.#tellLoss(this.#refusedFor ?? 'overflow', tick.sentMs)
  }

  #tellLoss(reason: LossReason, sentMs: number): void {
    this.#isLosing = true
    this.#deps.onLoss(this, reason, sentMs - TICKER_GAP_LOOKBACK_MS)
  }

  #begin(controls: ControlRecord[], accounts: BatchAccounts): Gathering {
    const { producer, partition, journal } = this.#deps
    this.#builder.begin(producer, partition, journal.epoch, 1)
    for (const record of controls) this.#builder.addControl(record)
    return { accounts, controls, ticks: 0, firstSentMs: 0, firstReceivedAtMs: 0 }
  }
}

interface Refusal {
  readonly reason: LossReason
  readonly retryAfterMs: number
}

/** The journal's errors are typed; anything else is taken as one that may be over in a moment. */
function refusalOf(error: unknown): Refusal {
  const { code, retryAfterMs } = (error ?? {}) as { code?: unknown; retryAfterMs?: unknown }
  return {
    reason: code === 'disk_full' ? 'disk_full' : 'overflow',
    retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : DEFAULT_RETRY_MS,
  }
}
