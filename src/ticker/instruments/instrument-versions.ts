/**
 * Versions the instrument master in the store: what a new dump adds, changes and takes away, in
 * chunks and in the background. The store may be away; the newest master is tried again then.
 */
import { backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import {
  TICKER_STORE_CHUNK_ROWS,
  TICKER_STORE_RETRY_FIRST_MS,
  TICKER_STORE_RETRY_MAX_MS,
} from '../../limits.ts'
import { diffInstruments, type InstrumentMaster } from '../../market/instrument-master.ts'
import type { InstrumentDiff, InstrumentStore } from '../ports.ts'

export interface InstrumentVersionsDeps {
  readonly store: InstrumentStore
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
}

const BACKOFF = { firstMs: TICKER_STORE_RETRY_FIRST_MS, capMs: TICKER_STORE_RETRY_MAX_MS }

export class InstrumentVersions {
  readonly #deps: InstrumentVersionsDeps
  #due: { readonly master: InstrumentMaster; readonly date: string } | undefined
  #running: Promise<void> | undefined
  #attempt = 0
  #cancelRetry: (() => void) | undefined
  #isStopped = false

  constructor(deps: InstrumentVersionsDeps) {
    this.#deps = deps
  }

  /** The newest master counts; one that was not written yet is left out. */
  write(master: InstrumentMaster, date: string): void {
    this.#due = { master, date }
    this.#start()
  }

  /** Ends after the chunk at hand; what is not written yet is written after the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelRetry?.()
    await this.#running
  }

  #start(): void {
    if (this.#running !== undefined || this.#cancelRetry !== undefined || this.#isStopped) return
    if (this.#due === undefined) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      this.#start()
    })
  }

  async #run(): Promise<void> {
    const due = this.#due
    this.#due = undefined
    if (due === undefined) return
    try {
      const current = await this.#deps.store.loadCurrent()
      const { added, changed, removed } = diffInstruments(current, due.master.instruments)
      const chunks = chunksOf(
        due.date,
        added,
        changed.map(({ after }) => after),
        removed,
      )
      for (const chunk of chunks) {
        if (this.#isStopped) return
        await this.#deps.store.apply(chunk)
      }
      this.#attempt = 0
      const counts = { added: added.length, changed: changed.length, removed: removed.length }
      this.#deps.log.info({ date: due.date, ...counts }, 'Instruments stored')
    } catch (error) {
      this.#due ??= due
      this.#retryLater(error)
    }
  }

  #retryLater(error: unknown): void {
    if (this.#isStopped) return
    const { clock, log, random } = this.#deps
    log.warn({ err: error }, 'Instruments wait for the store')
    this.#cancelRetry = clock.after(backoffDelayMs(BACKOFF, this.#attempt++, random), () => {
      this.#cancelRetry = undefined
      this.#start()
    })
  }
}

function* chunksOf(
  date: string,
  added: InstrumentDiff['added'],
  changed: InstrumentDiff['changed'],
  removed: InstrumentDiff['removed'],
): Generator<InstrumentDiff> {
  const size = TICKER_STORE_CHUNK_ROWS
  const none = { date, added: [], changed: [], removed: [] }
  // What goes comes first: its token may be another's from today on.
  for (let at = 0; at < removed.length; at += size) {
    yield { ...none, removed: removed.slice(at, at + size) }
  }
  for (let at = 0; at < changed.length; at += size) {
    yield { ...none, changed: changed.slice(at, at + size) }
  }
  for (let at = 0; at < added.length; at += size) {
    yield { ...none, added: added.slice(at, at + size) }
  }
}
