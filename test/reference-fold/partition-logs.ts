/**
 * The journal as the reference fold reads it: batches put into the order of their log, checked to be
 * without holes, and walked record by record with each token's instrument as the log itself named it.
 */
import { controlRecords, forEachRecord } from '../../src/contract/journal-batch.ts'
import type { BatchHeader, ControlRecord } from '../../src/contract/journal-record.ts'
import type { Instrument } from '../../src/market/instrument.ts'
import type { JournalledTick } from '../../src/market/tick.ts'

export interface JournalBatch {
  readonly header: BatchHeader
  /** Beginning with the batch that `header` was read from. */
  readonly bytes: Uint8Array
}

/** All that one producer wrote to one partition, by epoch and sequence. */
export interface PartitionLog {
  readonly producer: string
  readonly partition: number
  readonly batches: readonly JournalBatch[]
}

export interface LoggedTick {
  readonly tick: JournalledTick
  readonly epoch: number
  readonly sequence: number
  /** undefined where the log never said whose token this is. */
  readonly instrument: Instrument | undefined
}

type InstrumentOfToken = (token: number) => Instrument | undefined

/** Throws where an epoch does not begin with sequence 1, has a hole, or tells something twice. */
export function partitionLogs(batches: Iterable<JournalBatch>): PartitionLog[] {
  const logs = new Map<string, PartitionLog & { batches: JournalBatch[] }>()
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
  return [...logs.values()]
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

export function forEachControl(
  log: PartitionLog,
  visit: (record: ControlRecord, instrumentOf: InstrumentOfToken) => void,
): void {
  const instruments = new Map<number, Instrument>()
  for (const { header, bytes } of log.batches) {
    for (const { record } of controlRecords(header, bytes)) {
      rememberInstrument(instruments, record)
      visit(record, (token) => instruments.get(token))
    }
  }
}

export function forEachTick(
  log: PartitionLog,
  visit: (logged: LoggedTick, header: BatchHeader) => void,
): void {
  const instruments = new Map<number, Instrument>()
  for (const { header, bytes } of log.batches) {
    const { epoch } = header
    forEachRecord(header, bytes, header.firstSequence, {
      control: (record) => rememberInstrument(instruments, record),
      tick: (tick, sequence) => {
        visit({ tick, epoch, sequence, instrument: instruments.get(tick.token) }, header)
      },
    })
  }
}

function rememberInstrument(instruments: Map<number, Instrument>, record: ControlRecord): void {
  if (record.kind === 'instrument') instruments.set(record.instrument.token, record.instrument)
}
