/**
 * Whether the log goes on: when each partition's committed position moved last, and how old its market
 * time is. Looked at once a second, so "last commit" is exact to that.
 */
import type { Feed } from '../../contract/journal-record.ts'
import type { SourcePosition } from '../ports.ts'
import type { IngestView } from './ingest-view.ts'

interface Seen {
  readonly epoch: number
  readonly sequence: number
  readonly marketTimeMs: number | null
  readonly movedAtMs: number
  /** When market time was seen to go on last. */
  readonly marketMovedAtMs: number
}

/** A simulated market whose time differs from ours by more than this runs by itself. */
const RUNS_APART_MS = 60_000

export class LogProgress {
  readonly #ingest: IngestView
  readonly #feed: Feed
  readonly #seen = new Map<string, Seen>()

  constructor(ingest: IngestView, feed: Feed) {
    this.#ingest = ingest
    this.#feed = feed
  }

  look(nowMs: number): void {
    this.#ingest.writers.forEach((writer, index) => {
      for (const source of writer.books?.expected ?? [])
        this.#note(keyOf(index, source), source, nowMs)
    })
  }

  /** When the position was seen to move; null before it did. */
  committedAtMs(writer: number, source: SourcePosition): number | null {
    return this.#seen.get(keyOf(writer, source))?.movedAtMs ?? null
  }

  /**
   * Milliseconds by which the committed market time is behind. A simulated market has a pace of its
   * own; there it is how long its time has stood still. null where none is known.
   */
  ageMs(writer: number, source: SourcePosition, nowMs: number): number | null {
    if (source.marketTimeMs === null) return null
    const behindMs = nowMs - source.marketTimeMs
    const seen = this.#seen.get(keyOf(writer, source))
    const stoodMs = seen === undefined ? 0 : nowMs - seen.marketMovedAtMs
    const runsApart = this.#feed === 'simulated' && Math.abs(behindMs) - stoodMs > RUNS_APART_MS
    return Math.max(0, runsApart ? stoodMs : behindMs)
  }

  #note(key: string, source: SourcePosition, nowMs: number): void {
    const { epoch, sequence } = source.position
    const before = this.#seen.get(key)
    const moved = before?.epoch !== epoch || before.sequence !== sequence
    const marketMoved = before?.marketTimeMs !== source.marketTimeMs
    if (before !== undefined && !moved && !marketMoved) return
    this.#seen.set(key, {
      epoch,
      sequence,
      marketTimeMs: source.marketTimeMs,
      movedAtMs: before === undefined || moved ? nowMs : before.movedAtMs,
      marketMovedAtMs: before === undefined || marketMoved ? nowMs : before.marketMovedAtMs,
    })
  }
}

function keyOf(writer: number, { producer }: SourcePosition): string {
  return `${writer}|${producer}`
}
