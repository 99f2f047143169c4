/**
 * What a partition's files hold when nobody writes them: read once at start, from the last segment
 * that can be read alone. What a dying process left half written is cut off; damage that has good
 * batches behind it stays, is set aside and told.
 */
import { join } from 'node:path'
import { type ControlEntry, controlRecords, forEachRecord } from '../contract/journal-batch.ts'
import { type GapOpenRecord, LOG_START, type Position } from '../contract/journal-record.ts'
import type { Log } from '../kit/log.ts'
import type { Instrument } from '../market/instrument.ts'
import type { JournalledTick } from '../market/tick.ts'
import { type ChainItem, lastPosition, readChain } from './chain-reader.ts'
import { connectionsKnownUntil, type ReadBatch } from './connection-times.ts'
import type { JournalFiles } from './files.ts'
import { type CoveredInstrument, KnownState } from './known-state.ts'
import { parseSegmentFileName, type Segment, SegmentList } from './segment.ts'
import type { DamageItem } from './segment-reader.ts'
import { setAside } from './set-aside.ts'

/** What the previous epoch left behind in one partition. */
export interface RecoveredPartition {
  /** `LOG_START` where there was no log. */
  readonly last: Position
  /** Market time of the last batch, epoch ms. */
  readonly lastMarketTimeMs: number | undefined
  /** The last record of the last batch with a tick; `LOG_START` where there was none. */
  readonly lastWithTick: Position
  /** Wall clock of the last tick's arrival, epoch ms. */
  readonly lastReceivedAtMs: number | undefined
  /**
   * Until when each connection that fed what was streaming had brought what was sent, market time,
   * epoch ms: by what it brought in the minute before the last tick.
   */
  readonly knownUntilMs: readonly number[]
  readonly instruments: readonly Instrument[]
  /** What was streaming when the log broke off. */
  readonly covered: readonly CoveredInstrument[]
  readonly openGaps: readonly GapOpenRecord[]
  /** True where the epoch was ended in order. */
  readonly hasEnded: boolean
  /** Bytes of a torn tail that were cut off. */
  readonly cutBytes: number
}

export interface DamagedPlace {
  readonly segment: Segment
  readonly damage: DamageItem
}

export interface Recovery {
  readonly recovered: RecoveredPartition
  readonly segments: SegmentList
  readonly damaged: readonly DamagedPlace[]
}

/** The segments in a partition's folder, as their names and sizes tell. */
export async function listSegments(files: JournalFiles, folder: string): Promise<SegmentList> {
  const entries = await files.list(folder)
  const segments = entries.flatMap((entry): Segment[] => {
    const name = parseSegmentFileName(entry.name)
    if (name === undefined) return []
    const path = join(folder, entry.name)
    return [{ ...name, path, bytes: entry.bytes, last: undefined, modifiedMs: entry.modifiedMs }]
  })
  return new SegmentList(segments)
}

/** Throws `JournalError` of code `unknown_version` where a newer program wrote the log. */
export async function recoverPartition(
  files: JournalFiles,
  folder: string,
  log: Log,
): Promise<Recovery> {
  const segments = await listSegments(files, folder)
  let cutBytes = 0
  for (;;) {
    const scan = await scanEnd(files, segments)
    const { last } = segments
    const torn = last && scan.tornIn(last)
    if (last !== undefined && torn !== undefined) {
      cutBytes += torn.byteLength
      log.warn({ path: last.path, ...torn }, 'Journal torn tail cut')
      await cutTail(files, segments, last, torn, log)
    }
    // Where the whole segment went, the state is in the one before it.
    if (torn?.offset !== 0) {
      const damaged = scan.damagedBefore(last)
      const knownUntilMs = await scan.knownUntil(files, segments)
      return { recovered: { ...scan.recovered, knownUntilMs, cutBytes }, segments, damaged }
    }
  }
}

/** A segment that holds no good batch at all goes whole, and what it holds is set aside. */
async function cutTail(
  files: JournalFiles,
  segments: SegmentList,
  segment: Segment,
  torn: DamageItem,
  log: Log,
): Promise<void> {
  if (torn.offset > 0) return truncate(files, segment, torn.offset)
  if (torn.byteLength > 0) await setAside(files, { path: segment.path, ...torn }, log)
  segments.remove(segment)
  await files.remove(segment.path)
}

