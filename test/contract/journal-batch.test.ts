import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BATCH_HEADER_BYTES,
  BatchBuilder,
  type BatchFault,
  controlCount,
  controlRecords,
  forEachRecord,
  isBatchFault,
  RepeatedRecords,
  readHeader,
  renumberBatch,
  TICK_RECORD_BYTES,
} from '../../src/contract/journal-batch.ts'
import type {
  BatchHeader,
  ConnectionRange,
  JournalRecord,
} from '../../src/contract/journal-record.ts'
import type { JournalledTick } from '../../src/market/tick.ts'

const u32 = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
)
const maybe = fc.option(u32, { nil: undefined })
const timeMs = fc.integer({ min: 0, max: 2 ** 48 - 1 })

const anyTick: fc.Arbitrary<JournalledTick> = fc.record({
  token: u32,
  mode: fc.constantFrom('ltp' as const, 'quote' as const, 'full' as const),
  isIndex: fc.boolean(),
  lastPrice: u32,
  lastQuantity: maybe,
  averagePrice: maybe,
  dayVolume: maybe,
  dayOpen: maybe,
  dayHigh: maybe,
  dayLow: maybe,
  previousClose: maybe,
  lastTradeTimeS: maybe,
  exchangeTimeS: maybe,
  openInterest: maybe,
  bidPrice: maybe,
  bidQuantity: maybe,
  askPrice: maybe,
  askQuantity: maybe,
  connection: u32,
  receivedAtMs: timeMs,
  marketTimeMs: timeMs,
})

const anyControl = fc.oneof(
  fc.record({
    kind: fc.constant('clock' as const),
    marketTimeMs: timeMs,
    wallTimeMs: timeMs,
  }),
  fc.record({
    kind: fc.constant('gap_close' as const),
    gapId: fc.string({ unit: 'grapheme' }),
    ends: fc.array(
      fc.record({ token: u32, toMs: timeMs, mode: fc.constantFrom('full' as const, null) }),
    ),
  }),
)

const anyRecord = fc.oneof(
  { weight: 3, arbitrary: anyTick.map((tick) => ({ kind: 'tick' as const, tick })) },
  { weight: 1, arbitrary: anyControl },
)

const anyRange: fc.Arbitrary<ConnectionRange> = fc.record({
  connection: u32,
  firstOrdinal: fc.maxSafeNat(),
  lastOrdinal: fc.maxSafeNat(),
  journaled: u32,
  rejected: u32,
  dropped: u32,
})

const anyBatch = fc.record({
  producer: fc.string({ unit: 'grapheme', maxLength: 12 }),
  partition: u32,
  epoch: fc.maxSafeNat(),
  firstSequence: fc.integer({ min: 1, max: 2 ** 50 }),
  marketTimeMs: timeMs,
  records: fc.array(anyRecord, { minLength: 1, maxLength: 20 }),
  connections: fc.array(anyRange, { maxLength: 4 }),
})
type BatchContent = typeof anyBatch extends fc.Arbitrary<infer T> ? T : never

const builder = new BatchBuilder()

function encode(content: BatchContent): Uint8Array {
  builder.begin(content.producer, content.partition, content.epoch, content.firstSequence)
  for (const record of content.records) addRecord(record)
  for (const range of content.connections) builder.addConnection(range)
  return builder.finish(content.marketTimeMs)
}

function addRecord(record: JournalRecord): void {
  if (record.kind === 'tick') builder.addTick(record.tick)
  else builder.addControl(record)
}

function headerOf(bytes: Uint8Array, offset = 0): BatchHeader {
  const result = readHeader(bytes, offset)
  if (isBatchFault(result)) throw new Error(`unexpected fault ${result.fault}`)
  return result
}

function faultOf(bytes: Uint8Array): BatchFault['fault'] | 'none' {
  const result = readHeader(bytes)
  return isBatchFault(result) ? result.fault : 'none'
}

function recordsFrom(batch: Uint8Array, fromSequence = 0): [number, JournalRecord][] {
  const records: [number, JournalRecord][] = []
  forEachRecord(headerOf(batch), batch, fromSequence, {
    tick: (tick, sequence) => records.push([sequence, { kind: 'tick', tick }]),
    control: (record, sequence) => records.push([sequence, record]),
  })
  return records
}

