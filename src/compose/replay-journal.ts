/**
 * A journal folder as a replay plays it. It is read twice: its control records once at the start, for
 * what is listed and for the gaps, which are noticed later than they begin; and all of it while it is
 * played. Takes no lock and changes nothing, so the ticker that writes it may be running.
 */
import { controlRecords, forEachRecord } from '../contract/journal-batch.ts'
import type { BatchHeader, ControlRecord } from '../contract/journal-record.ts'
import type { KnownGap, ReplayJournal, ReplayRecord } from '../exchange/replay/ports.ts'
import { readPartition, type StoredPartition, storedPartitions } from '../journal/read-all.ts'
import { TICKER_GAP_LOOKBACK_MS } from '../limits.ts'
import { type Instrument, instrumentKey } from '../market/instrument.ts'
import type { TickMode } from '../market/tick.ts'
import { StartError } from './start-error.ts'

/** Market time, epoch ms. */
export interface ReplayWindow {
  readonly fromMs: number
  /** Instruments that are announced after it do not count: tokens are used again. */
  readonly toMs: number
}

/** @param listing what the dump beside the journal lists; the journal's own records win over it */
export async function openReplayJournal(
  dir: string,
  listing: readonly Instrument[],
  window: ReplayWindow,
): Promise<ReplayJournal> {
  const stored = await storedPartitions(dir)
  const scan = new Scan(window)
  for (const one of stored) await scan.read(dir, one)
  if (scan.firstMs > scan.lastMs) throw new StartError(`There is no journal to play in ${dir}.`)
  return {
    instruments: merge(listing, [...scan.instruments.values()]),
    firstMs: scan.firstMs,
    lastMs: scan.lastMs,
    streamed: scan.streamed,
    gaps: scan.gaps.toSorted((a, b) => a.atMs - b.atMs),
    batches: () => inOrder(dir, stored),
  }
}

class Scan {
  readonly instruments = new Map<number, Instrument>()
  readonly gaps: KnownGap[] = []
  firstMs = Number.POSITIVE_INFINITY
  lastMs = Number.NEGATIVE_INFINITY
  readonly streamed = new Map<number, TickMode>()
  readonly #window: ReplayWindow

  constructor(window: ReplayWindow) {
    this.#window = window
  }

  async read(dir: string, stored: StoredPartition): Promise<void> {
    for await (const item of readPartition(dir, stored)) {
      if (item.kind !== 'batch') continue
      const { header, bytes } = item
      this.firstMs = Math.min(this.firstMs, header.marketTimeMs)
      this.lastMs = Math.max(this.lastMs, header.marketTimeMs)
      for (const { record } of controlRecords(header, bytes)) this.#take(record, header)
    }
  }

  #take(record: ControlRecord, { marketTimeMs }: BatchHeader): void {
    if (record.kind === 'gap_open') {
      // A gap is said to begin so long before the last data.
      const atMs = record.fromMs + TICKER_GAP_LOOKBACK_MS
      this.gaps.push({ atMs: Math.min(atMs, marketTimeMs), tokens: record.tokens })
    } else if (marketTimeMs <= this.#window.toMs) {
      this.#note(record, marketTimeMs < this.#window.fromMs)
    }
  }

  #note(record: ControlRecord, isBefore: boolean): void {
    if (record.kind === 'instrument') {
      this.instruments.set(record.instrument.token, record.instrument)
    } else if (record.kind === 'covered') {
      if (isBefore) for (const { token } of record.end) this.streamed.delete(token)
      for (const { token, mode } of record.begin) this.#stream(token, mode)
    } else if (record.kind === 'gap_close') {
      for (const { token, mode } of record.ends) {
        if (mode !== null) this.#stream(token, mode)
        else if (isBefore) this.streamed.delete(token)
      }
    }
  }

  #stream(token: number, mode: TickMode): void {
    const known = this.streamed.get(token)
    if (known === undefined || RANK[mode] > RANK[known]) this.streamed.set(token, mode)
  }
}

const RANK: Readonly<Record<TickMode, number>> = { ltp: 0, quote: 1, full: 2 }

/** By token and by name: neither may stand in a dump twice. */
function merge(listing: readonly Instrument[], journalled: readonly Instrument[]): Instrument[] {
  const tokens = new Set(journalled.map(({ token }) => token))
  const names = new Set(journalled.map(keyOf))
  const others = listing.filter((one) => !tokens.has(one.token) && !names.has(keyOf(one)))
  return [...journalled, ...others]
}

function keyOf({ exchange, tradingsymbol }: Instrument): string {
  return instrumentKey(exchange, tradingsymbol)
}

interface Reader {
  readonly records: AsyncIterator<readonly ReplayRecord[], void>
  next: readonly ReplayRecord[]
}

/** The batch that is earliest in market time is next, whichever partition it is in. */
async function* inOrder(
  dir: string,
  stored: readonly StoredPartition[],
): AsyncGenerator<readonly ReplayRecord[], void, void> {
  const readers: Reader[] = []
  for (const one of stored) {
    const records = recordsOf(dir, one)
    const first = await records.next()
    if (first.done !== true) readers.push({ records, next: first.value })
  }
  try {
    while (readers.length > 0) {
      const earliest = readers.reduce((a, b) => (startOf(b) < startOf(a) ? b : a))
      yield earliest.next
      const following = await earliest.records.next()
      if (following.done === true) readers.splice(readers.indexOf(earliest), 1)
      else earliest.next = following.value
    }
  } finally {
    for (const { records } of readers) await records.return?.()
  }
}

function startOf({ next }: Reader): number {
  return next[0]?.timeMs ?? Number.NEGATIVE_INFINITY
}

/** One partition's records; where the journal is damaged, what was streaming is lost. */
async function* recordsOf(
  dir: string,
  stored: StoredPartition,
): AsyncGenerator<readonly ReplayRecord[], void, void> {
  const tokens = new Set<number>()
  let timeMs = Number.NEGATIVE_INFINITY
  for await (const item of readPartition(dir, stored)) {
    if (item.kind === 'batch') {
      const records = decode(item.header, item.bytes, timeMs)
      for (const record of records) {
        if ('control' in record && record.control.kind === 'instrument') {
          tokens.add(record.control.instrument.token)
        }
      }
      timeMs = records.at(-1)?.timeMs ?? timeMs
      yield records
    } else if (item.kind === 'damage') {
      yield [{ timeMs, lostTokens: [...tokens] }]
    }
  }
}

/** A control record stands at the time of what comes before it; market time does not go back. */
function decode(header: BatchHeader, bytes: Uint8Array, afterMs: number): ReplayRecord[] {
  const records: ReplayRecord[] = []
  let timeMs = afterMs
  forEachRecord(header, bytes, header.firstSequence, {
    tick: (tick) => {
      timeMs = Math.max(timeMs, tick.marketTimeMs)
      records.push({ timeMs, tick })
    },
    control: (control) => {
      if (control.kind === 'clock') timeMs = Math.max(timeMs, control.marketTimeMs)
      records.push({ timeMs, control })
    },
  })
  return records
}
