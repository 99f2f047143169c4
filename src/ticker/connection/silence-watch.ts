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
import { isSameSlot, type Stream } from '../feed/stream.ts'
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

  #check(connection: Connection, nowMs: number): void {
    const due = this.#watch(connection, nowMs)
    const seen = due.reduce((sum, { silence }) => sum + silence.pace.seen, 0)
    const isPaceKnown = seen >= TICKER_PACE_SECONDS_KNOWN
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
    for (const token of connection.isReading ? connection.told : connection.tokens) {
      const stream = this.#deps.streams.get(token)
      // While it moves to another socket, the one that feeds it is the one that counts.
      if (stream === undefined || !isSameSlot(stream.slot, connection.slot)) continue
      if (!this.#isInSession(stream.instrument)) stream.silence.close()
      else if (!connection.isReading) stream.silence.rest()
      else {
        stream.silence.second(nowMs, stream.lastTickElapsedMs)
        due.push(stream)
      }
    }
    return due
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

/** How unlikely it is that all of them are silent at once. */
function surpriseOf(streams: readonly Stream[], nowMs: number): number {
  return streams.reduce((sum, { silence }) => sum + silence.surprise(nowMs), 0)
}
