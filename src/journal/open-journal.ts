/**
 * Opens a journal: takes its folder, finds out what the last process left there, and begins a new
 * epoch in every partition.
 */
import { join } from 'node:path'
import { BatchBuilder } from '../contract/journal-batch.ts'
import { comparePositions, type EpochStart, type Feed } from '../contract/journal-record.ts'
import type { Clock } from '../kit/clock.ts'
import { acquireFolderLock, type FolderLock } from '../kit/folder-lock.ts'
import type { Log } from '../kit/log.ts'
import { Releasers } from '../kit/releasers.ts'
import { Consumers } from './consumers.ts'
import { DiskGuard } from './disk-guard.ts'
import { type JournalFiles, nodeFiles } from './files.ts'
import { Journal } from './journal.ts'
import { JournalError } from './journal-error.ts'
import { JOURNAL_LIMITS, type JournalLimits } from './journal-limits.ts'
import { type JournalStamp, readStamp, writeStamp } from './journal-stamp.ts'
import { PartitionLog } from './partition-log.ts'
import { PartitionWriter } from './partition-writer.ts'
import { type RecoveredPartition, type Recovery, recoverPartition } from './recover-partition.ts'
import { partitionFolder } from './segment.ts'

export interface JournalOptions {
  /** The folder of all producers' journals; this one's is `<dir>/<producer>`. */
  readonly dir: string
  readonly producer: string
  readonly partitions: number
  readonly feed: Feed
  /** Committed segments go when they are older than this … */
  readonly maxAgeMs: number
  /** … or when the whole journal is larger than this. */
  readonly maxBytes: number
  readonly clock: Clock
  readonly log: Log
  readonly limits?: Partial<JournalLimits>
  readonly files?: JournalFiles
  readonly acquireLock?: (folder: string, holder: string) => Promise<FolderLock>
}

