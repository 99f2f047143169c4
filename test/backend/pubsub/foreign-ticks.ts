/** Messages as another ticker service publishes them, written by hand. */
import type { ForeignTick } from '../../../src/contract/channels.ts'
import { NIFTY, OPEN_MS, OPTIONS } from '../scenario.ts'

const OPTION = OPTIONS[4]

/** Of one call, in the first second of the session unless said. */
export function foreignOption(over: Partial<ForeignTick>): ForeignTick {
  return {
    instrument_token: OPTION?.token ?? 0,
    tradingsymbol: OPTION?.tradingsymbol ?? '',
    exchange: 'NFO',
    symbol: 'NIFTY',
    segment: 'NFO-OPT',
    expiry: OPTION?.expiry ?? null,
    strike: OPTION?.strike ?? null,
    option_type: OPTION?.optionType ?? null,
    ltp: 100,
    last_quantity: 65,
    average_price: 100,
    volume: 6_500,
    oi: 65_000,
    bid: 99.95,
    ask: 100.05,
    open: 100,
    high: 100,
    low: 100,
    close: 98,
    prev_close: 98,
    iv: 0.5,
    delta: null,
    gamma: null,
    theta: null,
    vega: null,
    iv_reason: null,
    last_trade_time_ms: OPEN_MS,
    exchange_time_ms: OPEN_MS,
    received_at_ms: OPEN_MS,
    ...over,
  }
}

export function foreignIndex(over: Partial<ForeignTick>): ForeignTick {
  return {
    ...foreignOption({}),
    instrument_token: NIFTY.token,
    tradingsymbol: NIFTY.tradingsymbol,
    exchange: NIFTY.exchange,
    segment: NIFTY.segment,
    expiry: null,
    strike: null,
    option_type: null,
    ltp: 24_500,
    volume: 0,
    oi: null,
    last_trade_time_ms: null,
    ...over,
  }
}
