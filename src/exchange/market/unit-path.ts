/**
 * One driftless random path, known at every second since 1970 without a history: values at knots
 * some six weeks apart are independent, and a Brownian bridge is drawn between them by halving, down
 * to half hours and then to seconds. Locally it is a Brownian motion of variance one a year; over
 * months it returns to zero, so that a market made of it stays at its level for decades.
 */
import { BoundedCache } from './bounded-cache.ts'
import { planHalving } from './halving.ts'
import { derive, normal } from './hash.ts'
import { BLOCK_S, YEAR_S } from './market-time.ts'

const BLOCKS_PER_KNOT = 2_048
const BLOCK_YEARS = BLOCK_S / YEAR_S
/** Such that two independent knots differ as much as a Brownian motion would between them. */
const KNOT_DEVIATION = Math.sqrt((BLOCKS_PER_KNOT * BLOCK_YEARS) / 2)

const SECONDS = planHalving(BLOCK_S)
const BRIDGE_DEVIATION = Float64Array.from(SECONDS.mid, (mid, step) => {
  const before = mid - (SECONDS.low[step] ?? 0)
  const after = (SECONDS.high[step] ?? 0) - mid
  return Math.sqrt((before * after) / ((before + after) * YEAR_S))
})

export class UnitPath {
  private readonly key: number
  private readonly blocks: BoundedCache<number, Float64Array>

  /** `keptBlocks` half hours are remembered; more than a few only where others share the path. */
  constructor(key: number, keptBlocks: number) {
    this.key = key
    this.blocks = new BoundedCache(keptBlocks, (block) => this.drawBlock(block))
  }

  /** The values at each second of a half hour (epoch seconds / 1800), its end included. */
  block(block: number): Float64Array {
    return this.blocks.get(block)
  }

  /** The value at the beginning of a half hour. */
  atBlock(block: number): number {
    const knot = Math.floor(block / BLOCKS_PER_KNOT)
    let low = knot * BLOCKS_PER_KNOT
    let high = low + BLOCKS_PER_KNOT
    let lowValue = this.atKnot(knot)
    let highValue = this.atKnot(knot + 1)
    while (low !== block) {
      const mid = (low + high) / 2
      const deviation = Math.sqrt((high - low) * BLOCK_YEARS) / 2
      const midValue = (lowValue + highValue) / 2 + deviation * normal(derive(this.key, mid))
      if (block < mid) {
        high = mid
        highValue = midValue
      } else {
        low = mid
        lowValue = midValue
      }
    }
    return lowValue
  }

  private atKnot(knot: number): number {
    return KNOT_DEVIATION * normal(derive(derive(this.key, -1), knot))
  }

  private drawBlock(block: number): Float64Array {
    const values = new Float64Array(BLOCK_S + 1)
    values[0] = this.atBlock(block)
    values[BLOCK_S] = this.atBlock(block + 1)
    const key = derive(derive(this.key, -2), block)
    for (let step = 0; step < SECONDS.mid.length; step++) {
      const low = SECONDS.low[step] as number
      const mid = SECONDS.mid[step] as number
      const high = SECONDS.high[step] as number
      const weight = (mid - low) / (high - low)
      const straight = (values[low] as number) * (1 - weight) + (values[high] as number) * weight
      values[mid] = straight + (BRIDGE_DEVIATION[step] as number) * normal(derive(key, mid))
    }
    return values
  }
}
