/** What two placings that overlap leave of one another's work. */
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/kit/clock.ts'
import type { Pool } from '../../../src/ticker/connection/pool.ts'
import type { AccountRoom } from '../../../src/ticker/connection/rooms.ts'
import type { CoverageLog } from '../../../src/ticker/feed/coverage-log.ts'
import { Placer } from '../../../src/ticker/subscriptions/placer.ts'
import {
  keyOf,
  newSubscription,
  type Subscription,
} from '../../../src/ticker/subscriptions/subscription.ts'
import { SubscriptionBook } from '../../../src/ticker/subscriptions/subscription-book.ts'
import { silentLog } from '../../silent-log.ts'
import { option } from '../support/contracts.ts'

describe('a placing on a list made before another placing', () => {
  it('leaves what has found a socket meanwhile where it is, as the broker was told', () => {
    const { placer, book, carried } = start([100, 150, 200])
    const keys = book.all().map(keyOf)
    expect(placer.place(keys.slice(0, 2)).placed).toHaveLength(2)
    for (const told of book.all().slice(0, 2)) book.put({ ...told, status: 'active' })
    const { placed } = placer.place(keys)
    expect(placed.map(({ instrument }) => instrument.strike)).toEqual([200])
    expect(book.all().map(({ status }) => status)).toEqual(['active', 'active', 'pending'])
    expect(carried).toHaveLength(3)
  })

  it('leaves what has ended meanwhile alone', () => {
    const { placer, book, carried } = start([100, 150])
    const keys = book.all().map(keyOf)
    const [first] = book.all()
    book.put({ ...(first as Subscription), status: 'removed', holders: [] })
    expect(placer.place(keys).placed.map(({ instrument }) => instrument.strike)).toEqual([150])
    expect(carried).toHaveLength(1)
  })
})

/** Subscriptions that were held before a restart, and one account that is up. */
function start(strikes: readonly number[]) {
  const book = new SubscriptionBook()
  for (const strike of strikes) {
    const request = { mode: 'full', priority: 'normal', holder: 'api' } as const
    book.put({ ...newSubscription(option(strike, 'CE'), request, 0), home: 'main' })
  }
  const carried: number[] = []
  const room: AccountRoom = {
    account: 'main',
    isUp: true,
    isSettled: true,
    homes: 0,
    limit: 1_500,
    brokerLimit: 9_000,
    sockets: [{ connection: 1, instruments: 0, capacity: 3_000, isUsable: true }],
  }
  const pool: Pick<Pool, 'rooms' | 'plan' | 'carry' | 'isUnknown'> = {
    rooms: [room],
    plan: () => ({ placed: [], unplaced: [], reason: undefined }),
    carry: (_slot, _home, token) => carried.push(token),
    isUnknown: () => false,
  }
  const coverage: { want(...args: Parameters<CoverageLog['want']>): unknown } = {
    want: () => undefined,
  }
  const placer = new Placer({
    clock: systemClock,
    log: silentLog,
    pool: pool as Pool,
    coverage: coverage as CoverageLog,
    book,
    note: (subscription) => book.put(subscription),
    onAdmitted: () => undefined,
  })
  return { placer, book, carried }
}
