import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Carried, planFailover, rankOf } from '../../../src/ticker/connection/failover.ts'
import { planPlacement } from '../../../src/ticker/connection/placement.ts'
import type { AccountRoom } from '../../../src/ticker/connection/rooms.ts'
import type { SlotName } from '../../../src/ticker/feed/stream.ts'

interface Shape {
  readonly isUp?: boolean
  readonly isSettled?: boolean
  readonly limit?: number
  readonly brokerLimit?: number
  readonly capacity?: number
  /** Sockets that the broker does not let in. */
  readonly blocked?: readonly number[]
}

type Item = Carried<number>

/** The rooms as they are while these instruments are carried. */
function roomsOf(shapes: Readonly<Record<string, Shape>>, carried: readonly Item[]): AccountRoom[] {
  return Object.entries(shapes).map(([account, shape]) => ({
    account,
    isUp: shape.isUp ?? true,
    isSettled: shape.isSettled ?? shape.isUp ?? true,
    homes: carried.filter(({ home }) => home === account).length,
    limit: shape.limit ?? 4,
    brokerLimit: shape.brokerLimit ?? 12,
    sockets: [1, 2, 3].map((connection) => ({
      connection,
      instruments: carried.filter(({ slot }) => isAt(slot, account, connection)).length,
      capacity: shape.capacity ?? 5,
      isUsable: !(shape.blocked ?? []).includes(connection),
    })),
  }))
}

function isAt(slot: SlotName, account: string, connection: number): boolean {
  return slot.account === account && slot.connection === connection
}

/** `count` instruments of `home` that `account` carries on its first socket. */
function items(count: number, home: string, account = home, rank = 3, first = 0): Item[] {
  const slot = { account, connection: 1 }
  return Array.from({ length: count }, (_, i) => ({ item: first + i, rank, slot, home }))
}

function spread(plan: ReturnType<typeof planFailover<number>>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { slot } of plan.moves) counts[slot.account] = (counts[slot.account] ?? 0) + 1
  return counts
}

