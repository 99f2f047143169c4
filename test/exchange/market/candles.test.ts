import { describe, expect, it } from 'vitest'
import { type Candle, dayCandle, minuteCandles } from '../../../src/exchange/market/candles.ts'
import type { Contract } from '../../../src/exchange/market/contract.ts'
import { InstrumentState } from '../../../src/exchange/market/instrument-state.ts'
import { Market } from '../../../src/exchange/market/market.ts'
import { dayOfMs } from '../../../src/exchange/market/market-time.ts'
import { msOfIst } from '../../../src/market/ist.ts'
import { contract, DATE, NOON, niftyOption } from './sample.ts'

const market = new Market('42')
const MINUTE_MS = 60_000
const liquid = niftyOption(market, '2026-12-01', 'CE', 0)
const SAMPLES = [
  liquid,
  niftyOption(market, '2026-12-01', 'PE', -30),
  niftyOption(market, DATE, 'PE', 2),
  contract(market, 'NFO:NIFTY26DECFUT'),
  contract(market, 'MCX:GOLD26DECFUT'),
  contract(market, 'NSE:NIFTY BANK'),
  contract(market, 'NSE:INDIA VIX'),
]

describe('minute candles', () => {
  it('are the trades that packets show, folded', () => {
    for (const sample of SAMPLES) {
      const fromMs = NOON - 10 * MINUTE_MS
      expect(candles(sample, fromMs, NOON - 1)).toEqual(foldOfStates(sample, fromMs, NOON))
    }
  })

  it('add up to the volume of the day', () => {
    for (const sample of SAMPLES) {
      const volume = candles(sample, msOfIst(DATE, '00:00'), NOON, NOON).reduce(
        (sum, candle) => sum + candle.volume,
        0,
      )
      expect(volume).toBe(market.snapshot(sample, NOON).dayVolume)
    }
  })

  it('roll up to the candle of the day', () => {
    for (const sample of SAMPLES) {
      const minutes = candles(sample, msOfIst(DATE, '00:00'), NOON, NOON)
      expect(dayCandle(market.tape(sample), dayOfMs(NOON), NOON)).toEqual({
        timeMs: msOfIst(DATE, '00:00'),
        open: minutes[0]?.open,
        high: Math.max(...minutes.map(({ high }) => high)),
        low: Math.min(...minutes.map(({ low }) => low)),
        close: minutes.at(-1)?.close,
        volume: minutes.reduce((sum, { volume }) => sum + volume, 0),
        openInterest: sample.instrument.kind === 'index' ? 0 : minutes.at(-1)?.openInterest,
      })
    }
  })

  it('roll up to the candle of the day before, with the open interest at its end', () => {
    const day = dayOfMs(NOON) - 1
    const midnightMs = msOfIst(DATE, '00:00')
    const fromMs = midnightMs - 1_440 * MINUTE_MS
    for (const sample of [liquid, contract(market, 'NFO:NIFTY26DECFUT')]) {
      const minutes = candles(sample, fromMs, midnightMs - 1, NOON)
      const candle = dayCandle(market.tape(sample), day, NOON)
      expect(candle).toEqual({
        timeMs: fromMs,
        open: minutes[0]?.open,
        high: Math.max(...minutes.map(({ high }) => high)),
        low: Math.min(...minutes.map(({ low }) => low)),
        close: minutes.at(-1)?.close,
        volume: minutes.reduce((sum, { volume }) => sum + volume, 0),
        openInterest: minutes.at(-1)?.openInterest,
      })
      expect(candle?.openInterest).toBeGreaterThan(0)
      expect(candle).toEqual(dayCandle(market.tape(sample), day, midnightMs + 1))
    }
  })

  it('grow while their minute runs, and never look ahead', () => {
    const nowMs = NOON + 20_500
    const [running] = candles(liquid, NOON, NOON + 5 * MINUTE_MS, nowMs)
    const [whole] = candles(liquid, NOON, NOON)
    const all = candles(liquid, NOON, NOON + 5 * MINUTE_MS, nowMs)
    expect(all).toHaveLength(1)
    expect(running?.open).toBe(whole?.open)
    expect(running?.volume).toBeLessThan(whole?.volume ?? 0)
    expect(running?.close).toBe(market.snapshot(liquid, nowMs).lastPrice)
  })

  it('begin when the contract is listed and end when it expires', () => {
    const expiring = niftyOption(market, DATE, 'PE', 2)
    const listedMs = expiring.firstDay * 86_400_000 - 19_800_000
    const first = candles(expiring, listedMs - 86_400_000, listedMs + 3_600_000, NOON)[0]
    expect(first?.timeMs).toBeGreaterThanOrEqual(listedMs)
    const closeMs = msOfIst(DATE, '15:40')
    const last = candles(expiring, closeMs - 3_600_000, closeMs + 3_600_000, closeMs + 7_200_000)
    expect(last.at(-1)?.timeMs).toBe(closeMs - MINUTE_MS)
  })

  it('are missing where nobody traded, and only there', () => {
    const quiet = niftyOption(market, '2027-01-26', 'CE', 40)
    const fromMs = NOON - 120 * MINUTE_MS
    const minutes = candles(quiet, fromMs, NOON - 1)
    expect(minutes.length).toBeLessThan(120)
    expect(minutes.every(({ volume }) => volume > 0)).toBe(true)
    const index = candles(contract(market, 'NSE:NIFTY 50'), fromMs, NOON - 1)
    expect(index).toHaveLength(120)
  })

  it('have open interest that is stepped, in lots', () => {
    const held = candles(liquid, NOON - 120 * MINUTE_MS, NOON - 1).map((each) => each.openInterest)
    const changes = held.slice(1).filter((value, i) => value !== held[i]).length
    expect(changes).toBeGreaterThan(25)
    expect(changes).toBeLessThan(60)
    expect(held.every((value) => value % 65 === 0)).toBe(true)
  })
})

