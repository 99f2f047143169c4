/** Subscriptions as a ticker lists them. */
import type { Subscription } from '../../../src/contract/api/subscriptions.ts'

export function row(token: number, over: Partial<Subscription> = {}): Subscription {
  const strike = 20_000 + token
  return {
    instrument_token: token,
    tradingsymbol: `NIFTY26NOV${strike}CE`,
    exchange: 'NFO',
    segment: 'NFO-OPT',
    symbol: 'NIFTY50',
    expiry: '2026-11-23',
    strike,
    option_type: 'CE',
    mode: 'full',
    status: 'active',
    account: 'main',
    connection: 1,
    requested_by: ['api'],
    requested_at: '2026-11-23T10:00:00+05:30',
    activated_at: '2026-11-23T10:00:00.100+05:30',
    first_tick_at: null,
    last_tick_at: null,
    no_tick_reason: null,
    no_tick_message: null,
    ...over,
  }
}
