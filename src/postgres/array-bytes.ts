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
const ASCII_END = 0x80
const SHORT_BYTES = 32
const FIRST_BYTES = 1024

/**
 * One array parameter, element by element, in a buffer that is used again for the next one. `ms` are
 * epoch milliseconds (infinite ones allowed), `date` is `YYYY-MM-DD`, `infinity` or `-infinity`,
 * `jsonb` its text.
 *
 * A class for each type, since one that looks up what to do for every element took twice as long.
 */
export abstract class ArrayWriter {
  protected bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  protected view = viewOf(this.bytes)
  protected at = HEADER_BYTES
  protected count = 0
  #hasNull = 0
  readonly #oid: number

  constructor(oid: number) {
    this.#oid = oid
  }

  /** Forgets what was added. */
  begin(): void {
    this.at = HEADER_BYTES
    this.count = 0
    this.#hasNull = 0
  }

  /** Throws RangeError on what is no value of the type. */
  add(value: unknown): void {
    this.count++
    if (value === null || value === undefined) this.putNull()
    else this.put(value as never)
  }

  /**
   * Adds `value` of each row. The types that most columns have bring a loop of their own: one that only
   * they go through is compiled for them, and takes a fifth of the time.
   */
  addAll<Row>(rows: readonly Row[], value: (row: Row) => unknown): void {
    for (const row of rows) this.add(value(row))
  }

