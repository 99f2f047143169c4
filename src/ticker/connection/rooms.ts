/**
 * How much accounts and sockets can still take, for a plan to fill in thought. An instrument belongs
 * to one account (its home) and is carried by one, which after a failover may be another: new ones
 * are counted by home, the broker's limits by what is really carried.
 */
import { TICKER_PREFERRED_PER_CONNECTION } from '../../limits.ts'
import type { SlotName } from '../feed/stream.ts'

export interface SocketRoom {
  /** 1, 2, 3 */
  readonly connection: number
  readonly instruments: number
  /** The broker's limit for one socket. */
  readonly capacity: number
  /** False while the broker does not let it in although it takes the account. */
  readonly isUsable: boolean
}

export interface AccountRoom {
  readonly account: string
  /** False while the broker refuses it: others come first. */
  readonly isUp: boolean
  /** It has stayed up long enough to get back what belongs to it. */
  readonly isSettled: boolean
  /** Instruments that belong to it, whoever carries them. */
  readonly homes: number
  /** Where new instruments stop. */
  readonly limit: number
  /** Where failover stops. */
  readonly brokerLimit: number
  readonly sockets: readonly SocketRoom[]
}

interface SocketFilling extends SocketRoom {
  instruments: number
}

interface Filling {
  readonly room: AccountRoom
  homes: number
  readonly sockets: readonly SocketFilling[]
}

export class Rooms {
  readonly #fillings: readonly Filling[]

  constructor(rooms: readonly AccountRoom[]) {
    this.#fillings = rooms.map((room) => ({
      room,
      homes: room.homes,
      sockets: room.sockets.map((socket) => ({ ...socket })),
    }))
  }

  /** As filled so far. */
  get accounts(): readonly AccountRoom[] {
    return this.#fillings.map(({ room, homes, sockets }) => ({ ...room, homes, sockets }))
  }

  of(account: string): AccountRoom | undefined {
    return this.#fillings.find(({ room }) => room.account === account)?.room
  }

  /** Whether the broker takes what stands there. */
  isServed({ account, connection }: SlotName): boolean {
    const filling = this.#find(account)
    const socket = filling?.sockets.find((each) => each.connection === connection)
    return filling?.room.isUp === true && socket?.isUsable === true
  }

  /** A place for a new instrument: with the most room, one that the broker refuses for last. */
  takeNew(): SlotName | undefined {
    const filling = best(this.#fillings, newRoomOf)
    if (filling === undefined) return undefined
    filling.homes++
    return fill(filling)
  }

  /** A place that streams now, within the broker's limits; at home where that is possible. */
  takeServed(home: string): SlotName | undefined {
    const served = this.#fillings.filter(({ room }) => room.isUp)
    const own = served.find((filling) => filling.room.account === home)
    if (own !== undefined && carryRoomOf(own) > 0) return fill(own)
    const standIn = best(served, carryRoomOf)
    return standIn && fill(standIn)
  }

  /** A place in this account, within the broker's limits; this very socket where it has room. */
  takeIn(account: string, connection: number | undefined): SlotName | undefined {
    const filling = this.#find(account)
    return filling && carryRoomOf(filling) > 0 ? fill(filling, connection) : undefined
  }

  #find(account: string): Filling | undefined {
    return this.#fillings.find(({ room }) => room.account === account)
  }
}

/** Room for new instruments. */
export function roomForNew(room: AccountRoom): number {
  return Math.max(0, Math.min(room.limit - room.homes, roomForFailover(room)))
}

/** Room up to the broker's limits. */
export function roomForFailover({ brokerLimit, sockets }: AccountRoom): number {
  const usable = sockets.filter(({ isUsable }) => isUsable)
  const carried = usable.reduce((sum, { instruments }) => sum + instruments, 0)
  const free = usable.reduce((sum, s) => sum + Math.max(0, s.capacity - s.instruments), 0)
  return Math.max(0, Math.min(brokerLimit - carried, free))
}

function newRoomOf({ room, homes, sockets }: Filling): number {
  return roomForNew({ ...room, homes, sockets })
}

function carryRoomOf({ room, sockets }: Filling): number {
  return roomForFailover({ ...room, sockets })
}

/** The first of those with the most room, accounts that are up before others; undefined where none has any. */
function best(
  fillings: readonly Filling[],
  roomOf: (filling: Filling) => number,
): Filling | undefined {
  let found: { readonly filling: Filling; readonly room: number } | undefined
  for (const filling of fillings) {
    const room = roomOf(filling)
    if (room <= 0) continue
    const { isUp } = filling.room
    const isFirst = found === undefined
    const isMoreUp = found !== undefined && isUp && !found.filling.room.isUp
    const isEvenUp = found !== undefined && isUp === found.filling.room.isUp
    if (isFirst || isMoreUp || (isEvenUp && room > (found?.room ?? 0))) found = { filling, room }
  }
  return found?.filling
}

/** Takes one instrument into the wished socket, or the one that placement prefers. */
function fill(filling: Filling, wished?: number): SlotName | undefined {
  const free = filling.sockets.filter((s) => s.isUsable && s.instruments < s.capacity)
  const preferred = free.find((s) => s.instruments < TICKER_PREFERRED_PER_CONNECTION)
  const emptiest = free.toSorted((a, b) => a.instruments - b.instruments)[0]
  const socket = free.find(({ connection }) => connection === wished) ?? preferred ?? emptiest
  if (socket === undefined) return undefined
  socket.instruments++
  return { account: filling.room.account, connection: socket.connection }
}
