/**
 * Versions the instrument master in the store: what a new dump adds, changes and takes away, in
 * chunks and in the background. The store may be away; the newest master is tried again then. What
 * a dump changed is told after the store has it.
 */

import type { RefreshMetadata } from '../../contract/events.ts'
import { backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { runInSlices } from '../../kit/slices.ts'
import {
  TICKER_DUMP_SLICE_MS,
  TICKER_STORE_CHUNK_ROWS,
  TICKER_STORE_RETRY_FIRST_MS,
  TICKER_STORE_RETRY_MAX_MS,
} from '../../limits.ts'
import type { Instrument } from '../../market/instrument.ts'
import {
  diffInSteps,
  keyedInSteps,
  type InstrumentDiff as MasterDiff,
} from '../../market/instrument-diff.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import type { Steps } from '../../market/steps.ts'
import type { InstrumentDiff, InstrumentStore } from '../ports.ts'
import type { LoadedDump } from './instruments.ts'

export interface InstrumentVersionsDeps {
  readonly store: InstrumentStore
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  /** The store has what `refresh` says. */
  readonly onStored: (refresh: RefreshMetadata) => void
}

const BACKOFF = { firstMs: TICKER_STORE_RETRY_FIRST_MS, capMs: TICKER_STORE_RETRY_MAX_MS }

export class InstrumentVersions {
  readonly #deps: InstrumentVersionsDeps
  #due: { readonly master: InstrumentMaster; readonly date: string } | undefined
  /** Of the dumps that the store does not have yet, oldest first. */
  #untold: readonly RefreshMetadata[] = []
  #running: Promise<void> | undefined
  #attempt = 0
  #cancelRetry: (() => void) | undefined
  #isStopped = false

  constructor(deps: InstrumentVersionsDeps) {
    this.#deps = deps
  }

  /** The newest master counts; one that was not written yet is left out. */
  write({ master, refresh, isChanged }: LoadedDump): void {
    this.#due = { master, date: refresh.date }
    if (isChanged) this.#untold = [...this.#untold, refresh]
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
    const untold = this.#untold
    const { store, clock } = this.#deps
    try {
      const current = await store.loadCurrent()
      const steps = changesInSteps(current, due.master)
      const { added, changed, removed } = await runInSlices(steps, clock, TICKER_DUMP_SLICE_MS)
      const chunks = chunksOf(
        due.date,
        added,
        changed.map(({ after }) => after),
        removed,
      )
      for (const chunk of chunks) {
        if (this.#isStopped) return
        await store.apply(chunk)
      }
      this.#attempt = 0
      const counts = { added: added.length, changed: changed.length, removed: removed.length }
      this.#deps.log.info({ date: due.date, ...counts }, 'Instruments stored')
      this.#untold = this.#untold.slice(untold.length)
      for (const refresh of untold) this.#deps.onStored(refresh)
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

function* changesInSteps(
  current: readonly Instrument[],
  master: InstrumentMaster,
): Steps<MasterDiff> {
  return yield* diffInSteps(yield* keyedInSteps(current), master)
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
