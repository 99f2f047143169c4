/**
 * Which socket carries a new instrument: a pure decision over the room that accounts and sockets have.
 *
 * The account with the most room is taken. Its sockets are filled to a preferred size before the next
 * one is opened; past that, evenly up to the broker's limit. New instruments stop at the account's own
 * limit, which leaves room to take over another account's.
 */
import type { SlotName } from '../feed/stream.ts'
import { type AccountRoom, Rooms } from './rooms.ts'

export interface Placed<T> {
  readonly item: T
  readonly slot: SlotName
}

export interface PlacementPlan<T> {
  readonly placed: readonly Placed<T>[]
  readonly unplaced: readonly T[]
  /** Why there was no room, for people; undefined where there was. */
  readonly reason: string | undefined
}

/** Places `items` in their order; the rooms are not changed. */
export function planPlacement<T>(
  items: readonly T[],
  rooms: readonly AccountRoom[],
): PlacementPlan<T> {
  const filled = new Rooms(rooms)
  const placed: Placed<T>[] = []
  const unplaced: T[] = []
  for (const item of items) {
    const slot = filled.takeNew()
    if (slot === undefined) unplaced.push(item)
    else placed.push({ item, slot })
  }
  const reason = unplaced.length === 0 ? undefined : fullReason(filled.accounts)
  return { placed, unplaced, reason }
}

/** Says which limit was met, with the numbers, and where it is set. */
function fullReason(rooms: readonly AccountRoom[]): string {
  if (rooms.length === 0) return 'there is no broker account'
  const parts = rooms.map(({ account, homes, limit }) => `${account} ${homes}/${limit}`)
  const homes = rooms.reduce((sum, room) => sum + room.homes, 0)
  const limit = rooms.reduce((sum, room) => sum + room.limit, 0)
  return (
    `no account has room: ${homes} of ${limit} instruments are taken (${parts.join(', ')}); ` +
    'the limit is set by TICKER_INSTRUMENTS_PER_ACCOUNT, max_connections and max_instruments'
  )
}
