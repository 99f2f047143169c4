/**
 * Hands out ticks at an even rate, in slots, straight into the journal. After a pause of the process
 * it makes up for all of it, and a tick's time is the one when it was due.
 */
import { BatchBuilder } from '../../src/contract/journal-batch.ts'
import type { ControlRecord } from '../../src/contract/journal-record.ts'
import type { Journal } from '../../src/journal/journal.ts'
import type { MarketLoad } from './market-load.ts'
import type { WatchedLog } from './watched-log.ts'

export interface FeederOptions {
  readonly load: MarketLoad
  readonly journal: Journal
  readonly watched: WatchedLog
  readonly ticksPerSecond: number
  /** Market time now, epoch ms. */
  readonly startMarketMs: number
}

const SLOT_MS = 5
/** Slots written before the journal is waited for. */
const SLOTS_AHEAD = 50

export class Feeder {
  sent = 0
  readonly #load: MarketLoad
  readonly #journal: Journal
  readonly #watched: WatchedLog
  readonly #ticksPerSlot: number
  readonly #builder = new BatchBuilder()
  readonly #marketMinusElapsedMs: number
  #writing: Promise<unknown> = Promise.resolve()
  #clockAtMs = Number.NEGATIVE_INFINITY

  constructor({ load, journal, watched, ticksPerSecond, startMarketMs }: FeederOptions) {
    this.#load = load
    this.#journal = journal
    this.#watched = watched
    this.#ticksPerSlot = (ticksPerSecond * SLOT_MS) / 1000
    this.#marketMinusElapsedMs = startMarketMs - performance.now()
  }

  async announce(): Promise<void> {
    const fromMs = this.#marketMs(performance.now())
    const begin = this.#load.instruments.map(({ token }) => {
      return { token, mode: 'full' as const, fromMs: fromMs - 1000 }
    })
    const records: ControlRecord[] = [
      ...this.#load.instruments.map((instrument) => ({ kind: 'instrument' as const, instrument })),
      { kind: 'covered', begin, end: [] },
    ]
    this.#begin()
    for (const record of records) this.#builder.addControl(record)
    await this.#journal.append(0, this.#builder.finish(fromMs))
  }

  /** At the set rate; resolves when the last tick is in the journal. */
  run(seconds: number): Promise<void> {
    const startMs = performance.now()
    const slots = slotsIn(seconds)
    let slot = 0
    return new Promise((resolve, reject) => {
      const send = () => {
        const due = Math.min(slots, 1 + Math.floor((performance.now() - startMs) / SLOT_MS))
        for (; slot < due; slot++) this.#sendSlot(startMs + slot * SLOT_MS, slot)
        if (slot < slots) setTimeout(send, startMs + slot * SLOT_MS - performance.now())
        else this.#writing.then(() => resolve(), reject)
      }
      send()
    })
  }

  /** The same ticks as fast as the journal takes them. */
  async runAtOnce(seconds: number): Promise<void> {
    const startMs = performance.now() - seconds * 1000
    for (let slot = 0; slot < slotsIn(seconds); slot++) {
      this.#sendSlot(startMs + slot * SLOT_MS, slot)
      if (slot % SLOTS_AHEAD === 0) await this.#writing
    }
    await this.#writing
  }

  #sendSlot(dueAtMs: number, slot: number): void {
    const before = Math.floor(slot * this.#ticksPerSlot)
    const ticks = Math.floor((slot + 1) * this.#ticksPerSlot) - before
    const marketMs = this.#marketMs(dueAtMs)
    this.#begin()
    this.#passTime(dueAtMs, marketMs)
    const nowMs = Date.now()
    for (let i = 0; i < ticks; i++) this.#builder.addTick(this.#load.next(nowMs, marketMs))
    if (this.#builder.recordCount === 0) return
    if (ticks > 0) this.#account(ticks)
    const batch = this.#builder.finish(marketMs)
    // The journal takes batches in turn, so the last one stands for all; a refused one ends the run.
    this.#writing = this.#append(batch, ticks, dueAtMs)
  }

  async #append(batch: Uint8Array, ticks: number, dueAtMs: number): Promise<void> {
    const header = await this.#journal.append(0, batch)
    const lastSequence = header.firstSequence + header.recordCount - 1
    this.#watched.sent({ lastSequence, ticks, dueAtMs })
  }

  #passTime(atMs: number, marketMs: number): void {
    if (atMs - this.#clockAtMs < 1000) return
    this.#clockAtMs = atMs
    this.#builder.addControl({ kind: 'clock', marketTimeMs: marketMs, wallTimeMs: Date.now() })
  }

  #account(ticks: number): void {
    const firstOrdinal = this.sent + 1
    this.sent += ticks
    this.#builder.addConnection({
      connection: 1,
      firstOrdinal,
      lastOrdinal: this.sent,
      journaled: ticks,
      rejected: 0,
      dropped: 0,
    })
  }

  #begin(): void {
    this.#builder.begin(this.#journal.producer, 0, this.#journal.epoch, 1)
  }

  #marketMs(elapsedMs: number): number {
    return this.#marketMinusElapsedMs + elapsedMs
  }
}

function slotsIn(seconds: number): number {
  return Math.round((seconds * 1000) / SLOT_MS)
}
