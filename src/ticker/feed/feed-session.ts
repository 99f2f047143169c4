/**
 * The packets of one open socket. This is the hottest code of the ticker: a frame is decoded, what is
 * new in it is said in the log, and its ticks are encoded; nothing is kept beyond the turn.
 *
 * Every packet has an ordinal, good or not, so that the books can show that none went missing here.
 */
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { decodeFrame, type FrameFault, type FrameSink } from '../../kite/frame.ts'
import type { KiteTick } from '../../kite/packet.ts'
import { TICKER_MARKET_LEAP_MS } from '../../limits.ts'
import type { CoverageLog } from './coverage-log.ts'
import { FaultLog } from './fault-log.ts'
import type { MarketTime } from './market-time.ts'
import { StampedTick } from './stamped-tick.ts'
import type { SlotName, Stream } from './stream.ts'

/**
 * Who judges a silence that ends before a check once a second has seen it, since the checks were held
 * up. It is told before the packets that end it are taken in, so that a gap stands before them.
 */
export interface SilenceJudge {
  /** Shorter ones are no fault, ms. */
  readonly leastMs: number
  /** The socket brings something after so long. */
  readonly onSocketHeard: (slot: SlotName, silentMs: number) => void
  /** A socket brings something of these instruments after so long. */
  readonly onStreamsHeard: (slot: SlotName, heard: readonly HeardStream[]) => void
}

export interface HeardStream {
  readonly stream: Stream
  readonly silentMs: number
}

export interface FeedSessionDeps {
  /** Number of the socket connection within the epoch. */
  readonly connection: number
  /** The socket that it is of. */
  readonly slot: SlotName
  readonly clock: Clock
  readonly log: Log
  readonly marketTime: MarketTime
  readonly coverage: CoverageLog
  readonly silences: SilenceJudge
  readonly onReceived: (received: number, rejected: number) => void
  readonly onFirstTick: (stream: Stream) => void
  readonly reject: (connection: number, ordinal: number, reason: string) => void
}

export class FeedSession implements FrameSink {
  readonly connection: number
  /** Packets that came, malformed ones too; also the newest ordinal. */
  packets = 0
  /** Wall clock; undefined before the first. */
  lastTickAtMs: number | undefined
  lastHeartbeatAtMs: number | undefined
  /** Monotonic; of the opening before the first tick. */
  lastDataElapsedMs: number
  /** Market time at which the newest frame with ticks was sent, as far as its packets tell. */
  lastDataMarketMs: number
  readonly #deps: FeedSessionDeps
  readonly #faultLog: FaultLog
  readonly #stamped = new StampedTick()
  /** The frame at hand: its packets (undefined: not decoded), and whose they are (undefined: nobody's). */
  readonly #ticks: (KiteTick | undefined)[] = []
  readonly #streams: (Stream | undefined)[] = []
  /** Those that were silent for long until this frame; nearly always none. */
  readonly #heard: HeardStream[] = []
  /** Market time. */
  readonly #leastSilenceMs: number
  #frame: Uint8Array | undefined
  #rejected = 0
  /** The newest exchange second in it; undefined where no packet has one. */
  #newestSecond: number | undefined

  constructor(deps: FeedSessionDeps) {
    this.#deps = deps
    this.connection = deps.connection
    this.#faultLog = new FaultLog(deps.clock, deps.log)
    this.#stamped.connection = deps.connection
    this.#leastSilenceMs = deps.silences.leastMs * deps.marketTime.speed
    this.lastDataElapsedMs = deps.clock.elapsedMs()
    this.lastDataMarketMs = deps.marketTime.now()
  }