async function truncate(files: JournalFiles, segment: Segment, bytes: number): Promise<void> {
  segment.bytes = bytes
  const file = await files.open(segment.path, 'update')
  try {
    await file.truncate(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Reads from the nearest segment whose preamble is whole up to the end. */
async function scanEnd(files: JournalFiles, segments: SegmentList): Promise<EndScan> {
  const { last } = segments
  if (last === undefined) return new EndScan()
  let start = segments.readableAloneFor(last)
  for (;;) {
    const scan = await scanFrom(files, segments, start)
    const earlier = segments.before(start)
    if (earlier === undefined || !(scan.beganDamaged || scan.hasOnlyBegun)) return scan
    start = segments.readableAloneFor(earlier)
  }
}

async function scanFrom(
  files: JournalFiles,
  segments: SegmentList,
  start: Segment,
): Promise<EndScan> {
  const scan = new EndScan()
  await readChain(files, segments, start, (item) => scan.add(item))
  return scan
}

class EndScan {
  readonly #known = new KnownState()
  readonly #places: DamagedPlace[] = []
  #count = 0
  #beganDamaged = false
  /** The beginning of an epoch that says nothing of what streams yet. */
  #begun: readonly ControlEntry[] = []
  #lastBatch: ReadBatch | undefined
  #lastTickBatch: ReadBatch | undefined

  get beganDamaged(): boolean {
    return this.#beganDamaged
  }

  /**
   * An epoch that has only begun was killed before it could say what the one before had left open: that
   * still stands, and is looked for further back.
   */
  get hasOnlyBegun(): boolean {
    return this.#begun.length > 0
  }

  /** The segment's torn tail; undefined where it has none. */
  tornIn(segment: Segment): DamageItem | undefined {
    if (segment.bytes === 0) return nothingIn(segment)
    return this.#places.find(isTornIn(segment))?.damage
  }

  /** Damage that stays; a torn tail of the last segment is cut. */
  damagedBefore(last: Segment | undefined): readonly DamagedPlace[] {
    return this.#places.filter((place) => last === undefined || !isTornIn(last)(place))
  }

  knownUntil(files: JournalFiles, segments: SegmentList): Promise<readonly number[]> {
    const end = this.#lastTickBatch ?? this.#lastBatch
    const tokens = this.#known.covered.map(({ token }) => token)
    return connectionsKnownUntil(files, segments, end, tokens)
  }

  get recovered(): Omit<RecoveredPartition, 'knownUntilMs' | 'cutBytes'> {
    const batch = this.#lastBatch
    return {
      last: endOf(batch),
      lastWithTick: endOf(this.#lastTickBatch),
      lastMarketTimeMs: batch?.header.marketTimeMs,
      lastReceivedAtMs: newestArrival(this.#lastTickBatch),
      instruments: this.#known.instruments,
      covered: this.#known.covered,
      openGaps: this.#known.openGaps,
      hasEnded: this.#known.hasEnded,
    }
  }

  add(item: ChainItem): void {
    this.#count++
    if (item.kind === 'batch') this.#addBatch(item)
    else this.#addDamage(item.segment, item)
  }

  #addBatch(item: ReadBatch): void {
    const entries = controlRecords(item.header, item.bytes)
    if (item.header.firstSequence === 1) this.#begun = []
    if (this.#isBeginning(item, entries)) this.#begun = [...this.#begun, ...entries]
    else {
      for (const entry of this.#begun) this.#known.apply(entry)
      for (const entry of entries) this.#known.apply(entry)
      this.#begun = []
    }
    this.#lastBatch = item
    if (entries.length < item.header.recordCount) this.#lastTickBatch = item
    item.segment.last = lastPosition(item.header)
  }

  /** Instruments are told before it is told which of them are in a gap. */
  #isBeginning({ header }: ReadBatch, entries: readonly ControlEntry[]): boolean {
    if (entries.length < header.recordCount) return false
    const isFirst = header.firstSequence === 1
    if (!isFirst && this.#begun.length === 0) return false
    return entries.every(({ record: { kind } }) => kind === 'instrument' || kind === 'epoch_start')
  }

  #addDamage(segment: Segment, damage: DamageItem): void {
    if (this.#count === 1) this.#beganDamaged = true
    this.#places.push({ segment, damage })
  }
}

function isTornIn(segment: Segment): (place: DamagedPlace) => boolean {
  return (place) => place.segment === segment && place.damage.kind === 'torn'
}

function endOf(batch: ReadBatch | undefined): Position {
  return batch === undefined ? LOG_START : lastPosition(batch.header)
}

function nothingIn({ firstSequence }: Segment): DamageItem {
  const lastGoodSequence = firstSequence - 1
  return { kind: 'torn', offset: 0, byteLength: 0, lastGoodSequence, nextGoodSequence: undefined }
}

function newestArrival(batch: ReadBatch | undefined): number | undefined {
  let newestMs: number | undefined
  const ticks = {
    tick: ({ receivedAtMs }: JournalledTick) => {
      newestMs = Math.max(newestMs ?? 0, receivedAtMs)
    },
    control: () => undefined,
  }
  if (batch !== undefined)
    forEachRecord(batch.header, batch.bytes, batch.header.firstSequence, ticks)
  return newestMs
}
