import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FullFields } from '../../src/kite/encode-packet.ts'
import { decodeFrame, type FrameFault, type FrameKind } from '../../src/kite/frame.ts'
import { FrameWriter, HEARTBEAT } from '../../src/kite/frame-writer.ts'
import type { KiteTick } from '../../src/kite/packet.ts'
import { frameOf, randomPacket, seededRandom, u16 } from './random-packets.ts'

describe('a frame', () => {
  it('of one byte is a heartbeat, whatever the byte', () => {
    expect(decoded(HEARTBEAT)).toMatchObject({ kind: 'heartbeat', ticks: [], faults: [] })
    expect(decoded(Buffer.from([0xff]))).toMatchObject({ kind: 'heartbeat', ticks: [], faults: [] })
  })

  it('of no byte is a fault', () => {
    expect(codes(Buffer.alloc(0))).toEqual(['empty'])
  })

  it('that announces no packet holds none', () => {
    expect(decoded(u16(0))).toMatchObject({ kind: 'data', ticks: [], faults: [] })
  })

  it('keeps its whole packets and reports a cut one as one fault', () => {
    const frame = frameOf([ltp(1), ltp(2), ltp(3)])
    const cut = decoded(frame.subarray(0, frame.length - 3))
    expect(cut.ticks.map((tick) => tick.token)).toEqual([1, 2])
    expect(cut.faults).toMatchObject([{ code: 'truncated', offset: 22, byteLength: 7 }])
  })

  it('that announces more packets than it has is one fault, not one for each', () => {
    const frame = Buffer.concat([u16(500), frameOf([ltp(1)]).subarray(2)])
    const result = decoded(frame)
    expect(result.ticks).toHaveLength(1)
    expect(result.faults).toMatchObject([{ code: 'truncated', offset: 12, byteLength: 0 }])
  })

  it('loses a packet of an unknown length and decodes the next', () => {
    const result = decoded(frameOf([ltp(1), Buffer.alloc(45), Buffer.alloc(0), ltp(2)]))
    expect(result.order).toEqual([1, 'bad_length', 'bad_length', 2])
    expect(result.faults).toMatchObject([
      { offset: 12, byteLength: 47 },
      { offset: 59, byteLength: 2 },
    ])
  })

  it('reports bytes behind its last packet', () => {
    const result = decoded(Buffer.concat([frameOf([ltp(1)]), Buffer.alloc(5)]))
    expect(result.order).toEqual([1, 'trailing_bytes'])
    expect(result.faults).toMatchObject([{ offset: 12, byteLength: 5 }])
  })

  it('is read inside its own bytes where it is a part of a larger buffer', () => {
    const around = Buffer.concat([Buffer.alloc(9, 0xff), frameOf([ltp(7)]), Buffer.alloc(9, 0xff)])
    expect(decoded(around.subarray(9, around.length - 9)).order).toEqual([7])
    expect(decoded(around.subarray(9, around.length - 10)).order).toEqual(['truncated'])
  })
})

describe('cut anywhere', () => {
  const random = seededRandom(20_261_122)
  const packets = Array.from({ length: 12 }, () => randomPacket(random))
  const frame = frameOf(packets)

  it('a frame gives exactly its whole packets and at most one fault', () => {
    for (let length = 2; length < frame.length; length++) {
      const result = decoded(frame.subarray(0, length))
      expect(result.ticks).toHaveLength(wholePackets(packets, length))
      expect(result.faults.map((fault) => fault.code)).toEqual(['truncated'])
      expect(endOfFault(result.faults[0])).toBe(length)
    }
  })
})

describe('whatever the bytes', () => {
  it('nothing throws and every byte is accounted for', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => {
        expect(bytesAccountedFor(bytes)).toBe(bytes.length)
      }),
      { numRuns: 3_000 },
    )
  })

  it('a frame with bytes overwritten at random does not throw either', () => {
    const random = seededRandom(7)
    for (let i = 0; i < 5_000; i++) {
      const frame = frameOf(Array.from({ length: 5 }, () => randomPacket(random)))
      for (let hit = 0; hit < 3; hit++) {
        frame[Math.floor(random() * frame.length)] = Math.floor(random() * 256)
      }
      expect(bytesAccountedFor(frame)).toBe(frame.length)
    }
  })
})

