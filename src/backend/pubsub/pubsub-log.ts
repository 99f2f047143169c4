/**
 * Ticks from pub/sub as a log, for use behind another ticker service. Delivery is at most once: what a
 * slow or lost connection missed nobody knows, so no coverage is claimed and no bar is ever complete.
 *
 *   message ──▶ read ──▶ numbered in memory ──▶ the same writer as of a journal ──▶ store
 *                └ counted by reason      └ dropped where there is no room
 *
 * Market time is told by the ticks: the newest second that two instruments confirm, and between them
 * the clock. Nothing is said of time before that.
 */
import { type Channels, TICK_CHANNELS, type TickChannel } from '../../contract/channels.ts'
import type { Feed, Position, TailItem } from '../../contract/journal-record.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import {
  PUBSUB_CLOCK_PERIOD_MS,
  PUBSUB_FLUSH_PERIOD_MS,
  PUBSUB_INSTRUMENTS_MAX,
  PUBSUB_REJECTIONS_LOG_PERIOD_MS,
} from '../../limits.ts'
import type { Instrument } from '../../market/instrument.ts'
import { instrumentKey } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { partitionOf } from '../../market/underlying.ts'
import { Watermark } from '../../market/watermark.ts'
import type { TickLog } from '../ports.ts'
import { type MessageFault, type ReadTick, readTick } from './foreign-tick.ts'
import { MemoryLog } from './memory-log.ts'

export const PUBSUB_PRODUCER = 'pubsub'

export type Rejection = MessageFault | 'other_channel' | 'duplicate' | 'too_many_instruments'

/** Messages since the start. */
export interface PubsubTotals {
  received: number
  dropped: number
  readonly rejected: Partial<Record<Rejection, number>>
}

export interface PubsubLogOptions {
  readonly channels: Channels
  readonly feed: Feed
  readonly partitions: number
  /** What is listed, as far as it is known. */
  readonly master: () => InstrumentMaster
  readonly clock: Clock
  readonly log: Log
  readonly retainedMaxBytes?: number
}

interface Known {
  readonly instrument: Instrument
  epoch: number
  sequence: number
}

export class PubsubLog implements TickLog {
  readonly producer = PUBSUB_PRODUCER
  readonly feed: Feed
  readonly isAtMostOnce = true
  readonly totals: PubsubTotals = { received: 0, dropped: 0, rejected: {} }
  readonly #options: PubsubLogOptions
  readonly #channels: ReadonlyMap<string, TickChannel>
  readonly #partitions: readonly MemoryLog[]
  readonly #known = new Map<string, Known>()
  readonly #watermark: Watermark
  readonly #cancel: (() => void)[]
  #connections = 0
  #gaps = 0
  /** Market time when the connection was lost. */
  #lostAtMs: number | undefined
  #toldRejections = 0
  /** Of the first tick: market time until two instruments confirm one. */
  #firstTimeMs: number | undefined

