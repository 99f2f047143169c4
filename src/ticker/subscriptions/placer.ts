/**
 * Gives subscriptions their sockets, and moves them when an account or a socket stops or comes back.
 * What goes where is decided by `connection/placement` and `connection/failover`; here it is done.
 *
 *   new ──▶ placed, or failed: refused with the numbers, tried again when room frees
 *   held at the restart ──▶ where it was
 *   carried, its account is down ──▶ a stand-in, make before break; pending where nobody has room
 *   carried by a stand-in, its account has stayed up ──▶ home
 */
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { type Carried, planFailover, rankOf } from '../connection/failover.ts'
import type { Placed } from '../connection/placement.ts'
import type { Pool } from '../connection/pool.ts'
import { Rooms } from '../connection/rooms.ts'
import type { CoverageLog } from '../feed/coverage-log.ts'
import type { SlotName } from '../feed/stream.ts'
import { isLive, keyOf, type Subscription } from './subscription.ts'
import type { SubscriptionBook } from './subscription-book.ts'

export interface PlacerDeps {
  readonly clock: Clock
  readonly log: Log
  readonly pool: Pool
  readonly coverage: CoverageLog
  readonly book: SubscriptionBook
  /** Something has become of it. */
  readonly note: (subscription: Subscription) => void
  /** They had been refused, and have found a socket. */
  readonly onAdmitted: (subscriptions: readonly Subscription[]) => void
}

export interface PlaceResult {
  readonly placed: readonly Subscription[]
  /** Why some were not. */
  readonly reason: string | undefined
}

/** The newest decision that put instruments somewhere. */
export interface LastPlacement {
  /** Wall clock, epoch ms. */
  readonly atMs: number
  readonly reason: string
  readonly slots: readonly (SlotName & { readonly instruments: number })[]
}

const RESTORED = 'taken up after a restart: where they were before'
const NEW = 'new: on the account with the most room'

export class Placer {
  readonly #deps: PlacerDeps
  /** Where they were when the ticker ended, by key. */
  readonly #before = new Map<string, SlotName>()
  #last: LastPlacement | undefined
  #isUnbalanced = false

  constructor(deps: PlacerDeps) {
    this.#deps = deps
  }

  get last(): LastPlacement | undefined {
    return this.#last
  }

  /** It was carried there when the ticker ended. */
  remember(key: string, slot: SlotName): void {
    this.#before.set(key, slot)
  }

  /** Lets its socket know what is wanted of it. */
  carry({ instrument, mode, priority, home }: Subscription, slot: SlotName): void {
    this.#deps.coverage.want(instrument, mode, slot)
    this.#deps.pool.carry(slot, home ?? slot.account, instrument.token, { mode, priority })
  }

  release({ instrument, slot }: Subscription): void {
    if (slot === undefined) return
    this.#deps.pool.drop(instrument.token)
    this.#deps.coverage.unwant(instrument.token)
  }

  /**
   * Finds sockets for what has none, the urgent first; what has no room is failed, with the reason.
   * What has found one since it was put on the caller's list stays there: the broker knows of it.
   */
  place(keys: readonly string[]): PlaceResult {
    const found = keys.flatMap((key) => this.#deps.book.get(key) ?? [])
    const wanting = inPlacementOrder(found.filter((s) => isLive(s) && s.slot === undefined))
    const known = wanting.filter(({ home }) => home !== undefined)
    const back = [...this.#placeBack(known)]
    const plan = this.#deps.pool.plan(wanting.filter(({ home }) => home === undefined))
    for (const { item, slot } of plan.placed) this.#begin(item, slot)
    for (const item of plan.unplaced) this.#refuse(item, plan.reason ?? null)
    this.#remember(RESTORED, back)
    this.#remember(NEW, plan.placed)
    this.#isUnbalanced ||= plan.unplaced.length > 0 || back.length < known.length
    if (this.#isTroubled) this.#moveAll()
    const placed = [...back, ...plan.placed].flatMap(({ item }) => this.#now(item))
    return { placed, reason: plan.reason }
  }

  /** Once a second, and when an account has changed: moves what has to move, and tries what waits. */
  balance(): void {
    if (!this.#isTroubled && !this.#isUnbalanced) return
    const waiting = this.#live().filter(({ slot }) => slot === undefined)
    this.#isUnbalanced = false
    if (waiting.length > 0) this.#retry(waiting)
    this.#moveAll()
  }

  // ---------------------------------------------------------------- moves

  /** Some socket is not served: what it carries has to go elsewhere. */
  get #isTroubled(): boolean {
    return this.#deps.pool.rooms.some(
      ({ isUp, sockets }) => !isUp || sockets.some(({ isUsable }) => !isUsable),
    )
  }

  #moveAll(): void {
    const carried = this.#live().flatMap(toCarried)
    const { moves, waiting, away } = planFailover(carried, this.#deps.pool.rooms)
    for (const { item, slot } of moves) this.#move(item, slot)
    for (const { item, reason } of waiting) this.#wait(item, reason)
    this.#isUnbalanced ||= waiting.length > 0 || away > 0
    this.#tellMoves(moves)
  }

  /** The old socket goes on until the new one feeds it, where it still does. */
  #move(item: Subscription, slot: SlotName): void {
    const { pool, coverage } = this.#deps
    const { instrument, mode, priority } = item
    const isFed = pool.move(slot, instrument.token, { mode, priority })
    if (isFed) coverage.handOver(instrument.token, slot)
    else coverage.want(instrument, mode, slot)
    const status = isFed || pool.isOpen(slot) ? item.status : 'pending'
    this.#deps.note({ ...item, slot, status, lastError: null })
  }

  /** It stays where it belongs, and streams as soon as that socket is open again. */
  #wait(item: Subscription, reason: string): void {
    if (item.slot !== undefined && this.#deps.pool.isOpen(item.slot)) return
    if (item.status === 'pending' && item.lastError !== null) return
    this.#deps.note({ ...item, status: 'pending', lastError: reason })
  }

  #tellMoves(moves: readonly Placed<Subscription>[]): void {
    if (moves.length === 0) return
    const home = moves.filter(({ item, slot }) => slot.account === item.home)
    const standIns = moves.filter(({ item, slot }) => slot.account !== item.home)
    this.#remember('back: their account has stayed up', home)
    this.#remember('failover: their account or socket is down', standIns)
    const counts = { to_home: home.length, to_others: standIns.length }
    this.#deps.log.warn({ ...counts, slots: this.#last?.slots }, 'Instruments moved')
  }

  // ---------------------------------------------------------------- places

  /** What belonged to an account before goes back there, within the broker's limits. */
  #placeBack(items: readonly Subscription[]): readonly Placed<Subscription>[] {
    const rooms = new Rooms(this.#deps.pool.rooms)
    return items.flatMap((item) => {
      const slot = this.#placeOf(item, rooms)
      if (slot === undefined) this.#waitUnplaced(item)
      else this.#begin(item, slot)
      return slot === undefined ? [] : [{ item, slot }]
    })
  }

  #placeOf(item: Subscription, rooms: Rooms): SlotName | undefined {
    const before = this.#before.get(keyOf(item))
    const home = item.home ?? ''
    return (
      (before && rooms.takeIn(before.account, before.connection)) ??
      rooms.takeIn(home, undefined) ??
      rooms.takeServed(home)
    )
  }

