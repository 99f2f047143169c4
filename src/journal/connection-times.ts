/**
 * Until when each connection had brought what was sent, when the log broke off. One may be seconds
 * behind another (its packets unread, or kept back by the broker), so each is told by its own ticks,
 * and the last of those may stand in a segment before the last one.
 */
import { controlCount, forEachRecord } from '../contract/journal-batch.ts'
import { TICKER_UNREAD_MAX_MS } from '../limits.ts'
import type { JournalledTick } from '../market/tick.ts'
import { readChain } from './chain-reader.ts'
import type { JournalFiles } from './files.ts'
import type { Segment, SegmentList } from './segment.ts'
import { type BatchItem, SegmentReader } from './segment-reader.ts'

export type ReadBatch = BatchItem & { readonly segment: Segment }

/**
 * The times of the connections that fed `tokens` last, market time, by what was read in the last
 * minute before `end`: a bounded look back, and what is older says nothing (see
 * `TICKER_UNREAD_MAX_MS`).
 */
export async function connectionsKnownUntil(
  files: JournalFiles,
  segments: SegmentList,
  end: ReadBatch | undefined,
  tokens: readonly number[],
): Promise<readonly number[]> {
  if (end === undefined || tokens.length === 0) return []
  const sinceMs = end.header.marketTimeMs - TICKER_UNREAD_MAX_MS
  const start = await segmentAt(files, segments, end.segment, sinceMs)
  const times = new ConnectionTimes()
  await readChain(files, segments, start, (item) => {
    if (item.kind === 'batch' && item.header.marketTimeMs >= sinceMs) times.add(item)
  })
  return times.knownUntil(tokens, sinceMs)
}

/** The newest segment up to `last` that begins at or before `ms`; the oldest of its epoch where there is none. */
async function segmentAt(
  files: JournalFiles,
  segments: SegmentList,
  last: Segment,
  ms: number,
): Promise<Segment> {
  let segment = last
  while (!(await beginsBy(files, segment, ms))) {
    const earlier = segments.before(segment)
    // Connections are numbered anew in each epoch, and so is what is covered.
    if (earlier?.epoch !== segment.epoch) return segment
    segment = earlier
  }
  return segment
}

async function beginsBy(files: JournalFiles, segment: Segment, ms: number): Promise<boolean> {
  const reader = await SegmentReader.open(files, segment)
  try {
    const first = await reader.next()
    return first?.kind === 'batch' && first.header.marketTimeMs <= ms
  } finally {
    await reader.close()
  }
}

/** Market time. */
interface LastTimes {
  /** The newest exchange second in its ticks, never later than they were read. */
  sentMs: number
  readMs: number
}

class ConnectionTimes {
  readonly #connections = new Map<number, LastTimes>()
  readonly #connectionOf = new Map<number, number>()

  add({ header, bytes }: BatchItem): void {
    if (controlCount(bytes) === header.recordCount) return
    forEachRecord(header, bytes, header.firstSequence, {
      tick: (tick) => this.#addTick(tick),
      control: () => undefined,
    })
  }

  /** Ticks without an exchange time, and old snapshots, tell no more than when they were read. */
  knownUntil(tokens: readonly number[], sinceMs: number): number[] {
    const feeding = new Set(tokens.map((token) => this.#connectionOf.get(token)))
    return [...this.#connections].flatMap(([connection, { sentMs, readMs }]) => {
      if (!feeding.has(connection)) return []
      return [sentMs >= sinceMs ? sentMs : readMs]
    })
  }

  #addTick({ token, connection, exchangeTimeS, marketTimeMs }: JournalledTick): void {
    this.#connectionOf.set(token, connection)
    const sentMs = exchangeTimeS === undefined ? 0 : Math.min(exchangeTimeS * 1000, marketTimeMs)
    const times = this.#connections.get(connection)
    if (times === undefined) {
      this.#connections.set(connection, { sentMs, readMs: marketTimeMs })
      return
    }
    if (sentMs > times.sentMs) times.sentMs = sentMs
    times.readMs = marketTimeMs
  }
}
