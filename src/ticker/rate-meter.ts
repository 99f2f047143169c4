/** How many a second, over the last few seconds; sampled once a second. */
const SECONDS = 5

export class RateMeter {
  readonly #totals: number[] = []

  /** Takes the count since the start. One that is smaller than before begins a new count. */
  sample(total: number): void {
    if (total < (this.#totals.at(-1) ?? 0)) this.#totals.length = 0
    this.#totals.push(total)
    if (this.#totals.length > SECONDS + 1) this.#totals.shift()
  }

  get perSecond(): number {
    const first = this.#totals[0]
    const last = this.#totals.at(-1)
    const seconds = this.#totals.length - 1
    if (first === undefined || last === undefined || seconds === 0) return 0
    return Math.round(((last - first) / seconds) * 10) / 10
  }
}
