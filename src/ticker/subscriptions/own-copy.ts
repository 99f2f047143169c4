/**
 * The ticker's own copy of its subscriptions, a file beside the journal: with it the ticker starts
 * and streams while the store is away. It is replaced as a whole, so that the old or the new one is
 * there after a crash, never a part.
 *
 * One line a subscription; a line is made anew only where its subscription has changed, and the event
 * loop gets its turn in between, since ticks must not wait for 4,500 of them.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { TICKER_COPY_PERIOD_MS } from '../../limits.ts'
import { readWhole, replaceFile } from '../replace-file.ts'
import type { Subscription } from './subscription.ts'

const FORMAT = 'fostream subscriptions 1'
const LINES_A_TURN = 500

export interface OwnCopyDeps {
  readonly path: string
  readonly clock: Clock
  readonly log: Log
  readonly read: () => Iterable<Subscription>
}

export class OwnCopy {
  readonly #deps: OwnCopyDeps
  readonly #lines = new WeakMap<Subscription, string>()
  #isDirty = false
  #isScheduled = false
  #writing: Promise<void> = Promise.resolve()

  constructor(deps: OwnCopyDeps) {
    this.#deps = deps
  }

  /** Undefined where there is no copy: the very first start. Throws where it cannot be read. */
  async load(): Promise<readonly Subscription[] | undefined> {
    const text = await readWhole(this.#deps.path)
    if (text === undefined) return undefined
    const [format, ...lines] = text.split('\n')
    if (format !== FORMAT) throw new Error(`${this.#deps.path} is not a copy of subscriptions`)
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Subscription)
  }

  /** Something has changed that may wait a moment. */
  schedule(): void {
    this.#isDirty = true
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#deps.clock.after(TICKER_COPY_PERIOD_MS, () => {
      this.#isScheduled = false
      void this.flush()
    })
  }

  /** Resolves when everything up to now is in the file, or could not be written, which is logged. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

  async #write(): Promise<void> {
    if (!this.#isDirty) return
    this.#isDirty = false
    try {
      await replaceFile(this.#deps.path, await this.#text())
    } catch (error) {
      this.#isDirty = true
      this.#deps.log.error({ err: error, path: this.#deps.path }, 'Subscriptions were not saved')
    }
  }

  async #text(): Promise<string> {
    const lines = [FORMAT]
    for (const subscription of [...this.#deps.read()]) {
      lines.push(this.#lineOf(subscription))
      if (lines.length % LINES_A_TURN === 0) await nextTurn()
    }
    return `${lines.join('\n')}\n`
  }

  #lineOf(subscription: Subscription): string {
    const known = this.#lines.get(subscription)
    if (known !== undefined) return known
    const line = JSON.stringify(subscription)
    this.#lines.set(subscription, line)
    return line
  }
}
