/** Packets and frames at random from a seed: the same seed gives the same bytes. */
import { PACKET_BYTES } from '../../src/kite/packet-layout.ts'

export type Random = () => number

/** Uniform in [0, 1). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

function pick<T>(random: Random, from: readonly T[]): T {
  const chosen = from[Math.floor(random() * from.length)]
  if (chosen === undefined) throw new Error('nothing to pick from')
  return chosen
}

export const EVERY_LENGTH = Object.values(PACKET_BYTES)
const SEGMENTS = [1, 2, 3, 4, 5, 6, 7, 8, 9]

/** A packet of any kind and segment; words are small, large, zero or at a boundary. */
export function randomPacket(random: Random): Buffer {
  const packet = Buffer.alloc(pick(random, EVERY_LENGTH))
  for (let at = 0; at < packet.length; at += 4) packet.writeUInt32BE(randomWord(random), at)
  packet[3] = pick(random, SEGMENTS)
  return packet
}

export function frameOf(packets: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [u16(packets.length)]
  for (const packet of packets) parts.push(u16(packet.byteLength), packet)
  return Buffer.concat(parts)
}

export function u16(value: number): Buffer {
  return Buffer.from([value >>> 8, value & 0xff])
}

function randomWord(random: Random): number {
  const kind = random()
  if (kind < 0.1) return 0
  if (kind < 0.15) return pick(random, [1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])
  if (kind < 0.6) return Math.floor(random() * 10_000_000)
  return Math.floor(random() * 0x1_0000_0000)
}
