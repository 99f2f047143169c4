/**
 * What the log says of streaming: from when on an instrument's ticks are known, in which mode, and
 * when they may be missing. Every word of it is a control record in the instrument's partition,
 * written before the tick that it speaks for.
 *
 *   wanted ──first tick──▶ covered ◀──first tick── in a gap
 *                             │                       ▲
 *                             └── drop, mute, loss ───┘      unwanted: the stretch or the gap ends
 */
import type { GapOpenRecord, GapReason } from '../../contract/journal-record.ts'
import { TICKER_GAP_LOOKBACK_MS, TICKER_UNREAD_MAX_MS } from '../../limits.ts'
import { type Instrument, instrumentKey, isSameInstrument } from '../../market/instrument.ts'
import { MINUTE_MS } from '../../market/ist.ts'
import type { Tick, TickMode } from '../../market/tick.ts'
import { partitionOf } from '../../market/underlying.ts'
import type { RecoveredPartition } from '../ports.ts'
import { FrameStarts } from './frame-starts.ts'
import type { PartitionFeed } from './partition-feed.ts'
import { Silence } from './silence.ts'
import {
  isLowerMode,
  isSameSlot,
  lowerMode,
  type OpenGap,
  type SlotName,
  type Stream,
} from './stream.ts'

export interface CoverageLogDeps {
  readonly producer: string
  readonly epoch: number
  /** By partition number. */
  readonly partitions: readonly PartitionFeed[]
  /** Market time now, epoch ms. */
  readonly marketTimeMs: () => number
  readonly onGapOpened: (gap: OpenGap) => void
  readonly onGapClosed: (gap: OpenGap) => void
  /** Another socket feeds the stream from now on. */
  readonly onTakenOver: (stream: Stream) => void
}

interface RecoveredByToken extends RecoveredPartition {
  readonly byToken: ReadonlyMap<number, Instrument>
}

export class CoverageLog {
  /** By the token on the wire. */
  readonly streams = new Map<number, Stream>()
  readonly #deps: CoverageLogDeps
  readonly #gaps = new Map<string, OpenGap>()
  readonly #starts: FrameStarts
  #gapCount = 0

  constructor(deps: CoverageLogDeps) {
    this.#deps = deps
    this.#starts = new FrameStarts(deps.partitions)
  }

