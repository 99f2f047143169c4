/**
 * A quantity of the market at every second: a spot price or the level of volatility. Per half hour
 * its values are kept with the extremes of every minute, by which a day's high and low are found
 * without walking through the day.
 */
import { EXCHANGE_SERIES_BLOCKS } from '../../limits.ts'
import { BoundedCache } from './bounded-cache.ts'
import { BLOCK_S, MINUTE_S, MINUTES_PER_BLOCK } from './market-time.ts'

export interface SeriesBlock {
  /** One value a second. */
  readonly values: Float64Array
  readonly minuteLow: Float64Array
  readonly minuteHigh: Float64Array
  readonly low: number
  readonly high: number
}

export class Series {
  private readonly blocks: BoundedCache<number, SeriesBlock>
  private latest = Number.NaN
  private latestValues: Float64Array = new Float64Array(0)

  /** `draw` gives the 1,800 values of a half hour (epoch seconds / 1800). */
  constructor(draw: (block: number) => Float64Array) {
    this.blocks = new BoundedCache(EXCHANGE_SERIES_BLOCKS, (block) => withExtremes(draw(block)))
  }

  block(block: number): SeriesBlock {
    return this.blocks.get(block)
  }

  at(second: number): number {
    const block = Math.floor(second / BLOCK_S)
    if (block !== this.latest) {
      this.latestValues = this.block(block).values
      this.latest = block
    }
    return this.latestValues[second - block * BLOCK_S] as number
  }
}

function withExtremes(values: Float64Array): SeriesBlock {
  const minuteLow = new Float64Array(MINUTES_PER_BLOCK)
  const minuteHigh = new Float64Array(MINUTES_PER_BLOCK)
  for (let minute = 0; minute < MINUTES_PER_BLOCK; minute++) {
    const seconds = values.subarray(minute * MINUTE_S, (minute + 1) * MINUTE_S)
    minuteLow[minute] = lowest(seconds)
    minuteHigh[minute] = highest(seconds)
  }
  return { values, minuteLow, minuteHigh, low: lowest(minuteLow), high: highest(minuteHigh) }
}

function lowest(values: Float64Array): number {
  let least = Number.POSITIVE_INFINITY
  for (const value of values) if (value < least) least = value
  return least
}

function highest(values: Float64Array): number {
  let most = Number.NEGATIVE_INFINITY
  for (const value of values) if (value > most) most = value
  return most
}
