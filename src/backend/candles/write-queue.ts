/**
 * What waits to be written by a partition's writer between its commits: candles and snapshots, in the
 * order in which they came. It outlives the writer's doubts: after a lost connection the first of them
 * is written again. A full queue refuses.
 */
import { CANDLE_WRITES_WAITING_MAX } from '../../limits.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import type { PartitionBooks } from '../ingest/partition-books.ts'
import type { PartitionStore } from '../ports.ts'
import { CandlesNotWrittenError } from './candle-writer.ts'

/** What a write finds in its turn. Nothing is with the store meanwhile. */
export interface WriteTurn {
  readonly store: PartitionStore
  readonly books: PartitionBooks
  readonly chains: LiveChains
  /** Candles of the series follow: its finals wait for them, for a while. */
  hold(scope: { readonly symbol: string; readonly expiry: string | null }): void
}

/** The promise of whoever handed a write over. */
export interface Settle<T> {
  resolve(result: T): void
  reject(error: CandlesNotWrittenError): void
}

/** `later`: it has to wait for the next commit. */
export type TurnResult = 'done' | 'more' | 'later' | 'superseded'

export interface QueuedWrite {
  /** Writes one statement's worth. */
  step(turn: WriteTurn): Promise<TurnResult>
  fail(error: CandlesNotWrittenError): void
}

export class WriteQueue {
  readonly #waiting: QueuedWrite[] = []
  #onAdded = () => {}
  #isEnded = false
  #highWater = 0

  /** The most that ever waited. */
  get highWater(): number {
    return this.#highWater
  }

  get first(): QueuedWrite | undefined {
    return this.#waiting[0]
  }

  /** Whom to tell that something waits; the last one who asked. */
  onAdded(listener: () => void): void {
    this.#onAdded = listener
  }

  add(write: QueuedWrite): void {
    if (this.#isEnded) {
      write.fail(new CandlesNotWrittenError('ended', 'bars are no longer written here'))
    } else if (this.#waiting.length >= CANDLE_WRITES_WAITING_MAX) {
      write.fail(
        new CandlesNotWrittenError('too_many', `${this.#waiting.length} writes wait already`),
      )
    } else {
      this.#waiting.push(write)
      this.#highWater = Math.max(this.#highWater, this.#waiting.length)
      this.#onAdded()
    }
  }

  /** The first one is done with. */
  shift(): void {
    this.#waiting.shift()
  }

  /** The first one waits behind the others. */
  postpone(): void {
    const first = this.#waiting.shift()
    if (first !== undefined) this.#waiting.push(first)
  }

  end(): void {
    this.#isEnded = true
    for (const write of this.#waiting.splice(0)) {
      write.fail(new CandlesNotWrittenError('ended', 'bars are no longer written here'))
    }
  }
}