  get openGaps(): readonly OpenGap[] {
    return [...this.#gaps.values()]
  }

  /**
   * Takes up where the previous epoch ended: gaps that were open stay open, and what was covered is
   * in a gap from the last data on. Nobody wants these streams yet: `want` claims them.
   *
   * @param lastDataMs when the last data came, as market time; undefined where that is not known
   */
  recover(recovered: Iterable<RecoveredPartition>, lastDataMs: number | undefined): void {
    const parts = Array.from(recovered, (part) => ({ ...part, byToken: tokenMap(part) }))
    this.#reopenGaps(parts)
    const broken = parts.flatMap((part) => {
      const covered = part.covered.flatMap(({ token }) => this.#recoveredStream(part, token))
      const streams = covered.filter(isOpenTo('restart'))
      const atMs = brokenOff(part, this.#deps.marketTimeMs(), lastDataMs)
      return streams.length === 0 ? [] : [{ atMs, streams }]
    })
    const brokenOffMs = Math.min(...broken.map(({ atMs }) => atMs))
    const streams = broken.flatMap((part) => part.streams)
    this.#openGap('restart', undefined, brokenOffMs - TICKER_GAP_LOOKBACK_MS, streams)
  }

  /** Ends the gaps of recovered instruments that nobody has claimed. */
  dropUnclaimed(): void {
    for (const [token, stream] of this.streams) {
      if (stream.wantedMode === undefined) this.unwant(token)
    }
  }

  /**
   * The instrument is to be streamed in `mode` by the socket of `slot`; repeating it changes what is
   * different. A handover to that socket goes on.
   */
  want(instrument: Instrument, mode: TickMode, slot: SlotName): Stream {
    const known = this.streams.get(instrument.token)
    if (known !== undefined && keyOf(known.instrument) !== keyOf(instrument)) {
      // The exchange has given the token to another contract.
      this.unwant(instrument.token)
    } else if (known !== undefined) {
      this.#describe(known, instrument)
      this.#setMode(known, mode)
      if (isSameSlot(known.nextSlot, slot)) return known
      known.slot = slot
      known.nextSlot = undefined
      return known
    }
    const stream = this.#newStream(instrument)
    stream.wantedMode = mode
    stream.slot = slot
    return stream
  }

  /** The socket of `next` feeds the stream from its first whole packet on; until then nothing changes. */
  handOver(token: number, next: SlotName): void {
    const stream = this.streams.get(token)
    if (stream !== undefined) stream.nextSlot = next
  }

  /** It is taken as fed by the next socket, packet or not. */
  takeOver(token: number): void {
    const stream = this.streams.get(token)
    if (stream?.nextSlot !== undefined) this.#takeOver(stream, stream.nextSlot)
  }

  /**
   * Whether what `slot` brings says anything new of the stream. While two sockets carry it only one
   * counts, or a packet of the one that leaves would end a gap of the one that stays.
   */
  isFedBy(stream: Stream, slot: SlotName, tick: Tick): boolean {
    if (isSameSlot(stream.nextSlot, slot)) {
      const isWhole = !isLowerMode(tick.mode, stream.wantedMode ?? tick.mode)
      if (isWhole) this.#takeOver(stream, slot)
      return isWhole
    }
    return isSameSlot(stream.slot, slot) || !stream.isAnnounced
  }

  /** Nobody wants the token any more: its coverage, or its part of a gap, ends now. */
  unwant(token: number): void {
    const stream = this.streams.get(token)
    if (stream === undefined) return
    const toMs = this.#deps.marketTimeMs()
    if (stream.gap !== undefined) {
      const { gap, partition } = stream
      const endMs = Math.max(toMs, gap.fromMs)
      const ends = [{ token, toMs: endMs, mode: null }]
      partition.control({ kind: 'gap_close', gapId: gap.gapId, ends })
      this.#leaveGap(stream, endMs)
    } else if (stream.coveredMode !== undefined) {
      stream.partition.control({ kind: 'covered', begin: [], end: [{ token, toMs }] })
    }
    this.streams.delete(token)
  }

  /**
   * Ticks of what `slot` carries may be missing from `fromMs` (market time) on. Instruments that have
   * not begun, or are in a gap already, are not touched.
   */
  openSlotGap(reason: GapReason, slot: SlotName, fromMs: number): OpenGap | undefined {
    const streams = [...this.streams.values()].filter((stream) => isSameSlot(stream.slot, slot))
    return this.#openGap(reason, slot, fromMs, streams)
  }

  /** The same for these instruments alone, which one socket carries. */
  openStreamGap(reason: GapReason, streams: readonly Stream[], fromMs: number): void {
    this.#openGap(reason, streams[0]?.slot, fromMs, streams)
  }

  /** The same for everything in one partition of the log. */
  openPartitionGap(reason: GapReason, partition: PartitionFeed, fromMs: number): void {
    const streams = [...this.streams.values()].filter((stream) => stream.partition === partition)
    this.#openGap(reason, undefined, fromMs, streams)
  }

  /**
   * Market time was believed to be `believedMs` and is known to be later: nothing was seen of the
   * time between, whatever had begun.
   */
  leap(believedMs: number): void {
    const fromMs = believedMs - TICKER_GAP_LOOKBACK_MS
    this.#openGap('clock_step', undefined, fromMs, [...this.streams.values()])
  }

  /**
   * A tick of this stream is about to be written and says something new: it is the first, the first
   * after a gap, or in another mode. Followed by `writeStarts` before the tick itself.
   */
  start(stream: Stream, tick: Tick, marketMs: number): void {
    const mode = lowerMode(tick.mode, stream.wantedMode ?? tick.mode)
    if (stream.coveredMode === mode || !stream.partition.isTaking) return
    if (!stream.isAnnounced) this.#starts.announce(stream)
    const fromMs = beginOf(tick, marketMs)
    const { gap } = stream
    if (gap !== undefined) {
      const toMs = Math.max(fromMs, gap.fromMs)
      this.#starts.endGap(stream, gap, toMs, mode)
      this.#leaveGap(stream, toMs)
    } else {
      this.#starts.cover(stream, fromMs, mode)
    }
    stream.coveredMode = mode
  }

  /** Writes what `start` has gathered, one record for all of a partition. */
  writeStarts(): void {
    this.#starts.write()
  }

  #takeOver(stream: Stream, slot: SlotName): void {
    stream.slot = slot
    stream.nextSlot = undefined
    this.#deps.onTakenOver(stream)
  }

  #setMode(stream: Stream, mode: TickMode): void {
    stream.wantedMode = mode
    // More is known from the first packet that carries it; less is promised from now on.
    if (stream.coveredMode === undefined || !isLowerMode(mode, stream.coveredMode)) return
    this.#starts.cover(stream, this.#deps.marketTimeMs(), mode)
    stream.coveredMode = mode
    this.#starts.write()
  }

  #describe(stream: Stream, instrument: Instrument): void {
    if (isSameInstrument(stream.instrument, instrument)) return
    stream.instrument = instrument
    stream.isAnnounced = false
    if (stream.coveredMode !== undefined) this.#announce(stream)
  }

