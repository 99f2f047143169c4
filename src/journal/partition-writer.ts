/**
 * Writes one partition: batches are numbered when their turn comes, written together with those that
 * waited meanwhile, and acknowledged and published when they are in the file. Syncs run beside.
 *
 * What can go wrong is put right between two writes: after a failed sync, or a write that failed for
 * another reason than a full disk, a new segment takes over what was not synced; on a full disk only
 * control records are taken, until there is room.
 */
import { join } from 'node:path'
import { BatchBuilder, isBatchFault, readHeader, renumberBatch } from '../contract/journal-batch.ts'
import type { BatchHeader } from '../contract/journal-record.ts'
import type { Clock } from '../kit/clock.ts'
import { invariant } from '../kit/invariant.ts'
import { JOURNAL_DISK_RETRY_MS } from '../limits.ts'
import type { DiskGuard } from './disk-guard.ts'
import { isDiskFull, JournalError, writeError } from './journal-error.ts'
import type { JournalLimits } from './journal-limits.ts'
import type { WrittenBatch } from './live-queue.ts'
import type { PartitionLog } from './partition-log.ts'
import { hasTicks, type PendingBatch, PendingBatches } from './pending-batches.ts'
import { type Segment, segmentFileName } from './segment.ts'
import { SegmentWriter } from './segment-writer.ts'

export interface WriterCounts {
  readonly pendingBytes: number
  readonly unsyncedBytes: number
  readonly highWaterPendingBytes: number
  readonly highWaterUnsyncedBytes: number
  readonly failedSyncs: number
  readonly refusedBatches: number
  /** Wall clock of the last successful sync, epoch ms. */
  readonly lastSyncAtMs: number | null
  readonly slowestSyncMs: number
}

export class PartitionWriter {
  readonly #log: PartitionLog
  readonly #clock: Clock
  readonly #guard: DiskGuard
  readonly #limits: JournalLimits
  readonly #epoch: number
  readonly #builder = new BatchBuilder()
  #active: SegmentWriter | undefined
  readonly #pending: PendingBatches
  #draining = Promise.resolve()
  #isDraining = false
  #syncing: Promise<boolean> | undefined
  #isClosed = false
  #takeovers = 0
  /** Set where the active segment should be followed by one that can be read alone. */
  #isRotationWanted = false
  /** What the active segment repeats does not count, else a large preamble would call for the next one. */
  #preambleBytes = 0
  /** No new segment is tried before, on the monotonic clock. */
  #retryAtMs = Number.NEGATIVE_INFINITY
  #lastFailure: unknown
  #lastMarketTimeMs: number
  #highWaterUnsyncedBytes = 0
  #failedSyncs = 0
  #refusedBatches = 0
  #lastSyncAtMs: number | null = null
  #slowestSyncMs = 0

  constructor(
    log: PartitionLog,
    epoch: number,
    lastMarketTimeMs: number,
    deps: { readonly clock: Clock; readonly guard: DiskGuard; readonly limits: JournalLimits },
  ) {
    this.#log = log
    this.#epoch = epoch
    this.#lastMarketTimeMs = lastMarketTimeMs
    this.#clock = deps.clock
    this.#guard = deps.guard
    this.#limits = deps.limits
    this.#pending = new PendingBatches(deps.limits.pendingMaxBytes)
  }

  get counts(): WriterCounts {
    return {
      pendingBytes: this.#pending.bytes,
      unsyncedBytes: this.#active?.unsyncedBytes ?? 0,
      highWaterPendingBytes: this.#pending.highWaterBytes,
      highWaterUnsyncedBytes: this.#highWaterUnsyncedBytes,
      failedSyncs: this.#failedSyncs,
      refusedBatches: this.#refusedBatches,
      lastSyncAtMs: this.#lastSyncAtMs,
      slowestSyncMs: this.#slowestSyncMs,
    }
  }

