/** What the exchanges list around Monday 23 November 2026, the 24th being a holiday: indices, futures, options. */
import type { Instrument } from '../../../src/market/instrument.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { UNDERLYINGS } from '../../../src/market/underlying.ts'

export const SPOTS: Readonly<Record<string, number>> = {
  NIFTY50: 24_510,
  BANKNIFTY: 52_040,
  FINNIFTY: 24_015,
}
const STEPS: Readonly<Record<string, number>> = { NIFTY50: 50, BANKNIFTY: 100, FINNIFTY: 50 }
const MONTHLIES = ['2026-11-23', '2026-12-29', '2027-01-25', '2027-02-23']
export const EXPIRIES: Readonly<Record<string, readonly string[]>> = {
  NIFTY50: ['2026-11-23', '2026-12-01', '2026-12-08', '2026-12-15', '2026-12-22', '2026-12-29'],
  BANKNIFTY: MONTHLIES,
  FINNIFTY: MONTHLIES,
}

let token = 1

function contract(symbol: string, over: Partial<Instrument>): Instrument {
  const known = UNDERLYINGS.find((underlying) => underlying.symbol === symbol)
  return {
    token: token++,
    exchange: 'NFO',
    tradingsymbol: '',
    name: known?.dumpName ?? symbol,
    symbol,
    segment: 'NFO-FUT',
    kind: 'future',
    optionType: null,
    expiry: null,
    strike: null,
    lotSize: 65,
    tickSize: 0.05,
    ...over,
  }
}

function listed(symbol: string): Instrument[] {
  const known = UNDERLYINGS.find((underlying) => underlying.symbol === symbol)
  const index = contract(symbol, {
    exchange: 'NSE',
    segment: 'INDICES',
    kind: 'index',
    tradingsymbol: known?.indexTradingsymbol ?? symbol,
  })
  const spot = SPOTS[symbol]
  const step = STEPS[symbol]
  if (spot === undefined || step === undefined) return [index]
  const name = known?.dumpName ?? symbol
  const futures = MONTHLIES.slice(0, 3).map((expiry) =>
    contract(symbol, { expiry, tradingsymbol: `${name}${expiry}FUT` }),
  )
  const middle = Math.round(spot / step) * step
  const strikes = Array.from({ length: 81 }, (_, i) => middle + (i - 40) * step)
  const options = (EXPIRIES[symbol] ?? []).flatMap((expiry) =>
    strikes.flatMap((strike) =>
      (['CE', 'PE'] as const).map((optionType) =>
        contract(symbol, {
          segment: 'NFO-OPT',
          kind: 'option',
          optionType,
          expiry,
          strike,
          tradingsymbol: `${name}${expiry}${strike}${optionType}`,
        }),
      ),
    ),
  )
  return [index, ...futures, ...options]
}

export const LISTED: readonly Instrument[] = [
  ...listed('NIFTY50'),
  ...listed('BANKNIFTY'),
  ...listed('FINNIFTY'),
  ...listed('INDIAVIX'),
]

export const MASTER = new InstrumentMaster(LISTED)
