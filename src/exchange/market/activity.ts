/**
 * How busy a contract is on a day: what it trades, what is held of it, how wide it is quoted. Fixed
 * at midnight from where the strike then stands, so that a day's volume can be divided up from the
 * top and any moment of it be known without the moments before.
 */
import type { Contract } from './contract.ts'
import { midnightDeviations, yearsUntil } from './fair-value.ts'
import { derive, normal, unit } from './hash.ts'
import { startOfDay } from './market-time.ts'
import type { UnderlyingMarket } from './underlying-market.ts'

export interface Activity {
  /** Lots traded on the day. */
  readonly lots: number
  /** Lots held at its beginning. */
  readonly openLots: number
  /** Half of the spread between bid and ask, as a share of the price. */
  readonly halfSpread: number
  /** Chance that the book changes within a second in which nothing else happens. */
  readonly bookChance: number
}

const NOTHING: Activity = { lots: 0, openLots: 0, halfSpread: 0, bookChance: 0 }
const DAYS_PER_YEAR = 365
const VOLUME_KEY = 11
const OPEN_INTEREST_KEY = 12

export function activityOf(contract: Contract, market: UnderlyingMarket, day: number): Activity {
  const { kind } = contract.instrument
  if (kind === 'option') return optionActivity(contract, market, day)
  return kind === 'future' ? futureActivity(contract, market, day) : NOTHING
}

/** Nearest month, next month, further ones. */
const FUTURE_MONTHS = [
  { days: 32, lots: 1, openLots: 1, halfSpread: 1.2e-5, bookChance: 0.7 },
  { days: 63, lots: 0.1, openLots: 0.22, halfSpread: 4e-5, bookChance: 0.4 },
  {
    days: Number.POSITIVE_INFINITY,
    lots: 0.015,
    openLots: 0.04,
    halfSpread: 1.2e-4,
    bookChance: 0.15,
  },
]

function futureActivity(contract: Contract, market: UnderlyingMarket, day: number): Activity {
  const days = daysLeft(contract, day)
  const month = FUTURE_MONTHS.find((candidate) => days <= candidate.days)
  if (month === undefined) return NOTHING
  return {
    lots: whole(market.model.futureLots * month.lots * ofTheDay(contract, VOLUME_KEY, day, 0.2)),
    openLots: whole(
      market.model.futureOpenLots *
        month.openLots *
        ofTheDay(contract, OPEN_INTEREST_KEY, day, 0.05),
    ),
    halfSpread: month.halfSpread,
    bookChance: month.bookChance,
  }
}

/** Volume is densest at the money; calls are held above it and puts below. */
const VOLUME_WIDTH = 1.1
const OPEN_INTEREST_WIDTH = 1.3
const OPEN_INTEREST_SHIFT = 0.9
const FAR_VOLUME = 2e-4
const FAR_OPEN_INTEREST = 0.02
const ROUND_STRIKE_BONUS = 1.7

function optionActivity(contract: Contract, market: UnderlyingMarket, day: number): Activity {
  const { model } = market
  const strike = contract.instrument.strike ?? 0
  const z = midnightDeviations(market, contract.closeSecond, strike, day)
  const busyTerms = daysLeft(contract, day) / model.busyDays
  const liking = preference(contract) * (strike % model.roundStrike === 0 ? ROUND_STRIKE_BONUS : 1)
  const lots = whole(
    model.optionLots *
      liking *
      volumeShape(z, busyTerms, contract) *
      ofTheDay(contract, VOLUME_KEY, day, 0.25),
  )
  const shift = contract.instrument.optionType === 'CE' ? OPEN_INTEREST_SHIFT : -OPEN_INTEREST_SHIFT
  const held = bell(z - shift, OPEN_INTEREST_WIDTH) + FAR_OPEN_INTEREST / (1 + z * z)
  return {
    lots,
    openLots: whole(
      model.optionOpenLots *
        liking *
        held *
        (Math.exp(-busyTerms / 3) + 0.05) *
        ofTheDay(contract, OPEN_INTEREST_KEY, day, 0.06),
    ),
    halfSpread: 0.0004 + 0.012 / Math.sqrt(1 + lots / 500),
    bookChance: 0.03 + 0.62 * (1 - Math.exp(-lots / 20_000)),
  }
}

function volumeShape(z: number, busyTerms: number, contract: Contract): number {
  const term = Math.exp(-busyTerms) + 0.06 * Math.exp(-busyTerms / 5) + 0.002
  const far = (FAR_VOLUME * unit(derive(contract.key, 13))) / (1 + z * z)
  return bell(z, VOLUME_WIDTH) * term + far * Math.sqrt(term)
}

function bell(z: number, width: number): number {
  return Math.exp(-0.5 * (z / width) ** 2)
}

/** Some strikes are liked more than their neighbours, for as long as they live. */
function preference(contract: Contract): number {
  return Math.exp(0.3 * normal(derive(contract.key, 14)))
}

function ofTheDay(contract: Contract, purpose: number, day: number, deviation: number): number {
  return Math.exp(deviation * normal(derive(derive(contract.key, purpose), day)))
}

function daysLeft(contract: Contract, day: number): number {
  return yearsUntil(contract.closeSecond, startOfDay(day)) * DAYS_PER_YEAR
}

function whole(value: number): number {
  return Math.max(0, Math.round(value))
}
