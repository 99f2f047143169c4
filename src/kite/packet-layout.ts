/**
 * Where the fields of a Kite packet stand. A packet's kind is told by its length alone; all integers
 * are big-endian and, but for the index's price change, unsigned 32-bit.
 */

/** Bytes of each packet kind. */
export const PACKET_BYTES = { ltp: 8, indexQuote: 28, indexFull: 32, quote: 44, full: 184 } as const

/** Every packet begins with these; an `ltp` packet ends here. */
export const HEAD = { token: 0, lastPrice: 4 } as const

/** Index packets. The order is high, low, open, close: unlike the tradable's. */
export const INDEX = {
  dayHigh: 8,
  dayLow: 12,
  dayOpen: 16,
  previousClose: 20,
  absoluteChange: 24,
  exchangeTimeS: 28,
} as const

/** Packets of tradables: `quote` ends after `previousClose`, `full` goes on to the end. */
export const TRADABLE = {
  lastQuantity: 8,
  averagePrice: 12,
  dayVolume: 16,
  totalBuyQuantity: 20,
  totalSellQuantity: 24,
  dayOpen: 28,
  dayHigh: 32,
  dayLow: 36,
  previousClose: 40,
  lastTradeTimeS: 44,
  openInterest: 48,
  oiDayHigh: 52,
  oiDayLow: 56,
  exchangeTimeS: 60,
  bids: 64,
  asks: 124,
} as const

/** One level of the book; two bytes of padding follow the order count. */
export const LEVEL = { quantity: 0, price: 4, orders: 8, byteLength: 12 } as const
export const LEVELS_PER_SIDE = 5

/** The token's low byte that marks an index. */
export const INDEX_SEGMENT = 9
