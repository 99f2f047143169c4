import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TICKER_PREFERRED_PER_CONNECTION } from '../../../src/limits.ts'
import { planPlacement } from '../../../src/ticker/connection/placement.ts'
import type { AccountRoom } from '../../../src/ticker/connection/rooms.ts'

const PREFERRED = TICKER_PREFERRED_PER_CONNECTION

function room(
  account: string,
  more: Partial<AccountRoom> = {},
  used: number[] = [0, 0, 0],
): AccountRoom {
  return {
    account,
    isUp: true,
    isSettled: true,
    homes: used.reduce((sum, count) => sum + count, 0),
    limit: 1_500,
    brokerLimit: 9_000,
    sockets: used.map((instruments, i) => ({
      connection: i + 1,
      instruments,
      capacity: 3_000,
      isUsable: true,
    })),
    ...more,
  }
}

/** How many go where: `account/connection` → count. */
function spread(count: number, rooms: readonly AccountRoom[]) {
  const { placed, unplaced, reason } = planPlacement([...Array(count).keys()], rooms)
  const counts: Record<string, number> = {}
  for (const { slot } of placed) {
    const name = `${slot.account}/${slot.connection}`
    counts[name] = (counts[name] ?? 0) + 1
  }
  return { counts, unplaced: unplaced.length, reason }
}

describe('placement', () => {
  it('opens as few sockets as are needed', () => {
    expect(spread(45, [room('a')]).counts).toEqual({ 'a/1': 45 })
    expect(spread(1_500, [room('a')]).counts).toEqual({ 'a/1': PREFERRED, 'a/2': 500 })
  })

  it('fills evenly beyond the preferred size, up to the limit of a socket', () => {
    const wide = room('a', { limit: 9_000 })
    expect(spread(4_500, [wide]).counts).toEqual({ 'a/1': 1_500, 'a/2': 1_500, 'a/3': 1_500 })
    const all = spread(9_001, [wide])
    expect(all.counts).toEqual({ 'a/1': 3_000, 'a/2': 3_000, 'a/3': 3_000 })
    expect(all).toMatchObject({
      unplaced: 1,
      reason: expect.stringContaining('9000 of 9000 instruments are taken (a 9000/9000)'),
    })
  })

  it('shares out over the accounts, and leaves one that is refused for last', () => {
    expect(spread(600, [room('a'), room('b')]).counts).toEqual({ 'a/1': 300, 'b/1': 300 })
    const down = room('b', { isUp: false })
    expect(spread(1_600, [room('a'), down]).counts).toEqual({
      'a/1': PREFERRED,
      'a/2': 500,
      'b/1': 100,
    })
  })

  it('stops at the limit of each account and says how full they are', () => {
    const rooms = [room('a', {}, [1_000, 400, 0]), room('b', { limit: 50 }, [45, 0, 0])]
    expect(spread(200, rooms)).toEqual({
      counts: { 'a/2': 100, 'b/1': 5 },
      unplaced: 95,
      reason:
        'no account has room: 1550 of 1550 instruments are taken (a 1500/1500, b 50/50); ' +
        'the limit is set by TICKER_INSTRUMENTS_PER_ACCOUNT, max_connections and max_instruments',
    })
    expect(spread(1, [])).toMatchObject({ unplaced: 1, reason: 'there is no broker account' })
  })

  it('never passes a limit and never leaves out what has room', () => {
    const anyRoom = fc
      .record({ limit: fc.nat(40), isUp: fc.boolean(), capacity: fc.integer({ min: 1, max: 20 }) })
      .map(({ limit, isUp, capacity }) => {
        const base = room('x', { limit, isUp })
        return { ...base, sockets: base.sockets.map((socket) => ({ ...socket, capacity })) }
      })
    fc.assert(
      fc.property(fc.array(anyRoom, { maxLength: 4 }), fc.nat(150), (rooms, count) => {
        const named = rooms.map((r, i) => ({ ...r, account: `a${i}` }))
        const { counts, unplaced } = spread(count, named)
        const total = (account: string) =>
          Object.entries(counts)
            .filter(([name]) => name.startsWith(`${account}/`))
            .reduce((sum, [, n]) => sum + n, 0)
        let free = 0
        for (const { account, limit, sockets } of named) {
          const most = Math.min(
            limit,
            sockets.reduce((sum, { capacity }) => sum + capacity, 0),
          )
          expect(total(account)).toBeLessThanOrEqual(most)
          free += most - total(account)
          for (const { connection, capacity } of sockets) {
            expect(counts[`${account}/${connection}`] ?? 0).toBeLessThanOrEqual(capacity)
          }
        }
        if (unplaced > 0) expect(free).toBe(0)
      }),
    )
  })
})
