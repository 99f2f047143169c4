import { describe, expect, it } from 'vitest'
import { FORWARD_PERIOD_MS } from '../../../src/limits.ts'
import { alwaysOpenCalendar } from '../../../src/market/calendar.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { MINUTE_MS } from '../../../src/market/ist.ts'
import { black76Price } from '../../../src/market/options/black76.ts'
import { analyseStrike, timeToExpiryYears } from '../../../src/market/options/chain.ts'
import { computeForward } from '../../../src/market/options/forward.ts'
import type { LegInput } from '../../../src/market/options/strike.ts'
import type { JournalledTick } from '../../../src/market/tick.ts'
import { NIFTY, NIFTY_FUTURE, option, START_S } from '../support/contracts.ts'
import { START_MS } from '../support/test-clock.ts'
import { ChannelsUnderTest, RATE, tickOf } from './channels-under-test.ts'

const STRIKES = [25_900, 25_950, 26_000, 26_050, 26_100]
const VOLATILITY = 0.13
const FORWARD = 26_031
const CLOSE_MS = alwaysOpenCalendar().expiryCloseMs('NFO-OPT', '2026-12-01')
const YEARS = timeToExpiryYears(START_MS + MINUTE_MS, CLOSE_MS) ?? Number.NaN

describe('the IV and Greeks of an option tick', () => {
  it('are those of the pure functions over the newest quotes, forward from put–call parity', async () => {
    const test = new ChannelsUnderTest()
    await test.listen('options')
    await test.journalled(...chainTicks(FORWARD))
    // The forward of the first packets, which knew no pair, is used no longer than its period.
    await test.journalled(...chainTicks(FORWARD, FORWARD_PERIOD_MS))
    test.run()
    const forward = computeForward({
      strikes: STRIKES.map((strike) => inputOf(strike)),
      timeYears: YEARS,
      rate: RATE,
      spot: null,
      future: null,
      otherForwards: [],
    })
    expect(forward?.source).toBe('parity')
    const terms = {
      forward: forward?.forward ?? null,
      timeYears: YEARS,
      rate: RATE,
      tickSize: 0.05,
    }
    const seen = test.published('options').slice(-2 * STRIKES.length)
    for (const tick of seen) {
      const { call, put } = analyseStrike(inputOf(tick.strike ?? 0), terms)
      const leg = tick.option_type === 'CE' ? call : put
      const { iv, delta, gamma, theta, vega, iv_reason } = tick
      expect({ iv, delta, gamma, theta, vega, ivReason: iv_reason, ivRaw: leg?.ivRaw }).toEqual(leg)
      expect(Math.abs((iv ?? 0) - VOLATILITY)).toBeLessThan(0.002)
    }
  })

  it('rest on the future where the ticker lacks the pair', async () => {
    const future = { ...NIFTY_FUTURE, expiry: '2026-12-01' }
    const call = option(26_000, 'CE')
    const test = new ChannelsUnderTest(0, [NIFTY, future, call, option(26_000, 'PE')])
    await test.listen('options')
    await test.journalled(tickOf(future, { lastPrice: FORWARD * 100 }), priced(call, FORWARD))
    test.run()
    const [tick] = test.published('options')
    expect(tick?.iv_reason).toBeNull()
    expect(Math.abs((tick?.iv ?? 0) - VOLATILITY)).toBeLessThan(0.002)
  })

  it('use a forward that is at most a fraction of a second of market time old', async () => {
    const test = new ChannelsUnderTest()
    await test.listen('options')
    await test.journalled(...chainTicks(FORWARD), ...chainTicks(FORWARD, FORWARD_PERIOD_MS))
    const moved = chainTicks(FORWARD + 40, FORWARD_PERIOD_MS + 1)
    await test.journalled(...moved)
    await test.journalled(...chainTicks(FORWARD + 40, 2 * FORWARD_PERIOD_MS + 1))
    test.run()
    const ivs = test.published('options').map(({ iv }) => iv ?? 0)
    const off = (iv: number) => Math.abs(iv - VOLATILITY)
    const [held, renewed] = [ivs.slice(-20, -10), ivs.slice(-9)]
    expect(Math.max(...held.map(off))).toBeGreaterThan(0.005)
    expect(Math.max(...renewed.map(off))).toBeLessThan(0.002)
  })

  it('are null and settled after the series has closed', async () => {
    const call = option(26_000, 'CE')
    const test = new ChannelsUnderTest()
    await test.listen('options')
    const closeS = CLOSE_MS / 1000
    await test.journalled(
      tickOf(call, { exchangeTimeS: closeS, marketTimeMs: CLOSE_MS, lastTradeTimeS: closeS }),
    )
    test.run()
    expect(test.published('options')[0]).toMatchObject({ iv: null, iv_reason: 'settled' })
  })

  it('are computed of nothing from before the last listener went', async () => {
    const test = new ChannelsUnderTest()
    await test.listen('options')
    await test.journalled(...chainTicks(FORWARD))
    test.run()
    await test.listen('futures')
    await test.listen('options')
    await test.journalled(priced(option(26_000, 'CE'), FORWARD, 1_000))
    test.run()
    expect(test.published('options').at(-1)).toMatchObject({ iv: null, iv_reason: 'no_forward' })
  })
})

function chainTicks(forward: number, laterMs = 0): JournalledTick[] {
  return STRIKES.flatMap((strike) => [
    priced(option(strike, 'CE'), forward, laterMs),
    priced(option(strike, 'PE'), forward, laterMs),
  ])
}

/** A full packet at the price that the volatility gives, rounded to the tick. */
function priced(instrument: Instrument, forward: number, laterMs = 0): JournalledTick {
  const lastPrice = paiseOf(instrument, forward)
  return tickOf(instrument, {
    lastPrice,
    bidPrice: lastPrice - 5,
    askPrice: lastPrice + 5,
    exchangeTimeS: START_S + Math.floor(laterMs / 1000),
    receivedAtMs: START_MS + laterMs,
    marketTimeMs: START_MS + laterMs,
  })
}

function paiseOf({ optionType, strike }: Instrument, forward: number): number {
  const price = black76Price(optionType ?? 'CE', forward, strike ?? 0, YEARS, RATE, VOLATILITY)
  return Math.round(price * 20) * 5
}

function inputOf(strike: number) {
  return { strike, call: legOf(option(strike, 'CE')), put: legOf(option(strike, 'PE')) }
}

function legOf(instrument: Instrument): LegInput {
  const paise = paiseOf(instrument, FORWARD)
  return {
    lastPrice: paise / 100,
    tradedInMinute: true,
    bid: (paise - 5) / 100,
    ask: (paise + 5) / 100,
    volume: 6_500,
    oi: 130_000,
  }
}
