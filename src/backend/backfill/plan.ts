/**
 * In which order histories are asked for. Pure: what is waiting and the prices of underlyings go in,
 * the next one comes out.
 *
 * New subscriptions before gaps, gaps before routine, routine before what somebody asked for; an
 * expiring series first of its class, since the broker forgets its tokens. Within that the underlying
 * and its futures before options, options from the money outwards.
 */
import type { JobKind } from '../../contract/api/backfills.ts'
import type { RequestPriority } from '../../contract/api/history.ts'
import type { Instrument } from '../../market/instrument.ts'

/** What waits for its history, as far as its turn depends on it. */
export interface Waiting {
  /** As what it waits. */
  readonly kind: JobKind
  readonly instrument: Instrument
  /** Its contract has ended today. */
  readonly isExpiring: boolean
  /** Rises with every arrival. */
  readonly arrival: number
}

/** The underlying's price in rupees; undefined where it is not known. */
export type PriceOf = (symbol: string) => number | undefined

const PRIORITIES: Readonly<Record<JobKind, RequestPriority>> = {
  immediate: 'new_subscription',
  repair: 'gap',
  periodic: 'routine',
  opening: 'routine',
  settle: 'routine',
  on_demand: 'on_demand',
}

const CLASSES: readonly RequestPriority[] = ['new_subscription', 'gap', 'routine', 'on_demand']
const KIND_ORDER = { index: 0, equity: 0, future: 1, option: 2 } as const
/** Of an option whose underlying has no price: behind all that have one. */
const FAR = 1
/** Places of one class. */
const PLACES = 1_000_001

/** The class in which the ticker lets it wait. */
export function priorityOf({ kind, isExpiring }: Waiting): RequestPriority {
  const priority = PRIORITIES[kind]
  return isExpiring && priority === 'routine' ? 'gap' : priority
}

/** The place of its class, the most urgent first: 0 … 3. */
export function classOf(waiting: Waiting): number {
  return CLASSES.indexOf(priorityOf(waiting))
}

/** Place within the class for the ticker's queue, over all keys: 0 … 1,000,000, the smallest first. */
export function orderOf(waiting: Waiting, priceOf: PriceOf): number {
  const { instrument, isExpiring } = waiting
  const place = KIND_ORDER[instrument.kind] * 100_000
  const away = Math.round(Math.min(1, distance(instrument, priceOf)) * 99_999)
  return (isExpiring ? 0 : 500_000) + place + away
}

/** All of them, the first one first. */
export function planOf<One extends Waiting>(waiting: Iterable<One>, priceOf: PriceOf): One[] {
  const placed = Array.from(waiting, (one) => ({
    one,
    place: classOf(one) * PLACES + orderOf(one, priceOf),
  }))
  placed.sort((a, b) => a.place - b.place || compareEqual(a.one, b.one))
  return placed.map(({ one }) => one)
}

function compareEqual(a: Waiting, b: Waiting): number {
  return compareExpiry(a.instrument, b.instrument) || a.arrival - b.arrival
}

/** How far an option is from the money, as a part of the underlying's price. */
function distance({ symbol, strike }: Instrument, priceOf: PriceOf): number {
  if (strike === null) return 0
  const price = priceOf(symbol)
  return price === undefined || price <= 0 ? FAR : Math.abs(strike - price) / price
}

function compareExpiry(a: Instrument, b: Instrument): number {
  const [first, second] = [a.expiry ?? '', b.expiry ?? '']
  if (first === second) return 0
  return first < second ? -1 : 1
}
