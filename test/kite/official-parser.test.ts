/**
 * Our decoder against the official client's parser on the same random frames.
 *
 * One difference is known and named: the official parser shifts signed integers, so that a field of
 * 2^31 and more comes out negative (value − 2^32). There the test demands that theirs is negative
 * and that ours is the unsigned value of the bytes.
 */
import { KiteTicker } from 'kiteconnect'
import { describe, expect, it } from 'vitest'
import { decodeFrame } from '../../src/kite/frame.ts'
import type { DepthLevel, KiteTick } from '../../src/kite/packet.ts'
import { priceDivisor } from '../../src/market/tick.ts'
import { frameOf, randomPacket, seededRandom } from './random-packets.ts'

const PACKETS = 100_000
const SEED = 20_261_122

describe('the official parser of kiteconnect 5.3.0', () => {
  it(`agrees with ours on ${PACKETS} random packets (seed ${SEED})`, () => {
    const comparison = new Comparison()
    const random = seededRandom(SEED)
    while (comparison.packets < PACKETS) {
      const count = 1 + Math.floor(random() * 20)
      comparison.compareFrame(Array.from({ length: count }, () => randomPacket(random)))
    }
    expect(comparison.differences).toEqual([])
    expect(comparison.fields).toBeGreaterThan(PACKETS * 10)
    expect(comparison.signedFaults).toBeGreaterThan(PACKETS)
    expect([...comparison.modes].sort()).toEqual(['full', 'ltp', 'quote'])
  })

  it('makes a volume of three billion negative, ours does not', () => {
    const packet = Buffer.alloc(44)
    packet.writeUInt32BE(3e9, 16)
    const [theirs] = official.parseBinary(toArrayBuffer(frameOf([packet])))
    expect(theirs?.volume_traded).toBe(-1_294_967_296)
    expect(decodeAll(frameOf([packet]))[0]?.dayVolume).toBe(3e9)
  })
})

interface OfficialLevel {
  quantity: number
  price: number
  orders: number
}

interface OfficialTick {
  tradable: boolean
  mode: string
  instrument_token: number
  last_price: number
  last_traded_quantity?: number
  average_traded_price?: number
  volume_traded?: number
  total_buy_quantity?: number
  total_sell_quantity?: number
  ohlc?: { open: number; high: number; low: number; close: number }
  change?: number
  last_trade_time?: Date | null
  exchange_timestamp?: Date | null
  oi?: number
  oi_day_high?: number
  oi_day_low?: number
  depth?: { buy: OfficialLevel[]; sell: OfficialLevel[] }
}

/** `parseBinary` is public at run time but not in the client's types; no connection is made. */
const ticker: unknown = new KiteTicker({ api_key: 'test', access_token: 'test' })
const official = ticker as { parseBinary(frame: ArrayBuffer): OfficialTick[] }

/** Compares field by field without `expect`, which would take minutes for two million fields. */
class Comparison {
  packets = 0
  fields = 0
  signedFaults = 0
  readonly modes = new Set<string>()
  readonly differences: string[] = []

  compareFrame(packets: readonly Buffer[]): void {
    const frame = frameOf(packets)
    const ours = decodeAll(frame)
    const theirs = official.parseBinary(toArrayBuffer(frame))
    this.same('ticks in the frame', theirs.length, ours.length)
    for (const [i, tick] of ours.entries()) {
      const other = theirs[i]
      if (other !== undefined) this.compareTick(tick, other)
    }
    this.packets += packets.length
  }

  private compareTick(ours: KiteTick, theirs: OfficialTick): void {
    const divisor = priceDivisor(ours.token)
    const bookOrIndex = ours.isIndex || ours.mode === 'ltp'
    this.modes.add(theirs.mode)
    this.same('mode', theirs.mode, ours.mode)
    this.same('tradable', theirs.tradable, (ours.token & 0xff) !== 9)
    this.word('token', theirs.instrument_token, ours.token, 1)
    this.word('last price', theirs.last_price, ours.lastPrice, divisor)
    this.word('last quantity', theirs.last_traded_quantity, ours.lastQuantity, 1)
    this.word('average price', theirs.average_traded_price, ours.averagePrice, divisor)
    this.word('volume', theirs.volume_traded, ours.dayVolume, 1)
    this.word('buy quantity', theirs.total_buy_quantity, ours.totalBuyQuantity, 1)
    this.word('sell quantity', theirs.total_sell_quantity, ours.totalSellQuantity, 1)
    this.word('open', theirs.ohlc?.open, ours.dayOpen, divisor)
    this.word('high', theirs.ohlc?.high, ours.dayHigh, divisor)
    this.word('low', theirs.ohlc?.low, ours.dayLow, divisor)
    this.word('close', theirs.ohlc?.close, ours.previousClose, divisor)
    this.time('last trade time', theirs.last_trade_time, ours.lastTradeTimeS)
    this.time('exchange time', theirs.exchange_timestamp, ours.exchangeTimeS)
    this.word('oi', theirs.oi, ours.openInterest, 1)
    this.word('oi high', theirs.oi_day_high, ours.oiDayHigh, 1)
    this.word('oi low', theirs.oi_day_low, ours.oiDayLow, 1)
    this.change(theirs, ours, divisor)
    this.same('has a book', theirs.depth !== undefined, !bookOrIndex && ours.mode === 'full')
    if (theirs.depth !== undefined) this.book(theirs.depth, ours, divisor)
  }

