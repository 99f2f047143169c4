import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InstrumentBars } from '../../../src/backend/bars/instrument-bars.ts'
import { Coverage } from '../../../src/market/coverage.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import type { JournalledTick } from '../../../src/market/tick.ts'

const OPEN_MS = Date.parse('2026-11-20T09:15:00+05:30')
const SESSION = { openMs: OPEN_MS, closeMs: Date.parse('2026-11-20T15:40:00+05:30') }

const OPTION: Instrument = {
  token: 12345 * 256 + 2,
  exchange: 'NFO',
  tradingsymbol: 'NIFTY26NOV24500CE',
  name: 'NIFTY',
  symbol: 'NIFTY50',
  segment: 'NFO-OPT',
  kind: 'option',
  optionType: 'CE',
  expiry: '2026-11-23',
  strike: 24500,
  lotSize: 65,
  tickSize: 0.05,
}
const INDEX: Instrument = {
  ...OPTION,
  token: 256265,
  exchange: 'NSE',
  tradingsymbol: 'NIFTY 50',
  segment: 'INDICES',
  kind: 'index',
  optionType: null,
  expiry: null,
  strike: null,
}

function barsOf(instrument: Instrument, fromMs = OPEN_MS): InstrumentBars {
  const coverage = new Coverage([{ fromMs, toMs: Number.POSITIVE_INFINITY, mode: 'full' }])
  const bars = new InstrumentBars(instrument, coverage, () => SESSION)
  bars.isLoaded = true
  return bars
}

function tick(over: Partial<JournalledTick>): JournalledTick {
  const exchangeTimeS = over.exchangeTimeS ?? OPEN_MS / 1000
  return {
    token: OPTION.token,
    mode: 'full',
    isIndex: false,
    lastPrice: 10_000,
    lastQuantity: 65,
    averagePrice: 10_000,
    dayVolume: 0,
    dayOpen: 0,
    dayHigh: 0,
    dayLow: 0,
    previousClose: 9_000,
    lastTradeTimeS: exchangeTimeS,
    exchangeTimeS,
    openInterest: 650,
    bidPrice: 9_995,
    bidQuantity: 65,
    askPrice: 10_005,
    askQuantity: 65,
    connection: 1,
    receivedAtMs: exchangeTimeS * 1000 + 500,
    marketTimeMs: exchangeTimeS * 1000 + 500,
    ...over,
  }
}

/** Everything that is stored of the minutes, in their order. */
function folded(bars: InstrumentBars): unknown {
  return [...bars.bars.values()]
    .sort((a, b) => a.minuteMs - b.minuteMs)
    .map((bar) => ({ ...bar, volume: bars.volumeOf(bar, OPEN_MS) }))
}

function foldAll(instrument: Instrument, ticks: readonly { tick: JournalledTick; seq: number }[]) {
  const bars = barsOf(instrument)
  for (const { tick: t, seq } of ticks) bars.fold(t, 1, seq, OPEN_MS)
  return bars
}

