/** What has happened, in the words of the lifecycle events. */
import type { InstrumentMetadata, LifecycleNews, RemovalReason } from '../contract/events.ts'
import { formatIst } from '../market/ist.ts'
import type { Account } from './connection/account.ts'
import type { OpenGap } from './feed/stream.ts'
import type { Subscription } from './subscriptions/subscription.ts'

export function subscriptionNews(
  type: 'subscription_created' | 'subscription_live',
  subscription: Subscription,
): LifecycleNews {
  const { token } = subscription.instrument
  return { event_type: type, instrument_token: token, metadata: metadataOf(subscription) }
}

export function removalNews(subscription: Subscription, reason: RemovalReason): LifecycleNews {
  return {
    event_type: 'subscription_removed',
    instrument_token: subscription.instrument.token,
    metadata: { ...metadataOf(subscription), reason },
  }
}

export function gapNews(
  type: 'feed_gap_opened' | 'feed_gap_closed',
  gap: OpenGap,
): Extract<LifecycleNews, { event_type: 'feed_gap_opened' | 'feed_gap_closed' }> {
  return {
    event_type: type,
    instrument_token: null,
    metadata: {
      gap_id: gap.gapId,
      reason: gap.reason,
      account: gap.slot?.account ?? null,
      connection: gap.slot?.connection ?? null,
      instruments: gap.instruments,
      from: formatIst(gap.fromMs),
      to: type === 'feed_gap_closed' ? formatIst(gap.toMs) : null,
    },
  }
}

export function accountNews(
  { name, state, access }: Account,
  reason: string | null,
): LifecycleNews {
  const isUp = state === 'up'
  return {
    event_type: isUp ? 'account_up' : 'account_down',
    instrument_token: null,
    metadata: { account: name, reason, login_url: isUp ? null : access.loginUrl },
  }
}

function metadataOf({ instrument, mode, slot }: Subscription): InstrumentMetadata {
  return {
    tradingsymbol: instrument.tradingsymbol,
    segment: instrument.segment,
    exchange: instrument.exchange,
    symbol: instrument.symbol,
    expiry: instrument.expiry,
    strike: instrument.strike,
    option_type: instrument.optionType,
    mode,
    account: slot?.account ?? null,
  }
}
