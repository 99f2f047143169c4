/**
 * Appends batches to one segment file and keeps those that are not synced yet, since a failed sync
 * may lose any of them.
 */
import { dirname } from 'node:path'
import { type JournalFile, type JournalFiles, writeFully } from './files.ts'
import { isDiskFull } from './journal-error.ts'
import type { Segment } from './segment.ts'

export class SegmentWriter {
  readonly segment: Segment
  readonly openedAtMs: number
  readonly #files: JournalFiles
  readonly #file: JournalFile
  #bytes = 0
  #unsynced: Uint8Array[] = []
  #unsyncedBytes = 0
  #isFolderSynced = false
  #isSuspect = false

  private constructor(
    files: JournalFiles,
    file: JournalFile,
    segment: Segment,
    openedAtMs: number,
  ) {
    this.#files = files
    this.#file = file
    this.segment = segment
    this.openedAtMs = openedAtMs
  }

  static async create(
    files: JournalFiles,
    segment: Segment,
    openedAtMs: number,
  ): Promise<SegmentWriter> {
    return new SegmentWriter(files, await files.open(segment.path, 'create'), segment, openedAtMs)
  }

  /** Bytes in the file; readers see those of `segment.bytes`, which follow when they are published. */
  get bytes(): number {
    return this.#bytes
  }

  get unsynced(): readonly Uint8Array[] {
    return this.#unsynced
  }

  get unsyncedBytes(): number {
    return this.#unsyncedBytes
  }

  /** True after a failure that leaves open what the file holds: it must not be written to again. */
  get isSuspect(): boolean {
    return this.#isSuspect
  }

  /** Writes all the batches; on a failure the file is cut back to what it held before, and it rejects. */
  async write(batches: readonly Uint8Array[]): Promise<void> {
    let byteLength: number
    try {
      byteLength = await writeFully(this.#file, batches, this.#bytes)
    } catch (cause) {
      if (!isDiskFull(cause)) this.#isSuspect = true
      else await this.#cutBack()
      throw cause
    }
    this.#bytes += byteLength
    this.#unsyncedBytes += byteLength
    this.#unsynced.push(...batches)
  }

  /** Forces what is written to the disk; rejects, and the file is suspect, where that fails. */
  async sync(): Promise<void> {
    const covered = this.#unsynced.length
    const coveredBytes = this.#unsyncedBytes
    try {
      await this.#file.sync()
      if (!this.#isFolderSynced) await this.#files.syncFolder(dirname(this.segment.path))
    } catch (cause) {
      this.#isSuspect = true
      throw cause
    }
    this.#isFolderSynced = true
    this.#unsynced = this.#unsynced.slice(covered)
    this.#unsyncedBytes -= coveredBytes
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  /**
   * Closes the file and gives up what was not synced, which the caller has written elsewhere. Rejects
   * where the file could not be shortened; readers leave out what stands in both.
   */
  async abandon(): Promise<void> {
    // Before the file is cut, so that nobody reads on where it ends.
    this.#bytes -= this.#unsyncedBytes
    this.segment.bytes = this.#bytes
    this.#unsynced = []
    this.#unsyncedBytes = 0
    try {
      await this.#file.truncate(this.#bytes)
    } finally {
      await this.#file.close()
    }
  }

  async #cutBack(): Promise<void> {
    try {
      await this.#file.truncate(this.#bytes)
    } catch {
      // A torn batch may stand at the end; the next one goes to a new segment.
      this.#isSuspect = true
    }
  }
}
