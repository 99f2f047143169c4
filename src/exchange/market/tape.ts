/**
 * What happens to one contract: when it trades, at what price, and how it is quoted. Both live
 * packets and candles are read from here, so they cannot disagree.
 *
 * A tape stands in one day at a time (`enterDay`); going forward is cheapest. Prices are integers in
 * paise, multiples of the tick.
 */
import { type Activity, activityOf } from './activity.ts'
import type { Contract } from './contract.ts'
import { DayVolume, EverySecond, type TradeTimes } from './day-volume.ts'
import { type Extremes, type FairValue, fairValueOf, VolatilityIndexValue } from './fair-value.ts'
import { derive, unit } from './hash.ts'
import { BLOCK_S, DAY_S, MINUTE_S, startOfDay } from './market-time.ts'
import { type OpenInterestDay, stepShift } from './open-interest.ts'
import type { SeriesBlock } from './series.ts'
import type { UnderlyingMarket } from './underlying-market.ts'
import { VOLATILITY_INDEX } from './underlying-models.ts'

const PAISE = 100
const VOLUME_KEY = 3
const OPEN_INTEREST_KEY = 4
const TRADE_KEY = 5
/** The spread breathes between these multiples of its usual width. */
const NARROWEST = 0.7
const WIDEST = 1.3
/** On its last day most of a contract's open interest is closed. */
const LEFT_AT_EXPIRY = 0.55

export class Tape {
  readonly contract: Contract
  readonly times: TradeTimes
  readonly isIndex: boolean
  /** The entered day (IST days since 1970), its first epoch second and its seconds with trading. */
  day = Number.NaN
  dayStart = 0
  tradingSeconds = DAY_S
  activity: Activity = { lots: 0, openLots: 0, halfSpread: 0, bookChance: 0 }
  openInterest: OpenInterestDay = { key: 0, opening: 0, closing: 0, shiftSeconds: 0 }
  /** Best prices of the second that was quoted last. */
  bid = 0
  ask = 0
  private readonly market: UnderlyingMarket
  private readonly fair: FairValue
  private readonly tick: number
  private readonly tradeKey: number
  private readonly shiftSeconds: number

  constructor(contract: Contract, market: UnderlyingMarket) {
    const { kind, symbol } = contract.instrument
    this.contract = contract
    this.market = market
    this.isIndex = kind === 'index'
    this.times = this.isIndex ? new EverySecond() : new DayVolume()
    this.fair =
      symbol === VOLATILITY_INDEX ? new VolatilityIndexValue(market) : fairValueOf(contract, market)
    this.tick =
      symbol === VOLATILITY_INDEX ? 1 : this.isIndex ? market.model.spotTick : contract.tickPaise
    this.tradeKey = derive(contract.key, TRADE_KEY)
    this.shiftSeconds = stepShift(contract.key)
  }

  enterDay(day: number): void {
    if (day === this.day) return
    const { contract, market } = this
    const activity = day === this.day + 1 ? this.nextActivity : activityOf(contract, market, day)
    this.day = day
    this.dayStart = startOfDay(day)
    this.tradingSeconds = Math.min(DAY_S, Math.max(0, contract.closeSecond - this.dayStart))
    this.activity = activity
    this.nextActivity = activityOf(contract, market, day + 1)
    this.openInterest = {
      key: derive(derive(contract.key, OPEN_INTEREST_KEY), day),
      opening: activity.openLots,
      closing:
        day < contract.lastDay ? this.nextActivity.openLots : activity.openLots * LEFT_AT_EXPIRY,
      shiftSeconds: this.shiftSeconds,
    }
    this.times.enter(derive(derive(contract.key, VOLUME_KEY), day), activity.lots)
  }

  /** Whether anything is traded on a day at all. */
  isListed(day: number): boolean {
    return day >= this.contract.firstDay && day <= this.contract.lastDay
  }

