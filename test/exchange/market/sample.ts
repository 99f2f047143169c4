/** Contracts and moments that the tests of the market model look at. */
import type { Contract } from '../../../src/exchange/market/contract.ts'
import type { InstrumentState } from '../../../src/exchange/market/instrument-state.ts'
import type { Market } from '../../../src/exchange/market/market.ts'
import { msOfIst } from '../../../src/market/ist.ts'

/** Monday, a day before a holiday: the monthly expiry of November 2026 falls on it. */
export const DATE = '2026-11-23'
export const NOON = msOfIst(DATE, '12:00')

export function contract(market: Market, name: string, atMs = NOON): Contract {
  const found = market.listing(atMs).byName.get(name)
  if (found === undefined) throw new Error(`${name} is not listed`)
  return found
}

/** An option `steps` strikes of 50 above NIFTY's spot. */
export function niftyOption(
  market: Market,
  expiry: string,
  type: 'CE' | 'PE',
  steps: number,
  atMs = NOON,
): Contract {
  const spot = market.snapshot(contract(market, 'NSE:NIFTY 50', atMs), atMs).lastPrice / 100
  const strike = Math.round(spot / 50) * 50 + steps * 50
  const found = market.listing(atMs).contracts.find(({ instrument }) => {
    const { symbol, optionType } = instrument
    return (
      symbol === 'NIFTY50' &&
      optionType === type &&
      instrument.expiry === expiry &&
      instrument.strike === strike
    )
  })
  if (found === undefined) throw new Error(`no ${type} ${strike} of ${expiry}`)
  return found
}

/** Everything that goes onto the wire. */
export function shown(state: InstrumentState) {
  const { token, lastPrice, lastQuantity, averagePrice, dayVolume } = state
  const { totalBuyQuantity, totalSellQuantity, dayOpen, dayHigh, dayLow, previousClose } = state
  const { lastTradeTimeS, openInterest, oiDayHigh, oiDayLow, exchangeTimeS } = state
  return {
    ...{ token, lastPrice, lastQuantity, averagePrice, dayVolume },
    ...{ totalBuyQuantity, totalSellQuantity, dayOpen, dayHigh, dayLow, previousClose },
    ...{ lastTradeTimeS, openInterest, oiDayHigh, oiDayLow, exchangeTimeS },
    bids: state.bids.map((level) => ({ ...level })),
    asks: state.asks.map((level) => ({ ...level })),
  }
}
