/**
 * Writes subscriptions to the store in the background. Streaming never waits for it: what changes
 * while the store is slow or away is written as it is when the store comes back.
 */
import { backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import {
  TICKER_STORE_CHUNK_ROWS,
  TICKER_STORE_RETRY_FIRST_MS,
  TICKER_STORE_RETRY_MAX_MS,
} from '../../limits.ts'
import type { SubscriptionStore } from '../ports.ts'
import { type Subscription, toStored } from './subscription.ts'

export interface StoreSyncDeps {
  readonly store: SubscriptionStore
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  /** The subscription as it is now; undefined where it was forgotten. */
  readonly read: (key: string) => Subscription | undefined
  /** The store has this very version. */
  readonly onStored: (key: string, stored: Subscription) => void
}

const BACKOFF = { firstMs: TICKER_STORE_RETRY_FIRST_MS, capMs: TICKER_STORE_RETRY_MAX_MS }

export class StoreSync {
  readonly #deps: StoreSyncDeps
  readonly #due = new Set<string>()
  #running: Promise<void> | undefined
  #attempt = 0
  #cancelRetry: (() => void) | undefined
  #lastError: string | null = null
  #isBegun = false
  #isStopped = false

  constructor(deps: StoreSyncDeps) {
    this.#deps = deps
  }

  /** Rows that the store does not have yet. */
  get waiting(): number {
    return this.#due.size
  }

  /** Why it does not take them; null while it does. */
  get lastError(): string | null {
    return this.#lastError
  }

  /** Resolves when the store has what is due, or does not take it. */
  async written(): Promise<void> {
    await this.#running
  }

  /**
   * Writing may begin: what the store held has been read. Before that a write could undo what
   * somebody has changed in the table.
   */
  begin(): void {
    this.#isBegun = true
    this.#start()
  }

  write(keys: Iterable<string>): void {
    for (const key of keys) this.#due.add(key)
    this.#start()
  }

  /** Tries once more to write what waits, then stops. */
  async stop(): Promise<void> {
    this.#endWait()
    await this.#running
    this.#start()
    this.#isStopped = true
    await this.#running
    this.#endWait()
  }

  #endWait(): void {
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
  }

  #start(): void {
    if (this.#running !== undefined || this.#cancelRetry !== undefined || this.#isStopped) return
    if (!this.#isBegun || this.#due.size === 0) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      this.#start()
    })
  }

  async #run(): Promise<void> {
    while (this.#due.size > 0) {
      const keys = [...this.#due].slice(0, TICKER_STORE_CHUNK_ROWS)
      const rows = keys.flatMap((key) => this.#deps.read(key) ?? [])
      for (const key of keys) this.#due.delete(key)
      try {
        await this.#deps.store.save(rows.map(toStored))
      } catch (error) {
        for (const key of keys) this.#due.add(key)
        this.#retryLater(error)
        return
      }
      this.#attempt = 0
      this.#lastError = null
      for (const row of rows) {
        this.#deps.onStored(`${row.instrument.exchange}:${row.instrument.tradingsymbol}`, row)
      }
    }
  }

  #retryLater(error: unknown): void {
    const { clock, log, random } = this.#deps
    this.#lastError = error instanceof Error ? error.message : String(error)
    const delayMs = backoffDelayMs(BACKOFF, this.#attempt++, random)
    log.warn({ err: error, waiting: this.#due.size }, 'Subscriptions wait for the store')
    this.#cancelRetry = clock.after(delayMs, () => {
      this.#cancelRetry = undefined
      this.#start()
    })
  }
}
