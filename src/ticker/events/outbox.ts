/**
 * What has happened and was not yet told on the bus, in order, in a file beside the own copy: it
 * outlives the process. Where the disk does not take it the ticker goes on from memory and says so.
 *
 * While the bus is away for long the oldest give way to the newest, counted: receivers put right what
 * they missed from the ticker's list anyway.
 */
import { compareEventIds, type LifecycleEvent } from '../../contract/events.ts'
import type { Log } from '../../kit/log.ts'
import { OUTBOX_EVENTS_MAX } from '../../limits.ts'
import { type OutboxContent, type OutboxEntry, OutboxFile } from './outbox-file.ts'

export interface OutboxDeps {
  readonly path: string
  readonly log: Log
}

export class Outbox {
  readonly #file: OutboxFile
  readonly #deps: OutboxDeps
  /** On the disk, and those that are being written to it. */
  #entries: OutboxEntry[] = []
  #unsaved: OutboxEntry[] = []
  #newestId: string | undefined
  #dropped = 0
  #highWater = 0
  #error: string | null = null
  #working: Promise<void> = Promise.resolve()

  constructor(deps: OutboxDeps) {
    this.#deps = deps
    this.#file = new OutboxFile(deps.path)
  }

  /** Events that are owed. */
  get size(): number {
    return this.#entries.length + this.#unsaved.length
  }

  /** The most that ever were. */
  get highWater(): number {
    return this.#highWater
  }

  /** Those of them that may be handed on. */
  get ready(): number {
    return this.#entries.length
  }

  /** Events that gave way because there were too many. */
  get dropped(): number {
    return this.#dropped
  }

  /** Why the file does not take what is in memory; null while it does. */
  get error(): string | null {
    return this.#error
  }

  /** Takes up what an earlier process left; once, before all else. What cannot be read is logged. */
  async open(): Promise<void> {
    const { log, path } = this.#deps
    try {
      const { entries, newestId, damagedLines } = await this.#file.load()
      this.#entries = [...entries]
      this.#newestId = newestId
      if (damagedLines > 0) log.warn({ path, lines: damagedLines }, 'Torn end of the outbox cut')
    } catch (error) {
      log.error({ err: error, path }, 'Outbox cannot be read, it is set aside')
      await this.#work(() => this.#file.setAside())
    }
    this.#makeRoom()
    await this.#work(() => this.#file.replace(this.#content()))
  }

  /** The oldest that are ready. */
  oldest(count: number): readonly OutboxEntry[] {
    return this.#entries.slice(0, count)
  }

  /** Adds events that are newer than all before; what it had already is left out. Resolves when they are as safe as can be. */
  append(events: readonly LifecycleEvent[]): Promise<void> {
    const newestId = this.#newestId
    const added = events
      .filter(({ event_id: id }) => newestId === undefined || compareEventIds(id, newestId) > 0)
      .map((event) => ({ id: event.event_id, text: JSON.stringify(event) }))
    if (added.length === 0) return this.#working
    this.#unsaved.push(...added)
    this.#newestId = added.at(-1)?.id
    this.#highWater = Math.max(this.#highWater, this.size)
    return this.#work(() => this.#file.append(added, () => this.#content())).then(() => {
      this.#entries.push(...this.#unsaved.splice(0, added.length))
      this.#makeRoom()
    })
  }

  /** Nothing up to `id` is owed any more. */
  told(id: string): Promise<void> {
    const first = this.#entries.findIndex((entry) => compareEventIds(entry.id, id) > 0)
    this.#entries.splice(0, first < 0 ? this.#entries.length : first)
    return this.#work(() => this.#file.mark(id, () => this.#content()))
  }

  async close(): Promise<void> {
    await this.#work(() => this.#file.close())
  }

  #makeRoom(): void {
    const surplus = this.#entries.length - OUTBOX_EVENTS_MAX
    if (surplus <= 0) return
    if (this.#dropped === 0) {
      this.#deps.log.error({ kept: OUTBOX_EVENTS_MAX }, 'Outbox is full, its oldest events go')
    }
    this.#entries.splice(0, surplus)
    this.#dropped += surplus
  }

  #content(): OutboxContent {
    return { entries: [...this.#entries, ...this.#unsaved], newestId: this.#newestId }
  }

  /** One at a time; a failure is said once, and the file is written anew by the next. */
  #work(task: () => Promise<void>): Promise<void> {
    this.#working = this.#working.then(async () => {
      try {
        await task()
        this.#error = null
      } catch (error) {
        const { log, path } = this.#deps
        if (this.#error === null) log.error({ err: error, path }, 'Outbox was not saved')
        this.#error = error instanceof Error ? error.message : String(error)
      }
    })
    return this.#working
  }
}