  #begin(item: Subscription, slot: SlotName): void {
    const isHomeless = item.home === undefined || this.#deps.pool.isUnknown(item.home)
    const home = isHomeless ? slot.account : item.home
    const next: Subscription = { ...item, slot, home, status: 'pending', lastError: null }
    this.#before.delete(keyOf(item))
    this.#deps.note(next)
    this.carry(next, slot)
  }

  #waitUnplaced(item: Subscription): void {
    const lastError = `account ${item.home} cannot carry it, and no other has room`
    if (item.status === 'pending' && item.lastError === lastError) return
    this.#deps.note({ ...item, status: 'pending', lastError })
  }

  #refuse(item: Subscription, lastError: string | null): void {
    if (item.status === 'failed' && item.lastError === lastError) return
    this.#deps.note({ ...item, status: 'failed', lastError })
  }

  #retry(waiting: readonly Subscription[]): void {
    const { placed } = this.place(waiting.map(keyOf))
    const refused = new Set(waiting.filter(({ status }) => status === 'failed').map(keyOf))
    const admitted = placed.filter((subscription) => refused.has(keyOf(subscription)))
    if (admitted.length > 0) this.#deps.onAdmitted(admitted)
  }

  #remember(reason: string, placed: readonly Placed<Subscription>[]): void {
    if (placed.length === 0) return
    const slots = countSlots(placed)
    this.#last = { atMs: this.#deps.clock.nowMs(), reason, slots }
  }

  #live(): readonly Subscription[] {
    return this.#deps.book.all().filter(isLive)
  }

  #now(item: Subscription): readonly Subscription[] {
    const now = this.#deps.book.get(keyOf(item))
    return now === undefined ? [] : [now]
  }
}

/** The urgent first; then what has streamed before what was refused; then as in `rankOf`. */
export function inPlacementOrder(subscriptions: readonly Subscription[]): readonly Subscription[] {
  return subscriptions.toSorted((a, b) => placementOrder(a) - placementOrder(b))
}

/** What is placed first has the lowest number. */
export function placementOrder({
  priority,
  instrument,
  status,
}: Pick<Subscription, 'priority' | 'instrument' | 'status'>): number {
  const refusedLast = (priority === 'high' ? 0 : 2) + (status === 'failed' ? 1 : 0)
  return refusedLast * 10 + rankOf(priority, instrument.kind)
}

function toCarried(item: Subscription): readonly Carried<Subscription>[] {
  const { slot, home, priority, instrument } = item
  if (slot === undefined) return []
  return [{ item, slot, home: home ?? slot.account, rank: rankOf(priority, instrument.kind) }]
}

function countSlots(placed: readonly Placed<Subscription>[]): LastPlacement['slots'] {
  const counts = new Map<string, SlotName & { instruments: number }>()
  for (const { slot } of placed) {
    const key = `${slot.account}/${slot.connection}`
    const count = counts.get(key) ?? { ...slot, instruments: 0 }
    count.instruments++
    counts.set(key, count)
  }
  return [...counts.values()]
}
