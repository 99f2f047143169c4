/**
 * Everybody who waits for the answer to one request. Each may go before it is there: by a signal, by
 * the end of its time, or because its group is taken back; the request learns when the last one is
 * gone.
 */
import type { RequestPriority } from '../../contract/api/history.ts'
import type { Clock } from '../../kit/clock.ts'
import { RequestError } from './request-error.ts'

export interface WaitOptions {
  readonly priority: RequestPriority
  /** Within the class, the smallest first. */
  readonly order: number
  /** Name under which several requests can be taken back at once. */
  readonly group?: string | undefined
  /** Our time, ms. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

interface Waiter<T> {
  readonly group: string | undefined
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
  readonly release: () => void
}

export class Waiters<T> {
  readonly #clock: Clock
  readonly #onGone: () => void
  readonly #waiters = new Set<Waiter<T>>()

  /** @param onGone all have gone without an answer */
  constructor(clock: Clock, onGone: () => void) {
    this.#clock = clock
    this.#onGone = onGone
  }

  get size(): number {
    return this.#waiters.size
  }

  /** @param overdue what to say when its time is over */
  add({ group, timeoutMs, signal }: WaitOptions, overdue: () => RequestError): Promise<T> {
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#reject(waiter, abortReason(signal))
      const cancelTimeout = this.#clock.after(timeoutMs, () => this.#reject(waiter, overdue()))
      const release = () => {
        cancelTimeout()
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter = { group, resolve, reject, release }
      this.#waiters.add(waiter)
      if (signal?.aborted === true) onAbort()
      else signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  resolveAll(value: T): void {
    for (const waiter of this.#waiters) {
      waiter.release()
      waiter.resolve(value)
    }
    this.#waiters.clear()
  }

  rejectAll(error: unknown): void {
    for (const waiter of [...this.#waiters]) this.#reject(waiter, error)
  }

  rejectGroup(group: string, error: unknown): void {
    for (const waiter of [...this.#waiters]) {
      if (waiter.group === group) this.#reject(waiter, error)
    }
  }

  #reject(waiter: Waiter<T>, error: unknown): void {
    if (!this.#waiters.delete(waiter)) return
    waiter.release()
    waiter.reject(error)
    if (this.#waiters.size === 0) this.#onGone()
  }
}

function abortReason(signal: AbortSignal | undefined): RequestError {
  const reason: unknown = signal?.reason
  return reason instanceof RequestError
    ? reason
    : new RequestError('cancelled', 'The request was taken back.')
}
