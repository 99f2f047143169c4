/**
 * Journalled ticks as JSON on the bus, for whoever listens, and no work at all while nobody does.
 *
 *   journal ──▶ AppendedBatches ──slice──▶ OptionAnalytics ──▶ (Conflation) ──▶ presentTick ──▶ bus
 *                    ▲ closed while BusListeners knows of none
 *
 * Runs beside the sockets in slices, so that ticks on their way into the journal do not wait. What
 * the bus or this queue has no room for is dropped and counted: the journal is where all ticks are.
 */
import {
  type ChannelTick,
  channelsOf,
  type TickChannel,
  tickChannelOf,
} from '../../contract/channels.ts'
import { forEachRecord, type RecordVisitor } from '../../contract/journal-batch.ts'
import type { BatchHeader, ControlRecord } from '../../contract/journal-record.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import type { Count, Metrics } from '../../kit/metrics.ts'
import { CHANNEL_SLICE_TICKS } from '../../limits.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { JournalledTick } from '../../market/tick.ts'
import type { BusListeners } from '../bus-listeners.ts'
import type { Bus } from '../ports.ts'
import { AppendedBatches } from './appended-batches.ts'
import { Conflation } from './conflation.ts'
import { OptionAnalytics, type OptionAnalyticsDeps } from './option-analytics.ts'
import { type PlacedTick, presentTick } from './present-tick.ts'

export interface TickChannelsDeps extends OptionAnalyticsDeps {
  readonly bus: Pick<Bus, 'send'>
  readonly listeners: Pick<BusListeners, 'hear' | 'hearTicks' | 'onChange'>
  readonly prefix: string
  /** 0: every tick; else the newest of each instrument so often. */
  readonly intervalMs: number
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Whose ticks come under a token now. */
  readonly instrumentOf: (token: number) => Instrument | undefined
}

interface Outgoing {
  readonly channel: TickChannel
  readonly tick: ChannelTick
}

export class TickChannels {
  readonly #deps: TickChannelsDeps
  readonly #batches = new AppendedBatches()
  readonly #analytics: OptionAnalytics
  readonly #conflation: Conflation | undefined
  /** By token, as the log's records and, before them, the feed say. */
  readonly #instruments = new Map<number, Instrument>()
  readonly #sent: (channel: string) => Count
  readonly #dropped: (channel: string) => Count
  #outgoing: Outgoing[] = []
  #epoch = 0
  #cancelSlice: (() => void) | undefined
  /** Undefined before the start and after the stop. */
  #stopListening: (() => void) | undefined
  #stopInterval: (() => void) | undefined
  readonly #publisher: RecordVisitor = {
    tick: (tick, sequence) => this.#onTick(tick, sequence),
    control: (record) => this.#onControl(record),
  }

  constructor(deps: TickChannelsDeps) {
    this.#deps = deps
    const { metrics } = deps
    const counters = (name: string, help: string) => metrics.counters(name, help, 'channel')
    this.#sent = counters('fostream_channel_sent_total', 'Ticks handed to the bus.')
    this.#dropped = counters(
      'fostream_channel_dropped_total',
      'Ticks that somebody listened for and that the bus had no room for.',
    )
    metrics.gauge(
      'fostream_channel_high_water_bytes',
      'Most bytes of journalled batches that ever waited to be published.',
      () => this.#batches.highWaterBytes,
    )
    const conflated = counters(
      'fostream_channel_conflated_total',
      'Ticks replaced by a newer one of their instrument within the interval.',
    )
    this.#analytics = new OptionAnalytics(deps)
    if (deps.intervalMs > 0) {
      this.#conflation = new Conflation(({ instrument }) => {
        conflated(tickChannelOf(instrument.kind)).value++
      })
    }
  }

  start(): void {
    const { clock, intervalMs, listeners } = this.#deps
    this.#stopListening = listeners.onChange(() => this.#onListeners())
    if (this.#conflation !== undefined) {
      this.#stopInterval = clock.every(intervalMs, () => this.#endInterval())
    }
  }

  /** What waits is given up. */
  stop(): void {
    this.#stopInterval?.()
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#cancelSlice?.()
  }

  /** Takes a batch that the journal has written; its bytes must not change any more. */
  take(header: BatchHeader, bytes: Uint8Array): void {
    if (this.#stopListening === undefined || !this.#deps.listeners.hearTicks) return
    this.#epoch = header.epoch
    if (this.#batches.offer(header, bytes)) this.#schedule()
    else this.#drop(header, bytes)
  }

  #schedule(): void {
    this.#cancelSlice ??= this.#deps.clock.after(0, () => this.#slice())
  }

  #slice(): void {
    this.#cancelSlice = undefined
    const due = this.#conflation?.take(CHANNEL_SLICE_TICKS) ?? []
    for (const placed of due) this.#present(placed)
    let room = CHANNEL_SLICE_TICKS - due.length
    while (room > 0 && !this.#batches.isEmpty) {
      room -= this.#batches.read(room, this.#publisher)
    }
    this.#send()
    if (!this.#batches.isEmpty || this.#conflation?.isDue) this.#schedule()
  }

  #onTick(tick: JournalledTick, sequence: number): void {
    const instrument = this.#instrumentOf(tick.token)
    // Its streaming ended before the first listener came.
    if (instrument === undefined) return
    const { listeners } = this.#deps
    if (listeners.hear('options')) this.#analytics.take(instrument, tick)
    if (!listeners.hear(tickChannelOf(instrument.kind))) return
    const placed = { instrument, tick, epoch: this.#epoch, sequence }
    if (this.#conflation === undefined) this.#present(placed)
    else this.#conflation.add(placed)
  }

  #onControl(record: ControlRecord): void {
    if (record.kind !== 'instrument') return
    this.#instruments.set(record.instrument.token, record.instrument)
  }

  #present(placed: PlacedTick): void {
    const { instrument, tick } = placed
    const channel = tickChannelOf(instrument.kind)
    const isOption = channel === 'options'
    const leg = isOption ? this.#analytics.analyticsOf(instrument, tick) : undefined
    this.#outgoing.push({ channel, tick: presentTick(placed, leg) })
  }

  #send(): void {
    if (this.#outgoing.length === 0) return
    const { bus, prefix } = this.#deps
    const names = channelsOf(prefix)
    const messages = this.#outgoing.map(({ channel, tick }) => ({
      channel: names[channel],
      text: JSON.stringify(tick),
    }))
    const count = bus.send(messages) ? this.#sent : this.#dropped
    for (const { channel } of this.#outgoing) count(channel).value++
    this.#outgoing = []
  }

  #drop(header: BatchHeader, bytes: Uint8Array): void {
    forEachRecord(header, bytes, header.firstSequence, {
      control: (record) => this.#onControl(record),
      tick: ({ token }) => {
        const instrument = this.#instrumentOf(token)
        if (instrument === undefined) return
        const channel = tickChannelOf(instrument.kind)
        if (this.#deps.listeners.hear(channel)) this.#dropped(channel).value++
      },
    })
  }

  #instrumentOf(token: number): Instrument | undefined {
    const known = this.#instruments.get(token) ?? this.#deps.instrumentOf(token)
    if (known !== undefined) this.#instruments.set(token, known)
    return known
  }

  #endInterval(): void {
    this.#conflation?.end()
    if (this.#conflation?.isDue) this.#schedule()
  }

  #onListeners(): void {
    const { listeners } = this.#deps
    if (!listeners.hear('options')) this.#analytics.clear()
    if (listeners.hearTicks) return
    this.#batches.clear()
    this.#conflation?.clear()
    this.#instruments.clear()
  }
}
