/**
 * Who moves where when an account or a socket stops or comes back: a pure decision.
 *
 *   carried where the broker serves it ── stays
 *   carried where it does not ──▶ another socket of its home, else the account with the most room
 *   carried by a stand-in, home has stayed up long enough ──▶ home
 *   nobody has room ──▶ waits where it belongs, the urgent ones last
 *
 * Room is what is left up to the broker's limits. Whoever leaves frees its place only when it is gone
 * from the wire, so that no socket ever carries more than it may, not even for a moment.
 */
import type { InstrumentKind } from '../../market/instrument.ts'
import type { SlotName } from '../feed/stream.ts'
import type { Placed } from './placement.ts'
import { type AccountRoom, Rooms } from './rooms.ts'
import type { Priority } from './wire-plan.ts'

export interface Carried<T> {
  readonly item: T
  /** Lower goes first, see `rankOf`. */
  readonly rank: number
  readonly slot: SlotName
  /** The account that it belongs to. */
  readonly home: string
}

export interface FailoverPlan<T> {
  /** In the order of their rank. */
  readonly moves: readonly Placed<T>[]
  /** What no socket serves, with why, for people. */
  readonly waiting: readonly { readonly item: T; readonly reason: string }[]
  /** What a stand-in goes on carrying for now. */
  readonly away: number
}

/** What is urgent first, then what all options of an underlying are computed from. */
export function rankOf(priority: Priority, kind: InstrumentKind): number {
  return (priority === 'high' ? 0 : 2) + (kind === 'option' ? 1 : 0)
}

export function planFailover<T>(
  carried: readonly Carried<T>[],
  rooms: readonly AccountRoom[],
): FailoverPlan<T> {
  const filled = new Rooms(rooms)
  const inOrder = carried
    .filter(({ slot, home }) => slot.account !== home || !filled.isServed(slot))
    .sort((a, b) => a.rank - b.rank)
  const moves: Placed<T>[] = []
  const stranded: Carried<T>[] = []
  let away = 0
  // Those without a socket need the room more than those that a stand-in carries.
  for (const one of inOrder.filter(({ slot }) => !filled.isServed(slot))) {
    const to = filled.takeServed(one.home)
    if (to === undefined) stranded.push(one)
    else moves.push({ item: one.item, slot: to })
    if (to !== undefined && to.account !== one.home) away++
  }
  for (const { item, home } of inOrder.filter(({ slot }) => filled.isServed(slot))) {
    const to = filled.of(home)?.isSettled === true ? filled.takeIn(home, undefined) : undefined
    if (to === undefined) away++
    else moves.push({ item, slot: to })
  }
  const rest = restReason(filled)
  const waiting = stranded.map(({ item, slot }) => ({
    item,
    reason: `${whatIsDown(slot, filled)} is down, and ${rest}`,
  }))
  return { moves, waiting, away }
}

function whatIsDown({ account, connection }: SlotName, filled: Rooms): string {
  const isUp = filled.of(account)?.isUp === true
  return isUp ? `socket ${connection} of account ${account}` : `account ${account}`
}

/** Why nobody else takes over. */
function restReason({ accounts }: Rooms): string {
  const up = accounts.filter(({ isUp }) => isUp)
  if (up.length === 0) return 'no account is up'
  const parts = up.map(({ account, sockets, brokerLimit }) => {
    const carried = sockets.reduce((sum, { instruments }) => sum + instruments, 0)
    return `${account} ${carried}/${brokerLimit}`
  })
  return `no other has room up to the broker's limit: ${parts.join(', ')}`
}
