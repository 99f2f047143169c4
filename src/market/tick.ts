/**
 * A tick: one decoded packet of one instrument, a conflated snapshot of its state at the exchange.
 * It is not a trade; OHLC made from ticks is sampled.
 *
 * Prices are integers in the wire's minor unit; `priceDivisor(token)` of them make one rupee.
 * `undefined` means that the packet does not carry the field.
 */

/** What the packet holds: `ltp` the last price; `quote` the day's figures; `full` also times, OI and depth. */
export type TickMode = 'ltp' | 'quote' | 'full'

export interface Tick {
  readonly token: number
  readonly mode: TickMode
  /** True for the packet layouts of an index (no volume, no OI, no depth). */
  readonly isIndex: boolean
  readonly lastPrice: number
  readonly lastQuantity: number | undefined
  readonly averagePrice: number | undefined
  /** Units traded since the day's open, cumulative. */
  readonly dayVolume: number | undefined
  readonly dayOpen: number | undefined
  readonly dayHigh: number | undefined
  readonly dayLow: number | undefined
  /** The previous day's close, which Kite sends as `close`. */
  readonly previousClose: number | undefined
  /** Exchange seconds (epoch) of the last trade; undefined where there was none. */
  readonly lastTradeTimeS: number | undefined
  /** Exchange seconds (epoch) of this snapshot. */
  readonly exchangeTimeS: number | undefined
  /** Open interest in units. */
  readonly openInterest: number | undefined
  /** Best bid and ask; undefined where the book's side is empty. */
  readonly bidPrice: number | undefined
  readonly bidQuantity: number | undefined
  readonly askPrice: number | undefined
  readonly askQuantity: number | undefined
}

/** A tick as the journal holds it. */
export interface JournalledTick extends Tick {
  /** Ordinal of the socket connection within its producer's epoch. */
  readonly connection: number
  /** Wall clock of the ticker at the packet's arrival, epoch ms. */
  readonly receivedAtMs: number
  /** Market time when the tick was journalled, epoch ms; the fold uses this and no other clock. */
  readonly marketTimeMs: number
}

/** Minor units in one rupee, by the segment in the token's low byte (3: NSE currency, 6: BSE currency). */
export function priceDivisor(token: number): number {
  const segment = token & 0xff
  if (segment === 3) return 10_000_000
  if (segment === 6) return 10_000
  return 100
}
