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
import type { CoverageLog } from './coverage-log.ts'
import { FaultLog } from './fault-log.ts'
import type { MarketTime } from './market-time.ts'
import { StampedTick } from './stamped-tick.ts'
import type { Stream } from './stream.ts'

export interface FeedSessionDeps {
  /** Number of the socket connection within the epoch. */
  readonly connection: number
  readonly clock: Clock
  readonly log: Log
  readonly marketTime: MarketTime
  readonly coverage: CoverageLog
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
  /** Market time of the newest frame with ticks. */
  lastDataMarketMs: number
  readonly #deps: FeedSessionDeps
  readonly #faultLog: FaultLog
  readonly #stamped = new StampedTick()
  /** The frame at hand: its packets (undefined: not decoded), and whose they are (undefined: nobody's). */
  readonly #ticks: (KiteTick | undefined)[] = []
  readonly #streams: (Stream | undefined)[] = []
  #frame: Uint8Array | undefined
  #rejected = 0

  constructor(deps: FeedSessionDeps) {
    this.#deps = deps
    this.connection = deps.connection
    this.#faultLog = new FaultLog(deps.clock, deps.log)
    this.#stamped.connection = deps.connection
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
    const elapsedMs = this.#deps.clock.elapsedMs()
    const ticks = this.#attribute(elapsedMs)
    const marketMs = this.#deps.marketTime.at(elapsedMs)
    if (ticks > 0) {
      this.#begin(marketMs)
      this.lastTickAtMs = receivedAtMs
      this.lastDataElapsedMs = elapsedMs
      this.lastDataMarketMs = marketMs
    }
    this.#write(receivedAtMs, marketMs)
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

  /** Finds whose each tick is and lets it move market time; returns how many are somebody's. */
  #attribute(elapsedMs: number): number {
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
      if (tick.exchangeTimeS !== undefined) {
        marketTime.observe(tick.token, tick.exchangeTimeS, elapsedMs)
      }
    }
    return known
  }

  /** Says in the log what these ticks are the first to show. */
  #begin(marketMs: number): void {
    const { coverage } = this.#deps
    for (let i = 0; i < this.#ticks.length; i++) {
      const tick = this.#ticks[i]
      const stream = this.#streams[i]
      if (tick === undefined || stream === undefined || tick.mode === stream.coveredMode) continue
      coverage.start(stream, tick, marketMs)
    }
    coverage.writeStarts()
  }

  #write(receivedAtMs: number, marketMs: number): void {
    const stamped = this.#stamped
    stamped.receivedAtMs = receivedAtMs
    stamped.marketTimeMs = marketMs
    const received = this.#ticks.length
    for (let i = 0; i < received; i++) {
      const tick = this.#ticks[i]
      const stream = this.#streams[i]
      if (tick === undefined || stream === undefined) continue
      stream.partition.take(stamped.point(tick), this.packets + i + 1)
      stream.lastTickAtMs = receivedAtMs
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
    this.#frame = undefined
    this.#deps.onReceived(received, rejected)
  }
}
