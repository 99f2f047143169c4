import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  encodeFull,
  encodeIndexFull,
  encodeIndexQuote,
  encodeLtp,
  encodeQuote,
  type FullFields,
} from '../../src/kite/encode-packet.ts'
import { decodePacket, type KiteTick } from '../../src/kite/packet.ts'
import { referenceData } from '../reference-data.ts'
import { EVERY_LENGTH } from './random-packets.ts'

const quotePacket = referenceData('kiteconnect-mocks/ticker_quote.packet')
const fullPacket = referenceData('kiteconnect-mocks/ticker_full.packet')
const fullAnswer = referenceData('kiteconnect-mocks/ticker_full.json')

describe('packets captured from the broker (kiteconnect-mocks, July 2021)', () => {
  it.skipIf(quotePacket === undefined)('decodes the quote packet of INFY', () => {
    const tick = decodeCaptured(quotePacket)
    expect(tick).toMatchObject({
      token: 408065,
      mode: 'quote',
      isIndex: false,
      lastPrice: 157315,
      lastQuantity: 1,
      averagePrice: 157033,
      dayVolume: 1175986,
      totalBuyQuantity: 256511,
      totalSellQuantity: 360503,
      dayOpen: 156915,
      dayHigh: 157500,
      dayLow: 156105,
      previousClose: 156780,
    })
    expect(tick.openInterest).toBeUndefined()
    expect(tick.exchangeTimeS).toBeUndefined()
    expect(tick.bidPrice).toBeUndefined()
    expect(tick.depth()).toBeUndefined()
  })

  it.skipIf(fullPacket === undefined)('decodes the full packet of INFY', () => {
    expect(decodeCaptured(fullPacket)).toMatchObject({
      token: 408065,
      mode: 'full',
      isIndex: false,
      lastPrice: 157370,
      lastQuantity: 7,
      averagePrice: 157037,
      dayVolume: 1192471,
      totalBuyQuantity: 256443,
      totalSellQuantity: 363009,
      lastTradeTimeS: 1625461887,
      exchangeTimeS: 1625461887,
      openInterest: 0,
      oiDayHigh: 0,
      oiDayLow: 0,
      bidPrice: 157340,
      bidQuantity: 5,
      askPrice: 157370,
      askQuantity: 172,
    })
  })

  it.skipIf(fullPacket === undefined)(
    'reads the five levels that the broker published for it',
    () => {
      const published = JSON.parse(readFileSync(fullAnswer ?? '', 'utf8')) as {
        depth: { buy: PublishedLevel[]; sell: PublishedLevel[] }
      }
      const depth = decodeCaptured(fullPacket).depth()
      expect(depth?.bids).toEqual(published.depth.buy.map(inMinorUnits))
      expect(depth?.asks).toEqual(published.depth.sell.map(inMinorUnits))
    },
  )

  it.skipIf(fullPacket === undefined)('encodes the decoded packet back to the same bytes', () => {
    const captured = readCaptured(fullPacket)
    const decoded = decodePacket(captured)
    const depth = decoded?.depth()
    const target = Buffer.alloc(captured.length)
    encodeFull(target, 0, { ...decoded, ...depth } as unknown as FullFields)
    expect(target.toString('hex')).toBe(captured.toString('hex'))
  })
})

describe('a packet', () => {
  it('is told apart by its length alone', () => {
    for (let length = 0; length < 256; length++) {
      const decoded = decodePacket(Buffer.alloc(length))
      expect(decoded !== undefined, `${length} bytes`).toBe(EVERY_LENGTH.includes(length as 8))
    }
  })

  it('keeps every field unsigned: three billion stay three billion', () => {
    const tick = roundTrip(encodeFull, { ...FULL, dayVolume: 3e9, openInterest: 0xffff_ffff })
    expect(tick.dayVolume).toBe(3e9)
    expect(tick.openInterest).toBe(0xffff_ffff)
  })

  it('has no trade time and no exchange time where the wire says 0', () => {
    const noTimes = { ...FULL, lastTradeTimeS: undefined, exchangeTimeS: undefined }
    const tick = roundTrip(encodeFull, noTimes)
    expect(tick.lastTradeTimeS).toBeUndefined()
    expect(tick.exchangeTimeS).toBeUndefined()
  })

  it.each([
    ['no level', []],
    ['a price without quantity', [{ price: 100, quantity: 0, orders: 0 }]],
    ['a quantity without price', [{ price: 0, quantity: 65, orders: 1 }]],
  ])('has no best bid or ask with %s', (_, side) => {
    const tick = roundTrip(encodeFull, { ...FULL, bids: side, asks: side })
    expect([tick.bidPrice, tick.bidQuantity]).toEqual([undefined, undefined])
    expect([tick.askPrice, tick.askQuantity]).toEqual([undefined, undefined])
  })

  it('carries volume and OI of 0 as 0, since that is known', () => {
    const tick = roundTrip(encodeFull, { ...FULL, dayVolume: 0, openInterest: 0 })
    expect(tick.dayVolume).toBe(0)
    expect(tick.openInterest).toBe(0)
  })

  it('has the same fields whatever its kind, so that all ticks share one shape', () => {
    const shapes = EVERY_LENGTH.map((length) =>
      Object.keys(decodePacket(Buffer.alloc(length)) ?? {}),
    )
    for (const shape of shapes) expect(shape).toEqual(shapes[0])
  })

  it('gives no depth once its bytes are dropped, and keeps best bid and ask', () => {
    const tick = roundTrip(encodeFull, FULL)
    expect(tick.depth()?.bids[0]).toEqual(FULL.bids[0])
    tick.dropBytes()
    expect(tick.depth()).toBeUndefined()
    expect(tick.bidPrice).toBe(FULL.bids[0]?.price)
  })
})

