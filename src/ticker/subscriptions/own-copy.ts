/**
 * The ticker's own copy of its subscriptions, a file beside the journal: with it the ticker starts
 * and streams while the store is away. What has changed is appended in one go, together with the
 * events that tell of it, so that a change of 500 costs 500 lines, however many others there are.
 */
import { compareEventIds, type LifecycleEvent } from '../../contract/events.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { TICKER_COPY_PERIOD_MS } from '../../limits.ts'
import { type OwnCopyContent, OwnCopyFile } from './own-copy-file.ts'
import type { Subscription } from './subscription.ts'

export interface OwnCopyDeps {
  readonly path: string
  readonly clock: Clock
  readonly log: Log
  /** All subscriptions as they are now, by `exchange:tradingsymbol`. */
  readonly all: ReadonlyMap<string, Subscription>
  /** Events that only this file keeps until they are told, oldest first. */
  readonly untold: () => readonly LifecycleEvent[]
}

export class OwnCopy {
  readonly #deps: OwnCopyDeps
  readonly #file: OwnCopyFile
  readonly #changed = new Set<string>()
  /** The newest event in the file. */
  #newestId: string | undefined
  #mustReplace = false
  #isScheduled = false
  #writing: Promise<void> = Promise.resolve()

  constructor(deps: OwnCopyDeps) {
    this.#deps = deps
    this.#file = new OwnCopyFile(deps.path)
  }

  /** Undefined where there is no copy: the very first start. Throws where it cannot be read. */
  load(): Promise<OwnCopyContent | undefined> {
    return this.#file.load()
  }

  /** This subscription has changed, which may wait a moment. */
  note(key: string): void {
    this.#changed.add(key)
    this.#schedule()
  }

  /** Subscriptions were forgotten: the file is written anew. */
  noteForgotten(): void {
    this.#mustReplace = true
    this.#schedule()
  }

  /** Resolves when everything up to now is in the file, or could not be written, which is logged. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

  /** Leaves a short file, with the newest times of ticks. */
  async close(): Promise<void> {
    this.#mustReplace = true
    await this.flush()
    await this.#file.close()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#deps.clock.after(TICKER_COPY_PERIOD_MS, () => {
      this.#isScheduled = false
      void this.flush()
    })
  }

  async #write(): Promise<void> {
    if (this.#changed.size === 0 && !this.#mustReplace) return
    const { path, log } = this.#deps
    try {
      if (this.#mustReplace || this.#file.mustReplace) await this.#replace()
      else await this.#append()
    } catch (error) {
      this.#mustReplace = true
      log.error({ err: error, path }, 'Subscriptions were not saved')
    }
  }

  #replace(): Promise<void> {
    this.#mustReplace = false
    this.#changed.clear()
    const untold = this.#deps.untold()
    this.#newestId = untold.at(-1)?.event_id ?? this.#newestId
    return this.#file.replace({ subscriptions: [...this.#deps.all.values()], untold })
  }

  #append(): Promise<void> {
    const subscriptions = [...this.#changed].flatMap((key) => this.#deps.all.get(key) ?? [])
    this.#changed.clear()
    const newestId = this.#newestId
    const untold = this.#deps
      .untold()
      .filter(({ event_id: id }) => newestId === undefined || compareEventIds(id, newestId) > 0)
    this.#newestId = untold.at(-1)?.event_id ?? newestId
    return this.#file.append({ subscriptions, untold })
  }
}
