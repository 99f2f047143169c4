/**
 * Kite's JSON answers to typed values. Prices stay rupees, as the broker writes them; times become
 * epoch milliseconds, since the broker writes IST wall time, mostly without an offset.
 *
 * An answer of another shape than documented is a `KiteError` of code `bad_answer` that names what
 * is wrong; a number that is merely absent is undefined.
 */
import { parseApiTime } from '../market/ist.ts'
import { KiteError } from './kite-error.ts'

/** One candle of the broker's history. */
export interface KiteCandle {
  /** Opening instant, epoch ms. */
  readonly timeMs: number
  /** Rupees, as are high, low and close. */
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
  /** Units; undefined where it was not asked for. */
  readonly openInterest: number | undefined
}

export interface KiteLtp {
  readonly token: number
  /** Rupees, as are all prices here. */
  readonly lastPrice: number
}

export interface KiteOhlc extends KiteLtp {
  readonly dayOpen: number
  readonly dayHigh: number
  readonly dayLow: number
  /** The previous day's close, which Kite sends as `close`. */
  readonly previousClose: number
}

/** An index has neither quantities nor a book. */
export interface KiteQuote extends KiteOhlc {
  /** Exchange time of the snapshot, epoch ms. */
  readonly exchangeTimeMs: number | undefined
  readonly lastTradeTimeMs: number | undefined
  readonly lastQuantity: number | undefined
  readonly averagePrice: number | undefined
  readonly dayVolume: number | undefined
  readonly totalBuyQuantity: number | undefined
  readonly totalSellQuantity: number | undefined
  readonly openInterest: number | undefined
  readonly oiDayHigh: number | undefined
  readonly oiDayLow: number | undefined
  /** Best bid and ask; undefined where the book's side is empty. */
  readonly bidPrice: number | undefined
  readonly bidQuantity: number | undefined
  readonly askPrice: number | undefined
  readonly askQuantity: number | undefined
}

export interface KiteProfile {
  readonly userId: string
  readonly userName: string
  readonly broker: string
  /** Exchanges that the account may use. */
  readonly exchanges: readonly string[]
}

export interface KiteSession {
  readonly userId: string
  readonly userName: string | undefined
  /** Ends at 6 AM IST of the next day, or with a logout. */
  readonly accessToken: string
  readonly publicToken: string | undefined
  readonly loginTimeMs: number | undefined
}

type Fields = Readonly<Record<string, unknown>>

export function parseCandles(data: unknown): KiteCandle[] {
  const { candles } = fieldsOf(data, 'history')
  if (!Array.isArray(candles)) throw wrong('history', 'candles is no array')
  return candles.map((row: unknown, i) => parseCandle(row, `candle ${i}`))
}

/** `/quote/ltp`: key as asked for (`NFO:NIFTY26NOVFUT`) → price. Unknown keys are absent. */
export function parseLtps(data: unknown): Map<string, KiteLtp> {
  return mapOf(data, parseLtp)
}

export function parseOhlcs(data: unknown): Map<string, KiteOhlc> {
  return mapOf(data, parseOhlc)
}

export function parseQuotes(data: unknown): Map<string, KiteQuote> {
  return mapOf(data, parseQuote)
}

export function parseProfile(data: unknown): KiteProfile {
  const fields = fieldsOf(data, 'profile')
  const { exchanges } = fields
  if (!Array.isArray(exchanges)) throw wrong('profile', 'exchanges is no array')
  return {
    userId: text(fields, 'user_id', 'profile'),
    userName: text(fields, 'user_name', 'profile'),
    broker: text(fields, 'broker', 'profile'),
    exchanges: exchanges.filter((exchange) => typeof exchange === 'string'),
  }
}

export function parseSession(data: unknown): KiteSession {
  const fields = fieldsOf(data, 'session')
  const publicToken = fields['public_token']
  const userName = fields['user_name']
  return {
    userId: text(fields, 'user_id', 'session'),
    userName: typeof userName === 'string' ? userName : undefined,
    accessToken: text(fields, 'access_token', 'session'),
    publicToken: typeof publicToken === 'string' ? publicToken : undefined,
    loginTimeMs: optionalTime(fields, 'login_time', 'session'),
  }
}

