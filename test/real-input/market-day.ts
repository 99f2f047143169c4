/**
 * A real trading day, minute by minute, turned back into what a broker may have sent during it:
 * snapshots at rising seconds, each with the last trade up to then and cumulative figures. What comes
 * out of the platform must be the same minutes again.
 */
import { readFileSync } from 'node:fs'
import type { FullFields, IndexFullFields } from '../../src/kite/encode-packet.ts'
import { FrameWriter } from '../../src/kite/frame-writer.ts'

/** Prices are paise, volume and open interest units. */
export interface DayMinute {
  readonly minuteMs: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
  readonly oi: number
}

/** One frame, and when it reaches us. */
export interface Moment {
  readonly arrivesMs: number
  readonly frame: Uint8Array
}

/** Reads `ts,open,high,low,close,volume,oi` with prices in rupees. */
export function readMinutes(path: string): DayMinute[] {
  const [, ...lines] = readFileSync(path, 'utf8').trim().split('\n')
  return lines.map((line) => {
    const [ts = '', ...figures] = line.split(',')
    const [open = 0, high = 0, low = 0, close = 0, volume = 0, oi = 0] = figures.map(Number)
    return {
      minuteMs: Date.parse(ts.replace(' ', 'T')),
      open: paise(open),
      high: paise(high),
      low: paise(low),
      close: paise(close),
      volume,
      oi,
    }
  })
}

function paise(rupees: number): number {
  return Math.round(rupees * 100)
}

/** From the exchange's stamp to our socket. */
const BROKER_LAG_MS = 120
/** Seconds of a minute with a snapshot; the pauses are shorter than what counts as a mute socket. */
const SNAPSHOT_SECONDS = [0, 11, 22, 33, 44, 57]
/** The minute's open interest is published at this second, as a step. */
const OI_SECOND = 40
/** Every third minute's close is traded after its last snapshot: the next minute's first one shows it. */
const LATE_EVERY = 3

export interface MarketDay {
  readonly indexToken: number
  readonly index: readonly DayMinute[]
  readonly optionToken: number
  readonly option: readonly DayMinute[]
  /** Of the option, at the end of the day before. */
  readonly openInterestBefore: number
}

/** Every frame shows both instruments. */
export function momentsOf(day: MarketDay): Moment[] {
  const index = new Snapshots(tradesOf(day.index, () => false))
  const lastMinute = day.option.length - 1
  const option = new Snapshots(
    tradesOf(day.option, (i) => i % LATE_EVERY === LATE_EVERY - 1 && i < lastMinute),
  )
  const writer = new FrameWriter()
  let openInterest = day.openInterestBefore
  return day.option.flatMap(({ minuteMs, oi }) =>
    SNAPSHOT_SECONDS.map((second) => {
      const timeS = minuteMs / 1000 + second
      if (second >= OI_SECOND) openInterest = oi
      writer.indexFull(indexFields(day.indexToken, index.at(timeS), timeS))
      writer.full(optionFields(day.optionToken, option.at(timeS), openInterest, timeS))
      return { arrivesMs: timeS * 1000 + BROKER_LAG_MS, frame: writer.take() }
    }),
  )
}

/** What a broker sends on a subscription before the open: the state in which the day before ended. */
export function yesterdaysState(day: MarketDay, endedAtS: number): Uint8Array {
  const writer = new FrameWriter()
  const state = (price: number): Snapshot => ({
    trade: { timeS: endedAtS, price, dayVolume: 98_765_420 },
    dayOpen: price,
    dayHigh: price + 5_000,
    dayLow: price - 5_000,
  })
  const index = state((day.index[0]?.open ?? 0) - 10_000)
  const option = state((day.option[0]?.open ?? 0) + 9_000)
  writer.indexFull(indexFields(day.indexToken, index, endedAtS))
  writer.full(optionFields(day.optionToken, option, day.openInterestBefore, endedAtS))
  return writer.take()
}

interface Trade {
  readonly timeS: number
  readonly price: number
  /** After it. */
  readonly dayVolume: number
}

/**
 * Four trades a minute: open, both extremes, close; a falling minute has its high first.
 *
 * @param isLate whether the close of the minute of that number is traded after its last snapshot
 */
function tradesOf(minutes: readonly DayMinute[], isLate: (i: number) => boolean): Trade[] {
  let before = 0
  return minutes.flatMap(({ minuteMs, open, high, low, close, volume }, i) => {
    const [first, second] = close < open ? [high, low] : [low, high]
    const startS = minuteMs / 1000
    const dayVolumeAt = (share: number) => before + Math.floor((volume * share) / 65) * 65
    const trades = [
      // After a late close the snapshot of second 0 is still that one's.
      { timeS: startS + (isLate(i - 1) ? 3 : 0), price: open, dayVolume: dayVolumeAt(0.1) },
      { timeS: startS + 15, price: first, dayVolume: dayVolumeAt(0.4) },
      { timeS: startS + 30, price: second, dayVolume: dayVolumeAt(0.8) },
      { timeS: startS + (isLate(i) ? 59 : 56), price: close, dayVolume: before + volume },
    ]
    before += volume
    return trades
  })
}

interface Snapshot {
  readonly trade: Trade
  readonly dayOpen: number
  readonly dayHigh: number
  readonly dayLow: number
}

/** The state of an instrument at rising instants. */
class Snapshots {
  readonly #trades: readonly Trade[]
  #next = 0
  #high = Number.NEGATIVE_INFINITY
  #low = Number.POSITIVE_INFINITY

  constructor(trades: readonly Trade[]) {
    this.#trades = trades
  }

  at(timeS: number): Snapshot {
    for (; (this.#trades[this.#next]?.timeS ?? Number.POSITIVE_INFINITY) <= timeS; this.#next++) {
      const { price } = this.#trades[this.#next] as Trade
      this.#high = Math.max(this.#high, price)
      this.#low = Math.min(this.#low, price)
    }
    const trade = this.#trades[this.#next - 1]
    if (trade === undefined) throw new Error('nothing has been traded yet')
    const dayOpen = this.#trades[0]?.price ?? trade.price
    return { trade, dayOpen, dayHigh: this.#high, dayLow: this.#low }
  }
}

function indexFields(
  token: number,
  { trade, dayOpen, dayHigh, dayLow }: Snapshot,
  exchangeTimeS: number,
): IndexFullFields {
  return {
    token,
    lastPrice: trade.price,
    dayOpen,
    dayHigh,
    dayLow,
    previousClose: dayOpen,
    absoluteChange: trade.price - dayOpen,
    exchangeTimeS,
  }
}

function optionFields(
  token: number,
  { trade, dayOpen, dayHigh, dayLow }: Snapshot,
  openInterest: number,
  exchangeTimeS: number,
): FullFields {
  const side = (direction: 1 | -1) =>
    [1, 2, 3, 4, 5].map((rank) => ({
      price: trade.price + direction * 5 * rank,
      quantity: 65 * 10 * rank,
      orders: rank,
    }))
  return {
    token,
    lastPrice: trade.price,
    lastQuantity: 65,
    averagePrice: trade.price,
    dayVolume: trade.dayVolume,
    totalBuyQuantity: 650_000,
    totalSellQuantity: 585_000,
    dayOpen,
    dayHigh,
    dayLow,
    previousClose: dayOpen,
    lastTradeTimeS: trade.timeS,
    openInterest,
    oiDayHigh: openInterest,
    oiDayLow: openInterest,
    exchangeTimeS,
    bids: side(-1),
    asks: side(1),
  }
}
