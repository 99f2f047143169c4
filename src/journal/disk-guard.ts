/**
 * Knows whether the disk is full, and holds the reserve: a file of real bytes that is given up when
 * it is, so that control records (gaps above all) can still be written.
 *
 *   roomy ──(a write found no space: the reserve goes)──▶ full
 *     ▲                                                     │
 *     └──(the reserve could be written again)───────────────┘
 */
import { join } from 'node:path'
import type { Log } from '../kit/log.ts'
import { type JournalFiles, writeFully } from './files.ts'
import { isDiskFull } from './journal-error.ts'

const RESERVE_NAME = 'reserve'
const CHUNK_BYTES = 1024 * 1024

export class DiskGuard {
  readonly #files: JournalFiles
  readonly #folder: string
  readonly #reserveBytes: number
  readonly #log: Log
  #isFull = false

  constructor(files: JournalFiles, folder: string, reserveBytes: number, log: Log) {
    this.#files = files
    this.#folder = folder
    this.#reserveBytes = reserveBytes
    this.#log = log
  }

  get isFull(): boolean {
    return this.#isFull
  }

  /** Sees to it that the reserve is there; where it cannot be, the disk counts as full from the start. */
  async prepare(): Promise<void> {
    const entries = await this.#files.list(this.#folder)
    const reserve = entries.find((entry) => entry.name === RESERVE_NAME)
    if (reserve?.bytes === this.#reserveBytes) return
    try {
      await this.#writeReserve()
    } catch (error) {
      if (!isDiskFull(error)) throw error
      await this.becomeFull()
    }
  }

  /** Runs `task`, and once more with the reserve given up where it found no space. */
  async withReserve<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task()
    } catch (error) {
      if (!isDiskFull(error) || this.#isFull) throw error
      await this.becomeFull()
      return task()
    }
  }

  /** A write found no space. */
  async becomeFull(): Promise<void> {
    if (this.#isFull) return
    this.#isFull = true
    this.#log.error({ folder: this.#folder }, 'Journal disk is full, ticks are dropped')
    await this.#files.remove(this.#reservePath)
  }

  /** Looks whether there is room again. */
  async retry(): Promise<void> {
    if (!this.#isFull) return
    // Writing the reserve must not take the last bytes from the control records.
    if ((await this.#files.freeBytes(this.#folder)) < 2 * this.#reserveBytes) return
    try {
      await this.#writeReserve()
    } catch (error) {
      await this.#files.remove(this.#reservePath)
      this.#log.warn({ err: error }, 'Journal disk is still full')
      return
    }
    this.#isFull = false
    this.#log.info({ folder: this.#folder }, 'Journal disk has room again')
  }

  get #reservePath(): string {
    return join(this.#folder, RESERVE_NAME)
  }

  async #writeReserve(): Promise<void> {
    await this.#files.remove(this.#reservePath)
    const file = await this.#files.open(this.#reservePath, 'create')
    try {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, this.#reserveBytes))
      for (let at = 0; at < this.#reserveBytes; at += chunk.length) {
        await writeFully(file, [chunk.subarray(0, this.#reserveBytes - at)], at)
      }
      await file.sync()
    } finally {
      await file.close()
    }
  }
}
