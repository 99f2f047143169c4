/**
 * The subscriptions as events and the tickers' lists have told them, and what a list says that events
 * did not. Pure but for its own memory.
 */
import type { Subscription } from '../../contract/api/subscriptions.ts'
import { LIFECYCLE_KNOWN_MAX } from '../../limits.ts'

export interface KnownSubscription {
  readonly token: number
  /** Null where an event named the token alone and nobody knows it. */
  readonly exchange: string | null
  readonly tradingsymbol: string | null
  /** As a ticker listed it; undefined until one has. */
  readonly requestedAt: string | undefined
}

export interface ListDifference {
  /** Listed and not known, or ended and begun again since. */
  readonly created: readonly Subscription[]
  /** Known and not listed. */
  readonly gone: readonly KnownSubscription[]
}

export class KnownSubscriptions {
  readonly #byToken = new Map<number, KnownSubscription>()
  /** Tokens that events have told of while a list is on its way; undefined while none is. */
  #toldMeanwhile: Set<number> | undefined

  get size(): number {
    return this.#byToken.size
  }

  /** An event says that it began. */
  begin(token: number, exchange: string | null, tradingsymbol: string | null): void {
    this.#toldMeanwhile?.add(token)
    const known = this.#byToken.get(token)
    if (known === undefined && this.#byToken.size >= LIFECYCLE_KNOWN_MAX) return
    this.#byToken.set(token, { token, exchange, tradingsymbol, requestedAt: known?.requestedAt })
  }

  /** An event says that it ended. */
  end(token: number): void {
    this.#toldMeanwhile?.add(token)
    this.#byToken.delete(token)
  }

  /** A list is asked for: what events tell from now on is newer than it. */
  beginList(): void {
    this.#toldMeanwhile = new Set()
  }

  /** What a list that was asked for at `beginList` says beyond the events; changes nothing. */
  compare(rows: readonly Subscription[]): ListDifference {
    const listed = new Set(rows.map(({ instrument_token: token }) => token))
    const isOlder = (token: number) => this.#toldMeanwhile?.has(token) === true
    return {
      created: rows.filter((row) => !isOlder(row.instrument_token) && this.#isNew(row)),
      gone: [...this.#byToken.values()].filter(
        ({ token }) => !isOlder(token) && !listed.has(token),
      ),
    }
  }

  /** Takes over what the list says. */
  take(rows: readonly Subscription[], gone: readonly KnownSubscription[]): void {
    for (const row of rows) {
      const { instrument_token: token, exchange, tradingsymbol, requested_at } = row
      const hasEndedSince = this.#toldMeanwhile?.has(token) === true && !this.#byToken.has(token)
      if (hasEndedSince) continue
      this.#byToken.set(token, { token, exchange, tradingsymbol, requestedAt: requested_at })
    }
    for (const { token } of gone) this.#byToken.delete(token)
  }

  /** The list was taken, or never came. */
  endList(): void {
    this.#toldMeanwhile = undefined
  }

  #isNew({ instrument_token: token, requested_at: requestedAt, tradingsymbol }: Subscription) {
    const known = this.#byToken.get(token)
    if (known === undefined) return true
    // The exchange gives tokens of ended contracts to others.
    if (known.tradingsymbol !== null && known.tradingsymbol !== tradingsymbol) return true
    return known.requestedAt !== undefined && known.requestedAt !== requestedAt
  }
}
