/**
 * The way of requests to the store: a few reads at once, a few that wait, the others refused, and
 * none waited for without end. Ingest writes to the same store and must not be starved by readers.
 */
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { API_READ_TIMEOUT_MS, API_READS_AT_ONCE, API_READS_WAITING } from '../../limits.ts'
import { ApiError, unavailable } from './api-error.ts'
import { within } from './within.ts'

export class ReadGate {
  readonly #clock: Clock
  readonly #log: Pick<Log, 'warn'>
  readonly #waiting: (() => void)[] = []
  #running = 0
  #highWater = 0

  constructor(clock: Clock, log: Pick<Log, 'warn'>) {
    this.#clock = clock
    this.#log = log
  }

  /** The most reads that ever waited. */
  get highWater(): number {
    return this.#highWater
  }

  /** Throws ApiError: `unavailable` where the store fails or too many wait, `timeout` where it is slow. */
  async read<T>(query: () => Promise<T>): Promise<T> {
    await this.#enter()
    // A read that is given up goes on in the store, and keeps its place until it ends.
    const running = query().finally(() => this.#leave())
    try {
      return await within(this.#clock, API_READ_TIMEOUT_MS, running, tookTooLong)
    } catch (cause) {
      if (cause instanceof ApiError) throw cause
      this.#log.warn({ err: cause }, 'a read of the store failed')
      throw unavailable('The store does not answer; live data is served all the same.')
    }
  }

  async #enter(): Promise<void> {
    if (this.#running >= API_READS_AT_ONCE) {
      if (this.#waiting.length >= API_READS_WAITING) {
        throw unavailable('Too many requests wait for the store; try again later.')
      }
      return new Promise((resolve) => {
        this.#highWater = Math.max(this.#highWater, this.#waiting.push(resolve))
      })
    }
    this.#running++
  }

  /** The place goes to who waits longest. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#running--
    else next()
  }
}

function tookTooLong(): ApiError {
  return new ApiError(504, 'timeout', 'The store took too long; ask for less.')
}
