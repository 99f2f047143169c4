/**
 * The first minutes: instruments and what was held before are brought together, whichever of broker,
 * own copy and store is there, and the very first start subscribes to something by itself.
 *
 *   own copy ──┐
 *   store ─────┼──▶ restore ──▶ streaming ──▶ (the store was away: merge when it is back)
 *   dump ──────┘         └──▶ nothing was ever held: first subscriptions
 */
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { TICKER_STORE_START_MS } from '../../limits.ts'
import { withinMs } from '../bounded.ts'
import type { Instruments } from '../instruments/instruments.ts'
import type { StoredSubscription, SubscriptionStore } from '../ports.ts'
import type { FirstStart } from './first-start.ts'
import type { Subscriptions } from './subscriptions.ts'

export interface TakeUpDeps {
  readonly clock: Clock
  readonly log: Log
  readonly store: SubscriptionStore | undefined
  readonly instruments: Instruments
  readonly subscriptions: Subscriptions
  readonly firstStart: FirstStart
  /** All that will be streamed is known: what the log says beyond it is nobody's. */
  readonly onRestored: () => void
}

export class TakeUp {
  readonly #deps: TakeUpDeps
  #isDone = false
  #isFirst = false
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
    this.#isFirst = copy === undefined && (stored === undefined || stored.length === 0)
    subscriptions.restore(copy ?? [], stored)
    if (stored === undefined) this.#mergeLater(loading)
    onRestored()
    this.#isDone = true
    await this.#subscribeFirst()
  }

  /** A dump was loaded, now or later than the start. */
  async onInstruments(): Promise<void> {
    if (!this.#isDone) return
    this.#deps.subscriptions.onMaster()
    await this.#subscribeFirst()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelRetry?.()
    await this.#deps.firstStart.stop()
  }

  async #subscribeFirst(): Promise<void> {
    if (!this.#isFirst || this.#deps.instruments.master.size === 0) return
    this.#isFirst = false
    await this.#deps.firstStart.run()
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
        subscriptions.mergeStored(stored)
        return
      }
      this.#cancelRetry = clock.after(TICKER_STORE_START_MS, () => {
        this.#mergeLater(this.#loadStored())
      })
    })
  }
}
