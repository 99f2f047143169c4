/**
 * The bytes of a journal batch: what stands in segment files and travels from ticker to backend.
 *
 * All numbers are little-endian. The header is 64 bytes, in every format version, and its checksum
 * is always made the same way, so a flipped bit is never taken for a newer version or for a length:
 *
 *    0  u32 magic            16  u32 CRC-32 of the body       48  u32 records
 *    4  u16 format version   20  u32 partition                52  u32 of them control records
 *    6  u16 zero             24  f64 epoch                    56  u32 offset of the connection ranges
 *    8  u32 bytes in all     32  f64 first sequence           60  u16 connection ranges
 *   12  u32 CRC-32 of the    40  f64 market time, epoch ms    62  u16 bytes of the producer's name
 *       other header bytes
 *
 * The body is the producer's name (UTF-8), the records, and the connection ranges. A tick is 84
 * bytes whatever it carries; a control record is its kind, its length and its JSON.
 *
 * Uses node:zlib for the checksum (5.5 GB/s where the rest of the decoding does some 0.5 GB/s), so
 * a browser must not import this file.
 */
import { crc32 } from 'node:zlib'
import { JOURNAL_BATCH_MAX_BYTES, REPEATED_RECORDS_MAX } from '../limits.ts'
import type { JournalledTick, TickMode } from '../market/tick.ts'
import type { BatchHeader, ConnectionRange, ControlRecord } from './journal-record.ts'

export const BATCH_FORMAT_VERSION = 1
export const BATCH_HEADER_BYTES = 64
export const TICK_RECORD_BYTES = 84
/** The first bytes of every batch, for finding the next good one behind damage. */
export const BATCH_MAGIC: Uint8Array = Uint8Array.of(0x46, 0x4f, 0x53, 0x42)

const AT_VERSION = 4
const AT_LENGTH = 8
const AT_HEADER_CHECKSUM = 12
const AT_BODY_CHECKSUM = 16
const AT_PARTITION = 20
const AT_EPOCH = 24
const AT_FIRST_SEQUENCE = 32
const AT_MARKET_TIME = 40
const AT_RECORDS = 48
const AT_CONTROLS = 52
const AT_CONNECTIONS = 56
const AT_CONNECTION_COUNT = 60
const AT_PRODUCER_BYTES = 62

const KIND_TICK = 1
const KIND_CONTROL = 2
const CONTROL_HEAD_BYTES = 8
const CONNECTION_BYTES = 32

const MODES: readonly TickMode[] = ['ltp', 'quote', 'full']
const MODE_SHIFT = 8
const INDEX_BIT = 1 << 10
const HAS_LAST_QUANTITY = 1 << 11
const HAS_AVERAGE_PRICE = 1 << 12
const HAS_DAY_VOLUME = 1 << 13
const HAS_DAY_OPEN = 1 << 14
const HAS_DAY_HIGH = 1 << 15
const HAS_DAY_LOW = 1 << 16
const HAS_PREVIOUS_CLOSE = 1 << 17
const HAS_LAST_TRADE_TIME = 1 << 18
const HAS_EXCHANGE_TIME = 1 << 19
const HAS_OPEN_INTEREST = 1 << 20
const HAS_BID_PRICE = 1 << 21
const HAS_BID_QUANTITY = 1 << 22
const HAS_ASK_PRICE = 1 << 23
const HAS_ASK_QUANTITY = 1 << 24

const TWO_POW_32 = 2 ** 32
const TWO_POW_48 = 2 ** 48
const INITIAL_BUFFER_BYTES = 64 * 1024

/** Why bytes are not a batch. Only `short` can be cured, by more bytes. */
export type BatchFault =
  /** The bytes end before the batch does; `neededBytes` from the offset on are needed to go on. */
  | { readonly fault: 'short'; readonly neededBytes: number }
  | { readonly fault: 'bad_magic'; readonly message: string }
  | { readonly fault: 'bad_checksum'; readonly message: string }
  | { readonly fault: 'bad_length'; readonly message: string }
  | {
      readonly fault: 'unknown_version'
      readonly foundVersion: number
      readonly knownVersion: number
      readonly message: string
    }

export function isBatchFault(result: BatchHeader | BatchFault): result is BatchFault {
  return 'fault' in result
}

