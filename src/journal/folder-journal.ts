/**
 * One producer's journal folder as verification reads it: piece by piece, beside the ticker that may
 * be writing it. Takes no lock and changes nothing.
 */
import { join } from 'node:path'
import { type BatchHeader, comparePositions, type Position } from '../contract/journal-record.ts'
import { ChainReader, lastPosition } from './chain-reader.ts'
import { type JournalFiles, nodeFiles } from './files.ts'
import { listSegments } from './recover-partition.ts'
import { parsePartitionFolder, partitionFolder } from './segment.ts'

/** A batch; the bytes are views that hold until the next one is read. */
export interface ReadBatch {
  readonly header: BatchHeader
  readonly bytes: Uint8Array
}

/** Where a batch begins. */
interface Place {
  readonly path: string
  readonly offset: number
}

export class FolderJournal {
  readonly producer: string
  readonly partitions: readonly number[]
  readonly #folder: string
  readonly #files: JournalFiles
  /** By partition, where the batch with the last record that was asked for begins. */
  readonly #places = new Map<number, Place>()

  private constructor(folder: string, producer: string, partitions: number[], files: JournalFiles) {
    this.#folder = folder
    this.producer = producer
    this.partitions = partitions
    this.#files = files
  }

  /** Every producer's under `dir`; none where there is no such folder. */
  static async openAll(dir: string, files: JournalFiles = nodeFiles): Promise<FolderJournal[]> {
    const found: FolderJournal[] = []
    for (const producer of await foldersIn(files, dir)) {
      const names = await foldersIn(files, join(dir, producer))
      const partitions = names.map(parsePartitionFolder).filter((one) => one !== undefined)
      found.push(new FolderJournal(join(dir, producer), producer, partitions, files))
    }
    return found
  }

  /** The epoch that was begun last; undefined in a folder that was never written. */
  async lastEpoch(): Promise<number | undefined> {
    const lists = await Promise.all(
      this.partitions.map((one) => listSegments(this.#files, partitionFolder(this.#folder, one))),
    )
    const epochs = lists.flatMap(({ last }) => (last === undefined ? [] : [last.epoch]))
    return epochs.length === 0 ? undefined : Math.max(...epochs)
  }

  /** Of all that is written by now. */
  async bytes(partition: number): Promise<number> {
    const { all } = await listSegments(this.#files, partitionFolder(this.#folder, partition))
    return all.reduce((sum, segment) => sum + segment.bytes, 0)
  }

  /**
   * The batches with records after `from`, in order, to the one with `to` or the end. Damage is passed
   * over and shows as a hole. Throws `JournalError` of code `unknown_version`.
   */
  async *read(
    partition: number,
    from: Position,
    to: Position,
  ): AsyncGenerator<ReadBatch, void, void> {
    const chain = await this.#chainAt(partition, from)
    try {
      for (;;) {
        const place = placeOf(chain)
        const item = await chain.next()
        if (item === undefined) return
        if (item.kind !== 'batch') continue
        this.#places.set(partition, place ?? { path: item.segment.path, offset: 0 })
        yield item
        if (comparePositions(lastPosition(item.header), to) >= 0) return
      }
    } finally {
      await chain.close()
    }
  }

  async #chainAt(partition: number, from: Position): Promise<ChainReader> {
    const segments = await listSegments(this.#files, partitionFolder(this.#folder, partition))
    const place = this.#places.get(partition)
    const segment = segments.all.find(({ path }) => path === place?.path)
    const start = segment && place && { segment, offset: place.offset }
    return new ChainReader(this.#files, segments, start, from)
  }
}

function placeOf(chain: ChainReader): Place | undefined {
  const { location } = chain
  return location && { path: location.segment.path, offset: location.offset }
}

async function foldersIn(files: JournalFiles, folder: string): Promise<string[]> {
  const entries = await files.list(folder)
  return entries.filter((entry) => entry.isFolder).map((entry) => entry.name)
}
