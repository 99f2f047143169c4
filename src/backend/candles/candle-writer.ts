/**
 * The way of a broker's candles into the store: whoever fetched them hands a batch over, the one
 * writer of the instrument's partition stores it between two commits of live ticks.
 */
import type { Instrument } from '../../market/instrument.ts'

/** One minute as the broker's history tells it. Prices in rupees. */
export interface Candle {
  readonly minuteMs: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  /** Units of the minute. */
  readonly volume: number
  /** Units at the minute's end; null where the broker tells none. */
  readonly oi: number | null
}

/**
 * Why candles are written: history of what was not streamed, history of a gap, or the day's last
 * word after the close.
 */
export type CandleSource = 'backfill' | 'repair' | 'settled'

export interface CandleBatch {
  readonly instrument: Instrument
  readonly source: CandleSource
  /** Ascending, at most one a minute. */
  readonly candles: readonly Candle[]
  /** Minutes that the broker is known to have no candle for: flat rows, coverage `none`. */
  readonly none: readonly number[]
  /** Ids of gaps that may be whole once this is stored, which may hold no minute: those that are become repaired. */
  readonly gaps?: readonly string[]
  /** More of the same series follows within 10 s: finals of its minutes may wait for it. */
  readonly moreFollows: boolean
}

export interface CandleOutcome {
  /** Minutes of the batch that the store holds as given. */
  readonly written: number
  /** Minutes still open in the log: to be handed in again. */
  readonly tooEarly: readonly number[]
  /** Minutes whose row stands above the candle: settled, or live and complete. */
  readonly kept: number
}

export interface CandleWriter {
  /**
   * Resolves when the batch is stored (committed). Survives a lost database: it waits and writes
   * later. Rejects with a `CandlesNotWrittenError`.
   */
  write(batch: CandleBatch): Promise<CandleOutcome>
}

/**
 * `not_owned`: another process writes the instrument's partition. `ended`: this one ended before the
 * batch was stored. `refused`: the store refuses what the batch holds. `too_many`: others wait already.
 */
export type NotWrittenCode = 'not_owned' | 'ended' | 'refused' | 'too_many'

export class CandlesNotWrittenError extends Error {
  readonly code: NotWrittenCode
  readonly retryable: boolean

  constructor(code: NotWrittenCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = code === 'ended' || code === 'too_many'
  }
}