  /** The price of the trade of a second of the entered day; asked only where there is one. */
  priceAt(second: number): number {
    if (this.isIndex) return this.nearestTick(this.fair.at(second))
    const fair = this.quoteAt(second)
    const side = derive(this.tradeKey, second) & 3
    if (side === 0) return this.bid
    if (side === 1) return this.ask
    return Math.min(this.ask, Math.max(this.bid, this.nearestTick(fair)))
  }

  /** Sets `bid` and `ask` to the best prices of a second; answers the fair value in rupees. */
  quoteAt(second: number): number {
    const fair = this.fair.at(second)
    const width = NARROWEST + (WIDEST - NARROWEST) * unit(derive(this.tradeKey ^ 1, second))
    this.bid = this.bidFor(fair, width)
    this.ask = Math.max(this.bid + this.tick, this.askFor(fair, width))
    return fair
  }

  /** What would be paid for it without any spread. */
  fairPriceAt(second: number): number {
    return Math.max(this.tick, this.nearestTick(this.fair.at(second)))
  }

  /** Not below, not above the price of any trade within an interval of the entered day. */
  lowestPrice(extremes: Extremes): number {
    const fair = this.fair.lowest(extremes)
    return this.isIndex ? this.nearestTick(fair) : this.bidFor(fair, WIDEST)
  }

  highestPrice(extremes: Extremes): number {
    const fair = this.fair.highest(extremes)
    return this.isIndex
      ? this.nearestTick(fair)
      : Math.max(2 * this.tick, this.askFor(fair, WIDEST))
  }

  /** The extremes of what its value depends on, over a half hour of the entered day, 0 … 47. */
  blockExtremes(block: number): Extremes {
    const from = this.dayStart + block * BLOCK_S
    const spot = this.spotBlock(from / BLOCK_S)
    const level = this.levelBlock(from / BLOCK_S)
    return {
      from,
      to: from + BLOCK_S - 1,
      spotLow: spot?.low ?? 0,
      spotHigh: spot?.high ?? 0,
      levelLow: level?.low ?? 0,
      levelHigh: level?.high ?? 0,
    }
  }

  /** The same over a minute of the entered day, 0 … 1439. */
  minuteExtremes(minute: number): Extremes {
    const from = this.dayStart + minute * MINUTE_S
    const block = Math.floor(from / BLOCK_S)
    const index = (from - block * BLOCK_S) / MINUTE_S
    const spot = this.spotBlock(block)
    const level = this.levelBlock(block)
    return {
      from,
      to: from + MINUTE_S - 1,
      spotLow: spot?.minuteLow[index] ?? 0,
      spotHigh: spot?.minuteHigh[index] ?? 0,
      levelLow: level?.minuteLow[index] ?? 0,
      levelHigh: level?.minuteHigh[index] ?? 0,
    }
  }

  /** Drawing a half hour costs 0.1 ms, so what the value does not depend on is left out. */
  private spotBlock(block: number): SeriesBlock | undefined {
    return this.fair.usesSpot ? this.market.spot.block(block) : undefined
  }

  private levelBlock(block: number): SeriesBlock | undefined {
    return this.fair.usesLevel ? this.market.level.block(block) : undefined
  }

  private nextActivity: Activity = this.activity

  private bidFor(fair: number, width: number): number {
    const price = (fair - width * this.halfSpread(fair)) * PAISE
    return Math.max(this.tick, Math.floor(price / this.tick) * this.tick)
  }

  private askFor(fair: number, width: number): number {
    const price = (fair + width * this.halfSpread(fair)) * PAISE
    return Math.ceil(price / this.tick) * this.tick
  }

  /** Rupees; grows with the value, but more slowly, or the bounds of a day would not hold. */
  private halfSpread(fair: number): number {
    return this.tick / (2 * PAISE) + this.activity.halfSpread * fair
  }

  private nearestTick(rupees: number): number {
    return Math.round((rupees * PAISE) / this.tick) * this.tick
  }
}