function parseCandle(row: unknown, what: string): KiteCandle {
  if (!Array.isArray(row)) throw wrong(what, 'no array')
  const [time, open, high, low, close, volume, openInterest] = row as readonly unknown[]
  return {
    timeMs: timeOf(time, what),
    open: numberOf(open, 'open', what),
    high: numberOf(high, 'high', what),
    low: numberOf(low, 'low', what),
    close: numberOf(close, 'close', what),
    volume: numberOf(volume, 'volume', what),
    openInterest: openInterest == null ? undefined : numberOf(openInterest, 'oi', what),
  }
}

function parseLtp(fields: Fields, what: string): KiteLtp {
  return {
    token: number(fields, 'instrument_token', what),
    lastPrice: number(fields, 'last_price', what),
  }
}

function parseOhlc(fields: Fields, what: string): KiteOhlc {
  const ohlc = fieldsOf(fields['ohlc'], `${what} ohlc`)
  return {
    ...parseLtp(fields, what),
    dayOpen: number(ohlc, 'open', what),
    dayHigh: number(ohlc, 'high', what),
    dayLow: number(ohlc, 'low', what),
    previousClose: number(ohlc, 'close', what),
  }
}

function parseQuote(fields: Fields, what: string): KiteQuote {
  const bid = bestLevel(fields, 'buy', what)
  const ask = bestLevel(fields, 'sell', what)
  return {
    ...parseOhlc(fields, what),
    exchangeTimeMs: optionalTime(fields, 'timestamp', what),
    lastTradeTimeMs: optionalTime(fields, 'last_trade_time', what),
    lastQuantity: optionalNumber(fields, 'last_quantity', what),
    averagePrice: optionalNumber(fields, 'average_price', what),
    dayVolume: optionalNumber(fields, 'volume', what),
    totalBuyQuantity: optionalNumber(fields, 'buy_quantity', what),
    totalSellQuantity: optionalNumber(fields, 'sell_quantity', what),
    openInterest: optionalNumber(fields, 'oi', what),
    oiDayHigh: optionalNumber(fields, 'oi_day_high', what),
    oiDayLow: optionalNumber(fields, 'oi_day_low', what),
    bidPrice: bid?.price,
    bidQuantity: bid?.quantity,
    askPrice: ask?.price,
    askQuantity: ask?.quantity,
  }
}

function bestLevel(quote: Fields, side: 'buy' | 'sell', what: string) {
  if (quote['depth'] == null) return undefined
  const levels = fieldsOf(quote['depth'], `${what} depth`)[side]
  if (!Array.isArray(levels) || levels.length === 0) return undefined
  const level = fieldsOf(levels[0], `${what} depth`)
  const price = number(level, 'price', what)
  const quantity = number(level, 'quantity', what)
  return price === 0 || quantity === 0 ? undefined : { price, quantity }
}

function mapOf<T>(data: unknown, parse: (fields: Fields, what: string) => T): Map<string, T> {
  const entries = Object.entries(fieldsOf(data, 'quotes'))
  return new Map(entries.map(([key, value]) => [key, parse(fieldsOf(value, key), key)]))
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null) throw wrong(what, 'no object')
  return value as Fields
}

function text(fields: Fields, key: string, what: string): string {
  const value = fields[key]
  if (typeof value !== 'string') throw wrong(what, `${key} is no text`)
  return value
}

function number(fields: Fields, key: string, what: string): number {
  return numberOf(fields[key], key, what)
}

function numberOf(value: unknown, key: string, what: string): number {
  if (typeof value !== 'number') throw wrong(what, `${key} is no number`)
  return value
}

function optionalNumber(fields: Fields, key: string, what: string): number | undefined {
  return fields[key] == null ? undefined : number(fields, key, what)
}

function optionalTime(fields: Fields, key: string, what: string): number | undefined {
  const value = fields[key]
  return value == null || value === '' ? undefined : timeOf(value, `${what} ${key}`)
}

/** `2019-12-04T09:15:00+0530` or `2021-06-08 15:45:56`; without an offset it is IST. */
function timeOf(value: unknown, what: string): number {
  const time = typeof value === 'string' ? parseApiTime(value) : undefined
  if (time?.ok !== true) throw wrong(what, 'no time')
  return time.ms
}

function wrong(what: string, how: string): KiteError {
  return new KiteError('bad_answer', `${what}: ${how}`)
}
