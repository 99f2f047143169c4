/** When the n-th waiting request leaves, given how fast each account may ask. Pure. */

/** One account's pace: milliseconds until its next request may leave, and how many a second then. */
export interface LanePace {
  readonly waitMs: number
  readonly ratePerSecond: number
}

const PRECISION_MS = 0.5

/** Milliseconds until the n-th departure (the first is 1); undefined where nobody may ask. */
export function departureMs(lanes: readonly LanePace[], n: number): number | undefined {
  if (lanes.length === 0) return undefined
  let early = 0
  let late = Math.min(...lanes.map((lane) => lane.waitMs + ((n - 1) * 1_000) / lane.ratePerSecond))
  while (late - early > PRECISION_MS) {
    const middle = (early + late) / 2
    if (departuresBy(lanes, middle) >= n) late = middle
    else early = middle
  }
  return departuresBy(lanes, early) >= n ? early : late
}

function departuresBy(lanes: readonly LanePace[], atMs: number): number {
  return lanes.reduce((sum, { waitMs, ratePerSecond }) => {
    return atMs < waitMs ? sum : sum + Math.floor(((atMs - waitMs) * ratePerSecond) / 1_000) + 1
  }, 0)
}