  private change(theirs: OfficialTick, ours: KiteTick, divisor: number): void {
    this.same('change', theirs.change, changeAsTheirs(theirs, ours, divisor))
  }

  private book(theirs: NonNullable<OfficialTick['depth']>, ours: KiteTick, divisor: number): void {
    const depth = ours.depth()
    this.side('bid', theirs.buy, depth?.bids ?? [], divisor)
    this.side('ask', theirs.sell, depth?.asks ?? [], divisor)
    this.best('bid', depth?.bids[0], ours.bidPrice, ours.bidQuantity)
    this.best('ask', depth?.asks[0], ours.askPrice, ours.askQuantity)
  }

  private side(
    name: string,
    theirs: OfficialLevel[],
    ours: readonly DepthLevel[],
    divisor: number,
  ): void {
    this.same(`${name} levels`, theirs.length, ours.length)
    for (const [i, level] of theirs.entries()) {
      this.word(`${name} ${i} price`, level.price, ours[i]?.price, divisor)
      this.word(`${name} ${i} quantity`, level.quantity, ours[i]?.quantity, 1)
      this.same(`${name} ${i} orders`, level.orders, ours[i]?.orders)
    }
  }

  private best(
    name: string,
    level: DepthLevel | undefined,
    price: number | undefined,
    quantity: number | undefined,
  ): void {
    const present = level !== undefined && level.price !== 0 && level.quantity !== 0
    this.same(`best ${name} price`, present ? level.price : undefined, price)
    this.same(`best ${name} quantity`, present ? level.quantity : undefined, quantity)
  }

  private time(name: string, theirs: Date | null | undefined, ours: number | undefined): void {
    const seconds = theirs == null ? undefined : theirs.getTime() / 1000
    this.word(name, seconds, ours, 1)
  }

  /** A 32-bit field, divided on their side: equal, or the named signed fault. */
  private word(
    name: string,
    theirs: number | undefined,
    ours: number | undefined,
    divisor: number,
  ): void {
    if (ours === undefined || ours < 0x8000_0000) {
      this.same(name, theirs, ours === undefined ? undefined : ours / divisor)
      return
    }
    this.signedFaults++
    this.same(`${name} (negative at theirs)`, theirs, (ours - 0x1_0000_0000) / divisor)
    if (theirs === undefined || theirs >= 0) this.differences.push(`${name} is not negative`)
  }

  private same(name: string, theirs: unknown, ours: unknown): void {
    this.fields++
    if (Object.is(theirs, ours) || (theirs === 0 && ours === 0)) return
    if (this.differences.length < 20) this.differences.push(`${name}: ${theirs} but ${ours}`)
  }
}

/** Theirs is a percentage of their own signed prices, but the raw change of an index without close. */
function changeAsTheirs(theirs: OfficialTick, ours: KiteTick, divisor: number): number | undefined {
  if (theirs.ohlc === undefined) return undefined
  if (theirs.ohlc.close === 0) return ours.absoluteChange ?? 0
  const last = (ours.lastPrice | 0) / divisor
  const previous = ((ours.previousClose ?? 0) | 0) / divisor
  return ((last - previous) * 100) / previous
}

function decodeAll(frame: Buffer): KiteTick[] {
  const ticks: KiteTick[] = []
  decodeFrame(frame, {
    onTick: (tick) => ticks.push(tick),
    onFault: (fault) => {
      throw new Error(fault.message)
    },
  })
  return ticks
}

function toArrayBuffer(frame: Buffer): ArrayBuffer {
  const copy = new ArrayBuffer(frame.byteLength)
  new Uint8Array(copy).set(frame)
  return copy
}
