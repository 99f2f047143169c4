/**
 * Array parameters in the wire's binary form, for statements that take whole columns through
 * `unnest`. Text would have to be made here and read there, number by number: for a batch of bars
 * that is two thirds of the whole statement in the embedded engine, and most of the work here.
 * `null` and `undefined` become NULL.
 */
export type ArrayElement =
  | 'text'
  | 'float8'
  | 'int8'
  | 'int4'
  | 'bool'
  | 'bytea'
  | 'ms'
  | 'date'
  | 'jsonb'

/** Writes one element's length and bytes at `at`; returns the place behind it. */
type Write = (value: never, at: number) => number

interface ElementKind {
  readonly oid: number
  /** The most that one element takes, its length included. */
  readonly maxBytes: (value: never) => number
  readonly write: Write
}

const HEADER_BYTES = 20
const NULL_LENGTH = -1
const TWO_POW_32 = 2 ** 32
/** PostgreSQL counts from 2000-01-01. */
const EPOCH_MS = Date.UTC(2000, 0, 1)
const DAY_MS = 86_400_000
const INT4_MIN = -(2 ** 31)
const INT4_MAX = 2 ** 31 - 1
const JSONB_VERSION = 1
const UTF8_BYTES_PER_CHAR = 3

let bytes = Buffer.allocUnsafeSlow(256 * 1024)
let view = viewOf(bytes)

const KINDS: Readonly<Record<ArrayElement, ElementKind>> = {
  float8: { oid: 701, maxBytes: () => 12, write: writeFloat8 },
  int8: { oid: 20, maxBytes: () => 12, write: writeInt8 },
  int4: { oid: 23, maxBytes: () => 8, write: writeInt4 },
  bool: { oid: 16, maxBytes: () => 5, write: writeBool },
  ms: { oid: 1184, maxBytes: () => 12, write: writeInstant },
  date: { oid: 1082, maxBytes: () => 8, write: writeDate },
  bytea: { oid: 17, maxBytes: (value: Uint8Array) => 4 + value.length, write: writeBytes },
  text: { oid: 25, maxBytes: textBytes, write: writeText },
  jsonb: { oid: 3802, maxBytes: (value: string) => 1 + textBytes(value), write: writeJson },
}

/**
 * One column of `rows` as an array parameter; `ms` are epoch milliseconds (infinite ones allowed),
 * `date` is `YYYY-MM-DD`, `infinity` or `-infinity`, `jsonb` its text. Throws RangeError on what is no
 * number of the type.
 */
export function columnArray<Row>(
  type: ArrayElement,
  rows: readonly Row[],
  read: (row: Row) => unknown,
): Buffer {
  const { oid, maxBytes, write } = KINDS[type]
  let at = HEADER_BYTES
  let hasNull = 0
  for (const row of rows) {
    const value = read(row)
    if (value === null || value === undefined) {
      ensure(at + 4)
      view.setInt32(at, NULL_LENGTH)
      at += 4
      hasNull = 1
    } else {
      ensure(at + maxBytes(value as never))
      at = write(value as never, at)
    }
  }
  view.setInt32(0, rows.length === 0 ? 0 : 1)
  view.setInt32(4, hasNull)
  view.setInt32(8, oid)
  view.setInt32(12, rows.length)
  view.setInt32(16, 1)
  return Buffer.from(bytes.subarray(0, rows.length === 0 ? 12 : at))
}

function writeFloat8(value: number, at: number): number {
  if (!Number.isFinite(value)) refuse(value)
  view.setInt32(at, 8)
  view.setFloat64(at + 4, value)
  return at + 12
}

function writeInt8(value: number, at: number): number {
  if (!Number.isSafeInteger(value)) refuse(value)
  view.setInt32(at, 8)
  setInt64(at + 4, value)
  return at + 12
}

function writeInt4(value: number, at: number): number {
  if (!Number.isInteger(value) || value < INT4_MIN || value > INT4_MAX) refuse(value)
  view.setInt32(at, 4)
  view.setInt32(at + 4, value)
  return at + 8
}

function writeBool(value: boolean, at: number): number {
  view.setInt32(at, 1)
  view.setUint8(at + 4, value ? 1 : 0)
  return at + 5
}

function writeInstant(epochMs: number, at: number): number {
  view.setInt32(at, 8)
  if (epochMs === Number.POSITIVE_INFINITY) setHalves(at + 4, INT4_MAX, TWO_POW_32 - 1)
  else if (epochMs === Number.NEGATIVE_INFINITY) setHalves(at + 4, INT4_MIN, 0)
  else {
    const us = Math.floor(epochMs - EPOCH_MS) * 1000
    if (!Number.isSafeInteger(us)) refuse(epochMs)
    setInt64(at + 4, us)
  }
  return at + 12
}

/** The rows of a batch share few dates: the last one mostly serves again. */
let lastDate = ''
let lastDay = 0

function writeDate(date: string, at: number): number {
  if (date !== lastDate) {
    lastDay = dayOf(date)
    lastDate = date
  }
  view.setInt32(at, 4)
  view.setInt32(at + 4, lastDay)
  return at + 8
}

function dayOf(date: string): number {
  if (date === 'infinity') return INT4_MAX
  if (date === '-infinity') return INT4_MIN
  const day = (Date.parse(`${date}T00:00:00Z`) - EPOCH_MS) / DAY_MS
  if (!Number.isInteger(day)) throw new RangeError(`${date} is no date to be stored`)
  return day
}

function writeBytes(value: Uint8Array, at: number): number {
  view.setInt32(at, value.length)
  bytes.set(value, at + 4)
  return at + 4 + value.length
}

function writeText(value: string, at: number): number {
  const length = bytes.write(value, at + 4, 'utf8')
  view.setInt32(at, length)
  return at + 4 + length
}

function writeJson(value: string, at: number): number {
  const length = bytes.write(value, at + 5, 'utf8')
  view.setInt32(at, length + 1)
  view.setUint8(at + 4, JSONB_VERSION)
  return at + 5 + length
}

function textBytes(value: string): number {
  return 4 + value.length * UTF8_BYTES_PER_CHAR
}

function setInt64(at: number, value: number): void {
  const high = Math.floor(value / TWO_POW_32)
  setHalves(at, high, value - high * TWO_POW_32)
}

function setHalves(at: number, high: number, low: number): void {
  view.setInt32(at, high)
  view.setUint32(at + 4, low)
}

function ensure(needed: number): void {
  if (needed <= bytes.length) return
  const grown = Buffer.allocUnsafeSlow(Math.max(needed, bytes.length * 2))
  grown.set(bytes)
  bytes = grown
  view = viewOf(grown)
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
}

function refuse(value: number): never {
  throw new RangeError(`${value} is no number to be stored`)
}
