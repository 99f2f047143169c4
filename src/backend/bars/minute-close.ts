/**
 * Final values of closed minutes. They are computed from what the store holds of the minute, of the
 * bar before it and of coverage, never from what happens to be in memory: so they depend on the log
 * alone, not on when the writer flushed or how often it died.
 *
 * One due minute of one series is planned at once and written in statements of a bounded size, so
 * that a live commit never waits for more than one of them. Whatever makes the minute due again in
 * between lets the plan lapse; writing part of it twice is harmless.
 */
import type { PartitionBooks } from '../ingest/partition-books.ts'
import type { DueMinute, PartitionStore } from '../ports.ts'
import { type ClosePlan, type ClosePlanner, type FinalStatement, NO_ROWS } from './close-planner.ts'
import type { InstrumentBars } from './instrument-bars.ts'

export class MinuteClose {
  readonly #planner: ClosePlanner
  readonly #onFinal: (due: DueMinute) => void
  #plan: ClosePlan | undefined

  /** @param onFinal told when the final values of a minute are stored */
  constructor(planner: ClosePlanner, onFinal: (due: DueMinute) => void) {
    this.#planner = planner
    this.#onFinal = onFinal
  }

  /** Whether the next statement of the minute's finals can be written without reading anything. */
  isPlanned(books: PartitionBooks, due: DueMinute): boolean {
    const plan = this.#plan
    return (
      plan !== undefined &&
      plan.due === due &&
      plan.books === books &&
      plan.previousOi === books.previousOiChanges
    )
  }

  /**
   * Reads what the minute's finals rest on and computes them. Commits may go on beside it: what they
   * change of the minute makes it due again, and that is another due minute than this.
   */
  async plan(store: PartitionStore, books: PartitionBooks, due: DueMinute): Promise<void> {
    const before = this.#plan
    const plan = await this.#planner.plan(store, books, due)
    // What was written of it already no longer shows what it has changed.
    const isAgain = before?.due === due && before.books === books && before.follow.length > 0
    this.#plan = isAgain ? { ...plan, follow: before.follow } : plan
  }

  /** Writes the next statement of the finals of a minute that is planned. */
  async step(
    store: PartitionStore,
    books: PartitionBooks,
    due: DueMinute,
  ): Promise<'committed' | 'superseded'> {
    const plan = this.#plan
    if (plan === undefined) throw new Error('finals are planned before they are written')
    const statement = plan.statements.shift() ?? NO_ROWS
    const isLast = plan.statements.length === 0
    const settles = isLast && books.due.isCurrent(due)
    const follow = settles ? plan.follow.filter((next) => !books.due.has(next)) : []
    const result = await store.finalise({
      ...statement,
      partition: books.partition,
      expected: books.expected,
      done: settles ? [due] : [],
      due: follow,
    })
    if (isLast) this.#plan = undefined
    if (result === 'committed') notePromoted(plan.promoted, statement)
    if (result === 'committed' && settles) {
      books.due.settle(due)
      books.due.inserted(follow)
      this.#onFinal(due)
    }
    return result
  }
}

/** From the statement on that gives a row back to the live feed, packets are written into it again. */
function notePromoted(
  promoted: ReadonlyMap<string, InstrumentBars>,
  { minuteBars, futureBars, optionBars }: FinalStatement,
): void {
  for (const { symbol, minuteMs } of minuteBars) promoted.get(symbol)?.candles.delete(minuteMs)
  for (const { tradingsymbol, minuteMs } of [...futureBars, ...optionBars]) {
    promoted.get(tradingsymbol)?.candles.delete(minuteMs)
  }
}
