/**
 * One message of the tick channels as an instrument and a tick, or why it is none. Pure; whatever the
 * text is, it never throws: anybody can publish.
 */
import { Compile } from 'typebox/compile'
import { ForeignTick, type TickChannel } from '../../contract/channels.ts'
import { PUBSUB_MESSAGE_MAX_CHARS } from '../../limits.ts'
import type { Instrument, InstrumentKind } from '../../market/instrument.ts'
import { priceDivisor, type Tick, type TickMode } from '../../market/tick.ts'
import { canonicalSymbol } from '../../market/underlying.ts'

export type MessageFault =
  | 'too_long'
  | 'not_json'
  /** A field is missing or of another type. */
  | 'wrong_shape'
  /** An option without strike, a future without expiry, a number beyond the wire's. */
  | 'impossible'

/** What the packet would have held; the place in the publisher's journal where it has one. */
export interface ReadTick {
  readonly instrument: Instrument
  readonly tick: Tick
  readonly exchangeTimeMs: number | null
  readonly epoch: number | null
  readonly sequence: number | null
}

const shape = Compile(ForeignTick)
const WORD_MAX = 2 ** 32 - 1

export function readTick(channel: TickChannel, text: string): ReadTick | MessageFault {
  if (text.length > PUBSUB_MESSAGE_MAX_CHARS) return 'too_long'
  const message = parse(text)
  if (message === undefined) return 'not_json'
  if (!shape.Check(message)) return 'wrong_shape'
  const kind = kindOf(channel, message)
  if (kind === undefined || !isPossible(message)) return 'impossible'
  return {
    instrument: instrumentOf(message, kind),
    tick: tickOf(message, kind),
    exchangeTimeMs: message.exchange_time_ms,
    epoch: message.epoch ?? null,
    sequence: message.sequence ?? null,
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function kindOf(channel: TickChannel, message: ForeignTick): InstrumentKind | undefined {
  const { expiry, strike, option_type, segment } = message
  if (channel === 'underlying') return segment === 'INDICES' ? 'index' : 'equity'
  if (expiry === null) return undefined
  if (channel === 'futures') return 'future'
  return strike !== null && strike > 0 && option_type !== null ? 'option' : undefined
}

/** Names are not empty; everything on the wire is an unsigned word, and times are times. */
function isPossible(message: ForeignTick): boolean {
  const { instrument_token: token } = message
  if (message.tradingsymbol === '' || message.exchange === '' || message.symbol === '') return false
  if (!isWord(token) || token === 0) return false
  const prices = [message.ltp, message.average_price, message.bid, message.ask]
  const day = [message.open, message.high, message.low, message.close]
  const units = [message.volume, message.oi, message.last_quantity]
  const seconds = [message.exchange_time_ms, message.last_trade_time_ms ?? null]
  return (
    [...prices, ...day].every((price) => price === null || isWord(minorOf(price, token))) &&
    units.every((count) => count === null || isWord(count)) &&
    seconds.every((ms) => ms === null || isWord(Math.floor(ms / 1000))) &&
    message.received_at_ms >= 0 &&
    message.received_at_ms < 2 ** 48
  )
}

function isWord(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= WORD_MAX
}

function minorOf(rupees: number, token: number): number {
  return Math.round(rupees * priceDivisor(token))
}

/** Lot and price step are not in the message: 0 until the instrument master tells them. */
function instrumentOf(message: ForeignTick, kind: InstrumentKind): Instrument {
  const { instrument_token, exchange, tradingsymbol, segment } = message
  const symbol = canonicalSymbol(message.symbol) ?? message.symbol
  const isDerivative = kind === 'option' || kind === 'future'
  return {
    token: instrument_token,
    exchange,
    tradingsymbol,
    name: message.symbol,
    symbol,
    segment,
    kind,
    optionType: kind === 'option' ? message.option_type : null,
    expiry: isDerivative ? message.expiry : null,
    strike: kind === 'option' ? message.strike : null,
    lotSize: 0,
    tickSize: 0,
  }
}

function tickOf(message: ForeignTick, kind: InstrumentKind): Tick {
  const { instrument_token: token } = message
  const minor = (rupees: number | null) => (rupees === null ? undefined : minorOf(rupees, token))
  const isIndex = kind === 'index'
  return {
    token,
    mode: modeOf(message, isIndex),
    isIndex,
    lastPrice: minor(message.ltp) ?? 0,
    lastQuantity: message.last_quantity ?? undefined,
    averagePrice: minor(message.average_price),
    dayVolume: isIndex ? undefined : (message.volume ?? undefined),
    dayOpen: minor(message.open),
    dayHigh: minor(message.high),
    dayLow: minor(message.low),
    previousClose: minor(message.close),
    lastTradeTimeS: secondOf(message.last_trade_time_ms ?? null),
    exchangeTimeS: secondOf(message.exchange_time_ms),
    openInterest: isIndex ? undefined : (message.oi ?? undefined),
    bidPrice: minor(message.bid),
    bidQuantity: undefined,
    askPrice: minor(message.ask),
    askQuantity: undefined,
  }
}

/**
 * `full` promises the time of the last trade. Where the publisher does not send it every price counts
 * for the time of its packet, as in `quote`.
 */
function modeOf({ last_trade_time_ms, volume }: ForeignTick, isIndex: boolean): TickMode {
  if (isIndex || last_trade_time_ms !== undefined) return 'full'
  return volume === null ? 'ltp' : 'quote'
}

function secondOf(ms: number | null): number | undefined {
  return ms === null || ms <= 0 ? undefined : Math.floor(ms / 1000)
}
