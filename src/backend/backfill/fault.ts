/** What an unsuccessful look means: waiting for all, for this instrument alone, or its end. */
import { CandlesNotWrittenError } from '../candles/candle-writer.ts'
import { TickerError } from '../tickers/ticker-error.ts'
import { HistoryGoneError } from './history-look.ts'

export interface Fault {
  /** In one word, for the metric and the log. */
  readonly reason: string
  readonly message: string
  /** `everything`: nobody else would fare better now; `instrument`: others may; `never`: no use in asking again. */
  readonly retry: 'everything' | 'instrument' | 'never'
  /** When it is worth asking again, where that was said. */
  readonly retryAfterMs: number | undefined
}

/** @param isStoreAway whether an error is the store's that passes by itself */
export function faultOf(error: unknown, isStoreAway: (error: unknown) => boolean): Fault {
  if (error instanceof TickerError) return tickerFault(error)
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof CandlesNotWrittenError) {
    return error.retryable ? passing('writer_busy', message) : final(error.code, message)
  }
  if (error instanceof HistoryGoneError) return final(error.code, message)
  return isStoreAway(error) ? passing('database_down', message) : final('error', message)
}

function tickerFault({ code, reason, message, retryAfterMs }: TickerError): Fault {
  switch (code) {
    case 'unreachable':
      return passing('ticker_unreachable', message)
    case 'rate_limited':
      return { ...passing('rate_limited', message), retryAfterMs }
    case 'unavailable':
      return { ...passing('broker_unavailable', message), retryAfterMs }
    case 'unreadable':
      return { ...passing('unreadable', message), retry: 'instrument' }
    case 'refused':
      return final(reason ?? 'refused', message)
  }
}

function passing(reason: string, message: string): Fault {
  return { reason, message, retry: 'everything', retryAfterMs: undefined }
}

function final(reason: string, message: string): Fault {
  return { reason, message, retry: 'never', retryAfterMs: undefined }
}