/**
 * Throws `FolderLockedError` where another process has the folder, and `JournalError` of code
 * `wrong_feed`, `partitions_changed`, `unknown_version`, `disk_full` or `write_failed`.
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const releasers = new Releasers()
  try {
    return await new JournalOpening(options, releasers).open()
  } catch (error) {
    await releasers.release().catch((releaseError: unknown) => {
      options.log.error({ err: releaseError }, 'Journal folder was not let go in order')
    })
    throw error
  }
}

class JournalOpening {
  readonly #options: JournalOptions
  readonly #releasers: Releasers
  readonly #folder: string
  readonly #files: JournalFiles
  readonly #limits: JournalLimits
  readonly #guard: DiskGuard

  constructor(options: JournalOptions, releasers: Releasers) {
    this.#options = options
    this.#releasers = releasers
    this.#folder = join(options.dir, options.producer)
    this.#files = options.files ?? nodeFiles
    this.#limits = { ...JOURNAL_LIMITS, ...options.limits }
    this.#guard = new DiskGuard(this.#files, this.#folder, this.#limits.reserveBytes, options.log)
  }

  async open(): Promise<Journal> {
    await this.#takeFolder()
    const stamp = await readStamp(this.#files, this.#folder, this.#options.feed)
    const consumers = await Consumers.load(this.#files, this.#folder)
    this.#releasers.push('positions', () => consumers.save())
    const recoveries = await this.#recoverAll(stamp)
    this.#refuseChangedPartitions(stamp, recoveries, consumers)
    await this.#guard.prepare()
    const epoch = await this.#beginEpoch(stamp, recoveries)
    const logs = await this.#openLogs(recoveries)
    const writers = await this.#startWriters(logs, recoveries, epoch)
    return this.#journal(epoch, recoveries, logs, writers, consumers)
  }

  async #takeFolder(): Promise<void> {
    const { producer, acquireLock = acquireFolderLock } = this.#options
    await this.#files.makeFolder(this.#folder)
    const lock = await acquireLock(this.#folder, `the ticker ${producer}`)
    this.#releasers.push('lock', () => lock.release())
  }

  /** Also of partitions that there are no more. */
  #recoverAll(stamp: JournalStamp | undefined): Promise<Recovery[]> {
    const { partitions, log } = this.#options
    const length = Math.max(partitions, stamp?.partitions ?? 0)
    return Promise.all(
      Array.from({ length }, (_, partition) =>
        recoverPartition(this.#files, partitionFolder(this.#folder, partition), log),
      ),
    )
  }

  /** With another number of partitions instruments move between them; who reads on must have read it all. */
  #refuseChangedPartitions(
    stamp: JournalStamp | undefined,
    recoveries: readonly Recovery[],
    consumers: Consumers,
  ): void {
    const { partitions } = this.#options
    if (stamp === undefined || stamp.partitions === partitions) return
    const unread = recoveries.findIndex(({ recovered }, partition) => {
      const committed = consumers.leastCommitted(partition) ?? { epoch: 0, sequence: 0 }
      return comparePositions(recovered.lastWithTick, committed) > 0
    })
    if (unread < 0) return
    throw new JournalError(
      'partitions_changed',
      `PARTITIONS is ${partitions}, but the journal in ${this.#folder} was written with ${stamp.partitions} and its partition ${unread} is not committed to the end: start once more with ${stamp.partitions}`,
    )
  }

  async #beginEpoch(
    stamp: JournalStamp | undefined,
    recoveries: readonly Recovery[],
  ): Promise<number> {
    const { producer, feed, partitions, clock } = this.#options
    const known = recoveries.map(({ recovered }) => recovered.last.epoch)
    const last = Math.max(stamp?.lastEpoch ?? 0, ...known)
    const epoch = Math.max(last + 1, Math.floor(clock.nowMs() / 1000))
    await this.#guard.withReserve(() =>
      writeStamp(this.#files, this.#folder, { producer, feed, partitions, lastEpoch: epoch }),
    )
    return epoch
  }

  async #openLogs(recoveries: readonly Recovery[]): Promise<PartitionLog[]> {
    const logs = recoveries.map((recovery, partition) => this.#logOf(recovery, partition))
    for (const log of logs) await this.#files.makeFolder(log.folder)
    await this.#files.syncFolder(this.#folder)
    for (const [partition, { damaged }] of recoveries.entries()) {
      for (const { segment, damage } of damaged) {
        await logs[partition]?.noteDamage(segment, damage)
      }
    }
    return logs
  }

  #logOf({ segments, recovered }: Recovery, partition: number): PartitionLog {
    const { feed, producer, log } = this.#options
    const folder = partitionFolder(this.#folder, partition)
    const options = { feed, producer, partition, folder, files: this.#files, log }
    const partitionLog = new PartitionLog(options, segments, recovered.last)
    if (partition >= this.#options.partitions) partitionLog.close()
    return partitionLog
  }

  async #startWriters(
    logs: readonly PartitionLog[],
    recoveries: readonly Recovery[],
    epoch: number,
  ): Promise<PartitionWriter[]> {
    const writers: PartitionWriter[] = []
    for (const [partition, log] of logs.slice(0, this.#options.partitions).entries()) {
      const { recovered } = recoveries[partition] as Recovery
      const writer = this.#writerOf(log, recovered, epoch)
      this.#releasers.push(`partition ${partition}`, () => writer.close())
      await writer.append(this.#epochStart(partition, recovered))
      await writer.sync()
      writers.push(writer)
    }
    return writers
  }

  #writerOf(log: PartitionLog, recovered: RecoveredPartition, epoch: number): PartitionWriter {
    const { clock } = this.#options
    log.beginEpoch(epoch)
    const deps = { clock, guard: this.#guard, limits: this.#limits }
    return new PartitionWriter(log, epoch, recovered.lastMarketTimeMs ?? clock.nowMs(), deps)
  }

  #epochStart(partition: number, { last, lastMarketTimeMs }: RecoveredPartition): Uint8Array {
    const { producer, feed, clock } = this.#options
    const record: EpochStart = {
      kind: 'epoch_start',
      feed,
      previousEpoch: last.epoch,
      previousLastSequence: last.sequence,
      wallTimeMs: clock.nowMs(),
    }
    const builder = new BatchBuilder()
    builder.begin(producer, partition, 0, 0)
    builder.addControl(record)
    return builder.finish(lastMarketTimeMs ?? clock.nowMs())
  }

  #journal(
    epoch: number,
    recoveries: readonly Recovery[],
    logs: readonly PartitionLog[],
    writers: readonly PartitionWriter[],
    consumers: Consumers,
  ): Journal {
    const { producer, feed, maxAgeMs, maxBytes, clock, log } = this.#options
    return new Journal({
      producer,
      feed,
      epoch,
      folder: this.#folder,
      recovered: new Map(recoveries.map(({ recovered }, partition) => [partition, recovered])),
      logs,
      writers,
      consumers,
      guard: this.#guard,
      retention: { maxAgeMs, maxBytes, diskFloorBytes: this.#limits.diskFloorBytes },
      readerQueueMaxBytes: this.#limits.readerQueueMaxBytes,
      files: this.#files,
      clock,
      log,
      releasers: this.#releasers,
    })
  }
}
