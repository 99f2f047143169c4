/**
 * As much of PostgreSQL's wire protocol (version 3) as the gateway needs: cutting a client's bytes
 * into messages, giving its prepared statements a prefix, and a handful of messages of our own.
 */

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const SSL_REQUEST = 80_877_103
const GSS_REQUEST = 80_877_104
const CANCEL_REQUEST = 80_877_102
/** Shortest frame there is: a length that counts itself. */
const LENGTH_BYTES = 4

export type Startup =
  | { readonly kind: 'startup'; readonly majorVersion: number; readonly minorVersion: number }
  /** The client asks for TLS or GSS first; one byte `N` declines. */
  | { readonly kind: 'encryption' }
  | { readonly kind: 'cancel' }

/** One message of a client, its type as the protocol's letter; `bytes` is the whole frame. */
export interface FrontendMessage {
  readonly type: string
  readonly bytes: Uint8Array
}

/** The peer does not speak the protocol, or announces a message beyond the cap. */
export class WireError extends Error {
  override readonly name = 'WireError'
}

/** Collects the bytes of one client and hands them out message by message. */
export class FrameReader {
  readonly #maxMessageBytes: number
  #chunks: Uint8Array[] = []
  #byteLength = 0

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.#byteLength += chunk.byteLength
  }

  /** The next startup packet (which carries no type), once it is whole. */
  nextStartup(): Startup | undefined {
    const bytes = this.#take(0)
    if (bytes === undefined) return undefined
    if (bytes.byteLength < 8) throw new WireError('startup packet too short')
    const code = viewOf(bytes).getUint32(4)
    if (code === SSL_REQUEST || code === GSS_REQUEST) return { kind: 'encryption' }
    if (code === CANCEL_REQUEST) return { kind: 'cancel' }
    return { kind: 'startup', majorVersion: code >>> 16, minorVersion: code & 0xffff }
  }

  /** The next message, once it is whole. */
  nextMessage(): FrontendMessage | undefined {
    const bytes = this.#take(1)
    if (bytes === undefined) return undefined
    return { type: String.fromCharCode(bytes[0] ?? 0), bytes }
  }

  /** Cuts off one frame whose length field stands at `lengthAt`. */
  #take(lengthAt: number): Uint8Array | undefined {
    const headerBytes = lengthAt + LENGTH_BYTES
    if (this.#byteLength < headerBytes) return undefined
    const head = this.#head(headerBytes)
    const length = viewOf(head).getInt32(lengthAt)
    if (length < LENGTH_BYTES || length > this.#maxMessageBytes) {
      throw new WireError(`message of ${length} bytes`)
    }
    const frameBytes = lengthAt + length
    if (this.#byteLength < frameBytes) return undefined
    const all = this.#head(frameBytes)
    this.#chunks =
      all.byteLength > frameBytes
        ? [all.subarray(frameBytes), ...this.#chunks.slice(1)]
        : this.#chunks.slice(1)
    this.#byteLength -= frameBytes
    return all.subarray(0, frameBytes)
  }

  /** Makes the first chunk hold at least `bytes` bytes, and returns it. */
  #head(bytes: number): Uint8Array {
    let first = this.#chunks[0] ?? new Uint8Array(0)
    if (first.byteLength >= bytes) return first
    let count = 1
    let total = first.byteLength
    while (total < bytes) total += this.#chunks[count++]?.byteLength ?? 0
    first = concatBytes(this.#chunks.slice(0, count))
    this.#chunks = [first, ...this.#chunks.slice(count)]
    return first
  }
}

/** The SQL of a Query or Parse message; undefined for any other. */
export function sqlOf(message: FrontendMessage): string | undefined {
  if (message.type === 'Q') return readText(message.bytes, 5).text
  if (message.type !== 'P') return undefined
  return readText(message.bytes, readText(message.bytes, 5).end).text
}

/** The statement that a message names: `parse` gives the name, `close` takes it back, `use` uses it. */
export interface StatementName {
  readonly act: 'parse' | 'use' | 'close'
  readonly name: string
  /** Where the name begins in the frame. */
  readonly at: number
}

/** Undefined where the message names no statement, or the unnamed one. */
export function statementOf(message: FrontendMessage): StatementName | undefined {
  const place = statementPlace(message)
  if (place === undefined) return undefined
  const { text } = readText(message.bytes, place.at)
  return text === '' ? undefined : { act: place.act, name: text, at: place.at }
}

function statementPlace({
  type,
  bytes,
}: FrontendMessage): Pick<StatementName, 'act' | 'at'> | undefined {
  if (type === 'P') return { act: 'parse', at: 5 }
  if (type === 'B') return { act: 'use', at: readText(bytes, 5).end }
  const namesStatement = bytes[5] === 0x53
  if (type === 'D' && namesStatement) return { act: 'use', at: 6 }
  if (type === 'C' && namesStatement) return { act: 'close', at: 6 }
  return undefined
}

/** The same frame with `prefix` (ASCII) before the statement's name. */
export function withPrefix(
  bytes: Uint8Array,
  statement: StatementName,
  prefix: string,
): Uint8Array {
  const added = encoder.encode(prefix)
  const framed = new Uint8Array(bytes.byteLength + added.byteLength)
  framed.set(bytes.subarray(0, statement.at))
  framed.set(added, statement.at)
  framed.set(bytes.subarray(statement.at), statement.at + added.byteLength)
  viewOf(framed).setInt32(1, framed.byteLength - 1)
  return framed
}

export function queryMessage(sql: string): Uint8Array {
  return frame('Q', [cString(sql)])
}

export function closeStatementMessage(name: string): Uint8Array {
  return frame('C', [encoder.encode('S'), cString(name)])
}

export function syncMessage(): Uint8Array {
  return frame('S', [])
}

/** A fatal error, after which the server closes the connection. */
export function fatalMessage(sqlState: string, message: string): Uint8Array {
  const fields = [`SFATAL`, `VFATAL`, `C${sqlState}`, `M${message}`]
  return frame('E', [...fields.map(cString), new Uint8Array(1)])
}

/** Tells a client of a newer minor version that 3.0 is spoken here, and none of its options. */
export function negotiateVersionMessage(): Uint8Array {
  return frame('v', [int32(3 << 16), int32(0)])
}

/** The startup packet that a client of `user` sends. */
export function startupPacket(user: string, database: string): Uint8Array {
  const fields = ['user', user, 'database', database].map(cString)
  const body = concatBytes([int32(3 << 16), ...fields, new Uint8Array(1)])
  return concatBytes([int32(body.byteLength + LENGTH_BYTES), body])
}

/** The first column of the first row in a server's answer, as text; undefined where there is none. */
export function firstValue(answer: Uint8Array): string | undefined {
  const view = viewOf(answer)
  for (let at = 0; at < answer.byteLength; at += 1 + view.getInt32(at + 1)) {
    if (answer[at] !== 0x44) continue
    const length = view.getInt32(at + 7)
    return length < 0 ? undefined : decoder.decode(answer.subarray(at + 11, at + 11 + length))
  }
  return undefined
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1 && parts[0] !== undefined) return parts[0]
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.byteLength
  }
  return whole
}

function frame(type: string, body: readonly Uint8Array[]): Uint8Array {
  const whole = concatBytes([encoder.encode(type), new Uint8Array(LENGTH_BYTES), ...body])
  viewOf(whole).setInt32(1, whole.byteLength - 1)
  return whole
}

function cString(text: string): Uint8Array {
  return encoder.encode(`${text}\0`)
}

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  viewOf(bytes).setInt32(0, value)
  return bytes
}

function readText(bytes: Uint8Array, at: number): { readonly text: string; readonly end: number } {
  const zero = bytes.indexOf(0, at)
  if (zero < 0) throw new WireError('a string without its end')
  return { text: decoder.decode(bytes.subarray(at, zero)), end: zero + 1 }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