  /** The parameter; a copy. */
  take(): Buffer {
    const { view } = this
    const isEmpty = this.count === 0
    view.setInt32(0, isEmpty ? 0 : 1)
    view.setInt32(4, this.#hasNull)
    view.setInt32(8, this.#oid)
    view.setInt32(12, this.count)
    view.setInt32(16, 1)
    return Buffer.from(this.bytes.subarray(0, isEmpty ? 12 : this.at))
  }

  /** Writes one element's length and bytes. */
  protected abstract put(value: never): void

  protected putNull(): void {
    this.ensure(4)
    this.view.setInt32(this.at, NULL_LENGTH)
    this.at += 4
    this.#hasNull = 1
  }

  protected ensure(more: number): void {
    const needed = this.at + more
    if (needed <= this.bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
    grown.set(this.bytes)
    this.bytes = grown
    this.view = viewOf(grown)
  }

  protected putInt64(value: number): void {
    const high = Math.floor(value / TWO_POW_32)
    this.putHalves(high, value - high * TWO_POW_32)
  }

  protected putHalves(high: number, low: number): void {
    this.ensure(12)
    this.view.setInt32(this.at, 8)
    this.view.setInt32(this.at + 4, high)
    this.view.setUint32(this.at + 8, low)
    this.at += 12
  }

  protected putInt32(value: number): void {
    this.ensure(8)
    this.view.setInt32(this.at, 4)
    this.view.setInt32(this.at + 4, value)
    this.at += 8
  }
}

class Float8Writer extends ArrayWriter {
  protected override put(value: number): void {
    if (!Number.isFinite(value)) refuse(value)
    this.ensure(12)
    this.view.setInt32(this.at, 8)
    this.view.setFloat64(this.at + 4, value)
    this.at += 12
  }

  override addAll<Row>(rows: readonly Row[], value: (row: Row) => unknown): void {
    this.count += rows.length
    for (const row of rows) {
      const element = value(row)
      if (element === null || element === undefined) this.putNull()
      else this.put(element as number)
    }
  }
}

class Int8Writer extends ArrayWriter {
  protected override put(value: number): void {
    if (!Number.isSafeInteger(value)) refuse(value)
    this.putInt64(value)
  }

  override addAll<Row>(rows: readonly Row[], value: (row: Row) => unknown): void {
    this.count += rows.length
    for (const row of rows) {
      const element = value(row)
      if (element === null || element === undefined) this.putNull()
      else this.put(element as number)
    }
  }
}

class Int4Writer extends ArrayWriter {
  protected override put(value: number): void {
    if (!Number.isInteger(value) || value < INT4_MIN || value > INT4_MAX) refuse(value)
    this.putInt32(value)
  }
}

class BoolWriter extends ArrayWriter {
  protected override put(value: boolean): void {
    this.ensure(5)
    this.view.setInt32(this.at, 1)
    this.view.setUint8(this.at + 4, value ? 1 : 0)
    this.at += 5
  }
}

class InstantWriter extends ArrayWriter {
  protected override put(epochMs: number): void {
    if (Number.isFinite(epochMs)) {
      const us = Math.floor(epochMs - EPOCH_MS) * 1000
      if (!Number.isSafeInteger(us)) refuse(epochMs)
      this.putInt64(us)
    } else if (epochMs === Number.POSITIVE_INFINITY) this.putHalves(INT4_MAX, TWO_POW_32 - 1)
    else if (epochMs === Number.NEGATIVE_INFINITY) this.putHalves(INT4_MIN, 0)
    else refuse(epochMs)
  }
}

class DateWriter extends ArrayWriter {
  /** The rows of a batch share few dates: the last one mostly serves again. */
  #lastDate = ''
  #lastDay = 0

  protected override put(date: string): void {
    if (date !== this.#lastDate) {
      this.#lastDay = dayOf(date)
      this.#lastDate = date
    }
    this.putInt32(this.#lastDay)
  }
}

class BytesWriter extends ArrayWriter {
  protected override put(value: Uint8Array): void {
    const { length } = value
    this.ensure(4 + length)
    const { bytes } = this
    const start = this.at + 4
    this.view.setInt32(this.at, length)
    // Keys are short: a call into the engine takes longer than their bytes.
    if (length > SHORT_BYTES) bytes.set(value, start)
    else for (let i = 0; i < length; i++) bytes[start + i] = value[i] as number
    this.at = start + length
  }

  override addAll<Row>(rows: readonly Row[], value: (row: Row) => unknown): void {
    this.count += rows.length
    for (const row of rows) {
      const element = value(row)
      if (element === null || element === undefined) this.putNull()
      else this.put(element as Uint8Array)
    }
  }
}

class TextWriter extends ArrayWriter {
  /** Names and codes are short and ASCII: written here that takes a third of the call into the engine. */
  protected override put(value: string): void {
    const { length } = value
    this.ensure(4 + length * UTF8_BYTES_PER_CHAR)
    const { bytes } = this
    const start = this.at + 4
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code >= ASCII_END) {
        this.#putUtf8(value)
        return
      }
      bytes[start + i] = code
    }
    this.view.setInt32(this.at, length)
    this.at = start + length
  }

  #putUtf8(value: string): void {
    const length = this.bytes.write(value, this.at + 4, 'utf8')
    this.view.setInt32(this.at, length)
    this.at += 4 + length
  }

  override addAll<Row>(rows: readonly Row[], value: (row: Row) => unknown): void {
    this.count += rows.length
    for (const row of rows) {
      const element = value(row)
      if (element === null || element === undefined) this.putNull()
      else this.put(element as string)
    }
  }
}

class JsonWriter extends ArrayWriter {
  protected override put(value: string): void {
    this.ensure(5 + value.length * UTF8_BYTES_PER_CHAR)
    const length = this.bytes.write(value, this.at + 5, 'utf8')
    this.view.setInt32(this.at, length + 1)
    this.view.setUint8(this.at + 4, JSONB_VERSION)
    this.at += 5 + length
  }
}

const WRITERS: Readonly<Record<ArrayElement, () => ArrayWriter>> = {
  float8: () => new Float8Writer(701),
  int8: () => new Int8Writer(20),
  int4: () => new Int4Writer(23),
  bool: () => new BoolWriter(16),
  ms: () => new InstantWriter(1184),
  date: () => new DateWriter(1082),
  bytea: () => new BytesWriter(17),
  text: () => new TextWriter(25),
  jsonb: () => new JsonWriter(3802),
}

export function arrayWriter(type: ArrayElement): ArrayWriter {
  return WRITERS[type]()
}

function dayOf(date: string): number {
  if (date === 'infinity') return INT4_MAX
  if (date === '-infinity') return INT4_MIN
  const day = (Date.parse(`${date}T00:00:00Z`) - EPOCH_MS) / DAY_MS
  if (!Number.isInteger(day)) throw new RangeError(`${date} is no date to be stored`)
  return day
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
}

function refuse(value: number): never {
  throw new RangeError(`${value} is no number to be stored`)
}
