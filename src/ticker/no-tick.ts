/**
 * Why an instrument that is subscribed does not tick: the likely reason, the nearest to the root first,
 * as a code for programs and a sentence for people.
 */
import type { NoTick } from '../contract/api/subscriptions.ts'
import { TICKER_FIRST_TICK_AWAITED_MS } from '../limits.ts'
import type { Account } from './connection/account.ts'
import type { Connection } from './connection/connection.ts'
import type { Stream } from './feed/stream.ts'
import type { Subscription } from './subscriptions/subscription.ts'

/** All that is known of one subscription's way; undefined where there is none. */
export interface NoTickFacts {
  readonly subscription: Pick<
    Subscription,
    'instrument' | 'status' | 'slot' | 'lastError' | 'activatedAtMs'
  >
  readonly account: Pick<Account, 'name' | 'state' | 'reason'> | undefined
  readonly connection: Pick<Connection, 'state' | 'isMute' | 'history' | 'session'> | undefined
  readonly stream: Pick<Stream, 'firstTickAtMs' | 'gap' | 'silence'> | undefined
  /** The contract trades no more. */
  readonly hasEnded: boolean
  readonly isInSession: boolean
  /** Wall clock. */
  readonly nowMs: number
}

/** Null while it ticks, and of what is not to be streamed any more. */
export function whyNoTick(facts: NoTickFacts): NoTick | null {
  const { subscription, stream } = facts
  if (subscription.status === 'removed') return null
  const isTicking = stream?.firstTickAtMs !== undefined && stream.gap === undefined
  if (isTicking && stream?.silence.isMute !== true) return null
  return whyNotCarried(facts) ?? whySilent(facts)
}

/** What stands between us and the broker. */
function whyNotCarried({ subscription, account, connection, hasEnded }: NoTickFacts) {
  const { instrument, slot, lastError } = subscription
  if (hasEnded) return no('expired', `the contract ended on ${instrument.expiry}`)
  if (slot === undefined || account === undefined || connection === undefined) {
    return no('not_placed', lastError ?? 'no account carries it')
  }
  const { name, state, reason } = account
  if (state === 'no_market_data') return no('not_entitled', `account ${name}: ${reason}`)
  if (state !== 'up') return no('account_down', `account ${name} is ${state}: ${reason}`)
  if (connection.isMute) return no('mute', 'its socket brought no ticks and is opened anew')
  if (connection.state.kind === 'open') return undefined
  const { lastError: cause } = connection.history
  const because = cause === null ? '' : `: ${cause}`
  return no('socket_not_open', `its socket is not open${because}`)
}

/** The broker has been told, and sends nothing. */
function whySilent(facts: NoTickFacts): NoTick {
  const { subscription, connection, stream, isInSession, nowMs } = facts
  const { instrument, activatedAtMs } = subscription
  if (!isInSession) return no('market_closed', `${instrument.segment} is closed`)
  if (stream?.silence.isMute === true) {
    return no('mute', 'it ticked and has stopped, while others on its socket go on')
  }
  const toldAtMs = Math.max(activatedAtMs ?? nowMs, connection?.history.openedAtMs ?? nowMs)
  // Others that ticked before it was asked for say nothing: the whole socket may be silent since.
  const hasOthers = (connection?.session?.lastTickAtMs ?? 0) > toldAtMs
  const isTradable = instrument.kind !== 'index'
  if (nowMs - toldAtMs < TICKER_FIRST_TICK_AWAITED_MS || !hasOthers || !isTradable) {
    return no('awaited', 'the broker has sent none yet')
  }
  const message = 'the broker sends others on its socket and none of it: it has hardly traded today'
  return no('illiquid', message)
}

function no(reason: NoTick['reason'], message: string): NoTick {
  return { reason, message }
}