  /** Takes one binary message. Returns whether it held a tick; a heartbeat holds none. */
  onFrame(bytes: Uint8Array, receivedAtMs: number): boolean {
    this.#frame = bytes
    if (decodeFrame(bytes, this) === 'heartbeat') {
      this.lastHeartbeatAtMs = receivedAtMs
      return false
    }
    const { clock, marketTime } = this.#deps
    const elapsedMs = clock.elapsedMs()
    const believedMs = marketTime.at(elapsedMs)
    const ticks = this.#attribute(elapsedMs, believedMs)
    if (ticks > 0) this.#judgeSilence(believedMs)
    const marketMs = marketTime.at(elapsedMs)
    if (marketMs - believedMs > TICKER_MARKET_LEAP_MS) this.#deps.coverage.leap(believedMs)
    if (ticks > 0) {
      this.#begin(marketMs)
      this.lastTickAtMs = receivedAtMs
      this.lastDataElapsedMs = elapsedMs
      this.lastDataMarketMs = knownUntilMs(this.lastDataMarketMs, this.#newestSecond, marketMs)
    }
    this.#write(receivedAtMs, marketMs, elapsedMs)
    return ticks > 0
  }

  onTick(tick: KiteTick): void {
    this.#ticks.push(tick)
  }

  onFault(fault: FrameFault): void {
    this.#ticks.push(undefined)
    this.#rejected++
    this.#deps.reject(this.connection, this.packets + this.#ticks.length, fault.code)
    if (this.#frame !== undefined) this.#faultLog.onFault(fault, this.#frame)
  }

  /**
   * Finds whose each tick is and lets it move market time; returns how many are somebody's.
   *
   * @param believedMs market time before the frame
   */
  #attribute(elapsedMs: number, believedMs: number): number {
    const { coverage, marketTime } = this.#deps
    let known = 0
    for (let i = 0; i < this.#ticks.length; i++) {
      const tick = this.#ticks[i]
      if (tick === undefined) continue
      const stream = coverage.streams.get(tick.token)
      if (stream === undefined || stream.wantedMode === undefined) {
        this.#rejected++
        this.#deps.reject(this.connection, this.packets + i + 1, 'unknown_token')
        continue
      }
      this.#streams[i] = stream
      known++
      const lastMs = stream.last?.marketMs ?? believedMs
      const silentMs = sentAt(tick.exchangeTimeS, believedMs) - lastMs
      if (silentMs >= this.#leastSilenceMs)
        this.#heard.push({ stream, silentMs: this.#real(silentMs) })
      if (tick.exchangeTimeS !== undefined) {
        marketTime.observe(tick.token, tick.exchangeTimeS, elapsedMs)
        this.#newestSecond = Math.max(this.#newestSecond ?? 0, tick.exchangeTimeS)
      }
    }
    return known
  }

  /**
   * How long it was silent is told by when its packets were sent: where we were held up ourselves they
   * are read long after, all at once.
   */
  #judgeSilence(believedMs: number): void {
    const { silences, slot } = this.#deps
    const silentMs = sentAt(this.#newestSecond, believedMs) - this.lastDataMarketMs
    if (silentMs >= this.#leastSilenceMs) silences.onSocketHeard(slot, this.#real(silentMs))
    if (this.#heard.length === 0) return
    silences.onStreamsHeard(slot, this.#heard)
    this.#heard.length = 0
  }

  /** Market milliseconds in those of a clock. */
  #real(marketMs: number): number {
    return marketMs / this.#deps.marketTime.speed
  }

  /** Says in the log what these ticks are the first to show. */
  #begin(marketMs: number): void {
    const { coverage, slot } = this.#deps
    for (let i = 0; i < this.#ticks.length; i++) {
      const tick = this.#ticks[i]
      const stream = this.#streams[i]
      if (tick === undefined || stream === undefined) continue
      if (tick.mode === stream.coveredMode && stream.nextSlot === undefined) continue
      if (coverage.isFedBy(stream, slot, tick)) coverage.start(stream, tick, marketMs)
    }
    coverage.writeStarts()
  }

  #write(receivedAtMs: number, marketMs: number, elapsedMs: number): void {
    const stamped = this.#stamped
    stamped.receivedAtMs = receivedAtMs
    stamped.marketTimeMs = marketMs
    stamped.sentMs = Math.min(this.lastDataMarketMs, marketMs)
    const received = this.#ticks.length
    for (let i = 0; i < received; i++) {
      const tick = this.#ticks[i]
      const stream = this.#streams[i]
      if (tick === undefined || stream === undefined) continue
      stream.partition.take(stamped.point(tick), this.packets + i + 1)
      stream.last ??= { receivedAtMs, elapsedMs, marketMs }
      const { last } = stream
      last.receivedAtMs = receivedAtMs
      last.elapsedMs = elapsedMs
      last.marketMs = knownUntilMs(last.marketMs, tick.exchangeTimeS, marketMs)
      if (stream.firstTickAtMs === undefined) {
        stream.firstTickAtMs = receivedAtMs
        this.#deps.onFirstTick(stream)
      }
    }
    const rejected = this.#rejected
    this.packets += received
    this.#ticks.length = 0
    this.#streams.length = 0
    this.#rejected = 0
    this.#newestSecond = undefined
    this.#frame = undefined
    this.#deps.onReceived(received, rejected)
  }
}

/**
 * Until when everything that was sent has come, after a packet of this exchange second: what waited in
 * a socket while we were held up was sent earlier than it is read. An old snapshot takes nothing back.
 */
function knownUntilMs(knownMs: number, exchangeSecond: number | undefined, marketMs: number) {
  return Math.max(knownMs, sentAt(exchangeSecond, marketMs))
}

/** When what shows this exchange second was sent, market time; without one it counts as new. */
function sentAt(exchangeSecond: number | undefined, marketMs: number): number {
  return exchangeSecond === undefined ? marketMs : Math.min(exchangeSecond * 1000, marketMs)
}
