/**
 * A real chain with a vendor's figures: NIFTY of 27 June 2024 at the close of 21 June, 112 strikes.
 * The vendor's volatility is Black-76 on K + C − P at the money, r = 0, calendar days to 15:30.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { computeChain } from '../../../src/market/options/chain.ts'
import { impliedVolatility } from '../../../src/market/options/implied-volatility.ts'
import { strikeWindow } from '../../../src/market/options/moneyness.ts'
import { otmType, type StrikeInput } from '../../../src/market/options/strike.ts'
import { referenceData } from '../../reference-data.ts'

interface VendorLeg {
  readonly market_data: {
    readonly ltp: number
    readonly volume: number
    readonly oi: number
    readonly bid_price: number
    readonly ask_price: number
  }
  readonly option_greeks: { readonly iv: number; readonly delta: number }
}

interface VendorStrike {
  readonly strike_price: number
  readonly underlying_spot_price: number
  readonly call_options: VendorLeg
  readonly put_options: VendorLeg
}

const file = referenceData(
  'option-chains/upstox_option_chain_NIFTY_exp2024-06-27_at_2024-06-21_close.json',
)
const rows: readonly VendorStrike[] =
  file === undefined ? [] : JSON.parse(readFileSync(file, 'utf8')).data
const SPOT = 23_501.1
const SIX_DAYS = 6 / 365

const legOf = ({ market_data }: VendorLeg) => ({
  lastPrice: market_data.ltp,
  tradedInMinute: market_data.volume > 0,
  bid: market_data.bid_price,
  ask: market_data.ask_price,
  volume: market_data.volume,
  oi: market_data.oi,
})

const strikes: readonly StrikeInput[] = rows.map((row) => ({
  strike: row.strike_price,
  call: legOf(row.call_options),
  put: legOf(row.put_options),
}))

function chainOf(some: readonly StrikeInput[]) {
  return computeChain({
    expiryCloseMs: Date.parse('2024-06-27T15:30:00+05:30'),
    barEndMs: Date.parse('2024-06-21T15:30:00+05:30'),
    rate: 0,
    strikes: some,
    spot: SPOT,
    future: null,
  })
}

describe.skipIf(file === undefined)('a real chain', () => {
  const chain = chainOf(strikes)

  it('has the PCR and max pain of all its strikes', () => {
    expect(rows).toHaveLength(112)
    expect(chain.metrics).toMatchObject({
      totalCallOi: 114_701_175,
      totalPutOi: 105_014_150,
      maxPain: 23_400,
      maxPainHigh: 23_400,
      strikesPresent: 112,
    })
    expect(chain.metrics.pcrOi).toBeCloseTo(0.9155455, 7)
  })

  it('has others in a window of ten strikes each side', () => {
    const inside = strikeWindow(
      strikes.map(({ strike }) => strike),
      SPOT,
      10,
    )
    const { pcrOi, maxPain } = chainOf(
      strikes.filter(({ strike }) => inside.includes(strike)),
    ).metrics
    expect(pcrOi).toBeCloseTo(0.766498, 6)
    expect(maxPain).toBe(23_500)
  })

  it("has the vendor's volatility to 0.3 vol points within 600 points of the money", () => {
    const money = rows.find((row) => row.strike_price === 23_500)
    const call = money?.call_options.market_data.ltp ?? 0
    const put = money?.put_options.market_data.ltp ?? 0
    const forward = 23_500 + call - put
    const near = rows.filter((row) => Math.abs(row.strike_price - SPOT) <= 600)
    expect(near).toHaveLength(24)
    for (const row of near) {
      const optionType = otmType(row.strike_price, forward)
      const leg = optionType === 'CE' ? row.call_options : row.put_options
      const { status, iv } = impliedVolatility(
        optionType,
        leg.market_data.ltp,
        forward,
        row.strike_price,
        SIX_DAYS,
        0,
      )
      expect(status).toBe('ok')
      expect(Math.abs((iv ?? 0) * 100 - leg.option_greeks.iv), `${row.strike_price}`).toBeLessThan(
        0.3,
      )
    }
  })

  it('has a forward below spot, and at-the-money figures about it', () => {
    expect(chain.forward).toMatchObject({ source: 'parity', pairs: 5 })
    expect(Math.abs((chain.forward?.forward ?? 0) - 23_465)).toBeLessThan(2)
    expect(chain.metrics.atmStrike).toBe(23_450)
    expect(chain.metrics.atmIv).toBeGreaterThan(0.105)
    expect(chain.metrics.atmIv).toBeLessThan(0.108)
    expect(chain.metrics.straddle).toBe(136 + 121)
    expect(chain.metrics.rr25).toBeLessThan(0)
  })

  it('gives every leg a volatility and sane Greeks, deep in the money too', () => {
    for (const [i, { call, put }] of chain.strikes.entries()) {
      expect(call?.ivReason ?? put?.ivReason ?? null, `${strikes[i]?.strike}`).toBeNull()
      expect(call?.delta).toBeGreaterThan(0)
      expect(put?.delta).toBeLessThan(0)
      expect((call?.delta ?? 0) - (put?.delta ?? 0)).toBeCloseTo(1, 12)
    }
  })

  it("has the vendor's deltas to 0.03 within 600 points of the money", () => {
    for (const [i, row] of rows.entries()) {
      if (Math.abs(row.strike_price - SPOT) > 600) continue
      const analysed = chain.strikes[i]
      const callError = (analysed?.call?.delta ?? 0) - row.call_options.option_greeks.delta
      const putError = (analysed?.put?.delta ?? 0) - row.put_options.option_greeks.delta
      expect(Math.abs(callError), `${row.strike_price} CE`).toBeLessThan(0.03)
      expect(Math.abs(putError), `${row.strike_price} PE`).toBeLessThan(0.03)
    }
  })
})