describe('a packet of an index', () => {
  const fields = {
    token: 256265,
    lastPrice: 2350110,
    dayOpen: 2357700,
    dayHigh: 2366705,
    dayLow: 2339820,
    previousClose: 2356700,
    absoluteChange: -6590,
  }

  it('holds high, low, open, close in that order on the wire', () => {
    const packet = Buffer.alloc(28)
    encodeIndexQuote(packet, 0, fields)
    const words = [8, 12, 16, 20].map((at) => packet.readUInt32BE(at))
    expect(words).toEqual([fields.dayHigh, fields.dayLow, fields.dayOpen, fields.previousClose])
  })

  it('has a signed change and neither volume, OI nor book', () => {
    const tick = roundTrip(encodeIndexQuote, fields)
    expect(tick).toMatchObject({ ...fields, mode: 'quote', isIndex: true })
    expect(tick.dayVolume).toBeUndefined()
    expect(tick.openInterest).toBeUndefined()
    expect(tick.exchangeTimeS).toBeUndefined()
    expect(tick.depth()).toBeUndefined()
  })

  it('has the exchange time in full mode', () => {
    const tick = roundTrip(encodeIndexFull, { ...fields, exchangeTimeS: 1_795_000_000 })
    expect(tick).toMatchObject({ ...fields, mode: 'full', isIndex: true })
    expect(tick.exchangeTimeS).toBe(1_795_000_000)
  })

  it('is known by its segment where only the last price is sent', () => {
    expect(roundTrip(encodeLtp, { token: 256265, lastPrice: 1 }).isIndex).toBe(true)
    expect(roundTrip(encodeLtp, { token: 408065, lastPrice: 1 }).isIndex).toBe(false)
  })
})

describe('encoding', () => {
  it('refuses what an unsigned 32-bit field cannot hold', () => {
    for (const lastPrice of [-1, 1.5, Number.NaN, 2 ** 32]) {
      const encode = () => encodeLtp(Buffer.alloc(8), 0, { token: 1, lastPrice })
      expect(encode, String(lastPrice)).toThrow(RangeError)
    }
  })

  it('refuses a buffer that is too short and a sixth level', () => {
    expect(() => encodeQuote(Buffer.alloc(43), 0, FULL)).toThrow(RangeError)
    const six = Array.from({ length: 6 }, () => ({ price: 1, quantity: 1, orders: 1 }))
    expect(() => encodeFull(Buffer.alloc(184), 0, { ...FULL, bids: six })).toThrow(RangeError)
  })

  it('writes at the offset and leaves the bytes around it alone', () => {
    const target = Buffer.alloc(300, 0xaa)
    expect(encodeFull(target, 7, FULL)).toBe(184)
    expect(target.subarray(0, 7).every((byte) => byte === 0xaa)).toBe(true)
    expect(target.subarray(191).every((byte) => byte === 0xaa)).toBe(true)
    expect(decodePacket(target.subarray(7, 191))?.lastPrice).toBe(FULL.lastPrice)
  })
})

interface PublishedLevel {
  price: number
  quantity: number
  orders: number
}

const FULL: FullFields = {
  token: 11_546_626,
  lastPrice: 12_345,
  lastQuantity: 65,
  averagePrice: 12_300,
  dayVolume: 105_233_570,
  totalBuyQuantity: 256_443,
  totalSellQuantity: 363_009,
  dayOpen: 12_000,
  dayHigh: 12_900,
  dayLow: 11_050,
  previousClose: 11_800,
  lastTradeTimeS: 1_795_000_000,
  openInterest: 4_000_035,
  oiDayHigh: 4_100_005,
  oiDayLow: 3_900_000,
  exchangeTimeS: 1_795_000_001,
  bids: [{ price: 12_340, quantity: 130, orders: 2 }],
  asks: [{ price: 12_350, quantity: 65, orders: 65_535 }],
}

function roundTrip<F>(
  encode: (target: Buffer, offset: number, fields: F) => number,
  fields: F,
): KiteTick {
  const target = Buffer.alloc(184)
  const tick = decodePacket(target.subarray(0, encode(target, 0, fields)))
  if (tick === undefined) throw new Error('encoded to a length that no kind has')
  return tick
}

function readCaptured(file: string | undefined): Buffer {
  return Buffer.from(readFileSync(file ?? '', 'utf8'), 'base64')
}

function decodeCaptured(file: string | undefined): KiteTick {
  const tick = decodePacket(readCaptured(file))
  if (tick === undefined) throw new Error('captured packet of an unknown length')
  return tick
}

function inMinorUnits(level: PublishedLevel) {
  return { ...level, price: Math.round(level.price * 100) }
}