/** `whole` also checks the records' checksum; `header` is for bytes that were checked before. */
export type BatchCheck = 'whole' | 'header'

/**
 * Reads and checks the batch that begins at `offset`. Never throws, whatever the bytes are.
 * The batch is `bytes.subarray(offset, offset + header.byteLength)`.
 */
export function readHeader(
  bytes: Uint8Array,
  offset = 0,
  check: BatchCheck = 'whole',
): BatchHeader | BatchFault {
  const available = bytes.length - offset
  if (!startsLikeMagic(bytes, offset)) {
    return { fault: 'bad_magic', message: `no batch begins at byte ${offset}` }
  }
  if (available < BATCH_HEADER_BYTES) return { fault: 'short', neededBytes: BATCH_HEADER_BYTES }
  const view = viewOf(bytes, offset, BATCH_HEADER_BYTES)
  if (headerChecksum(bytes, offset) !== view.getUint32(AT_HEADER_CHECKSUM, true)) {
    return { fault: 'bad_checksum', message: `the batch header at byte ${offset} is damaged` }
  }
  const unreadable = versionFault(view) ?? lengthFault(view)
  if (unreadable) return unreadable
  const byteLength = view.getUint32(AT_LENGTH, true)
  if (available < byteLength) return { fault: 'short', neededBytes: byteLength }
  const body = bytes.subarray(offset + BATCH_HEADER_BYTES, offset + byteLength)
  if (check === 'whole' && crc32(body) !== view.getUint32(AT_BODY_CHECKSUM, true)) {
    return { fault: 'bad_checksum', message: `the batch records at byte ${offset} are damaged` }
  }
  return decodeHeader(view, body)
}

function startsLikeMagic(bytes: Uint8Array, offset: number): boolean {
  const end = Math.min(bytes.length - offset, BATCH_MAGIC.length)
  for (let i = 0; i < end; i++) if (bytes[offset + i] !== BATCH_MAGIC[i]) return false
  return true
}

function versionFault(view: DataView): BatchFault | undefined {
  const foundVersion = view.getUint16(AT_VERSION, true)
  if (foundVersion === BATCH_FORMAT_VERSION) return undefined
  return {
    fault: 'unknown_version',
    foundVersion,
    knownVersion: BATCH_FORMAT_VERSION,
    message: `journal batch has format version ${foundVersion}, this program reads version ${BATCH_FORMAT_VERSION}`,
  }
}

/** Only a broken writer gets here: the header's checksum was right. */
function lengthFault(view: DataView): BatchFault | undefined {
  const byteLength = view.getUint32(AT_LENGTH, true)
  const recordsAt = BATCH_HEADER_BYTES + view.getUint16(AT_PRODUCER_BYTES, true)
  const connectionsAt = view.getUint32(AT_CONNECTIONS, true)
  const ranges = view.getUint16(AT_CONNECTION_COUNT, true)
  const adds = connectionsAt + ranges * CONNECTION_BYTES === byteLength
  if (adds && recordsAt <= connectionsAt && byteLength <= JOURNAL_BATCH_MAX_BYTES) return undefined
  return { fault: 'bad_length', message: `journal batch says it has ${byteLength} bytes` }
}

function decodeHeader(view: DataView, body: Uint8Array): BatchHeader {
  const producerBytes = view.getUint16(AT_PRODUCER_BYTES, true)
  return {
    version: view.getUint16(AT_VERSION, true),
    producer: textDecoder.decode(body.subarray(0, producerBytes)),
    partition: view.getUint32(AT_PARTITION, true),
    epoch: view.getFloat64(AT_EPOCH, true),
    firstSequence: view.getFloat64(AT_FIRST_SEQUENCE, true),
    recordCount: view.getUint32(AT_RECORDS, true),
    marketTimeMs: view.getFloat64(AT_MARKET_TIME, true),
    connections: decodeConnections(view, body),
    byteLength: view.getUint32(AT_LENGTH, true),
  }
}

function decodeConnections(view: DataView, body: Uint8Array): ConnectionRange[] {
  const count = view.getUint16(AT_CONNECTION_COUNT, true)
  const start = view.getUint32(AT_CONNECTIONS, true) - BATCH_HEADER_BYTES
  const ranges = viewOf(body, start, count * CONNECTION_BYTES)
  return Array.from({ length: count }, (_, i) => decodeConnection(ranges, i * CONNECTION_BYTES))
}

