import { describe, expect, it } from 'vitest'
import type { LiveAnalytics } from '../../../src/backend/chain/live-chains.ts'
import { BarFold } from '../../../src/market/bar.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { floorToMinute, MINUTE_MS } from '../../../src/market/ist.ts'
import { LISTED, LiveMarket, premium } from '../api/live-market.ts'
import { NIFTY, OPTIONS } from '../scenario.ts'

const START_MS = Date.parse('2026-11-23T10:00:00+05:30')

type Step = (market: LiveMarket) => void

/** Each a second after the one before, so that the forward is computed anew every time. */
const STEPS: readonly Step[] = [
  (market) => market.tickAll(START_MS, 24_500),
  ...OPTIONS.slice(0, 6).map((option, i): Step => {
    return (market) => market.tick(option, START_MS + (i + 1) * 1_000, premium(option, 24_500) + 3)
  }),
  (market) => market.tick(NIFTY, START_MS + 7_000, 24_530),
  (market) => market.tick(OPTIONS[0] as Instrument, START_MS + MINUTE_MS, 91),
]

function analyticsOf(market: LiveMarket, option: Instrument): LiveAnalytics | undefined {
  const bar = new BarFold(floorToMinute(market.chains.marketTimeMs))
  return market.chains.analyticsOf(market.barsOf(option), bar)
}

describe('a chain of what the store knows, before any log has told the time', () => {
  it('is as of its newest minute', () => {
    const market = new LiveMarket()
    const spot = 24_500
    for (const instrument of [NIFTY, ...OPTIONS]) {
      const price = instrument === NIFTY ? spot : premium(instrument, spot)
      market.chains.seed(market.barsOf(instrument), {
        exchange: instrument.exchange,
        tradingsymbol: instrument.tradingsymbol,
        minuteMs: START_MS,
        close: price,
        dayVolume: 1_000,
        oi: 5_000,
        bid: price - 0.05,
        ask: price + 0.05,
        source: 'live',
        openKey: new Uint8Array(27),
      })
    }
    const [option] = OPTIONS as readonly [Instrument]
    const chain = market.chains.chain(option.symbol, option.expiry ?? '')
    expect(chain?.minuteMs).toBe(START_MS)
    expect(Math.abs((chain?.analytics.metrics.forward ?? 0) - spot)).toBeLessThan(30)
  })
})

describe('IV and Greeks of the rows of an open minute', () => {
  it('are those of the quotes as they stand, whatever was asked before', () => {
    const asked = new LiveMarket()
    let changes = 0
    let before: string | undefined
    STEPS.forEach((step, i) => {
      step(asked)
      for (const option of OPTIONS) {
        const afresh = new LiveMarket()
        for (const earlier of STEPS.slice(0, i + 1)) earlier(afresh)
        expect(analyticsOf(asked, option)).toEqual(analyticsOf(afresh, option))
      }
      const all = JSON.stringify(OPTIONS.map((option) => analyticsOf(asked, option)))
      if (all !== before) changes++
      before = all
    })
    // Else nothing was put to the test.
    expect(changes).toBe(STEPS.length)
    expect(analyticsOf(asked, OPTIONS[0] as Instrument)?.leg.iv).toBeGreaterThan(0)
  })

  it('are gone with the listing of a series, and back with it', () => {
    const market = new LiveMarket()
    market.tickAll(START_MS, 24_500)
    const [option] = OPTIONS as readonly [Instrument]
    const known = analyticsOf(market, option)
    market.chains.replaceMaster(new InstrumentMaster([NIFTY]))
    expect(analyticsOf(market, option)).toBeUndefined()
    market.chains.replaceMaster(new InstrumentMaster(LISTED))
    expect(analyticsOf(market, option)).toEqual(known)
  })
})
