/** What stands in the journal, read from its files: ticks and books of each connection, and when what was known. */
import { forEachRecord } from '../../src/contract/journal-batch.ts'
import type { ConnectionRange, ControlRecord, Position } from '../../src/contract/journal-record.ts'
import { readAll } from '../../src/journal/read-all.ts'

export interface JournalledConnection {
  readonly epoch: number
  readonly connection: number
  /** In order. */
  readonly tokens: number[]
  /** Of the first tick, epoch ms; infinite where there is none. */
  firstReceivedMs: number
  /** When each token came, epoch ms. */
  readonly arrivals: Map<number, number[]>
  lastOrdinal: number
  journaled: number
  rejected: number
  dropped: number
}

/** Market time; an end that has not come is infinite. */
export interface Stretch {
  readonly fromMs: number
  toMs: number
}

export class Journalled {
  readonly connections = new Map<string, JournalledConnection>()
  readonly covered = new Map<number, Stretch[]>()
  readonly gaps = new Map<number, (Stretch & { readonly gapId: string })[]>()
  /** What must never be. */
  readonly faults: string[] = []
  ticks = 0
  /** Of the last record. */
  newest: Position = { epoch: 0, sequence: 0 }

  static async read(folder: string): Promise<Journalled> {
    const journalled = new Journalled()
    for await (const item of readAll(folder)) {
      if (item.kind === 'damage') journalled.faults.push('the journal is damaged')
      if (item.kind !== 'batch') continue
      const { header, bytes } = item
      const { epoch, firstSequence, recordCount } = header
      journalled.newest = { epoch, sequence: firstSequence + recordCount - 1 }
      for (const range of header.connections) journalled.#take(header.epoch, range)
      forEachRecord(header, bytes, header.firstSequence, {
        tick: ({ connection, token, receivedAtMs }) => {
          const book = journalled.#bookOf(header.epoch, connection)
          book.tokens.push(token)
          book.firstReceivedMs = Math.min(book.firstReceivedMs, receivedAtMs)
          listOf(book.arrivals, token).push(receivedAtMs)
          journalled.ticks++
        },
        control: (record) => journalled.#control(record),
      })
    }
    return journalled
  }

  #bookOf(epoch: number, connection: number): JournalledConnection {
    const key = `${epoch}/${connection}`
    const known = this.connections.get(key)
    if (known !== undefined) return known
    const book: JournalledConnection = {
      epoch,
      connection,
      tokens: [],
      firstReceivedMs: Number.POSITIVE_INFINITY,
      arrivals: new Map(),
      lastOrdinal: 0,
      journaled: 0,
      rejected: 0,
      dropped: 0,
    }
    this.connections.set(key, book)
    return book
  }

  #take(epoch: number, range: ConnectionRange): void {
    const book = this.#bookOf(epoch, range.connection)
    const { firstOrdinal, lastOrdinal, journaled, rejected, dropped } = range
    const name = `connection ${range.connection} of epoch ${epoch}`
    if (firstOrdinal !== book.lastOrdinal + 1) {
      this.faults.push(`${name}: ordinal ${firstOrdinal} follows ${book.lastOrdinal}`)
    }
    if (lastOrdinal - firstOrdinal + 1 !== journaled + rejected + dropped) {
      this.faults.push(`${name}: books do not balance at ordinal ${firstOrdinal}`)
    }
    book.lastOrdinal = lastOrdinal
    book.journaled += journaled
    book.rejected += rejected
    book.dropped += dropped
  }

  #control(record: ControlRecord): void {
    if (record.kind === 'covered') {
      for (const { token, toMs } of record.end) end(this.covered.get(token), toMs)
      for (const { token, fromMs } of record.begin) {
        listOf(this.covered, token).push({ fromMs, toMs: Number.POSITIVE_INFINITY })
      }
    } else if (record.kind === 'gap_open') {
      const { gapId, fromMs } = record
      for (const token of record.tokens) {
        const gaps = listOf(this.gaps, token)
        // A new segment repeats the gaps that are open.
        if (gaps.some((gap) => gap.gapId === gapId)) continue
        gaps.push({ gapId, fromMs, toMs: Number.POSITIVE_INFINITY })
      }
    } else if (record.kind === 'gap_close') {
      for (const { token, toMs } of record.ends) {
        const gaps = this.gaps.get(token)?.filter(({ gapId }) => gapId === record.gapId)
        end(gaps, toMs)
      }
    }
  }
}

function listOf<T>(map: Map<number, T[]>, token: number): T[] {
  const known = map.get(token)
  if (known !== undefined) return known
  const made: T[] = []
  map.set(token, made)
  return made
}

function end(stretches: readonly Stretch[] | undefined, toMs: number): void {
  for (const stretch of stretches ?? []) if (stretch.toMs > toMs) stretch.toMs = toMs
}
