/** Those who wait until instruments have ticked. */
import { TICKER_WAITERS_MAX } from '../../limits.ts'

interface Waiter {
  readonly missing: Set<number>
  readonly done: () => void
}

export class FirstTicks {
  readonly #waiters = new Set<Waiter>()

  /** Whether one more may wait. */
  get hasRoom(): boolean {
    return this.#waiters.size < TICKER_WAITERS_MAX
  }

  /** Calls `done` once, when every token has ticked or is gone. Returns how to stop waiting. */
  wait(tokens: Iterable<number>, done: () => void): () => void {
    const waiter: Waiter = { missing: new Set(tokens), done }
    if (waiter.missing.size === 0) done()
    else this.#waiters.add(waiter)
    return () => this.#waiters.delete(waiter)
  }

  seen(token: number): void {
    for (const waiter of this.#waiters) {
      if (waiter.missing.delete(token) && waiter.missing.size === 0) this.#end(waiter)
    }
  }

  /** Nobody wants it any more: it will not tick. */
  gone(token: number): void {
    this.seen(token)
  }

  /** Lets everybody go. */
  stop(): void {
    for (const waiter of this.#waiters) this.#end(waiter)
  }

  #end(waiter: Waiter): void {
    this.#waiters.delete(waiter)
    waiter.done()
  }
}
