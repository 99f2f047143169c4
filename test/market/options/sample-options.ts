/**
 * Options as the exchange would price them: a seeded draw of index level, strike, time from one hour
 * to ninety days and volatility, with the price rounded to the tick. Both legs, in and out of the
 * money, all with at least one tick of time value.
 */
import type { OptionType } from '../../../src/market/instrument.ts'
import { black76Price } from '../../../src/market/options/black76.ts'

export interface SampleOption {
  readonly optionType: OptionType
  readonly price: number
  readonly forward: number
  readonly strike: number
  readonly timeYears: number
  readonly rate: number
}

const HOUR_YEARS = 60 / 525_600
const RATE = 0.065
const TICK = 0.05

export function tickRoundedOptions(count: number, seed: number): readonly SampleOption[] {
  const random = seededRandom(seed)
  const options: SampleOption[] = []
  while (options.length < count) {
    const option = drawOption(random)
    if (timeValueOf(option) > TICK) options.push(option)
  }
  return options
}

function drawOption(random: () => number): SampleOption {
  const optionType = random() < 0.5 ? 'CE' : 'PE'
  const timeYears = HOUR_YEARS * (90 * 24) ** random()
  const volatility = 0.08 + 0.4 * random()
  const forward = Math.round((24_000 + 3_000 * random()) * 100) / 100
  const away = (random() * 2 - 1) * 3 * volatility * Math.sqrt(timeYears)
  const strike = Math.round((forward * Math.exp(away)) / 50) * 50
  const price = black76Price(optionType, forward, strike, timeYears, RATE, volatility)
  const rounded = Math.round(Math.round(price / TICK) * TICK * 100) / 100
  return { optionType, price: rounded, forward, strike, timeYears, rate: RATE }
}

function timeValueOf({
  optionType,
  price,
  forward,
  strike,
  timeYears,
  rate,
}: SampleOption): number {
  const intrinsic = Math.max(0, optionType === 'CE' ? forward - strike : strike - forward)
  return price - Math.exp(-rate * timeYears) * intrinsic
}

/** Mulberry32. */
function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
