import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { minuteCandles } from '../../../src/exchange/market/candles.ts'
import { dayHigh, dayLow } from '../../../src/exchange/market/day-range.ts'
import { InstrumentState } from '../../../src/exchange/market/instrument-state.ts'
import { Market } from '../../../src/exchange/market/market.ts'
import { msOfIst } from '../../../src/market/ist.ts'
import { impliedVolatility } from '../../../src/market/options/implied-volatility.ts'
import { contract, DATE, NOON, niftyOption, shown } from './sample.ts'

const market = new Market('42')
const DAY_MS = 86_400_000
const NEXT_EXPIRY = '2026-12-01'

/** Liquid and dead options, futures, indices. */
const SAMPLES = [
  niftyOption(market, DATE, 'CE', 0),
  niftyOption(market, NEXT_EXPIRY, 'CE', 0),
  niftyOption(market, NEXT_EXPIRY, 'PE', -30),
  niftyOption(market, NEXT_EXPIRY, 'CE', 45),
  niftyOption(market, '2027-01-26', 'PE', 12),
  contract(market, 'NFO:NIFTY26DECFUT'),
  contract(market, 'NFO:FINNIFTY27JANFUT'),
  contract(market, 'MCX:CRUDEOIL26DECFUT'),
  contract(market, 'NSE:NIFTY 50'),
  contract(market, 'NSE:INDIA VIX'),
  contract(market, 'BSE:SENSEX'),
]

