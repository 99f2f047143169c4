/**
 * Which socket carries what: a pure decision over the room that accounts and sockets have.
 *
 * Sockets are filled to a preferred size before the next one is opened; past that, evenly up to the
 * broker's limit. New instruments stop at the account's own limit, which leaves room to take over
 * another account's.
 */
import { TICKER_PREFERRED_PER_CONNECTION } from '../../limits.ts'
import type { SlotName } from '../feed/stream.ts'

export interface SocketRoom {
  /** 1, 2, 3 */
  readonly connection: number
  readonly instruments: number
  /** The broker's limit for one socket. */
  readonly capacity: number
}

export interface AccountRoom {
  readonly account: string
  /** False while the broker refuses it: others come first. */
  readonly isUp: boolean
  readonly instruments: number
  /** Where new instruments stop. */
  readonly limit: number
  readonly sockets: readonly SocketRoom[]
}

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

interface Filling {
  readonly room: AccountRoom
  instruments: number
  readonly sockets: {
    readonly connection: number
    instruments: number
    readonly capacity: number
  }[]
}

/** Places `items` in their order; the rooms are not changed. */
export function planPlacement<T>(
  items: readonly T[],
  rooms: readonly AccountRoom[],
): PlacementPlan<T> {
  const fillings = rooms.map((room) => ({
    room,
    instruments: room.instruments,
    sockets: room.sockets.map((socket) => ({ ...socket })),
  }))
  const placed: Placed<T>[] = []
  const unplaced: T[] = []
  for (const item of items) {
    const slot = takeSlot(fillings)
    if (slot === undefined) unplaced.push(item)
    else placed.push({ item, slot })
  }
  return { placed, unplaced, reason: unplaced.length === 0 ? undefined : fullReason(rooms) }
}

function takeSlot(fillings: readonly Filling[]): SlotName | undefined {
  const filling = roomiest(fillings)
  const socket = filling && bestSocket(filling)
  if (filling === undefined || socket === undefined) return undefined
  filling.instruments++
  socket.instruments++
  return { account: filling.room.account, connection: socket.connection }
}

/** The account with the most room; one that the broker refuses only where no other has any. */
function roomiest(fillings: readonly Filling[]): Filling | undefined {
  let best: Filling | undefined
  for (const filling of fillings) {
    if (roomOf(filling) <= 0) continue
    if (best === undefined || isBetter(filling, best)) best = filling
  }
  return best
}

function isBetter(a: Filling, b: Filling): boolean {
  if (a.room.isUp !== b.room.isUp) return a.room.isUp
  return roomOf(a) > roomOf(b)
}

function roomOf({ room, instruments, sockets }: Filling): number {
  const free = sockets.reduce((sum, socket) => sum + socket.capacity - socket.instruments, 0)
  return Math.min(room.limit - instruments, free)
}

function bestSocket({ sockets }: Filling): Filling['sockets'][number] | undefined {
  const preferred = sockets.find(
    ({ instruments, capacity }) =>
      instruments < Math.min(capacity, TICKER_PREFERRED_PER_CONNECTION),
  )
  if (preferred !== undefined) return preferred
  return sockets
    .filter(({ instruments, capacity }) => instruments < capacity)
    .sort((a, b) => a.instruments - b.instruments)[0]
}

function fullReason(rooms: readonly AccountRoom[]): string {
  if (rooms.length === 0) return 'there is no broker account'
  const parts = rooms.map(({ account, instruments, limit }) => `${account} ${instruments}/${limit}`)
  return `no account has room: ${parts.join(', ')} instruments`
}
