/**
 * One line that tells whoever waits how far something is: rewritten in place on a terminal, elsewhere
 * (a file, a pipe) a line of its own now and then. What is over soon shows nothing.
 */
import { PROGRESS_FIRST_MS, PROGRESS_REDRAW_MS } from '../limits.ts'
import type { Clock } from './clock.ts'

/** Where it is shown, such as `process.stderr`. */
export interface ProgressTarget {
  readonly isTTY?: boolean
  /** Characters of a terminal's line. */
  readonly columns?: number
  write(text: string): unknown
}

const COLUMNS_DEFAULT = 80
const TO_LINE_START = '\r'
const CLEAR_TO_LINE_END = '\x1b[K'

export class ProgressLine {
  readonly #target: ProgressTarget
  readonly #clock: Clock
  /** Elapsed ms of the clock before which nothing is written. */
  #notBeforeMs: number
  readonly #periodMs: number
  readonly #cancel: () => void
  #text = ''
  #state = ''
  #shownText = ''
  #shownState = ''

  /** @param linesEveryMs the least between two lines where it is no terminal */
  constructor(target: ProgressTarget, clock: Clock, linesEveryMs: number) {
    this.#target = target
    this.#clock = clock
    this.#periodMs = target.isTTY === true ? PROGRESS_REDRAW_MS : linesEveryMs
    this.#notBeforeMs = clock.elapsedMs() + PROGRESS_FIRST_MS
    // What is said last before a long silence is shown too.
    this.#cancel = clock.every(PROGRESS_REDRAW_MS, () => this.#show())
  }

  /**
   * What is so now; shown when its turn comes, unless something newer is said before.
   *
   * @param state a word for what is going on: when it changes the line is shown without waiting its turn
   */
  say(text: string, state = ''): void {
    this.#text = text
    this.#state = state
    this.#show()
  }

  /** Takes the line away from a terminal, for something else to be written there; what is said next is shown. */
  clear(): void {
    const isShown = this.#isTerminal && this.#shownText !== ''
    if (isShown) this.#target.write(`${TO_LINE_START}${CLEAR_TO_LINE_END}`)
    this.#text = ''
    this.#shownText = ''
  }

  /** The same for good. Ending twice is fine. */
  end(): void {
    this.#cancel()
    this.clear()
  }

  get #isTerminal(): boolean {
    return this.#target.isTTY === true
  }

  #show(): void {
    const nowMs = this.#clock.elapsedMs()
    const isNews = this.#shownText !== '' && this.#state !== this.#shownState
    if (this.#text === this.#shownText || (nowMs < this.#notBeforeMs && !isNews)) return
    this.#shownText = this.#text
    this.#shownState = this.#state
    this.#notBeforeMs = nowMs + this.#periodMs
    this.#target.write(this.#isTerminal ? this.#inPlace() : `${this.#text}\n`)
  }

  /** Within one line of the terminal: what is longer would wrap and could not be rewritten. */
  #inPlace(): string {
    // A terminal that does not know says 0.
    const columns = this.#target.columns || COLUMNS_DEFAULT
    return `${TO_LINE_START}${this.#text.slice(0, columns - 1)}${CLEAR_TO_LINE_END}`
  }
}
