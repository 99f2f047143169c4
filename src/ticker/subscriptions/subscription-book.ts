/**
 * All subscriptions by name and by token, ended ones too. A token that two contracts have had is that
 * of the one that is streamed, or was last.
 */
import { TICKER_REMOVED_KEPT } from '../../limits.ts'
import { isLive, keyOf, type Subscription } from './subscription.ts'

export class SubscriptionBook {
  readonly #byKey = new Map<string, Subscription>()
  readonly #keyByToken = new Map<number, string>()

  /** By `exchange:tradingsymbol`. */
  get byKey(): ReadonlyMap<string, Subscription> {
    return this.#byKey
  }

  get(key: string): Subscription | undefined {
    return this.#byKey.get(key)
  }

  byToken(token: number): Subscription | undefined {
    const key = this.#keyByToken.get(token)
    return key === undefined ? undefined : this.#byKey.get(key)
  }

  /** A copy, so that the book may be changed while it is gone through. */
  all(): readonly Subscription[] {
    return [...this.#byKey.values()]
  }

  put(subscription: Subscription): void {
    const key = keyOf(subscription)
    const { token } = subscription.instrument
    const before = this.#byKey.get(key)?.instrument.token
    if (before !== undefined && before !== token) this.#forgetToken(before, key)
    this.#byKey.set(key, subscription)
    const other = this.byToken(token)
    const isTaken = other !== undefined && keyOf(other) !== key && isLive(other)
    if (!isTaken || isLive(subscription)) this.#keyByToken.set(token, key)
  }

  /** Forgets what ended before `beforeMs`, and of the rest the oldest beyond what is kept. */
  forgetRemoved(beforeMs: number): void {
    const removed = this.all()
      .filter((subscription) => !isLive(subscription))
      .sort((a, b) => (b.removedAtMs ?? 0) - (a.removedAtMs ?? 0))
    removed.forEach((subscription, i) => {
      if (i >= TICKER_REMOVED_KEPT || (subscription.removedAtMs ?? 0) < beforeMs) {
        this.#forget(subscription)
      }
    })
  }

  #forget(subscription: Subscription): void {
    const key = keyOf(subscription)
    this.#byKey.delete(key)
    this.#forgetToken(subscription.instrument.token, key)
  }

  #forgetToken(token: number, key: string): void {
    if (this.#keyByToken.get(token) === key) this.#keyByToken.delete(token)
  }
}
