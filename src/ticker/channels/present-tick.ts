/** A journalled tick as the channels carry it: rupees, names, every key, null where unknown. Pure. */
import type { ChannelTick } from '../../contract/channels.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { LegAnalytics } from '../../market/options/strike.ts'
import { toRupees } from '../../market/quote.ts'
import { type JournalledTick, priceDivisor } from '../../market/tick.ts'

/** A tick with whose it is and where it stands in the journal. */
export interface PlacedTick {
  readonly instrument: Instrument
  readonly tick: JournalledTick
  readonly epoch: number
  readonly sequence: number
}

/** @param leg IV and Greeks at this tick; undefined for what is no option */
export function presentTick(
  { instrument, tick, epoch, sequence }: PlacedTick,
  leg: LegAnalytics | undefined,
): ChannelTick {
  const divisor = priceDivisor(tick.token)
  const previousClose = toRupees(tick.previousClose, divisor)
  return {
    instrument_token: tick.token,
    tradingsymbol: instrument.tradingsymbol,
    exchange: instrument.exchange,
    symbol: instrument.symbol,
    segment: instrument.segment,
    expiry: instrument.expiry,
    strike: instrument.strike,
    option_type: instrument.optionType,
    ltp: toRupees(tick.lastPrice, divisor),
    last_quantity: tick.lastQuantity ?? null,
    average_price: toRupees(tick.averagePrice, divisor),
    volume: instrument.kind === 'index' ? 0 : (tick.dayVolume ?? null),
    oi: tick.openInterest ?? null,
    bid: toRupees(tick.bidPrice, divisor),
    ask: toRupees(tick.askPrice, divisor),
    open: toRupees(tick.dayOpen, divisor),
    high: toRupees(tick.dayHigh, divisor),
    low: toRupees(tick.dayLow, divisor),
    close: previousClose,
    prev_close: previousClose,
    iv: leg?.iv ?? null,
    delta: leg?.delta ?? null,
    gamma: leg?.gamma ?? null,
    theta: leg?.theta ?? null,
    vega: leg?.vega ?? null,
    iv_reason: leg?.ivReason ?? null,
    last_trade_time_ms: toMs(tick.lastTradeTimeS),
    exchange_time_ms: toMs(tick.exchangeTimeS),
    received_at_ms: tick.receivedAtMs,
    epoch,
    sequence,
  }
}

function toMs(seconds: number | undefined): number | null {
  return seconds === undefined ? null : seconds * 1000
}