function decodeConnection(view: DataView, at: number): ConnectionRange {
  return {
    firstOrdinal: view.getFloat64(at, true),
    lastOrdinal: view.getFloat64(at + 8, true),
    connection: view.getUint32(at + 16, true),
    journaled: view.getUint32(at + 20, true),
    rejected: view.getUint32(at + 24, true),
    dropped: view.getUint32(at + 28, true),
  }
}

/** How many of the batch's records are control records. */
export function controlCount(batch: Uint8Array): number {
  return viewOf(batch, 0, BATCH_HEADER_BYTES).getUint32(AT_CONTROLS, true)
}

/** Gives a finished batch its place in the log, in the bytes themselves; costs the header's checksum only. */
export function renumberBatch(batch: Uint8Array, epoch: number, firstSequence: number): void {
  const view = viewOf(batch, 0, BATCH_HEADER_BYTES)
  view.setFloat64(AT_EPOCH, epoch, true)
  view.setFloat64(AT_FIRST_SEQUENCE, firstSequence, true)
  view.setUint32(AT_HEADER_CHECKSUM, headerChecksum(batch, 0), true)
}

export interface RecordVisitor {
  /** The object is the visitor's to keep. */
  tick(tick: JournalledTick, sequence: number): void
  control(record: ControlRecord, sequence: number): void
  /** Of a reader that is told the same again and again; without it each record is parsed. */
  readonly repeated?: RepeatedRecords
}

/**
 * Instrument records that were parsed before, by their JSON: each segment begins with all of them, and to
 * parse thousands at once holds up the ticks behind them. A record told again is the same object.
 */
export class RepeatedRecords {
  readonly #byJson = new Map<string, ControlRecord>()

  recordOf(json: Uint8Array): ControlRecord {
    const text = textOf(json)
    const known = this.#byJson.get(text)
    if (known !== undefined) return known
    const record = parseControl(json)
    if (record.kind === 'instrument') {
      if (this.#byJson.size >= REPEATED_RECORDS_MAX) this.#byJson.clear()
      this.#byJson.set(text, record)
    }
    return record
  }
}

/**
 * Hands over the records of one batch from `fromSequence` on, in order, no more than `limit` of them.
 * `batch` are the bytes that `header` was read from, beginning with the batch. Throws on a record
 * that this version cannot hold, which no checked batch has.
 */
export function forEachRecord(
  header: BatchHeader,
  batch: Uint8Array,
  fromSequence: number,
  visitor: RecordVisitor,
  limit = Number.POSITIVE_INFINITY,
): void {
  const view = viewOf(batch, 0, header.byteLength)
  let sequence = Math.max(fromSequence, header.firstSequence)
  const end = Math.min(header.firstSequence + header.recordCount, sequence + limit)
  if (sequence >= end) return
  let at = offsetOfRecord(view, sequence - header.firstSequence)
  for (; sequence < end; sequence++) {
    if (view.getUint8(at) === KIND_TICK) visitor.tick(decodeTick(view, at), sequence)
    else {
      const json = controlJson(view, batch, at)
      visitor.control(visitor.repeated?.recordOf(json) ?? parseControl(json), sequence)
    }
    at += recordBytes(view, at)
  }
}

export interface ControlEntry {
  readonly sequence: number
  readonly record: ControlRecord
  /** The record as it stands in the batch; a view, not a copy. */
  readonly json: Uint8Array
}

/** The batch's control records, in order; ticks are stepped over without decoding. */
export function controlRecords(header: BatchHeader, batch: Uint8Array): ControlEntry[] {
  const view = viewOf(batch, 0, header.byteLength)
  const entries: ControlEntry[] = []
  let missing = view.getUint32(AT_CONTROLS, true)
  let at = recordsStart(view)
  for (let sequence = header.firstSequence; missing > 0; sequence++) {
    if (view.getUint8(at) !== KIND_TICK) {
      const json = controlJson(view, batch, at)
      entries.push({ sequence, record: parseControl(json), json })
      missing--
    }
    at += recordBytes(view, at)
  }
  return entries
}

function recordsStart(view: DataView): number {
  return BATCH_HEADER_BYTES + view.getUint16(AT_PRODUCER_BYTES, true)
}

function offsetOfRecord(view: DataView, index: number): number {
  let at = recordsStart(view)
  if (view.getUint32(AT_CONTROLS, true) === 0) return at + index * TICK_RECORD_BYTES
  for (let i = 0; i < index; i++) at += recordBytes(view, at)
  return at
}

function recordBytes(view: DataView, at: number): number {
  if (view.getUint8(at) === KIND_TICK) return TICK_RECORD_BYTES
  return CONTROL_HEAD_BYTES + view.getUint32(at + 4, true)
}

function controlJson(view: DataView, batch: Uint8Array, at: number): Uint8Array {
  const kind = view.getUint8(at)
  if (kind !== KIND_CONTROL) throw new Error(`unknown record kind ${kind} in a journal batch`)
  const start = at + CONTROL_HEAD_BYTES
  return batch.subarray(start, start + view.getUint32(at + 4, true))
}

function parseControl(json: Uint8Array): ControlRecord {
  return JSON.parse(textDecoder.decode(json))
}

/** Different bytes are different text: one character for each. */
function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1')
}

