/**
 * Spot prices and the level of volatility at every second, made of paths that depend on the seed
 * alone. Indices share most of one path, so they rise and fall together; volatility moves against
 * it.
 */
import { EXCHANGE_MIDNIGHTS, EXCHANGE_SHARED_PATH_BLOCKS } from '../../limits.ts'
import { BoundedCache } from './bounded-cache.ts'
import { derive, keyOf } from './hash.ts'
import { BLOCK_S, startOfDay } from './market-time.ts'
import { Series } from './series.ts'
import { UNDERLYING_MODELS, type UnderlyingModel } from './underlying-models.ts'
import { UnitPath } from './unit-path.ts'

/** Of the log of implied volatility, a year; 0.22 around its mean in the long run. */
const VOLATILITY_OF_VOLATILITY = 0.9
const VOLATILITY_CORRELATION = -0.75
/** A path of one series only: the series remembers what it made of it. */
const OWN_PATH_BLOCKS = 1

export interface UnderlyingMarket {
  readonly model: UnderlyingModel
  /** Rupees, unrounded. */
  readonly spot: Series
  /** Log of implied volatility over its mean; shared by all underlyings. */
  readonly level: Series
  /** Both at the beginning of an IST day (days since 1970). */
  midnight(day: number): Midnight
}

export interface Midnight {
  readonly spot: number
  readonly level: number
}

/** By canonical symbol (a commodity's name). */
export function buildUnderlyings(seedKey: number): ReadonlyMap<string, UnderlyingMarket> {
  const path = (name: string, kept = OWN_PATH_BLOCKS) =>
    new UnitPath(derive(seedKey, keyOf(name)), kept)
  const common = path('indices', EXCHANGE_SHARED_PATH_BLOCKS)
  const level = new Blend(
    common,
    path('volatility'),
    VOLATILITY_CORRELATION,
    (value) => VOLATILITY_OF_VOLATILITY * value,
  )
  const levels = new Series((block) => level.block(block))
  return new Map(
    UNDERLYING_MODELS.map((model) => {
      const toSpot = (value: number) => model.level * Math.exp(model.volatility * value)
      const spot = new Blend(common, path(model.symbol), model.correlation, toSpot)
      return [model.symbol, underlyingMarket(model, spot, level, levels)] as const
    }),
  )
}

function underlyingMarket(
  model: UnderlyingModel,
  spot: Blend,
  level: Blend,
  levels: Series,
): UnderlyingMarket {
  const midnights = new BoundedCache<number, Midnight>(EXCHANGE_MIDNIGHTS, (day) => {
    const block = startOfDay(day) / BLOCK_S
    return { spot: spot.atBlock(block), level: level.atBlock(block) }
  })
  return {
    model,
    spot: new Series((block) => spot.block(block)),
    level: levels,
    midnight: (day) => midnights.get(day),
  }
}

/** A path of its own mixed with one that others share, and mapped to what it stands for. */
class Blend {
  private readonly shared: UnitPath
  private readonly own: UnitPath
  private readonly sharedShare: number
  private readonly ownShare: number
  private readonly map: (value: number) => number

  constructor(
    shared: UnitPath,
    own: UnitPath,
    correlation: number,
    map: (value: number) => number,
  ) {
    this.shared = shared
    this.own = own
    this.sharedShare = correlation
    this.ownShare = Math.sqrt(1 - correlation * correlation)
    this.map = map
  }

  atBlock(block: number): number {
    return this.mix(this.shared.atBlock(block), this.own.atBlock(block))
  }

  block(block: number): Float64Array {
    const shared = this.shared.block(block)
    const own = this.own.block(block)
    const values = new Float64Array(BLOCK_S)
    for (let i = 0; i < BLOCK_S; i++) {
      values[i] = this.mix(shared[i] as number, own[i] as number)
    }
    return values
  }

  private mix(shared: number, own: number): number {
    return this.map(this.sharedShare * shared + this.ownShare * own)
  }
}