function sampleBatch(ticks = 3): Uint8Array {
  const [first] = fc.sample(anyTick, { numRuns: 1, seed: 7 })
  if (!first) throw new Error('no sample')
  builder.begin('t1', 5, 1_795_000_000, 1)
  builder.addControl({ kind: 'clock', marketTimeMs: 1, wallTimeMs: 2 })
  for (let i = 0; i < ticks; i++) builder.addTick({ ...first, token: i })
  builder.addConnection({
    connection: 1,
    firstOrdinal: 1,
    lastOrdinal: ticks,
    journaled: ticks,
    rejected: 0,
    dropped: 0,
  })
  return builder.finish(3)
}

describe('a journal batch', () => {
  it('gives back every record, number and connection range that was put in', () => {
    fc.assert(
      fc.property(anyBatch, (content) => {
        const batch = encode(content)
        const { records, ...head } = content
        expect(headerOf(batch)).toEqual({
          ...head,
          version: 1,
          recordCount: records.length,
          byteLength: batch.length,
        })
        expect(recordsFrom(batch)).toEqual(records.map((r, i) => [content.firstSequence + i, r]))
        expect(batch.buffer.byteLength).toBe(batch.length)
      }),
    )
  })

  it('is read from a sequence inside of it on', () => {
    fc.assert(
      fc.property(anyBatch, fc.nat(22), (content, skip) => {
        const batch = encode(content)
        const from = content.firstSequence + skip
        expect(recordsFrom(batch, from)).toEqual(recordsFrom(batch).filter(([s]) => s >= from))
      }),
    )
  })

  it('hands out its control records without its ticks', () => {
    fc.assert(
      fc.property(anyBatch, (content) => {
        const batch = encode(content)
        const controls = recordsFrom(batch).filter(([, r]) => r.kind !== 'tick')
        const entries = controlRecords(headerOf(batch), batch)
        expect(entries.map((e) => [e.sequence, e.record])).toEqual(controls)
        expect(controlCount(batch)).toBe(controls.length)
        for (const { json, record } of entries) {
          expect(JSON.parse(Buffer.from(json).toString())).toEqual(record)
        }
      }),
    )
  })

  it('cut at any byte is short, says how many bytes it needs, and never throws', () => {
    const batch = sampleBatch()
    for (let length = 0; length < batch.length; length++) {
      const needed = length < BATCH_HEADER_BYTES ? BATCH_HEADER_BYTES : batch.length
      expect(readHeader(batch.subarray(0, length))).toEqual({ fault: 'short', neededBytes: needed })
    }
  })

  it('does not survive any flipped bit', () => {
    const batch = sampleBatch()
    for (let bit = 0; bit < batch.length * 8; bit++) {
      const damaged = batch.slice()
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(faultOf(damaged)).toBe(bit < 32 ? 'bad_magic' : 'bad_checksum')
    }
  })

  it('made of noise is a fault, not an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(400), (noise, offset) => {
        expect(isBatchFault(readHeader(noise, Math.min(offset, noise.length)))).toBe(true)
      }),
    )
  })

  it('is found behind other bytes', () => {
    const batch = sampleBatch()
    const bytes = Buffer.concat([Buffer.from('abc'), batch, batch])
    expect(headerOf(bytes, 3)).toEqual(headerOf(batch))
    expect(headerOf(bytes, 3 + batch.length)).toEqual(headerOf(batch))
  })

  it('of a newer format names both versions', () => {
    const batch = sampleBatch()
    new DataView(batch.buffer).setUint16(4, 2, true)
    renumberBatch(batch, 1, 1)
    expect(readHeader(batch)).toEqual({
      fault: 'unknown_version',
      foundVersion: 2,
      knownVersion: 1,
      message: 'journal batch has format version 2, this program reads version 1',
    })
  })

  it('with lengths that do not add up is refused although its checksum is right', () => {
    const batch = sampleBatch()
    new DataView(batch.buffer).setUint32(8, batch.length - 1, true)
    renumberBatch(batch, 1, 1)
    expect(faultOf(batch)).toBe('bad_length')
  })

  it('takes another place in the log without a change to its records', () => {
    const batch = sampleBatch()
    const before = recordsFrom(batch).map(([, r]) => r)
    renumberBatch(batch, 1_795_000_001, 900)
    expect(headerOf(batch)).toMatchObject({ epoch: 1_795_000_001, firstSequence: 900 })
    expect(recordsFrom(batch)).toEqual(before.map((r, i) => [900 + i, r]))
  })
})

