/**
 * Up to where each consumer has committed each partition (`consumers.json`), so that the journal
 * knows what may be deleted, also before a consumer has come back after a restart.
 */
import { join } from 'node:path'
import { comparePositions, type Position } from '../contract/journal-record.ts'
import type { JournalFiles } from './files.ts'

const FILE_NAME = 'consumers.json'

export type CommittedPositions = Readonly<Record<string, Readonly<Record<number, Position>>>>

export class Consumers {
  readonly #files: JournalFiles
  readonly #path: string
  readonly #positions = new Map<string, Map<number, Position>>()
  #isSaved = true

  private constructor(files: JournalFiles, path: string) {
    this.#files = files
    this.#path = path
  }

  static async load(files: JournalFiles, folder: string): Promise<Consumers> {
    const consumers = new Consumers(files, join(folder, FILE_NAME))
    const text = await files.readText(consumers.#path)
    if (text !== undefined) consumers.#restore(JSON.parse(text) as CommittedPositions)
    return consumers
  }

  /** May go back: a store that was restored has committed less than it once said. */
  committed(consumer: string, partition: number, position: Position): void {
    const positions = this.#positions.get(consumer) ?? new Map<number, Position>()
    positions.set(partition, position)
    this.#positions.set(consumer, positions)
    this.#isSaved = false
  }

  /** The least that any consumer has committed; undefined while one has said nothing, or none is known. */
  leastCommitted(partition: number): Position | undefined {
    let least: Position | undefined
    for (const positions of this.#positions.values()) {
      const position = positions.get(partition)
      if (position === undefined) return undefined
      if (least === undefined || comparePositions(position, least) < 0) least = position
    }
    return least
  }

  get all(): CommittedPositions {
    return Object.fromEntries(
      Array.from(this.#positions, ([name, positions]) => [name, Object.fromEntries(positions)]),
    )
  }

  /** Writes what changed since the last time. */
  async save(): Promise<void> {
    if (this.#isSaved) return
    this.#isSaved = true
    try {
      await this.#files.replaceText(this.#path, `${JSON.stringify(this.all)}\n`)
    } catch (error) {
      this.#isSaved = false
      throw error
    }
  }

  #restore(saved: CommittedPositions): void {
    for (const [consumer, positions] of Object.entries(saved)) {
      for (const [partition, position] of Object.entries(positions)) {
        this.committed(consumer, Number(partition), position)
      }
    }
    this.#isSaved = true
  }
}