describe('failover', () => {
  it('moves nothing while all is well', () => {
    const carried = [...items(4, 'a'), ...items(2, 'b', 'b', 3, 10)]
    expect(planFailover(carried, roomsOf({ a: {}, b: {} }, carried))).toEqual({
      moves: [],
      waiting: [],
      away: 0,
    })
  })

  it('shares what a dead account carried over the others, beyond where new ones stop', () => {
    const carried = [...items(4, 'a'), ...items(4, 'b', 'b', 3, 10), ...items(4, 'c', 'c', 3, 20)]
    const rooms = roomsOf({ a: { isUp: false }, b: {}, c: {} }, carried)
    const plan = planFailover(carried, rooms)
    expect(spread(plan)).toEqual({ b: 2, c: 2 })
    expect(plan).toMatchObject({ waiting: [], away: 4 })
  })

  it('lets the urgent go first, then indices and futures, and says what the rest waits for', () => {
    const ranks = [
      rankOf('normal', 'option'),
      rankOf('normal', 'future'),
      rankOf('high', 'option'),
      rankOf('high', 'index'),
    ]
    const dead = ranks.flatMap((rank, i) => items(1, 'a', 'a', rank, i))
    const carried = [...dead, ...items(4, 'b', 'b', 3, 10)]
    const plan = planFailover(
      carried,
      roomsOf({ a: { isUp: false }, b: { brokerLimit: 6 } }, carried),
    )
    expect(plan.moves.map(({ item }) => item)).toEqual([3, 2])
    const reason = "account a is down, and no other has room up to the broker's limit: b 6/6"
    expect(plan.waiting).toEqual([
      { item: 1, reason },
      { item: 0, reason },
    ])
  })

  it('brings home what a stand-in carries, once the account has stayed up', () => {
    const carried = [...items(3, 'a', 'b'), ...items(4, 'b', 'b', 3, 10)]
    const early = planFailover(carried, roomsOf({ a: { isSettled: false }, b: {} }, carried))
    expect(early).toEqual({ moves: [], waiting: [], away: 3 })
    const later = planFailover(carried, roomsOf({ a: {}, b: {} }, carried))
    expect(spread(later)).toEqual({ a: 3 })
    expect(later.away).toBe(0)
  })

  it('prefers an account that has just come back to no socket at all', () => {
    const carried = items(3, 'a', 'b')
    const rooms = roomsOf({ a: { isSettled: false }, b: { isUp: false } }, carried)
    expect(spread(planFailover(carried, rooms))).toEqual({ a: 3 })
  })

  it('leaves the account only where its other sockets have no room', () => {
    const carried = items(5, 'a')
    const alone = roomsOf({ a: { blocked: [1], capacity: 2 } }, carried)
    const plan = planFailover(carried, alone)
    expect(plan.moves.map(({ slot }) => slot.connection).toSorted()).toEqual([2, 2, 3, 3])
    expect(plan.waiting[0]?.reason).toContain('socket 1 of account a is down')
    const both = roomsOf({ a: { blocked: [1], capacity: 2 }, b: {} }, carried)
    expect(spread(planFailover(carried, both))).toEqual({ a: 4, b: 1 })
  })

  it('waits where no account is up', () => {
    const carried = items(1, 'a')
    expect(planFailover(carried, roomsOf({ a: { isUp: false } }, carried)).waiting).toEqual([
      { item: 0, reason: 'account a is down, and no account is up' },
    ])
  })

  it('never passes a limit, keeps the order, leaves nothing out that fits and moves no more than needed', () => {
    fc.assert(
      fc.property(anyShapes, fc.array(anyPlace, { maxLength: 40 }), (shapes, places) => {
        const carried = places.map(({ rank, home, account, connection }, item) => {
          return { item, rank, home: name(home), slot: { account: name(account), connection } }
        })
        const rooms = roomsOf(shapes, carried)
        const plan = planFailover(carried, rooms)
        checkMoves(carried, rooms, plan)
      }),
      { numRuns: 500 },
    )
  })
})

describe('accounts that come and go while instruments do', () => {
  it('always end with all that fits streaming, at home where that can be', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('turn' as const), account: fc.nat(2), isUp: fc.boolean() }),
      fc.record({ kind: fc.constant('add' as const), rank: fc.nat(3) }),
      fc.record({ kind: fc.constant('remove' as const), index: fc.nat(30) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const shapes: Record<string, Shape> = { a: {}, b: {}, c: { brokerLimit: 6 } }
        let carried: Item[] = []
        let added = 0
        for (const change of steps) {
          if (change.kind === 'turn')
            shapes[name(change.account)] = { ...shapes[name(change.account)], isUp: change.isUp }
          if (change.kind === 'remove') carried = carried.filter((_, i) => i !== change.index)
          if (change.kind === 'add') {
            const [first] = planPlacement([added++], roomsOf(shapes, carried)).placed
            if (first === undefined) expectFull(roomsOf(shapes, carried))
            else
              carried.push({
                item: first.item,
                rank: change.rank,
                slot: first.slot,
                home: first.slot.account,
              })
          }
          // What leaves a socket makes room for others only then, so it may take several turns.
          for (let turn = 0; turn < 4; turn++) carried = settle(carried, shapes)
          expectSettled(carried, roomsOf(shapes, carried))
        }
      }),
      { numRuns: 200 },
    )
  })
})

const anyShapes = fc.record({ a: anyShape(), b: anyShape(), c: anyShape() })
const anyPlace = fc.record({
  rank: fc.nat(3),
  home: fc.nat(2),
  account: fc.nat(2),
  connection: fc.integer({ min: 1, max: 3 }),
})

function anyShape() {
  return fc
    .record({
      isUp: fc.boolean(),
      hasStayed: fc.boolean(),
      brokerLimit: fc.integer({ min: 1, max: 20 }),
      capacity: fc.integer({ min: 1, max: 10 }),
      blocked: fc.subarray([1, 2, 3]),
    })
    .map(({ hasStayed, ...shape }) => ({ ...shape, isSettled: shape.isUp && hasStayed }))
}