describe('the batch builder', () => {
  const [tick] = fc.sample(anyTick, { numRuns: 1, seed: 1 })
  if (!tick) throw new Error('no sample')

  it('refuses a number that does not fit the wire and keeps what it had', () => {
    builder.begin('t1', 0, 1, 1)
    builder.addTick(tick)
    for (const bad of [-1, 2 ** 32, 1.5, Number.NaN]) {
      expect(() => builder.addTick({ ...tick, bidPrice: bad })).toThrow(RangeError)
    }
    expect(() => builder.addTick({ ...tick, receivedAtMs: Number.NaN })).toThrow(RangeError)
    expect(recordsFrom(builder.finish(1))).toEqual([[1, { kind: 'tick', tick }]])
  })

  it('keeps whole milliseconds of a time', () => {
    builder.begin('t1', 0, 1, 1)
    builder.addTick({ ...tick, marketTimeMs: 1_795_000_000_123.9 })
    const [record] = recordsFrom(builder.finish(1))
    expect(record?.[1]).toMatchObject({ tick: { marketTimeMs: 1_795_000_000_123 } })
  })

  it('refuses a batch without a record, since accounting alone has no place in the log', () => {
    builder.begin('t1', 0, 1, 1)
    expect(() => builder.finish(1)).toThrow('at least one record')
  })

  it('leaves earlier batches alone when it is used again', () => {
    const first = sampleBatch(2)
    const copy = first.slice()
    sampleBatch(2_000)
    expect(first).toEqual(copy)
  })

  it('counts the bytes and records that it holds', () => {
    builder.begin('t1', 0, 1, 1)
    const empty = builder.byteLength
    builder.addTick(tick)
    expect(builder.byteLength - empty).toBe(TICK_RECORD_BYTES)
    expect(builder.recordCount).toBe(1)
  })
})

describe('records told again', () => {
  const instrument = {
    token: 11_536_386,
    name: 'M&M',
    exchange: 'NFO',
    segment: 'NFO-OPT',
    tradingsymbol: 'M&M26NOV3000CE',
    symbol: 'M&M – ü',
    kind: 'option',
    expiry: '2026-11-24',
    strike: 3000,
    optionType: 'CE',
    lotSize: 75,
    tickSize: 0.05,
  } as const
  const told = (lotSize: number): JournalRecord => ({
    kind: 'instrument',
    instrument: { ...instrument, lotSize },
  })

  function read(batch: Uint8Array, repeated: RepeatedRecords): JournalRecord[] {
    const records: JournalRecord[] = []
    forEachRecord(headerOf(batch), batch, 1, {
      tick: (tick) => records.push({ kind: 'tick', tick }),
      control: (record) => records.push(record),
      repeated,
    })
    return records
  }

  function batchOf(...records: JournalRecord[]): Uint8Array {
    builder.begin('t1', 0, 1, 1)
    for (const record of records) if (record.kind !== 'tick') builder.addControl(record)
    return builder.finish(1)
  }

  it('are the same object while they say the same, and new where they do not', () => {
    const repeated = new RepeatedRecords()
    const [first] = read(batchOf(told(75)), repeated)
    const [again, changed] = read(batchOf(told(75), told(50)), repeated)
    expect(first).toEqual(told(75))
    expect(again).toBe(first)
    expect(changed).toEqual(told(50))
  })

  it('are those of instruments alone', () => {
    const repeated = new RepeatedRecords()
    const clock = { kind: 'clock', marketTimeMs: 1, wallTimeMs: 2 } as const
    const [first] = read(batchOf(clock), repeated)
    const [again] = read(batchOf(clock), repeated)
    expect(again).toEqual(clock)
    expect(again).not.toBe(first)
  })
})
