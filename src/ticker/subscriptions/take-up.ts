/**
 * The first minutes: instruments and what was held before are brought together, whichever of broker,
 * own copy and store is there. What was never asked for is not streamed.
 *
 *   own copy ──┐
 *   store ─────┼──▶ restore ──▶ streaming ──▶ (the store was away: merge when it is back)
 *   dump ──────┘
 */
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { TICKER_STORE_START_MS } from '../../limits.ts'
import { withinMs } from '../bounded.ts'
import type { Instruments } from '../instruments/instruments.ts'
import type { StoredSubscription, SubscriptionStore } from '../ports.ts'
import type { Subscriptions } from './subscriptions.ts'

export interface TakeUpDeps {
  readonly clock: Clock
  readonly log: Log
  readonly store: SubscriptionStore | undefined
  readonly instruments: Instruments
  readonly subscriptions: Subscriptions
  /** All that will be streamed is known: what the log says beyond it is nobody's. */
  readonly onRestored: () => void
}

export class TakeUp {
  readonly #deps: TakeUpDeps
  #isDone = false
  #isStopped = false
  #cancelRetry: (() => void) | undefined

  constructor(deps: TakeUpDeps) {
    this.#deps = deps
  }

  /** What was held is being streamed. */
  get isDone(): boolean {
    return this.#isDone
  }

  async run(): Promise<void> {
    const { clock, instruments, subscriptions, onRestored } = this.#deps
    const loading = this.#loadStored()
    const [copy] = await Promise.all([subscriptions.loadCopy(), instruments.start()])
    const stored = await withinMs(clock, TICKER_STORE_START_MS, loading)
    if (this.#isStopped) return
    await subscriptions.restore(copy ?? [], stored)
    if (this.#isStopped) return
    if (stored === undefined) this.#mergeLater(loading)
    onRestored()
    this.#isDone = true
  }

  /** A dump was loaded, now or later than the start. */
  async onInstruments(): Promise<void> {
    if (this.#isDone) await this.#deps.subscriptions.onMaster()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelRetry?.()
  }

  /** Undefined where there is no store, or it does not answer. */
  async #loadStored(): Promise<readonly StoredSubscription[] | undefined> {
    try {
      return await this.#deps.store?.load()
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'Stored subscriptions could not be read')
      return undefined
    }
  }

  #mergeLater(loading: Promise<readonly StoredSubscription[] | undefined>): void {
    const { clock, store, subscriptions } = this.#deps
    if (store === undefined) return
    void loading.then((stored) => {
      if (this.#isStopped) return
      if (stored !== undefined) {
        return subscriptions.mergeStored(stored)
      }
      this.#cancelRetry = clock.after(TICKER_STORE_START_MS, () => {
        this.#mergeLater(this.#loadStored())
      })
    })
  }
}
