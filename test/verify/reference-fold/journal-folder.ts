/** Reads the batches of a journal folder for the reference fold. */
import { readAll } from '../../../src/journal/read-all.ts'
import type { JournalBatch } from '../../../src/verify/reference-fold/log-walk.ts'

/**
 * Every batch under `dir`, the folder of all producers' journals. A torn tail is what a kill leaves
 * and is left out; damage in the middle throws, since the reference needs the whole log.
 */
export async function readJournalFolder(dir: string): Promise<JournalBatch[]> {
  const batches: JournalBatch[] = []
  for await (const item of readAll(dir)) {
    if (item.kind === 'batch') {
      batches.push({ header: item.header, bytes: item.bytes.slice() })
    } else if (item.kind === 'damage') {
      const { producer, partition, lastGoodSequence } = item
      throw new Error(
        `the journal of ${producer}, partition ${partition} is damaged after sequence ${lastGoodSequence}`,
      )
    }
  }
  return batches
}
