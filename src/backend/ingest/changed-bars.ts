/**
 * The bars that the next commit writes, in the order of their names: what packets have changed, and
 * rows whose IV and Greeks are behind.
 *
 * Computing and writing IV and Greeks is half of what a row costs, and at a high rate an instrument's row
 * is written ten times a second. So while a minute is open they are brought up to date every
 * `ANALYTICS_PERIOD_MS`, the rows one after the other: all at once they would hold up the ticks.
 */
import { ANALYTICS_HASTE, ANALYTICS_PERIOD_MS } from '../../limits.ts'
import type { HeldBar } from '../bars/held-bar.ts'
import type { InstrumentBars } from '../bars/instrument-bars.ts'

export class ChangedBars {
  readonly #instruments: ReadonlyMap<string, InstrumentBars>
  /** By name; made anew when instruments have come. */
  #ranked: InstrumentBars[] = []
  /** By rank: 1 where the instrument has changed bars. */
  #marks = new Uint8Array(0)
  #size = 0
  #isRanked = false
  /**
   * Rows written whole, in the order of time: instrument, bar and when (monotonic), side by side, since
   * some thousand entries a second that live for a second would be costly to collect.
   */
  readonly #wholeOf: InstrumentBars[] = []
  readonly #whole: HeldBar[] = []
  readonly #wholeAtMs: number[] = []
  /** Rows before this index have had their turn; the lists are cut when they are the larger part. */
  #head = 0
  #turnsAtMs = 0

  constructor(instruments: ReadonlyMap<string, InstrumentBars>) {
    this.#instruments = instruments
  }

  /** An instrument has joined, or has taken another's place. */
  instrumentsChanged(): void {
    this.#isRanked = false
  }

  /** Instruments that are marked. */
  get size(): number {
    return this.#size
  }

  mark(bars: InstrumentBars): void {
    if (!this.#isRanked) this.#rank()
    const { rank } = bars
    if (this.#marks[rank] === 1) return
    this.#marks[rank] = 1
    this.#size++
  }

  /** Instruments with changed bars; what they are marked for is over afterwards. */
  *take(nowMs: number, closedBeforeMs: number): Generator<InstrumentBars, void, void> {
    if (!this.#isRanked) this.#rank()
    this.#takeTurns(nowMs, closedBeforeMs)
    const marks = this.#marks
    this.#size = 0
    for (let rank = marks.indexOf(1); rank >= 0; rank = marks.indexOf(1, rank + 1)) {
      marks[rank] = 0
      yield this.#ranked[rank] as InstrumentBars
    }
  }

  writtenWhole(bars: InstrumentBars, bar: HeldBar, nowMs: number): void {
    bar.writtenWhole(nowMs)
    this.#wholeOf.push(bars)
    this.#whole.push(bar)
    this.#wholeAtMs.push(nowMs)
  }

  /** So few at a time that all of them have their turn a little faster than they are due. */
  #takeTurns(nowMs: number, closedBeforeMs: number): void {
    const share = Math.min(1, (nowMs - this.#turnsAtMs) / ANALYTICS_PERIOD_MS)
    let left = Math.ceil(this.#ranked.length * share * ANALYTICS_HASTE)
    this.#turnsAtMs = nowMs
    for (; this.#head < this.#whole.length && left > 0; this.#head++) {
      const atMs = this.#wholeAtMs[this.#head] as number
      const bars = this.#wholeOf[this.#head] as InstrumentBars
      const bar = this.#whole[this.#head] as HeldBar
      if (atMs > nowMs - ANALYTICS_PERIOD_MS) break
      // Written whole again since: that stands later in the list.
      if (bar.wholeAtMs !== atMs) continue
      bar.isFresh = false
      if (!bar.isBehind || bar.minuteMs < closedBeforeMs) continue
      bars.noteChange(bar)
      this.mark(bars)
      left--
    }
    if (this.#head * 2 > this.#whole.length) {
      for (const list of [this.#wholeOf, this.#whole, this.#wholeAtMs]) {
        list.copyWithin(0, this.#head)
        list.length -= this.#head
      }
      this.#head = 0
    }
  }

  #rank(): void {
    this.#ranked = [...this.#instruments.values()].sort(compareNames)
    this.#marks = new Uint8Array(this.#ranked.length)
    this.#size = 0
    this.#ranked.forEach((bars, rank) => {
      bars.rank = rank
      if (bars.changed.length === 0) return
      this.#marks[rank] = 1
      this.#size++
    })
    this.#isRanked = true
  }
}

function compareNames(a: InstrumentBars, b: InstrumentBars): number {
  const [x, y] = [a.instrument, b.instrument]
  if (x.tradingsymbol !== y.tradingsymbol) return x.tradingsymbol < y.tradingsymbol ? -1 : 1
  return x.exchange < y.exchange ? -1 : 1
}
