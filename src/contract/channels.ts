/**
 * The ticker's channels on the bus, below `REDIS_CHANNEL_PREFIX`, and one tick on those of ticks: what
 * the ticker publishes, and what is read of another publisher of the same JSON.
 */
import { type Static, Type } from 'typebox'
import type { InstrumentKind } from '../market/instrument.ts'
import {
  integer,
  maybeChoice,
  maybeInteger,
  maybeIstDate,
  maybeNumber,
  maybeText,
  text,
} from './api/schema-parts.ts'

/** One JSON tick a message. */
export const TICK_CHANNELS = ['options', 'futures', 'underlying'] as const
export type TickChannel = (typeof TICK_CHANNELS)[number]

/** The names of all, lifecycle events among them. */
export type Channels = Readonly<Record<TickChannel | 'events', string>>

/** `ticker:nifty` → `ticker:nifty:options`, … */
export function channelsOf(prefix: string): Channels {
  return {
    options: `${prefix}:options`,
    futures: `${prefix}:futures`,
    underlying: `${prefix}:underlying`,
    events: `${prefix}:events`,
  }
}

/** Where an instrument's ticks go: indices and shares are underlyings. */
export function tickChannelOf(kind: InstrumentKind): TickChannel {
  if (kind === 'option') return 'options'
  return kind === 'future' ? 'futures' : 'underlying'
}

const LAST_TRADE_TIME = maybeInteger('Last trade, exchange time, epoch ms.')

/** Every key is always there; what the packet or the market does not tell is null. */
export const ChannelTick = Type.Object({
  instrument_token: integer('Number on the wire; reused by the exchange after expiry.'),
  tradingsymbol: text('The exchange’s name of it.'),
  exchange: text('`NSE`, `BSE`, `NFO`, `BFO`, `MCX`, …'),
  symbol: text('Canonical underlying.'),
  segment: text('`INDICES`, `NFO-OPT`, …'),
  expiry: maybeIstDate('Of a contract.'),
  strike: maybeNumber('Rupees.'),
  option_type: maybeChoice(['CE', 'PE'], 'Call or put.'),
  ltp: maybeNumber('Last price, rupees; null where it never traded.'),
  last_quantity: maybeInteger('Units of the last trade.'),
  average_price: maybeNumber('Of the day, rupees.'),
  volume: maybeInteger('Units, the day’s; 0 for an index.'),
  oi: maybeInteger('Open interest, units.'),
  bid: maybeNumber('Best bid, rupees.'),
  ask: maybeNumber('Best ask, rupees.'),
  open: maybeNumber('The day’s, rupees.'),
  high: maybeNumber('The day’s, rupees.'),
  low: maybeNumber('The day’s, rupees.'),
  close: maybeNumber('The previous day’s, rupees, as the broker sends it.'),
  prev_close: maybeNumber('The same as close.'),
  iv: maybeNumber('Decimal per year.'),
  delta: maybeNumber('Per rupee of the forward.'),
  gamma: maybeNumber('Per rupee of the forward.'),
  theta: maybeNumber('Rupees a day.'),
  vega: maybeNumber('Rupees per vol point.'),
  iv_reason: maybeText('Why an option has no iv.'),
  last_trade_time_ms: LAST_TRADE_TIME,
  exchange_time_ms: maybeInteger('Exchange time of the packet, epoch ms.'),
  received_at_ms: integer('The ticker’s clock at its arrival, epoch ms.'),
  epoch: integer('Place in the journal.'),
  sequence: integer('Place in the journal; rises within epoch and partition.'),
})
export type ChannelTick = Static<typeof ChannelTick>

/** The same from another publisher, which may have no journal. */
export const ForeignTick = Type.Object({
  ...ChannelTick.properties,
  last_trade_time_ms: Type.Optional(LAST_TRADE_TIME),
  epoch: Type.Optional(maybeInteger('Place in the publisher’s journal.')),
  sequence: Type.Optional(maybeInteger('Place in the publisher’s journal.')),
})
export type ForeignTick = Static<typeof ForeignTick>
