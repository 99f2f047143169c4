/**
 * The journal: the append-only, numbered, checksummed record of what one producer's sockets brought,
 * and the one path on which it reaches anybody. `open-journal.ts` opens it.
 *
 *   append ──▶ file ──▶ acknowledged, live readers ──▶ (every 50 ms) synced
 *                └──▶ readers that are behind
 *
 * It numbers the records itself, since a new segment repeats what is known as records of its own.
 */
import type { TickLog } from '../backend/ports.ts'
import type { BatchHeader, Feed, Position, TailItem } from '../contract/journal-record.ts'
import type { Clock } from '../kit/clock.ts'
import { invariant } from '../kit/invariant.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import {
  JOURNAL_CONSUMERS_SAVE_PERIOD_MS,
  JOURNAL_DISK_RETRY_MS,
  JOURNAL_RETENTION_PERIOD_MS,
  JOURNAL_SYNC_PERIOD_MS,
  JOURNAL_SYNCS_AT_ONCE,
} from '../limits.ts'
import type { JournalWriter } from '../ticker/ports.ts'
import type { CommittedPositions, Consumers } from './consumers.ts'
import type { DiskGuard } from './disk-guard.ts'
import type { JournalFiles } from './files.ts'
import type { PartitionLog, ReaderView } from './partition-log.ts'
import { tailPartition } from './partition-reader.ts'
import type { PartitionWriter, WriterCounts } from './partition-writer.ts'
import type { RecoveredPartition } from './recover-partition.ts'
import { type Deletion, planDeletions, type RetentionLimits } from './retention.ts'
import type { SetAside } from './set-aside.ts'

export interface ReaderStatus {
  readonly position: Position
  readonly isLive: boolean
  readonly queuedBytes: number
  /** Records it has still to read; null while it reads an older epoch. */
  readonly lagRecords: number | null
}

export interface PartitionStatus {
  readonly partition: number
  readonly oldest: Position
  readonly newest: Position
  readonly segments: number
  readonly bytes: number
  readonly readers: readonly ReaderStatus[]
  readonly highWaterQueueBytes: number
  /** Null for a partition of an earlier number of partitions, which is only read. */
  readonly writer: WriterCounts | null
}

export interface JournalStatus {
  readonly producer: string
  readonly feed: Feed
  readonly epoch: number
  readonly bytes: number
  readonly isDiskFull: boolean
  readonly partitions: readonly PartitionStatus[]
  readonly consumers: CommittedPositions
  readonly damaged: readonly SetAside[]
  /** Segments that went before every consumer had committed them. */
  readonly lostSegments: number
}

export interface JournalParts {
  readonly producer: string
  readonly feed: Feed
  readonly epoch: number
  readonly folder: string
  readonly recovered: ReadonlyMap<number, RecoveredPartition>
  /** By partition; those of an earlier number of partitions have no writer. */
  readonly logs: readonly PartitionLog[]
  readonly writers: readonly PartitionWriter[]
  readonly consumers: Consumers
  readonly guard: DiskGuard
  readonly retention: RetentionLimits
  readonly readerQueueMaxBytes: number
  readonly files: JournalFiles
  readonly clock: Clock
  readonly log: Log
  readonly releasers: Releasers
}

export class Journal implements TickLog, JournalWriter {
  readonly producer: string
  readonly feed: Feed
  /** Of this start; the sequence began at 1 in every partition. */
  readonly epoch: number
  /** What the epoch before left behind, by partition. */
  readonly recovered: ReadonlyMap<number, RecoveredPartition>
  readonly #parts: JournalParts
  #lostSegments = 0
  #stopping: Promise<unknown> | undefined

  constructor(parts: JournalParts) {
    this.#parts = parts
    this.producer = parts.producer
    this.feed = parts.feed
    this.epoch = parts.epoch
    this.recovered = parts.recovered
    this.#every(JOURNAL_SYNC_PERIOD_MS, 'sync', () => this.sync())
    this.#every(JOURNAL_DISK_RETRY_MS, 'disk check', () => this.#retryDisk())
    this.#every(JOURNAL_CONSUMERS_SAVE_PERIOD_MS, 'positions', () => parts.consumers.save())
    this.#every(JOURNAL_RETENTION_PERIOD_MS, 'retention', () => this.deleteOldSegments())
  }

  /**
   * Appends a batch that a `BatchBuilder` made for this producer and partition. The journal takes the
   * bytes over and writes the place in the log into them: epoch and first sequence that the builder
   * was given do not matter. Resolves with the final header once the batch is in the file, when live
   * readers have it too; `sync` follows within 50 ms.
   *
   * Rejects with a `JournalError` when nothing of the batch was kept: its ticks are the caller's to
   * count as dropped. With `disk_full` a batch of control records alone may still be taken, so those
   * of a refused batch are worth another try on their own.
   */
  append(partition: number, batch: Uint8Array): Promise<BatchHeader> {
    const writer = this.#parts.writers[partition]
    invariant(writer !== undefined, `the journal has no partition ${partition}`)
    return writer.append(batch)
  }

