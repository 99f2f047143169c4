/**
 * What a contract is worth at a second, and between which two values it must lie during an interval
 * of which only the extremes of spot and volatility are known. The bounds hold because a value rises
 * with the spot (a put's falls), with volatility and with the time left; nothing here may break that.
 *
 * The smile moves with the market from midnight to midnight and is stuck to the strike in between.
 */
import type { OptionType } from '../../market/instrument.ts'
import { black76Price } from '../../market/options/black76.ts'
import type { Contract } from './contract.ts'
import { DAY_S, dayOfSecond, startOfDay, YEAR_S } from './market-time.ts'
import type { Series } from './series.ts'
import { atTheMoney, deviationsAbove, smileFactor } from './smile.ts'
import type { UnderlyingMarket } from './underlying-market.ts'
import { INTEREST_RATE, type UnderlyingModel } from './underlying-models.ts'

/** Extremes of an interval of seconds [from, to]. */
export interface Extremes {
  readonly from: number
  readonly to: number
  readonly spotLow: number
  readonly spotHigh: number
  readonly levelLow: number
  readonly levelHigh: number
}

export interface FairValue {
  /** What it depends on; extremes of the rest are not looked at. */
  readonly usesSpot: boolean
  readonly usesLevel: boolean
  /** Rupees, unrounded. */
  at(second: number): number
  /** Not below, not above any value within the interval. */
  lowest(extremes: Extremes): number
  highest(extremes: Extremes): number
}

export function fairValueOf(contract: Contract, market: UnderlyingMarket): FairValue {
  const { kind, optionType, strike } = contract.instrument
  if (kind === 'future') return new FutureValue(contract.closeSecond, market)
  if (kind === 'option' && optionType !== null && strike !== null) {
    return new OptionValue({ closeSecond: contract.closeSecond, strike, optionType }, market)
  }
  return new SpotValue(market.spot)
}

class SpotValue implements FairValue {
  readonly usesSpot = true
  readonly usesLevel = false
  private readonly spot: Series

  constructor(spot: Series) {
    this.spot = spot
  }

  at(second: number): number {
    return this.spot.at(second)
  }

  lowest(extremes: Extremes): number {
    return extremes.spotLow
  }

  highest(extremes: Extremes): number {
    return extremes.spotHigh
  }
}

const VOLATILITY_INDEX_YEARS = 30 / 365

/** The volatility index: at-the-money volatility over 30 days, in percent. */
export class VolatilityIndexValue implements FairValue {
  readonly usesSpot = false
  readonly usesLevel = true
  private readonly market: UnderlyingMarket

  constructor(market: UnderlyingMarket) {
    this.market = market
  }

  at(second: number): number {
    return this.ofLevel(this.market.level.at(second))
  }

  lowest(extremes: Extremes): number {
    return this.ofLevel(extremes.levelLow)
  }

  highest(extremes: Extremes): number {
    return this.ofLevel(extremes.levelHigh)
  }

  private ofLevel(level: number): number {
    return 100 * atTheMoney(this.market.model, level, VOLATILITY_INDEX_YEARS)
  }
}

class FutureValue implements FairValue {
  readonly usesSpot = true
  readonly usesLevel = false
  private readonly closeSecond: number
  private readonly spot: Series
  private readonly carry: number

  constructor(closeSecond: number, market: UnderlyingMarket) {
    this.closeSecond = closeSecond
    this.spot = market.spot
    this.carry = market.model.carry
  }

  at(second: number): number {
    return this.forward(this.spot.at(second), second)
  }

  lowest(extremes: Extremes): number {
    return this.forward(extremes.spotLow, extremes.to)
  }

  highest(extremes: Extremes): number {
    return this.forward(extremes.spotHigh, extremes.from)
  }

  private forward(spot: number, second: number): number {
    return spot * Math.exp(this.carry * yearsUntil(this.closeSecond, second))
  }
}

interface OptionTerms {
  readonly closeSecond: number
  readonly strike: number
  readonly optionType: OptionType
}