describe('a simulated market', () => {
  it('is the same for the same seed, whatever was asked before', () => {
    const other = new Market('42')
    for (const sample of [...SAMPLES].reverse()) {
      const again = other.listing(NOON).byToken.get(sample.instrument.token)
      expect(again).toEqual(sample)
      expect(shown(other.snapshot(again ?? sample, NOON))).toEqual(
        shown(market.snapshot(sample, NOON)),
      )
    }
  })

  it('is another one for another seed', () => {
    const nifty = contract(market, 'NSE:NIFTY 50')
    const other = new Market('43')
    const price = other.snapshot(contract(other, 'NSE:NIFTY 50'), NOON).lastPrice
    expect(price).not.toBe(market.snapshot(nifty, NOON).lastPrice)
  })

  it('shows the same at an instant, however it was reached', () => {
    for (const sample of SAMPLES) {
      const walking = new InstrumentState(market.tape(sample))
      let atMs = NOON - 40_000
      for (const stepMs of [0, 430, 20, 1_000, 999, 3_333, 25, 25, 25, 25, 9_000, 25_000]) {
        atMs += stepMs
        walking.advance(atMs)
        expect(shown(walking)).toEqual(shown(market.snapshot(sample, atMs)))
      }
    }
  })

  it('shows the same on both sides of midnight, however it was reached', () => {
    const midnight = msOfIst('2026-11-25', '00:00')
    for (const sample of SAMPLES.filter(({ lastDay }) => lastDay * DAY_MS > midnight)) {
      const walking = new InstrumentState(market.tape(sample))
      for (const atMs of [midnight - 700, midnight - 1, midnight, midnight + 1_500]) {
        walking.advance(atMs)
        expect(shown(walking)).toEqual(shown(market.snapshot(sample, atMs)))
      }
      const { previousClose } = market.snapshot(sample, midnight)
      expect(previousClose).toBe(market.snapshot(sample, midnight - 1).lastPrice)
    }
  })

  it('has every price on the tick, every quantity on the lot, and the last price within the day', () => {
    const listed = market.listing(NOON).contracts.filter(({ instrument }) => instrument.lotSize > 0)
    fc.assert(
      fc.property(fc.nat(listed.length - 1), fc.nat(DAY_MS - 1), (index, inDayMs) => {
        const sample = listed[index] ?? SAMPLES[0]
        if (sample === undefined) return
        const { tickSize, lotSize } = sample.instrument
        const tick = Math.round(tickSize * 100)
        const state = shown(market.snapshot(sample, msOfIst(DATE, '00:00') + inDayMs))
        const { lastPrice, dayOpen, dayHigh, dayLow, previousClose, bids, asks } = state
        const levels = [...bids, ...asks]
        for (const price of [lastPrice, dayOpen, dayHigh, dayLow, previousClose]) {
          expect(price % tick).toBe(0)
        }
        for (const level of levels) expect(level.price % tick).toBe(0)
        const { dayVolume, openInterest, oiDayHigh, oiDayLow, lastQuantity } = state
        for (const units of [dayVolume, openInterest, oiDayHigh, oiDayLow, lastQuantity]) {
          expect(units % lotSize).toBe(0)
          expect(units).toBeLessThan(2 ** 31)
        }
        for (const level of levels) expect(level.quantity % lotSize).toBe(0)
        expect(oiDayLow <= openInterest && openInterest <= oiDayHigh).toBe(true)
        if (dayVolume === 0) return
        expect(dayLow <= lastPrice && lastPrice <= dayHigh).toBe(true)
        expect(dayLow <= dayOpen && dayOpen <= dayHigh).toBe(true)
        expect(dayLow <= state.averagePrice && state.averagePrice <= dayHigh).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('quotes five levels, the best first, never crossed', () => {
    for (const sample of SAMPLES.filter(({ instrument }) => instrument.kind !== 'index')) {
      const { bids, asks } = market.snapshot(sample, NOON)
      expect(bids[0]?.price).toBeLessThan(asks[0]?.price ?? 0)
      for (let i = 1; i < 5; i++) {
        expect(bids[i]?.price).toBeLessThanOrEqual(bids[i - 1]?.price ?? 0)
        expect(asks[i]?.price).toBeGreaterThan(asks[i - 1]?.price ?? 0)
      }
    }
  })

  it('keeps put–call parity within the spread, with the future as the forward', () => {
    const expiry = '2026-12-29'
    const future = market.snapshot(contract(market, 'NFO:NIFTY26DECFUT'), NOON)
    const closeMs = market.calendar.expiryCloseMs('NFO-OPT', expiry)
    const discount = Math.exp((-0.065 * (closeMs - NOON)) / (365 * DAY_MS))
    for (let steps = -20; steps <= 20; steps++) {
      const call = market.snapshot(niftyOption(market, expiry, 'CE', steps), NOON)
      const put = market.snapshot(niftyOption(market, expiry, 'PE', steps), NOON)
      const strike = (call.tape.contract.instrument.strike ?? 0) * 100
      const parity = middle(call) - middle(put) - discount * (middle(future) - strike)
      expect(Math.abs(parity)).toBeLessThanOrEqual(spread(call) + spread(put) + spread(future))
    }
  })

  it('prices options on a skewed smile that a solver finds again', () => {
    const expiry = NEXT_EXPIRY
    const closeMs = market.calendar.expiryCloseMs('NFO-OPT', expiry)
    const years = (closeMs - NOON) / (365 * DAY_MS)
    const spot = market.snapshot(contract(market, 'NSE:NIFTY 50'), NOON).lastPrice / 100
    const forward = spot * Math.exp(0.053 * years)
    const volatilities = [-16, -8, 0, 8, 16].map((steps) => {
      const option = niftyOption(market, expiry, steps < 0 ? 'PE' : 'CE', steps)
      const { optionType, strike } = option.instrument
      const price = middle(market.snapshot(option, NOON)) / 100
      return (
        impliedVolatility(optionType ?? 'CE', price, forward, strike ?? 0, years, 0.065).iv ?? 0
      )
    })
    const [farPut = 0, nearPut = 0, atTheMoney = 0, , farCall = 0] = volatilities
    expect(atTheMoney).toBeGreaterThan(0.06)
    expect(atTheMoney).toBeLessThan(0.3)
    expect(farPut).toBeGreaterThan(nearPut)
    expect(nearPut).toBeGreaterThan(atTheMoney)
    expect(farPut).toBeGreaterThan(farCall)
  })

  it('lets calls fall and puts rise with the strike', () => {
    const prices = (type: 'CE' | 'PE') =>
      Array.from({ length: 31 }, (_, i) =>
        middle(market.snapshot(niftyOption(market, NEXT_EXPIRY, type, 2 * (i - 15)), NOON)),
      )
    expect(prices('CE')).toEqual([...prices('CE')].sort((a, b) => b - a))
    expect(prices('PE')).toEqual([...prices('PE')].sort((a, b) => a - b))
  })

  it('moves as much as its volatility says', () => {
    const tape = market.tape(contract(market, 'NSE:NIFTY 50'))
    const candles = [...minuteCandles(tape, NOON - 20 * DAY_MS, NOON, NOON)].flat()
    const returns = candles.slice(1).map((candle, i) => {
      return Math.log(candle.close / (candles[i]?.close ?? candle.close))
    })
    const variance = returns.reduce((sum, value) => sum + value * value, 0) / returns.length
    const annual = Math.sqrt(variance * 365 * 1_440)
    expect(annual).toBeGreaterThan(0.115)
    expect(annual).toBeLessThan(0.125)
  })

  it('stops a contract at its expiry and empties its book', () => {
    const option = niftyOption(market, DATE, 'CE', 0)
    const closeMs = msOfIst(DATE, '15:40')
    const before = shown(market.snapshot(option, closeMs - 1))
    const after = shown(market.snapshot(option, closeMs + 3_600_000))
    expect(before.lastTradeTimeS).toBeGreaterThan(closeMs / 1_000 - 60)
    expect(after.lastPrice).toBe(before.lastPrice)
    expect(after.dayVolume).toBe(before.dayVolume)
    expect(after.bids[0]).toEqual({ price: 0, quantity: 0, orders: 0 })
    expect(market.snapshot(option, closeMs + 1).isTrading(closeMs + 1)).toBe(false)
  })
})

describe("a day's high and low", () => {
  it('are those of all its trades', () => {
    for (const sample of SAMPLES) {
      const tape = market.tape(sample)
      tape.enterDay(sample.lastDay === 20_780 ? 20_780 : 20_779)
      const until = 40_000
      const prices: number[] = []
      for (let second = 0; second < until; second++) {
        const minute = Math.floor(second / 60)
        tape.times.open(minute)
        if ((tape.times.seconds[second - minute * 60] ?? 0) > 0) {
          prices.push(tape.priceAt(tape.dayStart + second))
        }
      }
      const high = prices.length === 0 ? undefined : Math.max(...prices)
      const low = prices.length === 0 ? undefined : Math.min(...prices)
      expect(dayHigh(tape, until)).toBe(high)
      expect(dayLow(tape, until)).toBe(low)
    }
  })
})

function middle({ bids, asks }: InstrumentState): number {
  return ((bids[0]?.price ?? 0) + (asks[0]?.price ?? 0)) / 2
}

function spread({ bids, asks }: InstrumentState): number {
  return (asks[0]?.price ?? 0) - (bids[0]?.price ?? 0)
}