  #announce(stream: Stream): void {
    stream.isAnnounced = true
    stream.partition.control({ kind: 'instrument', instrument: stream.instrument })
  }

  #newStream(instrument: Instrument): Stream {
    const { partitions } = this.#deps
    const partition = partitions[partitionOf(instrument.symbol, partitions.length)]
    const stream: Stream = {
      instrument,
      partition: partition as PartitionFeed,
      slot: undefined,
      nextSlot: undefined,
      wantedMode: undefined,
      isAnnounced: false,
      coveredMode: undefined,
      gap: undefined,
      firstTickAtMs: undefined,
      last: undefined,
      silence: new Silence(),
    }
    this.streams.set(instrument.token, stream)
    return stream
  }

  // ---------------------------------------------------------------- gaps

  /** One gap has one beginning, whichever partitions its instruments are in. */
  #openGap(
    reason: GapReason,
    slot: SlotName | undefined,
    fromMs: number,
    streams: readonly Stream[],
  ): OpenGap | undefined {
    const open = streams.filter(isOpenTo(reason))
    if (open.length === 0) return undefined
    const gapId = `${this.#deps.producer}-${this.#deps.epoch}-${++this.#gapCount}`
    const gap = this.#enterGap({ gapId, reason, slot, fromMs }, open)
    this.#deps.onGapOpened(gap)
    return gap
  }

  #enterGap(
    { gapId, reason, slot, fromMs }: Pick<OpenGap, 'gapId' | 'reason' | 'slot' | 'fromMs'>,
    streams: readonly Stream[],
  ): OpenGap {
    const [instruments, waiting] = [streams.length, streams.length]
    const gap: OpenGap = { gapId, reason, slot, fromMs, instruments, waiting, toMs: 0 }
    this.#gaps.set(gapId, gap)
    for (const [partition, own] of byPartition(streams)) {
      for (const stream of own) {
        if (!stream.isAnnounced) this.#announce(stream)
        stream.gap = gap
        stream.coveredMode = undefined
      }
      partition.control({
        kind: 'gap_open',
        gapId,
        reason,
        account: slot?.account ?? null,
        connection: slot?.connection ?? null,
        fromMs,
        tokens: own.map(({ instrument }) => instrument.token),
      })
    }
    return gap
  }

  #leaveGap(stream: Stream, toMs: number): void {
    const { gap } = stream
    if (gap === undefined) return
    stream.gap = undefined
    gap.waiting--
    gap.toMs = Math.max(gap.toMs, toMs)
    if (gap.waiting > 0) return
    this.#gaps.delete(gap.gapId)
    this.#deps.onGapClosed(gap)
  }

  /** Under their old names, so that they are the same gaps to whoever reads on. */
  #reopenGaps(parts: readonly RecoveredByToken[]): void {
    const known = new Map<string, { readonly record: GapOpenRecord; readonly streams: Stream[] }>()
    for (const part of parts) {
      for (const record of part.openGaps) {
        const streams = record.tokens.flatMap((token) => this.#recoveredStream(part, token))
        const other = known.get(record.gapId)
        if (other === undefined) known.set(record.gapId, { record, streams })
        else other.streams.push(...streams)
      }
    }
    for (const { record, streams } of known.values()) {
      const free = streams.filter((stream) => stream.gap === undefined)
      if (free.length > 0) this.#enterGap({ ...record, slot: slotOf(record) }, free)
    }
  }

  #recoveredStream({ byToken }: RecoveredByToken, token: number): Stream[] {
    const known = this.streams.get(token)
    if (known !== undefined) return [known]
    const instrument = byToken.get(token)
    return instrument === undefined ? [] : [this.#newStream(instrument)]
  }
}