function candles(sample: Contract, fromMs: number, toMs: number, nowMs = toMs + 3_600_000) {
  return [...minuteCandles(market.tape(sample), fromMs, toMs, nowMs)].flat()
}

/** What a listener of full packets would make of them, one packet after every event. */
function foldOfStates(sample: Contract, fromMs: number, toMs: number): Candle[] {
  const state = new InstrumentState(market.tape(sample))
  state.advance(fromMs - 1)
  const folded = new Map<number, Candle>()
  let volumeBefore = state.dayVolume
  let tradeBefore = state.lastTradeTimeS
  for (let secondMs = fromMs; secondMs < toMs; secondMs += 1_000) {
    const { tradePhaseMs, bookPhaseMs } = sample
    for (const phase of [tradePhaseMs, bookPhaseMs].sort((a, b) => a - b)) {
      state.advance(secondMs + phase)
      const { lastPrice, lastTradeTimeS = 0, openInterest, dayVolume } = state
      const minuteMs = Math.floor(lastTradeTimeS / 60) * MINUTE_MS
      const before = folded.get(minuteMs)
      if (lastTradeTimeS !== tradeBefore) {
        folded.set(minuteMs, {
          timeMs: minuteMs,
          open: before?.open ?? lastPrice,
          high: Math.max(before?.high ?? 0, lastPrice),
          low: Math.min(before?.low ?? Number.POSITIVE_INFINITY, lastPrice),
          close: lastPrice,
          volume: (before?.volume ?? 0) + dayVolume - volumeBefore,
          openInterest,
        })
        volumeBefore = dayVolume
        tradeBefore = lastTradeTimeS
      } else if (
        before !== undefined &&
        Math.floor(secondMs / MINUTE_MS) * MINUTE_MS === minuteMs
      ) {
        folded.set(minuteMs, { ...before, openInterest })
      }
    }
  }
  return [...folded.values()]
}
