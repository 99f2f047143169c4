/** A journal on a simulated disk and the batches that its tests write; a tick's token is its name. */
import { BatchBuilder, forEachRecord } from '../../src/contract/journal-batch.ts'
import {
  type ControlRecord,
  comparePositions,
  LOG_START,
  type Position,
  type TailItem,
} from '../../src/contract/journal-record.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { type JournalOptions, openJournal } from '../../src/journal/open-journal.ts'
import type { Clock } from '../../src/kit/clock.ts'
import type { Instrument } from '../../src/market/instrument.ts'
import type { JournalledTick } from '../../src/market/tick.ts'
import { silentLog } from '../silent-log.ts'
import { SimulatedDisk } from './simulated-disk.ts'

export const START_MS = Date.UTC(2026, 10, 23, 4, 0, 0)

/** Time stands still until `advance`. */
export class StandingClock implements Clock {
  #elapsedMs = 0
  readonly #timers = new Set<{ dueMs: number; periodMs: number | undefined; task: () => void }>()

  nowMs(): number {
    return START_MS + this.#elapsedMs
  }

  elapsedMs(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, task: () => void): () => void {
    return this.#add(delayMs, undefined, task)
  }

  every(periodMs: number, task: () => void): () => void {
    return this.#add(periodMs, periodMs, task)
  }

  advance(ms: number): void {
    this.#elapsedMs += ms
    for (const timer of [...this.#timers]) {
      if (timer.dueMs > this.#elapsedMs) continue
      if (timer.periodMs === undefined) this.#timers.delete(timer)
      else timer.dueMs = this.#elapsedMs + timer.periodMs
      timer.task()
    }
  }

  #add(delayMs: number, periodMs: number | undefined, task: () => void): () => void {
    const timer = { dueMs: this.#elapsedMs + delayMs, periodMs, task }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }
}

export interface Bench {
  readonly disk: SimulatedDisk
  readonly clock: StandingClock
  open(overrides?: Partial<JournalOptions>): Promise<Journal>
}

/** Small limits: segments of a few kilobytes, a reserve of 4 KB. */
export function bench(overrides: Partial<JournalOptions> = {}): Bench {
  const disk = new SimulatedDisk()
  const clock = new StandingClock()
  const options: JournalOptions = {
    dir: '/journal',
    producer: 't1',
    partitions: 1,
    feed: 'simulated',
    maxAgeMs: Number.POSITIVE_INFINITY,
    maxBytes: Number.POSITIVE_INFINITY,
    clock,
    log: silentLog,
    limits: { segmentMaxBytes: 4_000, reserveBytes: 4_000, diskFloorBytes: 0 },
    acquireLock: async (folder) => ({ folder, release: async () => undefined }),
    ...overrides,
  }
  const open = (more: Partial<JournalOptions> = {}) =>
    openJournal({ ...options, files: disk.boot(), ...more })
  return { disk, clock, open }
}

const builder = new BatchBuilder()

export function tick(token: number): JournalledTick {
  return {
    token,
    mode: 'full',
    isIndex: false,
    lastPrice: 2_340_005,
    lastQuantity: 75,
    averagePrice: 2_340_000,
    dayVolume: 3_000_000_000,
    dayOpen: 1,
    dayHigh: 2,
    dayLow: 3,
    previousClose: 4,
    lastTradeTimeS: 1_795_000_000,
    exchangeTimeS: 1_795_000_001,
    openInterest: 5,
    bidPrice: undefined,
    bidQuantity: undefined,
    askPrice: 6,
    askQuantity: 7,
    connection: 1,
    receivedAtMs: START_MS + token,
    marketTimeMs: START_MS,
  }
}

export function tickBatch(tokens: readonly number[], partition = 0): Uint8Array {
  builder.begin('t1', partition, 0, 0)
  for (const token of tokens) builder.addTick(tick(token))
  return builder.finish(START_MS)
}

export function controlBatch(records: readonly ControlRecord[], partition = 0): Uint8Array {
  builder.begin('t1', partition, 0, 0)
  for (const record of records) builder.addControl(record)
  return builder.finish(START_MS)
}

export function instrument(token: number, tradingsymbol = `SYM${token}`): Instrument {
  return {
    token,
    exchange: 'NFO',
    tradingsymbol,
    name: 'NIFTY',
    symbol: 'NIFTY50',
    segment: 'NFO-OPT',
    kind: 'option',
    optionType: 'CE',
    expiry: '2026-11-24',
    strike: 23_400,
    lotSize: 75,
    tickSize: 0.05,
  }
}

export const clockRecord: ControlRecord = {
  kind: 'clock',
  marketTimeMs: START_MS,
  wallTimeMs: START_MS,
}

/** What a reader was given, record by record: losses that it was told, and breaks that it was not. */
export class Reading {
  readonly openings: Extract<TailItem, { kind: 'opened' }>[] = []
  readonly tokens: number[] = []
  readonly controls: ControlRecord[] = []
  readonly losses: string[] = []
  readonly breaks: string[] = []
  position: Position

  constructor(from: Position = LOG_START) {
    this.position = from
  }

  add(item: TailItem): void {
    if (item.kind === 'opened') {
      this.openings.push(item)
      if (comparePositions(item.oldest, this.position) <= 0) return
      this.losses.push(`${text(this.position)} to ${text(item.oldest)}`)
      this.position = item.oldest
      return
    }
    const { header, bytes } = item
    const isNext =
      header.epoch === this.position.epoch
        ? header.firstSequence === this.position.sequence + 1
        : header.epoch > this.position.epoch && header.firstSequence === 1
    const place = text({ epoch: header.epoch, sequence: header.firstSequence })
    if (!isNext) this.breaks.push(`${place} after ${text(this.position)}`)
    forEachRecord(header, bytes, header.firstSequence, {
      tick: ({ token }) => this.tokens.push(token),
      control: (record) => this.controls.push(record),
    })
    const sequence = header.firstSequence + header.recordCount - 1
    this.position = { epoch: header.epoch, sequence }
  }
}

function text({ epoch, sequence }: Position): string {
  return `${epoch}-${sequence}`
}

/** Reads until `isDone` says so, or to the end of a stopped journal. */
export async function read(
  journal: Journal,
  from: Position = LOG_START,
  isDone: (reading: Reading) => boolean = () => false,
  partition = 0,
): Promise<Reading> {
  const reading = new Reading(from)
  const abort = new AbortController()
  for await (const item of journal.tail(partition, from, abort.signal)) {
    reading.add(item)
    if (isDone(reading)) abort.abort()
  }
  return reading
}

/** Reads up to what is written by now. */
export function readToEnd(journal: Journal, from: Position = LOG_START): Promise<Reading> {
  const newest = journal.status().partitions[0]?.newest
  return read(journal, from, ({ position, openings }) => {
    const place = position.epoch === newest?.epoch ? position.sequence : -1
    return openings.length > 0 && place >= (newest?.sequence ?? 0)
  })
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}
