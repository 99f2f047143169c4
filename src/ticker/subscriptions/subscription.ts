/**
 * One subscription: what is wanted of one instrument, by whom, and what has become of it.
 *
 *   pending ──told on an open socket──▶ active        failed: no socket has room for it
 *   any ──its last holder lets go, or the contract ends──▶ removed
 *
 * It is identified by (exchange, tradingsymbol); the token may change with the next dump.
 */
import type { NoTick, Subscription as SubscriptionView } from '../../contract/api/subscriptions.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import { formatIst } from '../../market/ist.ts'
import type { TickMode } from '../../market/tick.ts'
import type { Priority } from '../connection/wire-plan.ts'
import type { SlotName } from '../feed/stream.ts'
import type { StoredSubscription } from '../ports.ts'

export type SubscriptionStatus = StoredSubscription['status']

/** Times are epoch ms, wall clock; null where it has not happened. */
export interface Subscription {
  readonly instrument: Instrument
  readonly mode: TickMode
  readonly priority: Priority
  readonly status: SubscriptionStatus
  readonly slot: SlotName | undefined
  /** The account that it belongs to, which after a failover another carries it for. */
  readonly home: string | undefined
  /** Who asked first. */
  readonly requestedBy: string
  /** Who holds it now; empty once it is removed. */
  readonly holders: readonly string[]
  readonly requestedAtMs: number
  readonly activatedAtMs: number | null
  readonly firstTickAtMs: number | null
  readonly lastTickAtMs: number | null
  readonly lastError: string | null
  readonly removedAtMs: number | null
  /**
   * False while the store does not know what was asked for: holders, mode, priority, the end. What has
   * become of it is the ticker's to say and does not count.
   */
  readonly isStored: boolean
}

export function keyOf({ instrument }: Subscription): string {
  return instrumentKey(instrument.exchange, instrument.tradingsymbol)
}

/** Whether it is to be streamed, now or as soon as there is a socket with room. */
export function isLive({ status }: Subscription): boolean {
  return status !== 'removed'
}

export function newSubscription(
  instrument: Instrument,
  request: { readonly mode: TickMode; readonly priority: Priority; readonly holder: string },
  nowMs: number,
): Subscription {
  return {
    instrument,
    mode: request.mode,
    priority: request.priority,
    status: 'pending',
    slot: undefined,
    home: undefined,
    requestedBy: request.holder,
    holders: [request.holder],
    requestedAtMs: nowMs,
    activatedAtMs: null,
    firstTickAtMs: null,
    lastTickAtMs: null,
    lastError: null,
    removedAtMs: null,
    isStored: false,
  }
}

export function toStored(subscription: Subscription): StoredSubscription {
  const { instrument, slot, holders } = subscription
  return {
    exchange: instrument.exchange,
    tradingsymbol: instrument.tradingsymbol,
    instrumentToken: instrument.token,
    segment: instrument.segment,
    symbol: instrument.symbol,
    expiry: instrument.expiry,
    strike: instrument.strike,
    optionType: instrument.optionType,
    mode: subscription.mode,
    priority: subscription.priority,
    status: subscription.status,
    account: slot?.account ?? null,
    connection: slot?.connection ?? null,
    requestedBy: subscription.requestedBy,
    requesters: holders,
    requestedAtMs: subscription.requestedAtMs,
    activatedAtMs: subscription.activatedAtMs,
    firstTickAtMs: subscription.firstTickAtMs,
    lastTickAtMs: subscription.lastTickAtMs,
    lastError: subscription.lastError,
    removedAtMs: subscription.removedAtMs,
  }
}

/** A stored row as a subscription; it has no socket yet. */
export function fromStored(row: StoredSubscription, instrument: Instrument): Subscription {
  const isRemoved = row.status === 'removed'
  return {
    instrument,
    mode: row.mode,
    priority: row.priority,
    status: isRemoved || row.status === 'failed' ? row.status : 'pending',
    slot: undefined,
    home: isRemoved ? undefined : (row.account ?? undefined),
    requestedBy: row.requestedBy,
    holders: isRemoved ? [] : holdersOf(row),
    requestedAtMs: row.requestedAtMs,
    activatedAtMs: row.activatedAtMs,
    firstTickAtMs: row.firstTickAtMs,
    lastTickAtMs: row.lastTickAtMs,
    lastError: row.lastError,
    removedAtMs: row.removedAtMs,
    isStored: true,
  }
}

/** Somebody must hold it, or nobody could end it. */
function holdersOf({ requesters, requestedBy }: StoredSubscription): readonly string[] {
  return requesters.length > 0 ? [...new Set(requesters)] : [requestedBy]
}

/** As the API shows it; `noTick` where it does not tick. */
export function toView(subscription: Subscription, noTick: NoTick | null): SubscriptionView {
  const { instrument, slot } = subscription
  return {
    instrument_token: instrument.token,
    tradingsymbol: instrument.tradingsymbol,
    exchange: instrument.exchange,
    segment: instrument.segment,
    symbol: instrument.symbol,
    expiry: instrument.expiry,
    strike: instrument.strike,
    option_type: instrument.optionType,
    mode: subscription.mode,
    status: subscription.status,
    account: slot?.account ?? null,
    connection: slot?.connection ?? null,
    requested_by: [...subscription.holders],
    requested_at: formatIst(subscription.requestedAtMs),
    activated_at: maybeIst(subscription.activatedAtMs),
    first_tick_at: maybeIst(subscription.firstTickAtMs),
    last_tick_at: maybeIst(subscription.lastTickAtMs),
    no_tick_reason: noTick?.reason ?? null,
    no_tick_message: noTick?.message ?? null,
  }
}

function maybeIst(ms: number | null): string | null {
  return ms === null ? null : formatIst(ms)
}
