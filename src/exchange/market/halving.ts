/**
 * The order in which an interval of n cells is halved again and again, made once and then followed
 * by every path and every division of volume: parents come before their children.
 */

export interface Halving {
  readonly cells: number
  /** For each step: the borders `low` < `mid` < `high` of the interval that is cut at `mid`. */
  readonly low: Uint16Array
  readonly mid: Uint16Array
  readonly high: Uint16Array
}

export function planHalving(cells: number): Halving {
  const steps = cells - 1
  const low = new Uint16Array(steps)
  const mid = new Uint16Array(steps)
  const high = new Uint16Array(steps)
  const open: [number, number][] = [[0, cells]]
  for (let step = 0; step < steps; step++) {
    const [from, to] = nextInterval(open)
    const middle = (from + to) >> 1
    low[step] = from
    mid[step] = middle
    high[step] = to
    if (middle - from > 1) open.push([from, middle])
    if (to - middle > 1) open.push([middle, to])
  }
  return { cells, low, mid, high }
}

function nextInterval(open: [number, number][]): [number, number] {
  const interval = open.shift()
  if (interval === undefined) throw new RangeError('nothing left to halve')
  return interval
}
