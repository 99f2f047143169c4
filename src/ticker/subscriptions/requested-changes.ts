/**
 * What a request does to the subscriptions: begins them, adds a hold, changes what is wanted, takes a
 * hold back. In steps of some instruments, each of which leaves its instruments decided, placed, and
 * about to be told: what is saved between two steps is the state before or after, for each of them.
 */
import type { RemovalReason } from '../../contract/events.ts'
import type { Clock } from '../../kit/clock.ts'
import { SUBSCRIPTION_CHANGES_A_STEP } from '../../limits.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import { lowerMode } from '../feed/stream.ts'
import { type Placer, placementOrder } from './placer.ts'
import type { ResolvedRequest } from './resolve.ts'
import { isLive, newSubscription, type Subscription } from './subscription.ts'
import type { SubscriptionBook } from './subscription-book.ts'

export interface CreateResult {
  /** One an instrument, in the order of the request. */
  readonly subscriptions: readonly Subscription[]
  /** Instruments that no socket has room for. */
  readonly refused: readonly { readonly instrument: Instrument; readonly reason: string }[]
  readonly created: number
}

export interface RemoveResult {
  readonly removed: readonly number[]
  readonly kept: readonly Subscription[]
}

export interface RequestedChangesDeps {
  readonly clock: Clock
  readonly book: SubscriptionBook
  readonly placer: Placer
  /** Something else is wanted than before. */
  readonly ask: (subscription: Subscription) => void
  readonly end: (subscription: Subscription, reason: RemovalReason) => void
  readonly tellCreated: (subscriptions: readonly Subscription[]) => void
}

/** All that one request wants of one instrument, in its order. */
interface Wish {
  readonly key: string
  readonly requests: ResolvedRequest[]
}

export class RequestedChanges {
  readonly #deps: RequestedChangesDeps

  constructor(deps: RequestedChangesDeps) {
    this.#deps = deps
  }

  *create(
    requests: readonly ResolvedRequest[],
    holder: string,
  ): Generator<undefined, CreateResult> {
    const wishes = wishesOf(requests)
    // The urgent first, as if all were placed in one go.
    const order = new Map(wishes.map((wish) => [wish, this.#orderOf(wish)]))
    const inOrder = wishes.toSorted((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0))
    let created = 0
    let reason: string | undefined
    for (let at = 0; at < inOrder.length; at += SUBSCRIPTION_CHANGES_A_STEP) {
      if (at > 0) yield
      const some = inOrder.slice(at, at + SUBSCRIPTION_CHANGES_A_STEP)
      const placing = this.#createSome(some, holder)
      created += placing.created
      reason = placing.reason ?? reason
    }
    const subscriptions = wishes.flatMap(({ key }) => this.#deps.book.get(key) ?? [])
    return {
      subscriptions: subscriptions.filter(({ slot }) => slot !== undefined),
      refused: subscriptions
        .filter(({ slot }) => slot === undefined)
        .map(({ instrument }) => ({ instrument, reason: reason ?? 'there is no room' })),
      created,
    }
  }

  *remove(
    tokens: readonly number[],
    holder: string,
    force: boolean,
  ): Generator<undefined, RemoveResult> {
    const removed: number[] = []
    const kept: Subscription[] = []
    let looked = 0
    for (const token of new Set(tokens)) {
      if (looked++ % SUBSCRIPTION_CHANGES_A_STEP === SUBSCRIPTION_CHANGES_A_STEP - 1) yield
      const subscription = this.#deps.book.byToken(token)
      if (subscription === undefined || !isLive(subscription)) continue
      const holders = force ? [] : subscription.holders.filter((other) => other !== holder)
      if (holders.length === 0) {
        this.#deps.end(subscription, 'request')
        removed.push(token)
      } else {
        const isLess = holders.length < subscription.holders.length
        if (isLess) this.#deps.ask({ ...subscription, holders })
        kept.push({ ...subscription, holders })
      }
    }
    return { removed, kept }
  }

  #createSome(wishes: readonly Wish[], holder: string) {
    const { book, placer, tellCreated } = this.#deps
    for (const { key, requests } of wishes) {
      for (const request of requests) {
        const known = book.get(key)
        if (known !== undefined && isLive(known)) this.#hold(known, request, holder)
        else this.#begin(request, holder)
      }
    }
    const wanting = wishes.filter(({ key }) => book.get(key)?.slot === undefined)
    const { placed, reason } = placer.place(wanting.map(({ key }) => key))
    tellCreated(placed)
    return { created: placed.length, reason }
  }

  #begin({ instrument, mode, priority }: ResolvedRequest, holder: string): void {
    const request = { mode, priority, holder }
    this.#deps.ask(newSubscription(instrument, request, this.#deps.clock.nowMs()))
  }

  /** A mode is lowered only by whoever holds it alone: others may need what it carries. */
  #hold(known: Subscription, { mode, priority }: ResolvedRequest, holder: string): void {
    const isAlone = known.holders.every((other) => other === holder)
    const isLower = lowerMode(mode, known.mode) === mode
    const next: Subscription = {
      ...known,
      holders: known.holders.includes(holder) ? known.holders : [...known.holders, holder],
      mode: isLower && !isAlone ? known.mode : mode,
      priority: priority === 'high' ? 'high' : known.priority,
    }
    const isSame =
      next.holders === known.holders && next.mode === known.mode && next.priority === known.priority
    if (isSame) return
    this.#deps.ask(next)
    if (next.slot !== undefined) this.#deps.placer.carry(next, next.slot)
  }

  #orderOf({ key, requests }: Wish): number {
    const known = this.#deps.book.get(key)
    const asked = requests.map((request) => {
      const priority = known?.priority === 'high' ? 'high' : request.priority
      return placementOrder({ ...request, priority, status: known?.status ?? 'pending' })
    })
    return Math.min(...asked)
  }
}

/** One an instrument: one that is named twice must not be placed and told twice. */
function wishesOf(requests: readonly ResolvedRequest[]): readonly Wish[] {
  const wishes = new Map<string, Wish>()
  for (const request of requests) {
    const { exchange, tradingsymbol } = request.instrument
    const key = instrumentKey(exchange, tradingsymbol)
    const wish = wishes.get(key)
    if (wish === undefined) wishes.set(key, { key, requests: [request] })
    else wish.requests.push(request)
  }
  return [...wishes.values()]
}