class OptionValue implements FairValue {
  readonly usesSpot = true
  readonly usesLevel = true
  private readonly terms: OptionTerms
  private readonly isCall: boolean
  private readonly market: UnderlyingMarket
  private readonly model: UnderlyingModel
  private day = Number.NaN
  private dayStart = Number.NaN
  private smileAtOpen = 1
  private smileAtClose = 1

  constructor(terms: OptionTerms, market: UnderlyingMarket) {
    this.terms = terms
    this.isCall = terms.optionType === 'CE'
    this.market = market
    this.model = market.model
  }

  at(second: number): number {
    const years = yearsUntil(this.terms.closeSecond, second)
    const forward = this.market.spot.at(second) * Math.exp(this.model.carry * years)
    const level = this.market.level.at(second)
    return this.price(forward, years, this.smile(second) * atTheMoney(this.model, level, years))
  }

  lowest({ from, to, spotLow, spotHigh, levelLow }: Extremes): number {
    const { longest, shortest } = this.yearsOf(from, to)
    const smile = Math.min(this.smile(from), this.smile(to))
    const volatility = Math.min(
      atTheMoney(this.model, levelLow, longest),
      atTheMoney(this.model, levelLow, shortest),
    )
    const forward = this.isCall
      ? spotLow * Math.exp(this.model.carry * shortest)
      : spotHigh * Math.exp(this.model.carry * longest)
    const discountedLonger = Math.exp(-INTEREST_RATE * (longest - shortest))
    return this.price(forward, shortest, smile * volatility) * discountedLonger
  }

  highest({ from, to, spotLow, spotHigh, levelHigh }: Extremes): number {
    const { longest, shortest } = this.yearsOf(from, to)
    const smile = Math.max(this.smile(from), this.smile(to))
    const volatility = Math.max(
      atTheMoney(this.model, levelHigh, longest),
      atTheMoney(this.model, levelHigh, shortest),
    )
    const forward = this.isCall
      ? spotHigh * Math.exp(this.model.carry * longest)
      : spotLow * Math.exp(this.model.carry * shortest)
    const discountedLess = Math.exp(INTEREST_RATE * (longest - shortest))
    return this.price(forward, longest, smile * volatility) * discountedLess
  }

  private yearsOf(from: number, to: number): { longest: number; shortest: number } {
    const { closeSecond } = this.terms
    return { longest: yearsUntil(closeSecond, from), shortest: yearsUntil(closeSecond, to) }
  }

  private price(forward: number, years: number, volatility: number): number {
    const { optionType, strike } = this.terms
    return black76Price(optionType, forward, strike, years, INTEREST_RATE, volatility)
  }

  private smile(second: number): number {
    if (!(second >= this.dayStart && second < this.dayStart + DAY_S)) this.enterDay(second)
    const share = (second - this.dayStart) / DAY_S
    return this.smileAtOpen + (this.smileAtClose - this.smileAtOpen) * share
  }

  private enterDay(second: number): void {
    const day = dayOfSecond(second)
    this.smileAtOpen = day === this.day + 1 ? this.smileAtClose : this.smileAtMidnight(day)
    this.smileAtClose = this.smileAtMidnight(day + 1)
    this.day = day
    this.dayStart = startOfDay(day)
  }

  private smileAtMidnight(day: number): number {
    const { closeSecond, strike } = this.terms
    return smileFactor(midnightDeviations(this.market, closeSecond, strike, day))
  }
}

/** Where a strike stood at the midnight that a day begins with, on the smile's scale. */
export function midnightDeviations(
  market: UnderlyingMarket,
  closeSecond: number,
  strike: number,
  day: number,
): number {
  const { spot, level } = market.midnight(day)
  const years = yearsUntil(closeSecond, startOfDay(day))
  const forward = spot * Math.exp(market.model.carry * years)
  return deviationsAbove(strike, forward, atTheMoney(market.model, level, years), years)
}

/** A second is left even at the close, so that nothing divides by zero. */
export function yearsUntil(closeSecond: number, second: number): number {
  return Math.max(1, closeSecond - second) / YEAR_S
}
