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

/** `dir` is the folder of all producers' journals. Throws `JournalError` of code `unknown_version`. */
export async function* readAll(
  dir: string,
  files: JournalFiles = nodeFiles,
): AsyncGenerator<StoredItem, void, void> {
  for (const producer of await foldersIn(files, dir)) {
    const names = await foldersIn(files, join(dir, producer))
    const partitions = names.map(parsePartitionFolder).filter((one) => one !== undefined)
    for (const partition of partitions.toSorted((a, b) => a - b)) {
      yield* readPartition(files, join(dir, producer), producer, partition)
    }
  }
}

async function* readPartition(
  files: JournalFiles,
  producerFolder: string,
  producer: string,
  partition: number,
): AsyncGenerator<StoredItem, void, void> {
  const segments = await listSegments(files, partitionFolder(producerFolder, partition))
  const chain = new ChainReader(files, segments)
  try {
    for (let item = await chain.next(); item !== undefined; item = await chain.next()) {
      yield { ...item, producer, partition }
    }
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
