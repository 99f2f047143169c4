/**
 * Where the REST answers come from: the simulated market, or a journal that is played again. What is
 * the same for both (sessions, rates, envelopes) is in `kite-routes.ts`.
 */
import type { Instrument } from '../market/instrument.ts'

export type QuoteKind = 'quote' | 'ohlc' | 'ltp'

export type Query = Readonly<Record<string, unknown>>

export interface KiteSource {
  /** What is listed now. */
  listed(): readonly Instrument[]
  /** Candles as the broker writes them, one JSON text each. @throws KiteRefusal */
  history(token: number, interval: string, query: Query): Promise<readonly string[]>
  /**
   * Quotes by the keys asked for (`NSE:NIFTY 50`, or a token); what is not known is left out.
   * @throws KiteRefusal
   */
  quotes(keys: readonly string[], kind: QuoteKind): Promise<Readonly<Record<string, unknown>>>
}
