/** Where instruments are and what still has room, in the words of the API. */
import type { Placement } from '../contract/api/ticker-status.ts'
import { formatIst } from '../market/ist.ts'
import type { Pool } from './connection/pool.ts'
import { roomForFailover, roomForNew } from './connection/rooms.ts'
import type { LastPlacement } from './subscriptions/placer.ts'
import type { Subscription } from './subscriptions/subscription.ts'

export function placementStatus(
  pool: Pool,
  subscriptions: readonly Subscription[],
  last: LastPlacement | undefined,
): Placement {
  const { accounts, rooms, moving } = pool
  const up = rooms.filter(({ isUp }) => isUp)
  return {
    instruments: sum(accounts, ({ instruments }) => instruments) - moving,
    capacity: sum(rooms, ({ limit }) => limit),
    broker_limit: sum(rooms, ({ brokerLimit }) => brokerLimit),
    room_for_new: sum(rooms, roomForNew),
    room_for_failover: sum(up, roomForFailover),
    moving,
    last: last === undefined ? null : lastView(last),
    waiting: waitingViews(subscriptions),
  }
}

function lastView({ atMs, reason, slots }: LastPlacement): NonNullable<Placement['last']> {
  return { at: formatIst(atMs), reason, slots: slots.map((slot) => ({ ...slot })) }
}

/** What has no socket that streams, by status and reason. */
function waitingViews(subscriptions: readonly Subscription[]): Placement['waiting'] {
  const views = new Map<string, Placement['waiting'][number]>()
  for (const { status, lastError } of subscriptions) {
    if ((status !== 'pending' && status !== 'failed') || lastError === null) continue
    const key = `${status} ${lastError}`
    const view = views.get(key) ?? { status, reason: lastError, instruments: 0 }
    view.instruments++
    views.set(key, view)
  }
  return [...views.values()]
}

function sum<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((total, item) => total + count(item), 0)
}
