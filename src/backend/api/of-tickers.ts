/** What the backend asks of the tickers for a request: a ticker that does not do it makes that unavailable. */
import { TickerError } from '../tickers/ticker-error.ts'
import { unavailable } from './api-error.ts'

/** @throws ApiError where a ticker refuses or does not answer */
export async function ofTickers<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask()
  } catch (cause) {
    if (!(cause instanceof TickerError)) throw cause
    throw unavailable(cause.message, { ticker: cause.url })
  }
}