/** A believable afternoon of one option: trades move on, depth packets repeat the last one. */
const optionTicks = fc
  .array(
    fc.record({
      stepS: fc.integer({ min: 0, max: 40 }),
      trades: fc.boolean(),
      price: fc.integer({ min: 9_000, max: 11_000 }),
      lots: fc.integer({ min: 1, max: 9 }),
      reportDelayS: fc.integer({ min: 0, max: 3 }),
      oi: fc.integer({ min: 0, max: 1_000_000 }),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((steps) => {
    let nowS = OPEN_MS / 1000
    let volume = 0
    let tradeS = nowS
    let price = 10_000
    return steps.map((step, i) => {
      nowS += step.stepS
      if (step.trades) {
        tradeS = nowS
        volume += step.lots * 65
        price = step.price
      }
      const exchangeTimeS = nowS + step.reportDelayS
      return {
        seq: i + 1,
        tick: tick({
          lastPrice: price,
          dayVolume: volume,
          lastTradeTimeS: tradeS,
          exchangeTimeS,
          openInterest: step.oi,
          receivedAtMs: exchangeTimeS * 1000 + 100 + i,
          marketTimeMs: exchangeTimeS * 1000 + 900,
        }),
      }
    })
  })

const indexTicks = fc
  .array(fc.record({ stepMs: fc.integer({ min: 0, max: 20_000 }), price: fc.nat(5_000_000) }), {
    minLength: 1,
    maxLength: 60,
  })
  .map((steps) => {
    let nowMs = OPEN_MS
    return steps.map((step, i) => {
      nowMs += step.stepMs
      return {
        seq: i + 1,
        tick: tick({
          token: INDEX.token,
          isIndex: true,
          lastPrice: 1 + step.price,
          dayVolume: undefined,
          lastTradeTimeS: undefined,
          openInterest: undefined,
          exchangeTimeS: Math.floor(nowMs / 1000),
          receivedAtMs: nowMs + 50,
          marketTimeMs: nowMs + 900,
        }),
      }
    })
  })

function shuffled<T>(items: readonly T[], keys: readonly number[]): T[] {
  return items
    .map((item, i) => ({ item, key: keys[i % keys.length] ?? 0, i }))
    .sort((a, b) => a.key - b.key || a.i - b.i)
    .map(({ item }) => item)
}

const shuffleKeys = fc.array(fc.integer(), { minLength: 60, maxLength: 60 })

describe('the fold', () => {
  it('gives the same option rows in whatever order the packets are folded', () => {
    fc.assert(
      fc.property(optionTicks, shuffleKeys, (ticks, keys) => {
        const inOrder = folded(foldAll(OPTION, ticks))
        expect(folded(foldAll(OPTION, shuffled(ticks, keys)))).toEqual(inOrder)
      }),
      { numRuns: 300 },
    )
  })

  it('gives the same index rows in whatever order the packets are folded', () => {
    fc.assert(
      fc.property(indexTicks, shuffleKeys, (ticks, keys) => {
        const inOrder = folded(foldAll(INDEX, ticks))
        expect(folded(foldAll(INDEX, shuffled(ticks, keys)))).toEqual(inOrder)
      }),
      { numRuns: 300 },
    )
  })

  it('changes no price and no volume when packets come twice, as in a failover', () => {
    fc.assert(
      fc.property(optionTicks, (ticks) => {
        const once = foldAll(OPTION, ticks)
        const again = ticks.map(({ tick: t, seq }) => ({
          tick: { ...t, connection: 2, receivedAtMs: t.receivedAtMs + 7 },
          seq: seq + 1000,
        }))
        const twice = foldAll(OPTION, [...ticks, ...again])
        const prices = (bars: InstrumentBars) =>
          [...bars.bars.values()]
            .sort((a, b) => a.minuteMs - b.minuteMs)
            .map(({ minuteMs, open, high, low, close, dayVolume, openInterest }) => ({
              minuteMs,
              open,
              high,
              low,
              close,
              dayVolume,
              openInterest,
            }))
        expect(prices(twice)).toEqual(prices(once))
      }),
    )
  })

  it('puts a trade into the minute of its trade time and the quote into that of the exchange time', () => {
    const bars = barsOf(OPTION)
    const lateS = OPEN_MS / 1000 + 60
    bars.fold(
      tick({ lastTradeTimeS: lateS - 1, exchangeTimeS: lateS, dayVolume: 130, lastPrice: 10_100 }),
      1,
      1,
      OPEN_MS,
    )
    const first = bars.bars.get(OPEN_MS)
    const second = bars.bars.get(OPEN_MS + 60_000)
    expect(first).toMatchObject({ open: 10_100, close: 10_100, dayVolume: 130, tickCount: 0 })
    expect(second).toMatchObject({ open: null, fillPrice: 10_100, tickCount: 1, openInterest: 650 })
  })

  it('sets no price from a trade that came before coverage began, but repeats it', () => {
    const bars = barsOf(OPTION, OPEN_MS + 30_000)
    const nowS = OPEN_MS / 1000 + 31
    bars.fold(
      tick({ lastTradeTimeS: OPEN_MS / 1000 + 5, exchangeTimeS: nowS, dayVolume: 650 }),
      1,
      1,
      OPEN_MS,
    )
    const bar = bars.bars.get(OPEN_MS)
    expect(bar).toMatchObject({ open: null, openKey: null, fillPrice: 10_000, dayVolume: 650 })
    expect(bar && bars.volumeOf(bar, OPEN_MS)).toBe(0)
  })

  it('takes a first packet that is older than coverage as what holds when it begins', () => {
    const bars = barsOf(OPTION, OPEN_MS + 600_000)
    const old = tick({
      exchangeTimeS: OPEN_MS / 1000 + 60,
      lastTradeTimeS: OPEN_MS / 1000 + 50,
      marketTimeMs: OPEN_MS + 600_100,
    })
    bars.fold(old, 1, 1, OPEN_MS)
    expect([...bars.bars.keys()]).toEqual([OPEN_MS + 600_000])
  })

  it('leaves the row of an old trade alone while depth packets repeat it', () => {
    const bars = barsOf(OPTION)
    const tradeS = OPEN_MS / 1000 + 2
    bars.fold(tick({ lastTradeTimeS: tradeS, exchangeTimeS: tradeS, dayVolume: 65 }), 1, 1, OPEN_MS)
    for (const bar of bars.changed.splice(0)) bar.isChanged = false
    for (let i = 0; i < 5; i++) {
      const exchangeTimeS = tradeS + 120 + i
      bars.fold(tick({ lastTradeTimeS: tradeS, exchangeTimeS, dayVolume: 65 }), 1, 2 + i, OPEN_MS)
    }
    expect(bars.changed.map(({ minuteMs }) => minuteMs)).toEqual([OPEN_MS + 120_000])
  })

  it('asks for a minute that is not in memory and changes nothing until it has it', () => {
    const bars = barsOf(OPTION)
    const residentFromMs = OPEN_MS + 180_000
    const exchangeTimeS = OPEN_MS / 1000 + 200
    const late = tick({ lastTradeTimeS: OPEN_MS / 1000 + 5, exchangeTimeS, dayVolume: 65 })
    expect(bars.fold(late, 1, 1, residentFromMs)).toEqual({ needsMinuteMs: OPEN_MS })
    expect(bars.bars.size).toBe(0)
    bars.adoptAbsence(OPEN_MS)
    expect(bars.fold(late, 1, 1, residentFromMs)).toMatchObject({ tradeMinuteMs: OPEN_MS })
    expect(bars.bars.get(OPEN_MS)?.close).toBe(10_000)
  })

  it('takes a packet that runs ahead of market time back to it', () => {
    const bars = barsOf(OPTION)
    const marketTimeMs = OPEN_MS + 10_000
    const result = bars.fold(
      tick({
        exchangeTimeS: OPEN_MS / 1000 + 90,
        lastTradeTimeS: OPEN_MS / 1000 + 90,
        marketTimeMs,
      }),
      1,
      1,
      OPEN_MS,
    )
    expect(result).toMatchObject({ ahead: true, quoteMinuteMs: OPEN_MS })
  })

  it.each([
    ['the pre-open', { exchangeTimeS: OPEN_MS / 1000 - 300 }, 'outside_session'],
    ['after the close', { exchangeTimeS: SESSION.closeMs / 1000 + 1 }, 'outside_session'],
  ])('folds nothing of %s', (_, over, reason) => {
    const bars = barsOf(OPTION)
    expect(
      bars.fold(tick({ ...over, marketTimeMs: (over.exchangeTimeS ?? 0) * 1000 }), 1, 1, OPEN_MS),
    ).toBe(reason)
    expect(bars.bars.size).toBe(0)
  })
})
