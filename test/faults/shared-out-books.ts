/**
 * The exchange's books against a ticker's journal of several partitions: a connection's packets are
 * spread over them, so each partition has a part of its ordinals, and only together are they all.
 */
import { Journalled } from '../../bench/soak/journalled.ts'
import type { SentConnection } from '../../bench/soak/sent-books.ts'
import { controlRecords, forEachRecord } from '../../src/contract/journal-batch.ts'
import { readAll } from '../../src/journal/read-all.ts'
import type { JournalBatch } from '../../src/verify/reference-fold/log-walk.ts'
import { until } from '../until.ts'

/** Market time of ticker and exchange may differ by that. */
const CLOCK_TOLERANCE_MS = 1_500
const BEGUN_WITHIN_MS = 180_000

/** One connection in the books of all partitions. */
interface Received {
  readonly name: string
  lastOrdinal: number
  journaled: number
  rejected: number
  dropped: number
  readonly ticksOf: Map<number, number>
}

/**
 * What does not agree, one sentence each.
 *
 * @param sent the connections of the ticker's account, in the order of their opening
 * @param batches up to the ticker's stop
 * @param journalled says when something was covered or in a gap, as of the ticker's next start: what was
 *   under way at the stop is in the gap that this opens
 */
export function sharedOutFaults(
  sent: readonly SentConnection[],
  batches: readonly JournalBatch[],
  journalled: Pick<Journalled, 'covered' | 'gaps'>,
): string[] {
  const used = sent.filter(({ packets }) => packets.length > 0)
  const received = receivedOf(batches)
  if (received.length !== used.length) {
    return [`${used.length} connections were sent something, ${received.length} are journalled`]
  }
  return used.flatMap((connection, i) => {
    const book = received[i] as Received
    return [...prefixFaults(connection, book), ...untoldFaults(connection, book, journalled)]
  })
}

/**
 * The journal of a ticker that was started again, when its start has said everywhere what is missing:
 * in each partition that stands before the first word of time.
 */
export async function journalledAfterStart(
  folder: string,
  before: readonly JournalBatch[],
): Promise<Journalled> {
  const stoppedEpoch = Math.max(...before.map(({ header }) => header.epoch))
  const partitions = new Set(before.map(({ header }) => header.partition))
  await until(async () => {
    const begun = new Set<number>()
    for await (const item of readAll(folder)) {
      if (item.kind !== 'batch' || item.header.epoch <= stoppedEpoch) continue
      const records = controlRecords(item.header, item.bytes).map(({ record }) => record)
      if (records.some(({ kind }) => kind === 'clock')) begun.add(item.partition)
    }
    return begun.size === partitions.size
  }, BEGUN_WITHIN_MS)
  return Journalled.read(folder)
}

/** In the order of their opening. */
function receivedOf(batches: readonly JournalBatch[]): Received[] {
  const books = new Map<string, Received & { readonly epoch: number; readonly number: number }>()
  const bookOf = (epoch: number, number: number) => {
    const name = `connection ${number} of epoch ${epoch}`
    const known = books.get(name)
    if (known !== undefined) return known
    const counts = { lastOrdinal: 0, journaled: 0, rejected: 0, dropped: 0 }
    const made = { name, epoch, number, ...counts, ticksOf: new Map<number, number>() }
    books.set(name, made)
    return made
  }
  for (const { header, bytes } of batches) {
    for (const range of header.connections) {
      const book = bookOf(header.epoch, range.connection)
      book.lastOrdinal = Math.max(book.lastOrdinal, range.lastOrdinal)
      book.journaled += range.journaled
      book.rejected += range.rejected
      book.dropped += range.dropped
    }
    forEachRecord(header, bytes, header.firstSequence, {
      tick: ({ connection, token }) => count(bookOf(header.epoch, connection).ticksOf, token),
      control: () => undefined,
    })
  }
  return [...books.values()].sort((a, b) => a.epoch - b.epoch || a.number - b.number)
}

/** What was received is the beginning of what was sent, each packet once. */
function prefixFaults({ packets }: SentConnection, book: Received): string[] {
  const { name, lastOrdinal, journaled, rejected, dropped, ticksOf } = book
  const faults: string[] = []
  const booked = journaled + rejected + dropped
  if (booked !== lastOrdinal) faults.push(`${name}: ${booked} booked up to ordinal ${lastOrdinal}`)
  if (lastOrdinal > packets.length) faults.push(`${name}: more than ${packets.length} were sent`)
  const sentOf = new Map<number, number>()
  for (const { token } of packets.slice(0, lastOrdinal)) count(sentOf, token)
  const others = [...ticksOf].filter(([token, ticks]) => sentOf.get(token) !== ticks)
  if (rejected + dropped === 0 && (others.length > 0 || ticksOf.size !== sentOf.size)) {
    faults.push(`${name}: ${others.length} instruments have not the packets that were sent first`)
  }
  return faults
}

/** What was not received although the log says that the instrument was known then. */
function untoldFaults(
  { packets }: SentConnection,
  { name, lastOrdinal }: Received,
  { covered, gaps }: Pick<Journalled, 'covered' | 'gaps'>,
): string[] {
  const untold = packets.slice(lastOrdinal).filter(({ token, time_ms: atMs }) => {
    const isCovered = (covered.get(token) ?? []).some(({ fromMs, toMs }) => {
      return atMs >= fromMs + CLOCK_TOLERANCE_MS && atMs <= toMs - CLOCK_TOLERANCE_MS
    })
    const isTold = (gaps.get(token) ?? []).some(({ fromMs, toMs }) => {
      return atMs >= fromMs - CLOCK_TOLERANCE_MS && atMs <= toMs + CLOCK_TOLERANCE_MS
    })
    return isCovered && !isTold
  })
  const [first] = untold
  if (first === undefined) return []
  const at = `from ordinal ${first.ordinal} at ${new Date(first.time_ms).toISOString()} on`
  return [`${name}: ${untold.length} missing packets are in no gap, ${at}`]
}

function count(counts: Map<number, number>, token: number): void {
  counts.set(token, (counts.get(token) ?? 0) + 1)
}
