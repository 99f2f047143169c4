/** The batches of journals as the reference fold takes them: in the order of their log, without holes. */
import type { BatchHeader } from '../../contract/journal-record.ts'

export interface JournalBatch {
  readonly header: BatchHeader
  /** Beginning with the batch that `header` was read from. */
  readonly bytes: Uint8Array
}

/** All that one producer wrote to one partition, by epoch and sequence. */
interface PartitionLog {
  readonly producer: string
  readonly partition: number
  readonly batches: JournalBatch[]
}

/** Throws where an epoch does not begin with sequence 1, has a hole, or tells something twice. */
export function inLogOrder(batches: Iterable<JournalBatch>): JournalBatch[] {
  const logs = new Map<string, PartitionLog>()
  for (const batch of batches) {
    const { producer, partition } = batch.header
    const key = JSON.stringify([producer, partition])
    const log = logs.get(key)
    if (log === undefined) logs.set(key, { producer, partition, batches: [batch] })
    else log.batches.push(batch)
  }
  for (const log of logs.values()) {
    log.batches.sort(
      ({ header: a }, { header: b }) => a.epoch - b.epoch || a.firstSequence - b.firstSequence,
    )
    requireWhole(log)
  }
  return [...logs.values()].flatMap((log) => log.batches)
}

function requireWhole({ producer, partition, batches }: PartitionLog): void {
  let epoch = -1
  let expected = 1
  for (const { header } of batches) {
    if (header.epoch !== epoch) expected = 1
    epoch = header.epoch
    if (header.firstSequence !== expected) {
      throw new Error(
        `the log of ${producer}, partition ${partition}, epoch ${epoch} is not whole: ` +
          `a batch begins with sequence ${header.firstSequence}, expected ${expected}`,
      )
    }
    expected += header.recordCount
  }
}