function decodeTick(view: DataView, at: number): JournalledTick {
  const bits = view.getUint32(at, true)
  return {
    token: view.getUint32(at + 4, true),
    mode: MODES[(bits >> MODE_SHIFT) & 3] as TickMode,
    isIndex: (bits & INDEX_BIT) !== 0,
    lastPrice: view.getUint32(at + 8, true),
    lastQuantity: bits & HAS_LAST_QUANTITY ? view.getUint32(at + 12, true) : undefined,
    averagePrice: bits & HAS_AVERAGE_PRICE ? view.getUint32(at + 16, true) : undefined,
    dayVolume: bits & HAS_DAY_VOLUME ? view.getUint32(at + 20, true) : undefined,
    dayOpen: bits & HAS_DAY_OPEN ? view.getUint32(at + 24, true) : undefined,
    dayHigh: bits & HAS_DAY_HIGH ? view.getUint32(at + 28, true) : undefined,
    dayLow: bits & HAS_DAY_LOW ? view.getUint32(at + 32, true) : undefined,
    previousClose: bits & HAS_PREVIOUS_CLOSE ? view.getUint32(at + 36, true) : undefined,
    lastTradeTimeS: bits & HAS_LAST_TRADE_TIME ? view.getUint32(at + 40, true) : undefined,
    exchangeTimeS: bits & HAS_EXCHANGE_TIME ? view.getUint32(at + 44, true) : undefined,
    openInterest: bits & HAS_OPEN_INTEREST ? view.getUint32(at + 48, true) : undefined,
    bidPrice: bits & HAS_BID_PRICE ? view.getUint32(at + 52, true) : undefined,
    bidQuantity: bits & HAS_BID_QUANTITY ? view.getUint32(at + 56, true) : undefined,
    askPrice: bits & HAS_ASK_PRICE ? view.getUint32(at + 60, true) : undefined,
    askQuantity: bits & HAS_ASK_QUANTITY ? view.getUint32(at + 64, true) : undefined,
    connection: view.getUint32(at + 68, true),
    receivedAtMs: getUint48(view, at + 72),
    marketTimeMs: getUint48(view, at + 78),
  }
}

/**
 * Makes batches, one after the other, in one reused buffer:
 * `begin` → `addTick` / `addControl` / `addConnection` → `finish`.
 */
export class BatchBuilder {
  #bytes = new Uint8Array(INITIAL_BUFFER_BYTES)
  #view = viewOf(this.#bytes, 0, INITIAL_BUFFER_BYTES)
  #at = 0
  #records = 0
  #controls = 0
  #connections: ConnectionRange[] = []

  /** Records since `begin`. */
  get recordCount(): number {
    return this.#records
  }

  /** Bytes since `begin`, the connection ranges not included. */
  get byteLength(): number {
    return this.#at
  }

