/**
 * Trade and quote keys as the store holds them (`open_key`, `close_key`, `quote_key`): big-endian,
 * so that comparing the bytes compares the keys.
 *
 *   open, close   trade second u32 · day volume u48 · flag u8 · received ms u48 · epoch u32 · sequence u48
 *   quote         exchange second u32 · received ms u48 · epoch u32 · sequence u48
 *
 * The flag is 0 for an exactly known trade. Of several reports of one the first wins as a close, so
 * in a close key with flag 0 the received time, epoch and sequence stand complemented.
 */
import type { QuoteKey, TradeKey } from '../../market/bar.ts'

const TRADE_KEY_BYTES = 27
const QUOTE_KEY_BYTES = 20
const MAX_48 = 2 ** 48 - 1
const MAX_32 = 2 ** 32 - 1
const TWO_POW_32 = 2 ** 32

export function encodeOpenKey(key: TradeKey): Uint8Array {
  return encodeTrade(key, false)
}

export function encodeCloseKey(key: TradeKey): Uint8Array {
  return encodeTrade(key, key.exact)
}

export function decodeOpenKey(bytes: Uint8Array): TradeKey {
  return decodeTrade(bytes, false)
}

export function decodeCloseKey(bytes: Uint8Array): TradeKey {
  return decodeTrade(bytes, true)
}

export function encodeQuoteKey(key: QuoteKey): Uint8Array {
  const bytes = new Uint8Array(QUOTE_KEY_BYTES)
  put32(bytes, 0, key.exchangeTimeS)
  put48(bytes, 4, key.receivedAtMs)
  put32(bytes, 10, key.epoch)
  put48(bytes, 14, key.sequence)
  return bytes
}

export function decodeQuoteKey(bytes: Uint8Array): QuoteKey {
  const buffer = asBuffer(bytes)
  return {
    exchangeTimeS: buffer.readUInt32BE(0),
    receivedAtMs: buffer.readUIntBE(4, 6),
    epoch: buffer.readUInt32BE(10),
    sequence: buffer.readUIntBE(14, 6),
  }
}

function encodeTrade(key: TradeKey, complemented: boolean): Uint8Array {
  const bytes = new Uint8Array(TRADE_KEY_BYTES)
  put32(bytes, 0, key.tradeTimeS)
  put48(bytes, 4, key.dayVolume)
  bytes[10] = key.exact ? 0 : 1
  put48(bytes, 11, complemented ? MAX_48 - key.receivedAtMs : key.receivedAtMs)
  put32(bytes, 17, complemented ? MAX_32 - key.epoch : key.epoch)
  put48(bytes, 21, complemented ? MAX_48 - key.sequence : key.sequence)
  return bytes
}

// Three keys a row and thousands of rows a commit: a Buffer and its methods take several times as long.

function put48(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / TWO_POW_32)
  bytes[at] = high >>> 8
  bytes[at + 1] = high
  put32(bytes, at + 2, value - high * TWO_POW_32)
}

function put32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

function decodeTrade(bytes: Uint8Array, isClose: boolean): TradeKey {
  const buffer = asBuffer(bytes)
  const exact = buffer.readUInt8(10) === 0
  const complemented = isClose && exact
  const receivedAtMs = buffer.readUIntBE(11, 6)
  const epoch = buffer.readUInt32BE(17)
  const sequence = buffer.readUIntBE(21, 6)
  return {
    tradeTimeS: buffer.readUInt32BE(0),
    dayVolume: buffer.readUIntBE(4, 6),
    exact,
    receivedAtMs: complemented ? MAX_48 - receivedAtMs : receivedAtMs,
    epoch: complemented ? MAX_32 - epoch : epoch,
    sequence: complemented ? MAX_48 - sequence : sequence,
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