/**
 * From when on a stream is known that shows itself with this tick: the packet is the exchange's state
 * of its second. Where that lies further back than the broker's lag it is an old snapshot, and what
 * happened between it and now is not known from it. Nor is a minute's beginning from a packet of its
 * first second, which may have seen trades: the volume before them would be missing.
 */
function beginOf(tick: Tick, marketMs: number): number {
  const sentMs = tick.exchangeTimeS === undefined ? marketMs : tick.exchangeTimeS * 1000
  const isRecent = marketMs - sentMs <= TICKER_GAP_LOOKBACK_MS
  const fromMs = isRecent ? Math.min(sentMs, marketMs) : marketMs
  return fromMs % MINUTE_MS === 0 ? fromMs + 1 : fromMs
}

/**
 * Until when the previous epoch had everything, market time: what the connection that was furthest
 * behind says. Its packets may have been unread or kept back when the epoch ended, and what was sent
 * after its last one is missing, however far the others had come. One that says something much older
 * was quiet.
 */
function brokenOff(
  { lastMarketTimeMs, knownUntilMs }: RecoveredPartition,
  marketMs: number,
  lastDataMs = Number.POSITIVE_INFINITY,
): number {
  const lastMs = Math.min(lastMarketTimeMs ?? marketMs, lastDataMs)
  const behind = knownUntilMs.filter((ms) => lastMs - ms <= TICKER_UNREAD_MAX_MS)
  return Math.min(lastMs, ...behind)
}

/** At a restart everything that is not in a gap was covered; else only what the log says is. */
function isOpenTo(reason: GapReason): (stream: Stream) => boolean {
  return ({ gap, coveredMode }) =>
    gap === undefined && (coveredMode !== undefined || reason === 'restart')
}

function byPartition(streams: readonly Stream[]): ReadonlyMap<PartitionFeed, Stream[]> {
  const groups = new Map<PartitionFeed, Stream[]>()
  for (const stream of streams) {
    const group = groups.get(stream.partition)
    if (group === undefined) groups.set(stream.partition, [stream])
    else group.push(stream)
  }
  return groups
}

function slotOf({ account, connection }: GapOpenRecord): SlotName | undefined {
  return account === null || connection === null ? undefined : { account, connection }
}

function tokenMap({ instruments }: RecoveredPartition): ReadonlyMap<number, Instrument> {
  return new Map(instruments.map((instrument) => [instrument.token, instrument]))
}

function keyOf({ exchange, tradingsymbol }: Instrument): string {
  return instrumentKey(exchange, tradingsymbol)
}
