/**
 * The volume of a day, divided from the top: the day's lots among 48 half hours, a half hour's among
 * its minutes, a minute's among its seconds. Every share is a hash, so the cumulative volume at any
 * second is known after some sixteen divisions and no history is kept. A second with lots is a trade.
 */
import { type Halving, planHalving } from './halving.ts'
import { derive, normal, unit } from './hash.ts'
import { BLOCKS_PER_DAY, MINUTE_S, MINUTES_PER_BLOCK } from './market-time.ts'

export const BLOCKS = planHalving(BLOCKS_PER_DAY)
export const MINUTES = planHalving(MINUTES_PER_BLOCK)
export const SECONDS = planHalving(MINUTE_S)

/** Keys of the children stand apart from those of the borders within. */
const CHILD = 100
/** Within a few seconds a part may go to one side whole: trades come in clips, with pauses. */
const CLIP_SECONDS = 8
const CLIP_CHANCE = 0.2
/** How unevenly trading is spread, beyond pure chance. */
const UNEVENNESS = 0.2

export function childKey(key: number, index: number): number {
  return derive(key, CHILD + index)
}

/** Divides `lots` among the plan's cells; `into` takes as many numbers as the plan has cells. */
export function divide(plan: Halving, key: number, lots: number, into: Int32Array): void {
  // While it runs, a cell holds the lots of the undivided interval that begins there.
  into.fill(0, 0, plan.cells)
  into[0] = lots
  if (lots === 0) return
  for (let step = 0; step < plan.mid.length; step++) {
    const low = plan.low[step] as number
    const held = into[low] as number
    if (held === 0) continue
    const mid = plan.mid[step] as number
    const cells = (plan.high[step] as number) - low
    const left =
      plan === SECONDS && cells <= CLIP_SECONDS
        ? leftClip(derive(key, mid), held, mid - low, cells)
        : leftShare(derive(key, mid), held, mid - low, cells)
    into[low] = left
    into[mid] = held - left
  }
}

function leftClip(key: number, lots: number, leftCells: number, cells: number): number {
  const chance = unit(key)
  if (chance >= CLIP_CHANCE) return leftShare(key, lots, leftCells, cells)
  return chance * cells < CLIP_CHANCE * leftCells ? lots : 0
}

/** How many of `lots` fall on the first `leftCells` of `cells`. */
function leftShare(key: number, lots: number, leftCells: number, cells: number): number {
  const share = leftCells / cells
  const spread = lots * share * (1 - share)
  const deviation = Math.sqrt(spread + UNEVENNESS * UNEVENNESS * lots * spread)
  const left = Math.round(lots * share + deviation * normal(derive(key, 1)))
  return left < 0 ? 0 : left > lots ? lots : left
}
