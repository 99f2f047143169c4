/**
 * Brings the ticker's own copy and the store together after one of them was away. The store is the
 * truth, except for what the ticker has changed and the store has not taken yet.
 *
 * What the store does not have at all is kept and written again: a store restored from a backup must
 * not end subscriptions. They are ended by a request, or by `status = 'removed'` in the table.
 */
import type { StoredSubscription } from '../ports.ts'
import type { Subscription } from './subscription.ts'

export interface Merged {
  /** Rows of the store that count, and are not in the copy as they are there. */
  readonly fromStore: readonly StoredSubscription[]
  /** What the store must be told. */
  readonly toStore: readonly Subscription[]
}

/** @param own by `exchange:tradingsymbol` */
export function mergeSubscriptions(
  own: ReadonlyMap<string, Subscription>,
  stored: readonly StoredSubscription[],
): Merged {
  const fromStore: StoredSubscription[] = []
  const known = new Set<string>()
  for (const row of stored) {
    const key = `${row.exchange}:${row.tradingsymbol}`
    known.add(key)
    const mine = own.get(key)
    if (mine === undefined || (mine.isStored && isDifferent(mine, row))) fromStore.push(row)
  }
  const toStore = [...own].filter(([key, mine]) => !mine.isStored || !known.has(key))
  return { fromStore, toStore: toStore.map(([, mine]) => mine) }
}

/** In what somebody may have changed in the table; the rest is the ticker's to write. */
function isDifferent(mine: Subscription, row: StoredSubscription): boolean {
  return (
    (mine.status === 'removed') !== (row.status === 'removed') ||
    mine.mode !== row.mode ||
    mine.priority !== row.priority ||
    mine.holders.toSorted().join('\n') !== row.requesters.toSorted().join('\n')
  )
}