  /** Begins a batch; what was added since the last `finish` is forgotten. */
  begin(producer: string, partition: number, epoch: number, firstSequence: number): void {
    const name = textEncoder.encode(producer)
    this.#bytes.fill(0, 0, BATCH_HEADER_BYTES)
    this.#bytes.set(BATCH_MAGIC)
    this.#view.setUint16(AT_VERSION, BATCH_FORMAT_VERSION, true)
    this.#view.setUint32(AT_PARTITION, partition, true)
    this.#view.setFloat64(AT_EPOCH, epoch, true)
    this.#view.setFloat64(AT_FIRST_SEQUENCE, firstSequence, true)
    this.#view.setUint16(AT_PRODUCER_BYTES, name.length, true)
    this.#at = BATCH_HEADER_BYTES
    this.#records = 0
    this.#controls = 0
    this.#connections = []
    this.#append(name)
  }

  /**
   * Adds a tick. Its two times are kept as whole milliseconds (cut, not rounded); a field that is
   * not an unsigned 32-bit number throws a RangeError and leaves the batch as it was.
   */
  addTick(tick: JournalledTick): void {
    this.#ensure(TICK_RECORD_BYTES)
    encodeTick(this.#view, this.#at, tick)
    this.#at += TICK_RECORD_BYTES
    this.#records++
  }

  addControl(record: ControlRecord): void {
    this.addControlJson(textEncoder.encode(JSON.stringify(record)))
  }

  /** Adds a control record that is JSON already, such as a `ControlEntry.json`. */
  addControlJson(json: Uint8Array): void {
    this.#ensure(CONTROL_HEAD_BYTES)
    this.#view.setUint32(this.#at, KIND_CONTROL, true)
    this.#view.setUint32(this.#at + 4, json.length, true)
    this.#at += CONTROL_HEAD_BYTES
    this.#append(json)
    this.#records++
    this.#controls++
  }

  /** Says what one connection contributed since it was last accounted for. */
  addConnection(range: ConnectionRange): void {
    this.#connections.push(range)
  }

  /**
   * Ends the batch. The answer is the caller's own copy in a buffer of exactly its size, so it may
   * be kept, changed or transferred. Throws where no record was added: accounting without a record
   * has no place in the log and waits for the next batch.
   */
  finish(marketTimeMs: number): Uint8Array {
    if (this.#records === 0) throw new Error('a journal batch needs at least one record')
    const connectionsAt = this.#at
    this.#writeConnections()
    if (this.#at > JOURNAL_BATCH_MAX_BYTES) {
      throw new RangeError(`a journal batch of ${this.#at} bytes is over the limit`)
    }
    this.#view.setUint32(AT_LENGTH, this.#at, true)
    this.#view.setFloat64(AT_MARKET_TIME, marketTimeMs, true)
    this.#view.setUint32(AT_RECORDS, this.#records, true)
    this.#view.setUint32(AT_CONTROLS, this.#controls, true)
    this.#view.setUint32(AT_CONNECTIONS, connectionsAt, true)
    this.#view.setUint16(AT_CONNECTION_COUNT, this.#connections.length, true)
    const body = this.#bytes.subarray(BATCH_HEADER_BYTES, this.#at)
    this.#view.setUint32(AT_BODY_CHECKSUM, crc32(body), true)
    this.#view.setUint32(AT_HEADER_CHECKSUM, headerChecksum(this.#bytes, 0), true)
    const batch = this.#bytes.slice(0, this.#at)
    this.#records = 0
    return batch
  }

  #writeConnections(): void {
    this.#ensure(this.#connections.length * CONNECTION_BYTES)
    for (const range of this.#connections) {
      this.#view.setFloat64(this.#at, range.firstOrdinal, true)
      this.#view.setFloat64(this.#at + 8, range.lastOrdinal, true)
      this.#view.setUint32(this.#at + 16, range.connection, true)
      this.#view.setUint32(this.#at + 20, range.journaled, true)
      this.#view.setUint32(this.#at + 24, range.rejected, true)
      this.#view.setUint32(this.#at + 28, range.dropped, true)
      this.#at += CONNECTION_BYTES
    }
  }

  #append(bytes: Uint8Array): void {
    this.#ensure(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #ensure(extraBytes: number): void {
    const needed = this.#at + extraBytes
    if (needed <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = grown
    this.#view = viewOf(grown, 0, grown.length)
  }
}

function encodeTick(view: DataView, at: number, tick: JournalledTick): void {
  view.setUint32(at, tickBits(tick), true)
  view.setUint32(at + 4, word(tick.token), true)
  view.setUint32(at + 8, word(tick.lastPrice), true)
  view.setUint32(at + 12, word(tick.lastQuantity), true)
  view.setUint32(at + 16, word(tick.averagePrice), true)
  view.setUint32(at + 20, word(tick.dayVolume), true)
  view.setUint32(at + 24, word(tick.dayOpen), true)
  view.setUint32(at + 28, word(tick.dayHigh), true)
  view.setUint32(at + 32, word(tick.dayLow), true)
  view.setUint32(at + 36, word(tick.previousClose), true)
  view.setUint32(at + 40, word(tick.lastTradeTimeS), true)
  view.setUint32(at + 44, word(tick.exchangeTimeS), true)
  view.setUint32(at + 48, word(tick.openInterest), true)
  view.setUint32(at + 52, word(tick.bidPrice), true)
  view.setUint32(at + 56, word(tick.bidQuantity), true)
  view.setUint32(at + 60, word(tick.askPrice), true)
  view.setUint32(at + 64, word(tick.askQuantity), true)
  view.setUint32(at + 68, word(tick.connection), true)
  setUint48(view, at + 72, tick.receivedAtMs)
  setUint48(view, at + 78, tick.marketTimeMs)
}

function tickBits(tick: JournalledTick): number {
  let bits = KIND_TICK | (MODES.indexOf(tick.mode) << MODE_SHIFT)
  if (tick.isIndex) bits |= INDEX_BIT
  if (tick.lastQuantity !== undefined) bits |= HAS_LAST_QUANTITY
  if (tick.averagePrice !== undefined) bits |= HAS_AVERAGE_PRICE
  if (tick.dayVolume !== undefined) bits |= HAS_DAY_VOLUME
  if (tick.dayOpen !== undefined) bits |= HAS_DAY_OPEN
  if (tick.dayHigh !== undefined) bits |= HAS_DAY_HIGH
  if (tick.dayLow !== undefined) bits |= HAS_DAY_LOW
  if (tick.previousClose !== undefined) bits |= HAS_PREVIOUS_CLOSE
  if (tick.lastTradeTimeS !== undefined) bits |= HAS_LAST_TRADE_TIME
  if (tick.exchangeTimeS !== undefined) bits |= HAS_EXCHANGE_TIME
  if (tick.openInterest !== undefined) bits |= HAS_OPEN_INTEREST
  if (tick.bidPrice !== undefined) bits |= HAS_BID_PRICE
  if (tick.bidQuantity !== undefined) bits |= HAS_BID_QUANTITY
  if (tick.askPrice !== undefined) bits |= HAS_ASK_PRICE
  if (tick.askQuantity !== undefined) bits |= HAS_ASK_QUANTITY
  return bits
}

/** The buffer is reused, so an absent field must write its zero too. */
function word(value: number | undefined): number {
  if (value === undefined) return 0
  if (value >>> 0 !== value) refuseWord(value)
  return value
}

function refuseWord(value: number): never {
  throw new RangeError(`${value} is not an unsigned 32-bit number`)
}

function setUint48(view: DataView, at: number, ms: number): void {
  if (!(ms >= 0 && ms < TWO_POW_48)) throw new RangeError(`${ms} is not a time in epoch ms`)
  const whole = Math.floor(ms)
  view.setUint32(at, whole % TWO_POW_32, true)
  view.setUint16(at + 4, Math.floor(whole / TWO_POW_32), true)
}

function getUint48(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint16(at + 4, true) * TWO_POW_32
}

/** Over the header's bytes except the checksum's own four. */
function headerChecksum(bytes: Uint8Array, offset: number): number {
  const before = crc32(bytes.subarray(offset, offset + AT_HEADER_CHECKSUM))
  return crc32(bytes.subarray(offset + AT_BODY_CHECKSUM, offset + BATCH_HEADER_BYTES), before)
}

function viewOf(bytes: Uint8Array, offset: number, length: number): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + offset, length)
}

const textEncoder = new TextEncoder()
const textDecoder = new TextDecoder()