  /**
   * `opened`, then every batch with a record after `from`, each once, live without end until `signal`
   * aborts or the journal stops. Bytes are shared with other readers and must not be changed.
   *
   * Where records after `from` are lost, `opened.oldest` is beyond the reader's position and says
   * where it goes on; a loss that is found later brings another `opened`. Throws `JournalError` of
   * code `unknown_version`.
   */
  tail(partition: number, from: Position, signal: AbortSignal): AsyncGenerator<TailItem> {
    const log = this.#parts.logs[partition]
    invariant(log !== undefined, `the journal has no partition ${partition}`)
    return tailPartition(log, from, signal, this.#parts.readerQueueMaxBytes)
  }

  /** Notes up to where a consumer has committed; segments that every consumer has may be deleted. */
  committed(consumer: string, partition: number, position: Position): void {
    this.#parts.consumers.committed(consumer, partition, position)
  }

  /** Forces what is written to the disk, a few partitions at a time so that writes go on beside it. */
  async sync(): Promise<void> {
    const waiting = [...this.#parts.writers]
    const syncSome = async () => {
      for (let writer = waiting.pop(); writer !== undefined; writer = waiting.pop()) {
        writer.retry()
        await writer.sync()
      }
    }
    await Promise.all(Array.from({ length: JOURNAL_SYNCS_AT_ONCE }, syncSome))
  }

  /** Deletes what may go now; also done every few seconds. */
  async deleteOldSegments(): Promise<void> {
    const { logs, consumers, retention, clock, files, folder } = this.#parts
    const partitions = logs.map(({ partition, segments }) => {
      return { partition, segments, committed: consumers.leastCommitted(partition) }
    })
    const freeBytes = await files.freeBytes(folder)
    for (const deletion of planDeletions(partitions, retention, clock.nowMs(), freeBytes)) {
      await this.#delete(deletion)
    }
  }

  status(): JournalStatus {
    const { logs, writers, guard, consumers } = this.#parts
    const partitions = logs.map((log) => partitionStatus(log, writers[log.partition]))
    return {
      producer: this.producer,
      feed: this.feed,
      epoch: this.epoch,
      bytes: partitions.reduce((sum, { bytes }) => sum + bytes, 0),
      isDiskFull: guard.isFull,
      partitions,
      consumers: consumers.all,
      damaged: logs.flatMap((log) => log.damaged),
      lostSegments: this.#lostSegments,
    }
  }

  /**
   * Takes no more batches, writes and syncs what it has, and lets readers end once they have read it.
   * Positions are still noted until `close`.
   */
  stopWriting(): Promise<unknown> {
    this.#stopping ??= Promise.all(this.#parts.writers.map((writer) => writer.close()))
    return this.#stopping
  }

  /** Stops, saves the consumers' positions and lets the folder go. */
  async close(): Promise<void> {
    await this.stopWriting()
    await this.#parts.releasers.release()
  }

  async #retryDisk(): Promise<void> {
    const { guard } = this.#parts
    if (!guard.isFull) return
    await this.deleteOldSegments()
    await guard.retry()
  }

  async #delete({ partition, segment, isCommitted }: Deletion): Promise<void> {
    const { logs, files, log } = this.#parts
    const fields = { partition, path: segment.path, bytes: segment.bytes }
    await files.remove(segment.path)
    logs[partition]?.segments.remove(segment)
    if (isCommitted) return log.info(fields, 'Journal segment deleted')
    this.#lostSegments++
    log.error(fields, 'Journal segment deleted before it was committed: the disk is nearly full')
  }

  /** Runs `task` every `periodMs`, never two at once. */
  #every(periodMs: number, name: string, task: () => Promise<void>): void {
    const { clock, log, releasers } = this.#parts
    let running: Promise<void> | undefined
    const run = async () => {
      try {
        await task()
      } catch (error) {
        log.error({ err: error }, `Journal ${name} failed`)
      } finally {
        running = undefined
      }
    }
    const cancel = clock.every(periodMs, () => {
      running ??= run()
    })
    releasers.push(name, async () => {
      cancel()
      await running
    })
  }
}

function partitionStatus(log: PartitionLog, writer: PartitionWriter | undefined): PartitionStatus {
  const { partition, oldest, newest, segments, readers, highWaterQueueBytes } = log
  return {
    partition,
    oldest,
    newest,
    segments: segments.all.length,
    bytes: segments.all.reduce((sum, segment) => sum + segment.bytes, 0),
    readers: Array.from(readers, (reader) => readerStatus(reader, newest)),
    highWaterQueueBytes,
    writer: writer?.counts ?? null,
  }
}

function readerStatus(reader: ReaderView, newest: Position): ReaderStatus {
  const { position, isLive, queuedBytes } = reader
  const isThisEpoch = position.epoch === newest.epoch
  const lagRecords = isThisEpoch ? newest.sequence - position.sequence : null
  return { position, isLive, queuedBytes, lagRecords }
}