function name(index: number): string {
  return ['a', 'b', 'c'][index] ?? 'a'
}

function isServed(rooms: readonly AccountRoom[], { account, connection }: SlotName): boolean {
  const room = rooms.find((each) => each.account === account)
  const socket = room?.sockets.find((each) => each.connection === connection)
  return room?.isUp === true && socket?.isUsable === true
}

/** Room that is left in the accounts that are up, after the plan. */
function freeAfter(rooms: readonly AccountRoom[], plan: ReturnType<typeof planFailover<number>>) {
  let free = 0
  for (const { account, isUp, brokerLimit, sockets } of rooms) {
    let carried = 0
    let open = 0
    for (const { connection, instruments, capacity, isUsable } of sockets) {
      const came = plan.moves.filter(({ slot }) => isAt(slot, account, connection)).length
      // Others than those that were too many already.
      if (came > 0) expect(instruments + came).toBeLessThanOrEqual(capacity)
      if (!isUsable) expect(came).toBe(0)
      else {
        carried += instruments + came
        open += Math.max(0, capacity - instruments - came)
      }
    }
    const hasGrown = plan.moves.some(({ slot }) => slot.account === account)
    if (hasGrown) expect(carried).toBeLessThanOrEqual(brokerLimit)
    if (hasGrown) expect(isUp).toBe(true)
    if (isUp) free += Math.max(0, Math.min(brokerLimit - carried, open))
  }
  return free
}

function checkMoves(
  carried: readonly Item[],
  rooms: readonly AccountRoom[],
  plan: ReturnType<typeof planFailover<number>>,
): void {
  const free = freeAfter(rooms, plan)
  if (plan.waiting.length > 0) expect(free).toBe(0)
  const rank = (item: number) => carried[item]?.rank ?? 0
  const stranded = plan.moves.filter(({ item }) => !isServed(rooms, slotOf(carried, item)))
  const last = Math.max(-1, ...stranded.map(({ item }) => rank(item)))
  for (const { item } of plan.waiting) expect(rank(item)).toBeGreaterThanOrEqual(last)
  for (const { item, slot } of plan.moves) {
    const from = slotOf(carried, item)
    const isHomecoming = slot.account === carried[item]?.home && from.account !== slot.account
    expect(isHomecoming || !isServed(rooms, from)).toBe(true)
  }
  expect(new Set(plan.moves.map(({ item }) => item)).size).toBe(plan.moves.length)
}

function slotOf(carried: readonly Item[], item: number): SlotName {
  return carried[item]?.slot ?? { account: '', connection: 0 }
}

function settle(carried: readonly Item[], shapes: Readonly<Record<string, Shape>>): Item[] {
  const { moves } = planFailover(carried, roomsOf(shapes, carried))
  const to = new Map(moves.map(({ item, slot }) => [item, slot]))
  return carried.map((one) => ({ ...one, slot: to.get(one.item) ?? one.slot }))
}

function expectSettled(carried: readonly Item[], rooms: readonly AccountRoom[]): void {
  const plan = planFailover(carried, rooms)
  expect(plan.moves).toEqual([])
  const free = freeAfter(rooms, plan)
  for (const { slot, home } of carried) {
    const isHomeUp = rooms.find(({ account }) => account === home)?.isUp === true
    if (!isServed(rooms, slot)) expect(free).toBe(0)
    else if (isHomeUp) expect(slot.account).toBe(home)
  }
}

/** A new instrument is refused only where every account has as many as may belong to it. */
function expectFull(rooms: readonly AccountRoom[]): void {
  for (const { homes, limit, brokerLimit, sockets } of rooms) {
    const carried = sockets.reduce((sum, { instruments }) => sum + instruments, 0)
    expect(homes >= limit || carried >= brokerLimit).toBe(true)
  }
}