  constructor(options: PubsubLogOptions) {
    const { channels, clock, feed, partitions, retainedMaxBytes } = options
    this.#options = options
    this.feed = feed
    this.#channels = new Map(TICK_CHANNELS.map((channel) => [channels[channel], channel]))
    const nowMs = () => clock.nowMs()
    const room = retainedMaxBytes === undefined ? {} : { retainedMaxBytes }
    this.#partitions = Array.from({ length: partitions }, (_, partition) => {
      return new MemoryLog({ producer: PUBSUB_PRODUCER, partition, feed, nowMs, ...room })
    })
    this.#watermark = new Watermark(1, undefined, clock.elapsedMs())
    this.#cancel = [
      clock.every(PUBSUB_FLUSH_PERIOD_MS, () => this.#flush()),
      clock.every(PUBSUB_CLOCK_PERIOD_MS, () => this.#passTime()),
      clock.every(PUBSUB_REJECTIONS_LOG_PERIOD_MS, () => this.#tellRejections()),
    ]
  }

  /** The channels to subscribe to. */
  get channels(): readonly string[] {
    return [...this.#channels.keys()]
  }

  /** Every instrument that was in a message. */
  get instruments(): Instrument[] {
    return [...this.#known.values()].map(({ instrument }) => instrument)
  }

  get retainedBytes(): number {
    return this.#partitions.reduce((sum, { retainedBytes }) => sum + retainedBytes, 0)
  }

  /** The most that any partition ever held. */
  get highWaterBytes(): number {
    return Math.max(0, ...this.#partitions.map(({ highWaterBytes }) => highWaterBytes))
  }

  head(partition: number): Position | undefined {
    return this.#partitions[partition]?.newest
  }

  stop(): void {
    for (const cancel of this.#cancel) cancel()
    this.#flush()
  }

  // -------------------------------------------------------------- the connection

  onUp(): void {
    this.#connections++
    for (const partition of this.#partitions) partition.connection = this.#connections
    this.#endGap()
  }

  onDown(): void {
    this.#lostAtMs ??= this.#marketMs()
  }

  /** Never throws, whatever the text is. */
  onMessage(channelName: string, text: string): void {
    this.totals.received++
    const channel = this.#channels.get(channelName)
    const read = channel === undefined ? 'other_channel' : readTick(channel, text)
    if (typeof read === 'string') this.#reject(read)
    else this.#place(read)
  }

  #place(read: ReadTick): void {
    const known = this.#know(read)
    if (known === undefined) this.#reject('too_many_instruments')
    else if (isRepeated(known, read)) this.#reject('duplicate', known.instrument)
    else this.#take(known.instrument, read)
  }

  #take(instrument: Instrument, { tick, exchangeTimeMs }: ReadTick): void {
    const { clock } = this.#options
    const elapsedMs = clock.elapsedMs()
    if (tick.exchangeTimeS !== undefined) {
      this.#watermark.observe(tick.token, tick.exchangeTimeS, elapsedMs)
    }
    const receivedAtMs = clock.nowMs()
    const marketTimeMs = this.#watermark.at(elapsedMs) ?? exchangeTimeMs ?? receivedAtMs
    this.#firstTimeMs ??= marketTimeMs
    const journalled = { ...tick, connection: 0, receivedAtMs, marketTimeMs }
    if (!this.#partition(instrument).take(journalled, instrument)) this.totals.dropped++
  }

  /** The instrument as the master knows it, else as the message tells it. */
  #know({ instrument }: ReadTick): Known | undefined {
    const key = instrumentKey(instrument.exchange, instrument.tradingsymbol)
    const known = this.#known.get(key)
    if (known?.instrument.token === instrument.token) return known
    if (known === undefined && this.#known.size >= PUBSUB_INSTRUMENTS_MAX) return undefined
    const listed = this.#options.master().byKey(instrument.exchange, instrument.tradingsymbol)
    const isListed = listed?.token === instrument.token && listed.kind === instrument.kind
    const fresh = { instrument: isListed ? listed : instrument, epoch: -1, sequence: -1 }
    this.#known.set(key, fresh)
    return fresh
  }

  #partition({ symbol }: Instrument): MemoryLog {
    const { length } = this.#partitions
    return this.#partitions[partitionOf(symbol, length)] as MemoryLog
  }

  #reject(reason: Rejection, instrument?: Instrument): void {
    const { rejected } = this.totals
    rejected[reason] = (rejected[reason] ?? 0) + 1
    const books = instrument === undefined ? this.#partitions[0] : this.#partition(instrument)
    books?.reject()
  }

  /** What pub/sub brought while nobody listened is gone: told once it is over, so that none stays open. */
  #endGap(): void {
    const fromMs = this.#lostAtMs
    const toMs = this.#marketMs()
    this.#lostAtMs = undefined
    if (fromMs === undefined || toMs === undefined) return
    const place = { account: null, connection: null }
    for (const partition of this.#partitions) {
      const tokens = [...partition.instruments.keys()]
      if (tokens.length === 0) continue
      const gapId = `${PUBSUB_PRODUCER}-${this.#options.clock.nowMs()}-${++this.#gaps}`
      partition.control({ kind: 'gap_open', gapId, reason: 'disconnect', ...place, fromMs, tokens })
      const ends = tokens.map((token) => ({ token, toMs, mode: null }))
      partition.control({ kind: 'gap_close', gapId, ends })
    }
  }

  #marketMs(): number | undefined {
    return this.#watermark.at(this.#options.clock.elapsedMs())
  }

  #passTime(): void {
    const marketTimeMs = this.#marketMs()
    if (marketTimeMs === undefined) return
    const wallTimeMs = this.#options.clock.nowMs()
    for (const partition of this.#partitions) {
      partition.control({ kind: 'clock', marketTimeMs, wallTimeMs })
    }
    this.#flush()
  }

  #flush(): void {
    const marketMs = this.#marketMs() ?? this.#firstTimeMs
    // Before the first tick nobody knows which minute it is, so there is nothing to book it under.
    if (marketMs === undefined) return
    for (const partition of this.#partitions) partition.flush(marketMs)
  }

  #tellRejections(): void {
    const { rejected, dropped } = this.totals
    const total = Object.values(rejected).reduce((sum, count) => sum + count, dropped)
    if (total === this.#toldRejections) return
    this.#toldRejections = total
    this.#options.log.warn({ ...rejected, dropped }, 'Messages were not taken')
  }

  // -------------------------------------------------------------- the log

  tail(partition: number, from: Position, signal: AbortSignal): AsyncIterable<TailItem> {
    return (this.#partitions[partition] as MemoryLog).tail(from, signal)
  }

  committed(_consumer: string, partition: number, position: Position): void {
    this.#partitions[partition]?.committed(position)
  }
}

/** Only a publisher that numbers its ticks lets a repetition be told from a packet like the one before. */
function isRepeated(known: Known, { epoch, sequence }: ReadTick): boolean {
  if (epoch === null || sequence === null) return false
  const isNew = epoch > known.epoch || (epoch === known.epoch && sequence > known.sequence)
  if (!isNew) return true
  known.epoch = epoch
  known.sequence = sequence
  return false
}
