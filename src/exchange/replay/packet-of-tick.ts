/**
 * A journalled tick as the packet that it came from. The journal keeps the best level of each side and
 * not the four behind it, the totals of the book, the day's range of the open interest and the price
 * change of an index: nothing reads these, and they are sent empty (the change is computed).
 */
import {
  encodeFull,
  encodeIndexFull,
  encodeIndexQuote,
  encodeLtp,
  encodeQuote,
} from '../../kite/encode-packet.ts'
import type { DepthLevel } from '../../kite/packet.ts'
import { PACKET_BYTES } from '../../kite/packet-layout.ts'
import type { Tick, TickMode } from '../../market/tick.ts'

const RANK: Readonly<Record<TickMode, number>> = { ltp: 0, quote: 1, full: 2 }
/** Not journalled; a level without an order would be none. */
const ORDERS = 1

const target = Buffer.alloc(PACKET_BYTES.full)

/**
 * In `mode`, or in the tick's own where that carries less. The bytes are overwritten by the next call.
 */
export function packetOfTick(tick: Tick, mode: TickMode): Buffer {
  const lower = RANK[tick.mode] < RANK[mode] ? tick.mode : mode
  return target.subarray(0, encode(tick, lower))
}

function encode(tick: Tick, mode: TickMode): number {
  if (mode === 'ltp') return encodeLtp(target, 0, tick)
  const { token, lastPrice, exchangeTimeS } = tick
  const day = {
    token,
    lastPrice,
    dayOpen: tick.dayOpen ?? 0,
    dayHigh: tick.dayHigh ?? 0,
    dayLow: tick.dayLow ?? 0,
    previousClose: tick.previousClose ?? 0,
  }
  if (tick.isIndex) {
    const index = { ...day, absoluteChange: lastPrice - day.previousClose }
    return mode === 'quote'
      ? encodeIndexQuote(target, 0, index)
      : encodeIndexFull(target, 0, { ...index, exchangeTimeS })
  }
  const quote = {
    ...day,
    lastQuantity: tick.lastQuantity ?? 0,
    averagePrice: tick.averagePrice ?? 0,
    dayVolume: tick.dayVolume ?? 0,
    totalBuyQuantity: 0,
    totalSellQuantity: 0,
  }
  if (mode === 'quote') return encodeQuote(target, 0, quote)
  return encodeFull(target, 0, {
    ...quote,
    lastTradeTimeS: tick.lastTradeTimeS,
    openInterest: tick.openInterest ?? 0,
    oiDayHigh: 0,
    oiDayLow: 0,
    exchangeTimeS,
    bids: side(tick.bidPrice, tick.bidQuantity),
    asks: side(tick.askPrice, tick.askQuantity),
  })
}

function side(price: number | undefined, quantity: number | undefined): DepthLevel[] {
  if (price === undefined || quantity === undefined) return []
  return [{ price, quantity, orders: ORDERS }]
}
