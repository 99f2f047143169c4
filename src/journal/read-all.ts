/**
 * Everything that a journal folder holds, for verification and replay: every batch of every producer
 * and partition, oldest first within a partition, and every damaged place. Takes no lock and changes
 * nothing; of a journal that is being written it sees what was there when it came by.
 */
import { join } from 'node:path'
import { type ChainItem, ChainReader } from './chain-reader.ts'
import { type JournalFiles, nodeFiles } from './files.ts'
import { listSegments } from './recover-partition.ts'
import { parsePartitionFolder, partitionFolder } from './segment.ts'

export type StoredItem = ChainItem & { readonly producer: string; readonly partition: number }

/** One producer's partition in a journal folder. */
export interface StoredPartition {
  readonly producer: string
  readonly partition: number
}

/** `dir` is the folder of all producers' journals. Throws `JournalError` of code `unknown_version`. */
export async function* readAll(
  dir: string,
  files: JournalFiles = nodeFiles,
): AsyncGenerator<StoredItem, void, void> {
  for (const stored of await storedPartitions(dir, files)) {
    for await (const item of readPartition(dir, stored, files)) yield { ...item, ...stored }
  }
}

/** Which producers and partitions there are. */
export async function storedPartitions(
  dir: string,
  files: JournalFiles = nodeFiles,
): Promise<StoredPartition[]> {
  const stored: StoredPartition[] = []
  for (const producer of await foldersIn(files, dir)) {
    const names = await foldersIn(files, join(dir, producer))
    const partitions = names.map(parsePartitionFolder).filter((one) => one !== undefined)
    for (const partition of partitions.toSorted((a, b) => a - b)) {
      stored.push({ producer, partition })
    }
  }
  return stored
}

/** One partition's batches, oldest first, and its damaged places. Bytes are to be read, not kept. */
export async function* readPartition(
  dir: string,
  { producer, partition }: StoredPartition,
  files: JournalFiles = nodeFiles,
): AsyncGenerator<ChainItem, void, void> {
  const folder = partitionFolder(join(dir, producer), partition)
  const chain = new ChainReader(files, await listSegments(files, folder))
  try {
    for (let item = await chain.next(); item !== undefined; item = await chain.next()) yield item
  } finally {
    await chain.close()
  }
}

async function foldersIn(files: JournalFiles, folder: string): Promise<string[]> {
  const entries = await files.list(folder)
  return entries
    .filter((entry) => entry.isFolder)
    .map((entry) => entry.name)
    .toSorted()
}
