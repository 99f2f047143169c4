/**
 * Leads the reference fold along the journals, to exactly the position that the store had when it
 * gave an answer, and notes where a journal has a hole or does not reach that far.
 */
import { controlRecords } from '../contract/journal-batch.ts'
import {
  type BatchHeader,
  comparePositions,
  type EpochStart,
  LOG_START,
  type Position,
} from '../contract/journal-record.ts'
import { floorToMinute, MINUTE_MS } from '../market/ist.ts'
import { continuation } from './log-order.ts'
import type { JournalSource } from './ports.ts'
import type { JournalBatch } from './reference-fold/log-walk.ts'
import type { ReferenceFold } from './reference-fold/reference-fold.ts'
import type { SourcePosition } from './store-answers.ts'

/** Records that the store's position says there were, and that the journal does not have. */
export interface MissingRecords {
  readonly producer: string
  readonly partition: number
  /** The last record before them. */
  readonly after: Position
  /** The next one; undefined where the journal ends. */
  readonly before: Position | undefined
  /** null where the journal does not say how many. */
  readonly records: number | null
}

interface Followed {
  at: Position | undefined
  /** Ticks of the batch at `at` that are behind it. */
  ticksAhead: number
  /** The market minute, epoch ms, and the epoch of that batch. */
  minuteMs: number
  readonly source: JournalSource
}

const ALLOWED_AHEAD_MS = 5_000

export class LogFollower {
  readonly #fold: ReferenceFold
  readonly #logs = new Map<string, Followed>()
  readonly #sources: readonly JournalSource[]
  readonly #wholeFromMs = new Map<number, number>()
  readonly missing: MissingRecords[] = []
  records = 0
  /** Of the batches that were read. */
  bytes = 0

  constructor(fold: ReferenceFold, sources: readonly JournalSource[]) {
    this.#fold = fold
    this.#sources = sources
  }

  /** Rows of minutes before it rest on records that the journal has no more; by partition. */
  wholeFromMs(partition: number | undefined): number {
    return this.#wholeFromMs.get(partition ?? -1) ?? Number.NEGATIVE_INFINITY
  }

  /** Ticks that are in the books of that minute already, and are folded with the next commit. */
  ticksAhead(producer: string, partition: number, epoch: number, minuteMs: number): number {
    const log = this.#logs.get(keyOf(producer, partition))
    return log?.at?.epoch === epoch && log.minuteMs === minuteMs ? log.ticksAhead : 0
  }

  /** @param onBatch told of each batch that was read */
  async to(
    positions: readonly SourcePosition[],
    onBatch: () => void = () => undefined,
  ): Promise<void> {
    for (const position of positions) await this.#follow(position, onBatch)
  }

  /** How many bytes lead to the positions, or a little more; undefined where a journal does not tell. */
  async bytesTo(positions: readonly SourcePosition[]): Promise<number | undefined> {
    let sum = 0
    for (const position of positions) {
      const bytes = await this.#logOf(position)?.source.bytes?.(position.partition)
      if (bytes === undefined) return undefined
      sum += bytes
    }
    return sum
  }

  async #follow(to: SourcePosition, onBatch: () => void): Promise<void> {
    const log = this.#logOf(to)
    if (log === undefined || comparePositions(to, log.at ?? LOG_START) <= 0) return
    for await (const batch of log.source.read(to.partition, log.at ?? LOG_START, to)) {
      if (
        comparePositions({ epoch: batch.header.epoch, sequence: batch.header.firstSequence }, to) >
        0
      )
        break
      this.#take(log, batch, to)
      this.bytes += batch.header.byteLength
      onBatch()
    }
    if (comparePositions(log.at ?? LOG_START, to) >= 0) return
    this.#miss(
      log,
      to,
      undefined,
      log.at?.epoch === to.epoch ? to.sequence - log.at.sequence : null,
    )
    log.at = { epoch: to.epoch, sequence: to.sequence }
  }

  #take(log: Followed, batch: JournalBatch, to: Position): void {
    const { header } = batch
    const { producer, partition, epoch } = header
    const found = continuation(log.at, header, epochStartOf(batch))
    if (found.kind === 'hole') {
      this.#miss(log, header, { epoch, sequence: header.firstSequence }, found.missing)
      this.#fold.forget(producer, partition)
    }
    if (found.kind !== 'follows') this.#beginAt(header)
    const isSame = log.at?.epoch === epoch
    const fromSequence = isSame
      ? Math.max((log.at?.sequence ?? 0) + 1, header.firstSequence)
      : header.firstSequence
    const last = header.firstSequence + header.recordCount - 1
    const until = epoch === to.epoch ? Math.min(last, to.sequence) : last
    const ticks = this.#fold.add(batch, fromSequence, until)
    const before = fromSequence > header.firstSequence ? log.ticksAhead : ticksOf(header)
    log.ticksAhead = before - ticks
    log.minuteMs = floorToMinute(header.marketTimeMs)
    log.at = { epoch, sequence: until }
    this.records += until - fromSequence + 1
  }

  #beginAt({ partition, marketTimeMs }: BatchHeader): void {
    const minuteMs = floorToMinute(marketTimeMs + ALLOWED_AHEAD_MS) + MINUTE_MS
    this.#wholeFromMs.set(partition, Math.max(minuteMs, this.wholeFromMs(partition)))
  }

  #miss(
    log: Followed,
    { partition }: { readonly partition: number },
    before: Position | undefined,
    records: number | null,
  ): void {
    const { producer } = log.source
    this.missing.push({ producer, partition, after: log.at ?? LOG_START, before, records })
  }

  #logOf({ producer, partition }: SourcePosition): Followed | undefined {
    const key = keyOf(producer, partition)
    const known = this.#logs.get(key)
    const source = this.#sources.find((one) => one.producer === producer)
    if (known !== undefined || source === undefined) return known
    const log: Followed = { at: undefined, ticksAhead: 0, minuteMs: 0, source }
    this.#logs.set(key, log)
    return log
  }
}

function keyOf(producer: string, partition: number): string {
  return JSON.stringify([producer, partition])
}

function ticksOf({ connections }: BatchHeader): number {
  return connections.reduce((sum, { journaled }) => sum + journaled, 0)
}

function epochStartOf({ header, bytes }: JournalBatch): EpochStart | undefined {
  if (header.firstSequence !== 1) return undefined
  const record = controlRecords(header, bytes)[0]?.record
  return record?.kind === 'epoch_start' ? record : undefined
}