  /** See `Journal.append`. */
  append(bytes: Uint8Array): Promise<BatchHeader> {
    const header = readHeader(bytes, 0, 'header')
    invariant(!isBatchFault(header), 'what is appended to the journal must be a batch')
    invariant(header.byteLength === bytes.length, 'one batch is appended at a time')
    const { producer, partition } = this.#log
    invariant(
      header.producer === producer && header.partition === partition,
      `the batch is for partition ${header.partition} of ${header.producer}`,
    )
    if (this.#isClosed) return Promise.reject(new JournalError('closed', 'the journal is closed'))
    return new Promise((resolve, reject) => {
      if (this.#pending.offer({ bytes, header, resolve, reject })) return this.#wake()
      this.#refusedBatches++
      reject(new JournalError('overloaded', 'the journal cannot keep up'))
    })
  }

  /** Forces what is written to the disk; false where that failed and a new segment has to take over. */
  sync(): Promise<boolean> {
    if (this.#syncing !== undefined) return this.#syncing
    const active = this.#active
    if (active === undefined || active.unsyncedBytes === 0) return Promise.resolve(true)
    if (active.isSuspect) return Promise.resolve(false)
    this.#syncing = this.#syncSegment(active)
    return this.#syncing
  }

  /** Tries again what failed, once enough time has passed. */
  retry(): void {
    if (this.#active?.isSuspect) this.#wake()
  }

  /** Writes and syncs what is there, then closes the segment. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#draining
    if (!(await this.#syncAll())) await this.#saveUnsynced()
    await this.#active?.close()
    this.#log.close()
  }

  /** The last chance for what a failed sync left in doubt. */
  async #saveUnsynced(): Promise<void> {
    this.#retryAtMs = Number.NEGATIVE_INFINITY
    this.#wake()
    await this.#draining
    if (await this.#syncAll()) return
    this.#log.log.error({ folder: this.#log.folder }, 'Journal closed with batches not synced')
  }

  #wake(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    this.#draining = this.#drain()
  }

  async #drain(): Promise<void> {
    try {
      while (this.#pending.length > 0 || this.#active?.isSuspect) {
        if (!(await this.#prepareSegment()))
          return this.#refuse(this.#pending.takeAll(), this.#lastFailure)
        await this.#writeGroup(this.#takeGroup())
      }
    } finally {
      this.#isDraining = false
    }
  }

  /** Puts right what is due; false where nothing can be written at present. */
  async #prepareSegment(): Promise<boolean> {
    for (let task = this.#dueTask(); task !== undefined; task = this.#dueTask()) await task()
    return this.#active !== undefined && !this.#active.isSuspect
  }

  #dueTask(): (() => Promise<unknown>) | undefined {
    const active = this.#active
    const mayOpen = this.#clock.elapsedMs() >= this.#retryAtMs
    if (active?.isSuspect) return mayOpen ? () => this.#takeOver(active) : undefined
    if (active !== undefined && active.unsyncedBytes > this.#limits.unsyncedMaxBytes) {
      return () => this.sync()
    }
    return mayOpen && this.#isRotationDue(active) ? () => this.#rotate(active) : undefined
  }

  #isRotationDue(active: SegmentWriter | undefined): boolean {
    if (active === undefined) return true
    // The reserve is for control records, not for repeating what is known.
    if (this.#guard.isFull) return false
    const ageMs = this.#clock.elapsedMs() - active.openedAtMs
    const { segmentMaxBytes, segmentMaxAgeMs } = this.#limits
    const bytes = active.bytes - this.#preambleBytes
    return this.#isRotationWanted || bytes >= segmentMaxBytes || ageMs >= segmentMaxAgeMs
  }

  async #writeGroup(group: readonly PendingBatch[]): Promise<void> {
    const active = this.#active
    if (group.length === 0 || active === undefined) return
    const written = this.#number(group, active)
    try {
      await active.write(group.map((batch) => batch.bytes))
    } catch (cause) {
      return this.#writeFailed(group, cause)
    }
    const { unsyncedBytes } = active
    this.#highWaterUnsyncedBytes = Math.max(this.#highWaterUnsyncedBytes, unsyncedBytes)
    group.forEach((batch, i) => {
      const done = written[i] as WrittenBatch
      this.#lastMarketTimeMs = done.header.marketTimeMs
      this.#log.publish(done)
      batch.resolve(done.header)
    })
  }

  /** Gives the batches their places in the log; a later try gives them others. */
  #number(group: readonly PendingBatch[], { segment, bytes }: SegmentWriter): WrittenBatch[] {
    let firstSequence = this.#log.newest.sequence + 1
    let endOffset = bytes
    return group.map((batch) => {
      const header = { ...batch.header, epoch: this.#epoch, firstSequence }
      renumberBatch(batch.bytes, this.#epoch, firstSequence)
      firstSequence += header.recordCount
      endOffset += header.byteLength
      return { kind: 'batch', header, bytes: batch.bytes, endOffset, segment }
    })
  }

  async #writeFailed(group: readonly PendingBatch[], cause: unknown): Promise<void> {
    if (!isDiskFull(cause) || this.#guard.isFull) return this.#refuse(group, cause)
    await this.#guard.becomeFull()
    this.#refuse(group.filter(hasTicks), cause)
    this.#pending.putBack(group.filter((batch) => !hasTicks(batch)))
  }

  /** The old segment is synced to its end before the next one is begun: only the last can be torn. */
  async #rotate(old: SegmentWriter | undefined): Promise<void> {
    if (!(await this.#syncAll())) return
    const firstSequence = this.#log.newest.sequence + 1
    const segment = this.#newSegment(firstSequence, 0)
    const preamble = this.#preamble(firstSequence)
    const fresh = await this.#open(segment, preamble === undefined ? [] : [preamble])
    if (fresh === undefined) return
    if (old !== undefined) await this.#retire(old)
    this.#activate(fresh, false)
    this.#preambleBytes = fresh.bytes
    if (preamble !== undefined) this.#publishPreamble(preamble, fresh)
  }

  /** Begins a segment with what the suspect one may not hold. */
  async #takeOver(old: SegmentWriter): Promise<void> {
    await this.#syncing
    const [first] = old.unsynced
    if (first === undefined) {
      await this.#abandon(old)
      this.#active = undefined
      return
    }
    const segment = this.#newSegment(headerOf(first).firstSequence, ++this.#takeovers)
    const fresh = await this.#open(segment, old.unsynced)
    if (fresh === undefined) return
    segment.bytes = fresh.bytes
    segment.last = this.#log.newest
    this.#activate(fresh, true)
    this.#preambleBytes = 0
    await this.#abandon(old)
    this.#log.log.warn({ path: segment.path }, 'Journal segment took over after a failed write')
  }

  /** Undefined where the segment could not be made; it is tried again later. */
  async #open(
    segment: Segment,
    batches: readonly Uint8Array[],
  ): Promise<SegmentWriter | undefined> {
    const { files } = this.#log
    try {
      // What stands there under a name of this epoch is left from an attempt that failed.
      await files.remove(segment.path)
      const fresh = await SegmentWriter.create(files, segment, this.#clock.elapsedMs())
      if (batches.length > 0) await fresh.write(batches)
      return fresh
    } catch (cause) {
      await this.#openFailed(segment, cause)
      return undefined
    }
  }

  async #openFailed(segment: Segment, cause: unknown): Promise<void> {
    this.#lastFailure = cause
    this.#log.log.error({ err: cause, path: segment.path }, 'Journal segment could not be begun')
    if (isDiskFull(cause) && !this.#guard.isFull) return this.#guard.becomeFull()
    this.#retryAtMs = this.#clock.elapsedMs() + JOURNAL_DISK_RETRY_MS
  }

  #activate(fresh: SegmentWriter, isRotationWanted: boolean): void {
    this.#active = fresh
    this.#isRotationWanted = isRotationWanted
    this.#log.segments.add(fresh.segment)
  }

  async #retire(old: SegmentWriter): Promise<void> {
    old.segment.modifiedMs = this.#clock.nowMs()
    try {
      await old.close()
    } catch (error) {
      this.#log.log.warn({ err: error, path: old.segment.path }, 'Journal segment did not close')
    }
  }

  async #abandon(old: SegmentWriter): Promise<void> {
    const { files, log, segments } = this.#log
    const { segment } = old
    segment.modifiedMs = this.#clock.nowMs()
    try {
      await old.abandon()
      if (segment.bytes > 0) return
      segments.remove(segment)
      await files.remove(segment.path)
    } catch (error) {
      log.warn({ err: error, path: segment.path }, 'Failing journal segment could not be cut')
    }
  }

