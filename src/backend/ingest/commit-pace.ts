/**
 * When the next commit is to be built. While the store works on one commit the next is built, and sent
 * behind it, so that the store never waits for this thread; but so late that it is ready just then, since
 * what is built too early misses the ticks that still come.
 *
 * What building and storing take is learned by the number of instruments that have changed. All times are
 * monotonic milliseconds.
 */
import { COMMIT_PAUSE_MS } from '../../limits.ts'

/** A commit costs the store and this thread as much as so many more instruments in it. */
const INSTRUMENTS_OF_AN_EMPTY_COMMIT = 100
/** What took longer is mostly a wait for a processor, so it counts less than what took less. */
const LONGER_SHARE = 1 / 8
const SHORTER_SHARE = 1 / 4

interface Sent {
  readonly instruments: number
  readonly sentAtMs: number
  /** When the store is thought to be through with it. */
  freeAtMs: number
}

export class CommitPace {
  readonly #build = new Cost()
  readonly #store = new Cost()
  /** What the store has not answered, in order. */
  readonly #sent: Sent[] = []
  #beganAtMs = Number.NEGATIVE_INFINITY
  #answeredAtMs = Number.NEGATIVE_INFINITY

  /** How long a commit of so many instruments should still wait; 0 or less where it may begin. */
  tooEarlyByMs(nowMs: number, instruments: number): number {
    const readyAtMs = this.#sent.at(-1)?.freeAtMs ?? Number.NEGATIVE_INFINITY
    const beginMs = readyAtMs - this.#build.ms(instruments)
    return Math.max(this.#beganAtMs + COMMIT_PAUSE_MS, beginMs) - nowMs
  }

  built(beganAtMs: number, nowMs: number, instruments: number): void {
    this.#beganAtMs = beganAtMs
    this.#build.add(nowMs - beganAtMs, instruments)
  }

  sent(nowMs: number, instruments: number): void {
    const beginMs = Math.max(nowMs, this.#sent.at(-1)?.freeAtMs ?? nowMs)
    const freeAtMs = beginMs + this.#store.ms(instruments)
    this.#sent.push({ instruments, sentAtMs: nowMs, freeAtMs })
  }

  /** The store has answered what was sent first. */
  answered(nowMs: number): void {
    const answered = this.#sent.shift()
    if (answered === undefined) return
    const { sentAtMs, instruments } = answered
    this.#store.add(nowMs - Math.max(sentAtMs, this.#answeredAtMs), instruments)
    this.#answeredAtMs = nowMs
    const [next] = this.#sent
    if (next !== undefined) next.freeAtMs = nowMs + this.#store.ms(next.instruments)
  }
}

class Cost {
  #msPerInstrument = 0

  add(ms: number, instruments: number): void {
    const value = ms / (instruments + INSTRUMENTS_OF_AN_EMPTY_COMMIT)
    if (this.#msPerInstrument === 0) this.#msPerInstrument = value
    const share = value < this.#msPerInstrument ? SHORTER_SHARE : LONGER_SHARE
    this.#msPerInstrument += (value - this.#msPerInstrument) * share
  }

  ms(instruments: number): number {
    return this.#msPerInstrument * (instruments + INSTRUMENTS_OF_AN_EMPTY_COMMIT)
  }
}
