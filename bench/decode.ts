/**
 * Decoding speed against the official client's parser, in one run on the same frames. The frames
 * are as a busy connection sees them: mostly full packets of options, some quotes, last prices and
 * indices. The two take turns, and the best round of each counts, since others use the machine too.
 */
import { pathToFileURL } from 'node:url'
import { KiteTicker } from 'kiteconnect'
import { decodeFrame, type FrameSink } from '../src/kite/frame.ts'
import { FrameWriter } from '../src/kite/frame-writer.ts'
import type { KiteTick } from '../src/kite/packet.ts'

export interface DecodeFigures {
  /** Nanoseconds a packet. */
  readonly ourNs: number
  /** The same with the five levels of each full packet read as well. */
  readonly ourWithDepthNs: number
  readonly theirNs: number
  /** `theirNs / ourNs`; the official parser always reads the depth, so see `depthRatio` too. */
  readonly ratio: number
  readonly depthRatio: number
  readonly packetsPerFrame: number
}

interface OfficialParser {
  parseBinary(frame: ArrayBuffer): readonly unknown[]
}

const PACKETS_PER_FRAME = 50
const FRAMES = 40
const ROUNDS = 7
/** Rounds of ours are longer, so that both are timed over about a tenth of a second. */
const OUR_REPEATS = 400
const THEIR_REPEATS = 2

/** Measures; takes about two seconds. */
export async function benchDecode(): Promise<DecodeFigures> {
  const frames = makeFrames()
  const copies = frames.map(toArrayBuffer)
  const official = officialParser()
  const best = { ours: Infinity, withDepth: Infinity, theirs: Infinity }
  for (let round = 0; round < ROUNDS; round++) {
    best.ours = Math.min(best.ours, timeOurs(frames, sumOfTick))
    best.withDepth = Math.min(best.withDepth, timeOurs(frames, sumWithDepth))
    best.theirs = Math.min(best.theirs, timeTheirs(copies, official))
    await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    ourNs: best.ours,
    ourWithDepthNs: best.withDepth,
    theirNs: best.theirs,
    ratio: best.theirs / best.ours,
    depthRatio: best.theirs / best.withDepth,
    packetsPerFrame: PACKETS_PER_FRAME,
  }
}

export function printDecode(figures: DecodeFigures): string {
  const ns = (value: number) => `${value.toFixed(0).padStart(8)} ns`
  return [
    `decode, ${figures.packetsPerFrame} packets a frame (full, quote, ltp, index), per packet`,
    `  fostream              ${ns(figures.ourNs)}   ${figures.ratio.toFixed(1)} x`,
    `  fostream with depth   ${ns(figures.ourWithDepthNs)}   ${figures.depthRatio.toFixed(1)} x`,
    `  kiteconnect 5.3.0     ${ns(figures.theirNs)}`,
    '',
  ].join('\n')
}

function timeOurs(frames: readonly Buffer[], sumOf: (tick: KiteTick) => number): number {
  const sink = new SummingSink(sumOf)
  const startedAt = performance.now()
  for (let i = 0; i < OUR_REPEATS; i++) {
    for (const frame of frames) decodeFrame(frame, sink)
  }
  const elapsedMs = performance.now() - startedAt
  if (sink.ticks !== OUR_REPEATS * FRAMES * PACKETS_PER_FRAME || sink.sum === 0) {
    throw new Error(`decoded ${sink.ticks} packets with ${sink.faults} faults`)
  }
  return (elapsedMs * 1e6) / sink.ticks
}

function timeTheirs(frames: readonly ArrayBuffer[], official: OfficialParser): number {
  let ticks = 0
  const startedAt = performance.now()
  for (let i = 0; i < THEIR_REPEATS; i++) {
    for (const frame of frames) ticks += official.parseBinary(frame).length
  }
  const elapsedMs = performance.now() - startedAt
  if (ticks !== THEIR_REPEATS * FRAMES * PACKETS_PER_FRAME) {
    throw new Error(`the official parser gave ${ticks} ticks`)
  }
  return (elapsedMs * 1e6) / ticks
}

/** Uses what it is given, so that no compiler may leave the work out. */
class SummingSink implements FrameSink {
  ticks = 0
  faults = 0
  sum = 0
  private readonly sumOf: (tick: KiteTick) => number

  constructor(sumOf: (tick: KiteTick) => number) {
    this.sumOf = sumOf
  }

  onTick(tick: KiteTick): void {
    this.ticks++
    this.sum += this.sumOf(tick)
  }

  onFault(): void {
    this.faults++
  }
}

function sumOfTick(tick: KiteTick): number {
  return tick.lastPrice + (tick.bidPrice ?? 0) + (tick.openInterest ?? 0)
}

function sumWithDepth(tick: KiteTick): number {
  return sumOfTick(tick) + (tick.depth()?.asks[4]?.price ?? 0)
}

function makeFrames(): Buffer[] {
  const writer = new FrameWriter()
  return Array.from({ length: FRAMES }, (_, frame) => {
    for (let i = 0; i < PACKETS_PER_FRAME; i++) appendPacket(writer, frame * PACKETS_PER_FRAME + i)
    return writer.take()
  })
}

/** Of ten packets seven are full, one each quote, last price and index. */
function appendPacket(writer: FrameWriter, n: number): void {
  const tradable = tradableFields(n)
  if (n % 10 === 3) writer.ltp(tradable)
  else if (n % 10 === 6) writer.quote(tradable)
  else if (n % 10 === 9) writer.indexFull({ ...tradable, token: 256265, absoluteChange: -1250 })
  else writer.full(tradable)
}

function tradableFields(n: number) {
  const lastPrice = 12_000 + ((n * 7919) % 5_000)
  return {
    token: (40_000 + n) * 256 + 2,
    lastPrice,
    lastQuantity: 65 * (1 + (n % 9)),
    averagePrice: lastPrice - 35,
    dayVolume: 1_000_000 + n * 65,
    totalBuyQuantity: 250_000 + n,
    totalSellQuantity: 360_000 + n,
    dayOpen: lastPrice - 400,
    dayHigh: lastPrice + 900,
    dayLow: lastPrice - 1_100,
    previousClose: lastPrice - 250,
    lastTradeTimeS: 1_795_000_000 + n,
    openInterest: 4_000_000 + n * 65,
    oiDayHigh: 5_000_000,
    oiDayLow: 3_000_000,
    exchangeTimeS: 1_795_000_001 + n,
    bids: side(lastPrice, -5),
    asks: side(lastPrice + 5, 5),
  }
}

function side(best: number, step: number) {
  return [0, 1, 2, 3, 4].map((i) => ({
    price: best + i * step,
    quantity: 65 * (i + 1),
    orders: i + 1,
  }))
}

function toArrayBuffer(frame: Buffer): ArrayBuffer {
  const copy = new ArrayBuffer(frame.byteLength)
  new Uint8Array(copy).set(frame)
  return copy
}

/** The parser is public at run time but not in the client's types; no connection is made. */
function officialParser(): OfficialParser {
  const ticker: unknown = new KiteTicker({ api_key: 'bench', access_token: 'bench' })
  return ticker as OfficialParser
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.stdout.write(printDecode(await benchDecode()))
}
