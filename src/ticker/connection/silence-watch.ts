/**
 * The watch over silence, once a second: of each socket as a whole, and of each instrument on a socket
 * that brings others. `docs/connection.md` has the rules.
 */
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import {
  TICKER_CHECK_LATE_MS,
  TICKER_PACE_SECONDS_KNOWN,
  TICKER_SILENCE_SURPRISE,
  TICKER_SOCKET_JUDGED_FIRST_MS,
} from '../../limits.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { HeardStream } from '../feed/feed-session.ts'
import { isSameSlot, type SlotName, type Stream } from '../feed/stream.ts'
import type { Connection } from './connection.ts'

export interface SilenceWatchDeps {
  readonly clock: Clock
  readonly log: Log
  readonly connections: readonly Connection[]
  readonly streams: ReadonlyMap<number, Stream>
  readonly isInSession: (instrument: Instrument) => boolean
  readonly muteAfterMs: number
  /** These instruments, all of one socket, are mute. */
  readonly onMute: (streams: readonly Stream[]) => void
}

export class SilenceWatch {
  readonly #deps: SilenceWatchDeps
  #checkedAtMs: number
  /** By segment, for one check. */
  readonly #inSession = new Map<string, boolean>()

  constructor(deps: SilenceWatchDeps) {
    this.#deps = deps
    this.#checkedAtMs = deps.clock.elapsedMs()
  }

  /** Once a second. */
  check(): void {
    const nowMs = this.#deps.clock.elapsedMs()
    const isLate = nowMs - this.#checkedAtMs > TICKER_CHECK_LATE_MS
    this.#checkedAtMs = nowMs
    // We were held up ourselves: what came meanwhile has not been read yet, and is no silence.
    if (isLate) return
    this.#inSession.clear()
    for (const connection of this.#deps.connections) this.#check(connection, nowMs)
  }

  /** The socket brings something after so long a silence; it is judged as a check would have. */
  onSocketHeard(slot: SlotName, silentMs: number): void {
    const connection = this.#deps.connections.find((one) => isSameSlot(slot, one.slot))
    if (connection === undefined) return
    this.#inSession.clear()
    const due = this.#feeding(connection).filter((one) => this.#isInSession(one.instrument))
    connection.onSilenceOver(silentMs, (ms) => {
      const surprise = due.reduce((sum, { silence }) => sum + silence.pace.surprise(ms / 1000), 0)
      return !isPaceKnownOf(due) || surprise >= TICKER_SILENCE_SURPRISE
    })
  }

  /** The same of instruments; of those that another socket feeds nothing is heard here. */
  onStreamsHeard(slot: SlotName, heard: readonly HeardStream[]): void {
    const { clock, muteAfterMs, log, onMute } = this.#deps
    const nowMs = clock.elapsedMs()
    const mute = heard.flatMap(({ stream, silentMs }) => {
      const isOurs = isSameSlot(stream.slot, slot) && stream.coveredMode !== undefined
      return isOurs && stream.silence.wasTooLong(silentMs, nowMs, muteAfterMs) ? [stream] : []
    })
    if (mute.length === 0) return
    // A frame may hold two packets of one instrument.
    const once = [...new Set(mute)]
    const tokens = once.slice(0, 10).map(({ instrument }) => instrument.token)
    log.warn({ ...slot, instruments: once.length, tokens }, 'Was mute')
    onMute(once)
  }

  #check(connection: Connection, nowMs: number): void {
    const due = this.#watch(connection, nowMs)
    const isPaceKnown = isPaceKnownOf(due)
    connection.check({
      isDataDue: due.length > 0,
      isPaceKnown,
      // Of what is not known yet, any silence is suspect.
      isUnlikely: () => !isPaceKnown || surpriseOf(due, nowMs) >= TICKER_SILENCE_SURPRISE,
    })
    if (connection.isReading) this.#judge(connection, due, nowMs)
  }

  /** Lets each instrument of the socket have its second; returns those that are in session. */
  #watch(connection: Connection, nowMs: number): readonly Stream[] {
    const due: Stream[] = []
    for (const stream of this.#feeding(connection)) {
      if (!this.#isInSession(stream.instrument)) stream.silence.close()
      else if (!connection.isReading) stream.silence.rest()
      else {
        stream.silence.second(nowMs, stream.last?.elapsedMs)
        due.push(stream)
      }
    }
    return due
  }

  /** What the socket feeds: while an instrument moves to another one, the one that feeds it counts. */
  #feeding(connection: Connection): Stream[] {
    const feeding: Stream[] = []
    for (const token of connection.isReading ? connection.told : connection.tokens) {
      const stream = this.#deps.streams.get(token)
      if (stream === undefined || !isSameSlot(stream.slot, connection.slot)) continue
      feeding.push(stream)
    }
    return feeding
  }

  /** A socket that is silent as a whole is opened anew: its instruments are not judged one by one. */
  #judge(connection: Connection, due: readonly Stream[], nowMs: number): void {
    const { muteAfterMs, log, onMute } = this.#deps
    const listenedMs = Math.max(muteAfterMs - TICKER_SOCKET_JUDGED_FIRST_MS, muteAfterMs / 2)
    if (connection.silentMs(nowMs) > listenedMs) return
    const mute = due.filter(({ silence }) => silence.isTooLong(nowMs, muteAfterMs))
    if (mute.length === 0) return
    const tokens = mute.map(({ instrument }) => instrument.token)
    log.warn({ ...connection.slot, instruments: mute.length, tokens: tokens.slice(0, 10) }, 'Mute')
    onMute(mute)
    for (const { silence } of mute) silence.strike(nowMs)
    connection.askAnew(tokens)
  }

  #isInSession(instrument: Instrument): boolean {
    const known = this.#inSession.get(instrument.segment)
    if (known !== undefined) return known
    const isOpen = this.#deps.isInSession(instrument)
    this.#inSession.set(instrument.segment, isOpen)
    return isOpen
  }
}

/** Enough has been seen of them together to say how often they tick. */
function isPaceKnownOf(streams: readonly Stream[]): boolean {
  const seen = streams.reduce((sum, { silence }) => sum + silence.pace.seen, 0)
  return seen >= TICKER_PACE_SECONDS_KNOWN
}

/** How unlikely it is that all of them are silent at once. */
function surpriseOf(streams: readonly Stream[], nowMs: number): number {
  return streams.reduce((sum, { silence }) => sum + silence.surprise(nowMs), 0)
}