describe('frames that the exchange builds', () => {
  it('come back field by field', () => {
    fc.assert(
      fc.property(fc.array(packetArbitrary, { maxLength: 40 }), (fields) => {
        const writer = new FrameWriter()
        for (const one of fields) writer.full(one)
        const result = decoded(writer.take())
        expect(result.faults).toEqual([])
        expect(result.ticks.map(fieldsOf)).toEqual(fields)
      }),
      { numRuns: 200 },
    )
  })

  it('grow with their packets and are independent of the writer once taken', () => {
    const writer = new FrameWriter()
    for (let token = 1; token <= 2_000; token++) writer.packet(ltp(token))
    expect(writer.packetCount).toBe(2_000)
    const first = writer.take()
    expect(writer.packetCount).toBe(0)
    writer.packet(ltp(9))
    expect(decoded(first).order).toEqual(Array.from({ length: 2_000 }, (_, i) => i + 1))
    expect(decoded(writer.take()).order).toEqual([9])
  })

  it('refuse a packet beyond what the count can say, and one with a broken field', () => {
    const writer = new FrameWriter()
    for (let i = 0; i < 65_535; i++) writer.packet(Buffer.alloc(0))
    expect(writer.hasRoom).toBe(false)
    expect(() => writer.packet(ltp(1))).toThrow(RangeError)
    writer.clear()
    expect(() => writer.ltp({ token: 1, lastPrice: Number.NaN })).toThrow(RangeError)
    writer.ltp({ token: 1, lastPrice: 2 })
    expect(decoded(writer.take()).order).toEqual([1])
  })

  it('stop at the size that the receiver takes', () => {
    const writer = new FrameWriter()
    const large = Buffer.alloc(65_535)
    for (let i = 0; i < 63; i++) writer.packet(large)
    expect(writer.hasRoom).toBe(true)
    expect(() => writer.packet(large)).toThrow(RangeError)
  })
})

interface Decoded {
  kind: FrameKind
  ticks: KiteTick[]
  faults: FrameFault[]
  /** Tokens and fault codes as they came. */
  order: (number | string)[]
}

function decoded(bytes: Uint8Array): Decoded {
  const result: Decoded = { kind: 'data', ticks: [], faults: [], order: [] }
  result.kind = decodeFrame(bytes, {
    onTick(tick) {
      result.ticks.push(tick)
      result.order.push(tick.token)
    },
    onFault(fault) {
      result.faults.push(fault)
      result.order.push(fault.code)
    },
  })
  return result
}

function codes(bytes: Uint8Array): string[] {
  return decoded(bytes).faults.map((fault) => fault.code)
}

function ltp(token: number): Buffer {
  const packet = Buffer.alloc(8)
  packet.writeUInt32BE(token, 0)
  return packet
}

function wholePackets(packets: readonly Buffer[], frameLength: number): number {
  let end = 2
  let whole = 0
  for (const packet of packets) {
    end += 2 + packet.length
    if (end <= frameLength) whole++
  }
  return whole
}

function endOfFault(fault: FrameFault | undefined): number {
  return fault === undefined ? -1 : fault.offset + fault.byteLength
}

/** Count, then each tick by its kind's length, then each fault by what it says of itself. */
function bytesAccountedFor(bytes: Uint8Array): number {
  const result = decoded(bytes)
  if (result.kind === 'heartbeat') return 1
  const ticks = result.ticks.reduce((sum, tick) => sum + 2 + lengthOf(tick), 0)
  const faults = result.faults.reduce((sum, fault) => sum + fault.byteLength, 0)
  const counted = bytes.length === 0 ? 0 : 2
  return counted + ticks + faults
}

function lengthOf(tick: KiteTick): number {
  if (tick.absoluteChange !== undefined) return tick.mode === 'full' ? 32 : 28
  if (tick.mode === 'ltp') return 8
  return tick.mode === 'full' ? 184 : 44
}

const u32 = fc.nat({ max: 0xffff_ffff })
const time = fc.option(fc.integer({ min: 1, max: 0xffff_ffff }), { nil: undefined })
const side = fc.array(fc.record({ price: u32, quantity: u32, orders: fc.nat({ max: 0xffff }) }), {
  minLength: 5,
  maxLength: 5,
})
const packetArbitrary: fc.Arbitrary<FullFields> = fc.record({
  token: u32,
  lastPrice: u32,
  lastQuantity: u32,
  averagePrice: u32,
  dayVolume: u32,
  totalBuyQuantity: u32,
  totalSellQuantity: u32,
  dayOpen: u32,
  dayHigh: u32,
  dayLow: u32,
  previousClose: u32,
  lastTradeTimeS: time,
  openInterest: u32,
  oiDayHigh: u32,
  oiDayLow: u32,
  exchangeTimeS: time,
  bids: side,
  asks: side,
})

function fieldsOf(tick: KiteTick): unknown {
  return {
    token: tick.token,
    lastPrice: tick.lastPrice,
    lastQuantity: tick.lastQuantity,
    averagePrice: tick.averagePrice,
    dayVolume: tick.dayVolume,
    totalBuyQuantity: tick.totalBuyQuantity,
    totalSellQuantity: tick.totalSellQuantity,
    dayOpen: tick.dayOpen,
    dayHigh: tick.dayHigh,
    dayLow: tick.dayLow,
    previousClose: tick.previousClose,
    lastTradeTimeS: tick.lastTradeTimeS,
    openInterest: tick.openInterest,
    oiDayHigh: tick.oiDayHigh,
    oiDayLow: tick.oiDayLow,
    exchangeTimeS: tick.exchangeTimeS,
    ...tick.depth(),
  }
}
