/** A few contracts, and packets of them. */
import type { FullFields, IndexFullFields } from '../../../src/kite/encode-packet.ts'
import { FrameWriter } from '../../../src/kite/frame-writer.ts'
import type { Instrument, OptionType } from '../../../src/market/instrument.ts'
import { START_MS } from './test-clock.ts'

export const START_S = START_MS / 1000

export const NIFTY: Instrument = {
  token: 256265,
  exchange: 'NSE',
  tradingsymbol: 'NIFTY 50',
  name: 'NIFTY 50',
  symbol: 'NIFTY50',
  segment: 'INDICES',
  kind: 'index',
  optionType: null,
  expiry: null,
  strike: null,
  lotSize: 0,
  tickSize: 0,
}

export const VIX: Instrument = {
  ...NIFTY,
  token: 264969,
  tradingsymbol: 'INDIA VIX',
  name: 'INDIA VIX',
  symbol: 'INDIAVIX',
}

export const NIFTY_FUTURE: Instrument = {
  token: 100 * 256 + 2,
  exchange: 'NFO',
  tradingsymbol: 'NIFTY26DECFUT',
  name: 'NIFTY',
  symbol: 'NIFTY50',
  segment: 'NFO-FUT',
  kind: 'future',
  optionType: null,
  expiry: '2026-12-29',
  strike: null,
  lotSize: 65,
  tickSize: 0.1,
}

/** NIFTY options of Tuesday 1 Dec 2026. */
export function option(strike: number, optionType: OptionType): Instrument {
  return {
    token: (1_000 + strike / 50 + (optionType === 'PE' ? 5_000 : 0)) * 256 + 2,
    exchange: 'NFO',
    tradingsymbol: `NIFTY26D01${strike}${optionType}`,
    name: 'NIFTY',
    symbol: 'NIFTY50',
    segment: 'NFO-OPT',
    kind: 'option',
    optionType,
    expiry: '2026-12-01',
    strike,
    lotSize: 65,
    tickSize: 0.05,
  }
}

export function sensexOption(strike: number, optionType: OptionType): Instrument {
  return {
    ...option(strike, optionType),
    token: (20_000 + strike / 100 + (optionType === 'PE' ? 5_000 : 0)) * 256 + 5,
    exchange: 'BFO',
    tradingsymbol: `SENSEX26D03${strike}${optionType}`,
    name: 'SENSEX',
    symbol: 'SENSEX',
    segment: 'BFO-OPT',
    expiry: '2026-12-03',
    lotSize: 20,
  }
}

/** 61 strikes of NIFTY either side, its future, the indices: what a dump of the day holds. */
export function smallMaster(): Instrument[] {
  const strikes = Array.from({ length: 61 }, (_, i) => 24_500 + 50 * i)
  return [
    NIFTY,
    VIX,
    NIFTY_FUTURE,
    ...strikes.flatMap((strike) => [option(strike, 'CE'), option(strike, 'PE')]),
    sensexOption(80_000, 'CE'),
  ]
}

export function full(token: number, more: Partial<FullFields> = {}): FullFields {
  return {
    token,
    lastPrice: 12_345,
    lastQuantity: 65,
    averagePrice: 12_300,
    dayVolume: 6_500,
    totalBuyQuantity: 1_000,
    totalSellQuantity: 2_000,
    dayOpen: 12_000,
    dayHigh: 13_000,
    dayLow: 11_000,
    previousClose: 12_100,
    lastTradeTimeS: START_S,
    openInterest: 130_000,
    oiDayHigh: 140_000,
    oiDayLow: 120_000,
    exchangeTimeS: START_S,
    bids: [{ price: 12_340, quantity: 65, orders: 1 }],
    asks: [{ price: 12_350, quantity: 130, orders: 2 }],
    ...more,
  }
}

export function indexFull(token: number, more: Partial<IndexFullFields> = {}): IndexFullFields {
  return {
    token,
    lastPrice: 2_600_000,
    dayOpen: 2_590_000,
    dayHigh: 2_610_000,
    dayLow: 2_580_000,
    previousClose: 2_585_000,
    absoluteChange: 15_000,
    exchangeTimeS: START_S,
    ...more,
  }
}

/** One frame with a full packet of each token. */
export function frameOf(tokens: readonly number[], more: Partial<FullFields> = {}): Buffer {
  const writer = new FrameWriter()
  for (const token of tokens) {
    if ((token & 0xff) === 9) {
      const { exchangeTimeS } = { ...full(token), ...more }
      writer.indexFull(indexFull(token, { exchangeTimeS }))
    } else {
      writer.full(full(token, more))
    }
  }
  return writer.take()
}
