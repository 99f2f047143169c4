/** A journal in memory, that can be held up or made to refuse, and that checks what it is given. */
import {
  BATCH_HEADER_BYTES,
  controlCount,
  forEachRecord,
  isBatchFault,
  readHeader,
  renumberBatch,
} from '../../../src/contract/journal-batch.ts'
import type {
  BatchHeader,
  ConnectionRange,
  ControlRecord,
  JournalRecord,
} from '../../../src/contract/journal-record.ts'
import type { JournalledTick } from '../../../src/market/tick.ts'
import type { JournalState, JournalWriter, RecoveredPartition } from '../../../src/ticker/ports.ts'

interface Stored {
  readonly header: BatchHeader
  readonly bytes: Uint8Array
}

export class JournalRefusal extends Error {
  readonly code: string
  readonly retryAfterMs: number

  constructor(code: string, retryAfterMs = 1_000) {
    super(code)
    this.code = code
    this.retryAfterMs = retryAfterMs
  }
}

export class MemoryJournal implements JournalWriter {
  readonly producer = 't1'
  readonly epoch = 1_000
  readonly recovered = new Map<number, RecoveredPartition>()
  /** Answers why a batch is refused; `isTicksOnly` lets batches of control records pass. */
  refusal: { readonly error: Error; readonly isTicksOnly: boolean } | undefined
  isDiskFull = false
  readonly #partitions: Stored[][]
  #held: (() => void)[] | undefined

  constructor(partitions: number) {
    this.#partitions = Array.from({ length: partitions }, () => [])
  }

  async append(partition: number, batch: Uint8Array): Promise<BatchHeader> {
    if (this.#held !== undefined) await new Promise<void>((go) => this.#held?.push(go))
    else await Promise.resolve()
    const stored = this.#partitions[partition]
    if (stored === undefined) throw new Error(`no partition ${partition}`)
    if (this.refusal !== undefined && (!this.refusal.isTicksOnly || hasTicks(batch))) {
      throw this.refusal.error
    }
    const last = stored.at(-1)?.header
    const first = last === undefined ? 1 : last.firstSequence + last.recordCount
    renumberBatch(batch, this.epoch, first)
    const header = readHeader(batch)
    if (isBatchFault(header)) throw new Error(`not a batch: ${header.fault}`)
    stored.push({ header, bytes: batch })
    return header
  }

  /** Appends wait from now on. */
  hold(): void {
    this.#held ??= []
  }

  letGo(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const go of held) go()
  }

  status(): JournalState {
    return { bytes: 0, isDiskFull: this.isDiskFull, partitions: [], consumers: {} }
  }

  headers(partition = 0): BatchHeader[] {
    return (this.#partitions[partition] ?? []).map(({ header }) => header)
  }

  records(partition = 0): JournalRecord[] {
    const records: JournalRecord[] = []
    for (const { header, bytes } of this.#partitions[partition] ?? []) {
      forEachRecord(header, bytes, header.firstSequence, {
        tick: (tick) => records.push({ kind: 'tick', tick }),
        control: (record) => records.push(record),
      })
    }
    return records
  }

  ticks(partition = 0): JournalledTick[] {
    return this.records(partition).flatMap((r) => (r.kind === 'tick' ? [r.tick] : []))
  }

  controls<K extends ControlRecord['kind']>(
    kind: K,
    partition = 0,
  ): Extract<ControlRecord, { kind: K }>[] {
    return this.records(partition).filter(
      (record): record is Extract<ControlRecord, { kind: K }> => record.kind === kind,
    )
  }

  /** All partitions' books, added up per connection. */
  books(): Map<number, ConnectionRange> {
    const books = new Map<number, ConnectionRange>()
    const ranges = this.#partitions.flat().flatMap(({ header }) => header.connections)
    for (const range of ranges) {
      const sum = books.get(range.connection)
      books.set(range.connection, sum === undefined ? range : added(sum, range))
    }
    return books
  }
}

function added(a: ConnectionRange, b: ConnectionRange): ConnectionRange {
  return {
    connection: a.connection,
    firstOrdinal: Math.min(a.firstOrdinal, b.firstOrdinal),
    lastOrdinal: Math.max(a.lastOrdinal, b.lastOrdinal),
    journaled: a.journaled + b.journaled,
    rejected: a.rejected + b.rejected,
    dropped: a.dropped + b.dropped,
  }
}

function hasTicks(batch: Uint8Array): boolean {
  const header = readHeader(batch)
  if (isBatchFault(header)) throw new Error('not a batch')
  return batch.length > BATCH_HEADER_BYTES && header.recordCount > controlCount(batch)
}