  #newSegment(firstSequence: number, revision: number): Segment {
    const name = { epoch: this.#epoch, firstSequence, revision }
    const path = join(this.#log.folder, segmentFileName(name))
    return { ...name, path, bytes: 0, last: undefined, modifiedMs: this.#clock.nowMs() }
  }

  #preamble(firstSequence: number): Uint8Array | undefined {
    const { producer, partition, known } = this.#log
    this.#builder.begin(producer, partition, this.#epoch, firstSequence)
    known.writeTo(this.#builder)
    if (this.#builder.recordCount === 0) return undefined
    return this.#builder.finish(this.#lastMarketTimeMs)
  }

  #publishPreamble(bytes: Uint8Array, { segment }: SegmentWriter): void {
    const header = headerOf(bytes)
    this.#log.publishKnown({ kind: 'batch', header, bytes, endOffset: bytes.length, segment })
  }

  /** Syncs until nothing written is left out; nothing may be written meanwhile. */
  async #syncAll(): Promise<boolean> {
    while ((this.#active?.unsyncedBytes ?? 0) > 0) {
      if (!(await this.sync())) return false
    }
    return true
  }

  async #syncSegment(active: SegmentWriter): Promise<boolean> {
    const startMs = this.#clock.elapsedMs()
    try {
      await active.sync()
      this.#slowestSyncMs = Math.max(this.#slowestSyncMs, this.#clock.elapsedMs() - startMs)
      this.#lastSyncAtMs = this.#clock.nowMs()
      return true
    } catch (error) {
      this.#failedSyncs++
      this.#log.log.error({ err: error, path: active.segment.path }, 'Journal sync failed')
      this.#wake()
      return false
    } finally {
      this.#syncing = undefined
    }
  }

  #takeGroup(): readonly PendingBatch[] {
    const group = this.#pending.takeGroup()
    if (!this.#guard.isFull) return group
    this.#refuse(
      group.filter(hasTicks),
      new JournalError('disk_full', 'the disk is full: only control records are taken'),
    )
    return group.filter((batch) => !hasTicks(batch))
  }

  #refuse(batches: readonly PendingBatch[], cause: unknown): void {
    const error = cause instanceof JournalError ? cause : writeError(cause)
    this.#refusedBatches += batches.length
    for (const batch of batches) batch.reject(error)
  }
}

function headerOf(batch: Uint8Array): BatchHeader {
  const header = readHeader(batch, 0, 'header')
  invariant(!isBatchFault(header), 'the journal wrote this batch itself')
  return header
}
