/**
 * What can be traded or watched: one row of the broker's instrument master, normalised.
 *
 * An instrument is identified by (exchange, tradingsymbol). Its token is only its number on the
 * wire and is given to another contract after expiry, so nothing is ever keyed by token alone.
 */

export type InstrumentKind = 'index' | 'future' | 'option' | 'equity'
export type OptionType = 'CE' | 'PE'

export interface Instrument {
  /** Number on the wire; reused by the exchange after expiry. */
  readonly token: number
  /** `NSE`, `BSE`, `NFO`, `BFO`, `MCX`, … */
  readonly exchange: string
  readonly tradingsymbol: string
  /** The dump's `name`: `NIFTY`, `BANKNIFTY`, `RELIANCE`, … */
  readonly name: string
  /** Canonical underlying: `NIFTY50`, `BANKNIFTY`, …; the dump's name where no alias is known. */
  readonly symbol: string
  /** `INDICES`, `NFO-OPT`, `NFO-FUT`, `BFO-OPT`, `BFO-FUT`, `MCX-FUT`, … */
  readonly segment: string
  readonly kind: InstrumentKind
  readonly optionType: OptionType | null
  /** Expiry as an IST calendar date, `YYYY-MM-DD`. */
  readonly expiry: string | null
  /** Strike in rupees. */
  readonly strike: number | null
  /** Units per contract, of this contract (lots change by series). */
  readonly lotSize: number
  /** Smallest price step in rupees. */
  readonly tickSize: number
}

/** The key under which history is kept. */
export function instrumentKey(exchange: string, tradingsymbol: string): string {
  return `${exchange}:${tradingsymbol}`
}

/** Whether they are the same contract, described alike. */
export function isSameInstrument(a: Instrument, b: Instrument): boolean {
  return (
    a === b ||
    (a.token === b.token &&
      a.exchange === b.exchange &&
      a.tradingsymbol === b.tradingsymbol &&
      a.name === b.name &&
      a.symbol === b.symbol &&
      a.segment === b.segment &&
      a.kind === b.kind &&
      a.optionType === b.optionType &&
      a.expiry === b.expiry &&
      a.strike === b.strike &&
      a.lotSize === b.lotSize &&
      a.tickSize === b.tickSize)
  )
}
