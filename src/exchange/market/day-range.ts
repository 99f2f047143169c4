/**
 * The highest and the lowest trade of a day so far, without walking through the day: the extremes of
 * spot and volatility bound what a half hour and a minute can have brought, and only the few minutes
 * that may hold the answer are looked at trade by trade.
 */
import { BLOCK_S, BLOCKS_PER_DAY, MINUTE_S, MINUTES_PER_BLOCK } from './market-time.ts'
import type { Tape } from './tape.ts'

/** Of the entered day up to second `until` of it (exclusive); undefined without a trade. */
export function dayHigh(tape: Tape, until: number): number | undefined {
  const search = new Search(tape, until, (extremes) => tape.highestPrice(extremes), 1)
  return search.run()
}

export function dayLow(tape: Tape, until: number): number | undefined {
  const search = new Search(tape, until, (extremes) => -tape.lowestPrice(extremes), -1)
  const best = search.run()
  return best === undefined ? undefined : -best
}

type Bound = (extremes: ReturnType<Tape['blockExtremes']>) => number

/** Best first: takes the part with the best bound until no bound beats what was found. */
class Search {
  private readonly tape: Tape
  private readonly until: number
  private readonly bound: Bound
  private readonly sign: 1 | -1
  private best = Number.NEGATIVE_INFINITY

  constructor(tape: Tape, until: number, bound: Bound, sign: 1 | -1) {
    this.tape = tape
    this.until = Math.min(until, tape.tradingSeconds)
    this.bound = bound
    this.sign = sign
  }

  run(): number | undefined {
    const bounds = this.boundsOf(BLOCKS_PER_DAY, BLOCK_S, (block) =>
      this.tape.times.lotsOfBlock(block) === 0
        ? Number.NEGATIVE_INFINITY
        : this.bound(this.tape.blockExtremes(block)),
    )
    this.bestFirst(bounds, (block) => this.searchBlock(block))
    return this.best === Number.NEGATIVE_INFINITY ? undefined : this.best
  }

  private searchBlock(block: number): void {
    const first = block * MINUTES_PER_BLOCK
    const seconds = this.until - block * BLOCK_S
    const bounds = this.boundsOf(
      MINUTES_PER_BLOCK,
      MINUTE_S,
      (index) =>
        this.tape.times.lotsOfMinute(first + index) === 0
          ? Number.NEGATIVE_INFINITY
          : this.bound(this.tape.minuteExtremes(first + index)),
      seconds,
    )
    this.bestFirst(bounds, (index) => this.searchMinute(first + index))
  }

  private searchMinute(minute: number): void {
    const { tape, sign } = this
    tape.times.open(minute)
    const first = minute * MINUTE_S
    const end = Math.min(MINUTE_S, this.until - first)
    for (let i = 0; i < end; i++) {
      if (tape.times.seconds[i] === 0) continue
      const price = sign * tape.priceAt(tape.dayStart + first + i)
      if (price > this.best) this.best = price
    }
  }

  /** Bounds of those parts that begin before the end of the search. */
  private boundsOf(
    parts: number,
    partSeconds: number,
    boundOf: (part: number) => number,
    seconds = this.until,
  ): Float64Array {
    const begun = Math.min(parts, Math.ceil(seconds / partSeconds))
    const bounds = new Float64Array(Math.max(0, begun))
    for (let part = 0; part < bounds.length; part++) bounds[part] = boundOf(part)
    return bounds
  }

  private bestFirst(bounds: Float64Array, search: (part: number) => void): void {
    for (
      let part = best(bounds);
      (bounds[part] ?? Number.NEGATIVE_INFINITY) > this.best;
      part = best(bounds)
    ) {
      bounds[part] = Number.NEGATIVE_INFINITY
      search(part)
    }
  }
}

function best(bounds: Float64Array): number {
  let at = 0
  for (let i = 1; i < bounds.length; i++) {
    if ((bounds[i] as number) > (bounds[at] as number)) at = i
  }
  return at
}
