/** Contracts of the simulated exchange that trade nearly every minute: those near the money. */
import type { Contract } from '../../src/exchange/market/contract.ts'
import { Market } from '../../src/exchange/market/market.ts'
import type { Instrument } from '../../src/market/instrument.ts'

const PAISE = 100
/** Contracts of later ones are rarely traded. */
const EXPIRIES = 3

export interface NearMoney {
  readonly index: Instrument
  /** Of the nearest expiry after today; calls and puts of one strike in a row, the nearest first. */
  readonly nearest: readonly Instrument[]
  /** The same of the nearest expiries after today. */
  readonly several: readonly Instrument[]
}

/** @param symbol canonical underlying */
export function nearMoney(seed: number, symbol: string, atMs: number): NearMoney {
  const market = new Market(String(seed))
  const { contracts, date } = market.listing(atMs)
  const ofSymbol = contracts.filter(({ instrument }) => instrument.symbol === symbol)
  const index = ofSymbol.find(({ instrument }) => instrument.kind === 'index')
  if (index === undefined) throw new Error(`the exchange lists no index ${symbol}`)
  const spot = market.snapshot(index, atMs).lastPrice / PAISE
  const all = ofSymbol
    .filter(({ instrument: { kind, expiry } }) => kind === 'option' && (expiry ?? '') > date)
    .sort((a, b) => away(a, spot) - away(b, spot) || rankOf(a).localeCompare(rankOf(b)))
    .map(({ instrument }) => instrument)
  const expiries = [...new Set(all.map(({ expiry }) => expiry))].sort()
  const ofFirst = (count: number) =>
    all.filter(({ expiry }) => expiries.slice(0, count).includes(expiry))
  return { index: index.instrument, nearest: ofFirst(1), several: ofFirst(EXPIRIES) }
}

function away({ instrument: { strike } }: Contract, spot: number): number {
  return Math.abs((strike ?? 0) - spot)
}

function rankOf({ instrument: { expiry, strike, tradingsymbol } }: Contract): string {
  return `${expiry} ${strike} ${tradingsymbol}`
}
