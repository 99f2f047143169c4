import { describe, expect, it } from 'vitest'
import { black76Greeks, black76Price, type Greeks } from '../../../src/market/options/black76.ts'
import { impliedVolatility } from '../../../src/market/options/implied-volatility.ts'
import { referenceData } from '../../reference-data.ts'
import { numberOf, readTable, type TableRow, textOf } from './reference-table.ts'

const table = referenceData('analytics/greeks_reference.csv')

/** A row's option on its forward; a spot option (`bsm`) is one on S·e^{(r−q)T}. */
function optionOf(row: TableRow) {
  const timeYears = numberOf(row, 'T_years')
  const rate = numberOf(row, 'r')
  const carry = textOf(row, 'model') === 'bsm' ? rate - numberOf(row, 'q') : 0
  const forward = numberOf(row, 'S_or_F') * Math.exp(carry * timeYears)
  const optionType = textOf(row, 'type') === 'c' ? 'CE' : 'PE'
  const strike = numberOf(row, 'K')
  const volatility = numberOf(row, 'sigma')
  const args = [optionType, forward, strike, timeYears, rate, volatility] as const
  return { timeYears, carry, forward, strike, rate, volatility, optionType, args } as const
}

/** Sensitivities to spot, rate and dividend follow from those to the forward by the chain rule. */
function quantityOf(row: TableRow): number {
  const option = optionOf(row)
  const { timeYears, carry, forward, args } = option
  const price = black76Price(...args)
  const greeks: Greeks = black76Greeks(...args)
  const dForward = Math.exp(carry * timeYears)
  const spot = numberOf(row, 'S_or_F')
  const thetaDay = greeks.theta - (greeks.delta * forward * carry) / 365
  const forwardRho = textOf(row, 'model') === 'bsm' ? greeks.delta * forward * timeYears : 0
  const rho = 100 * greeks.rho + forwardRho
  const deviation = option.volatility * Math.sqrt(timeYears)
  const d1 = Math.log(forward / option.strike) / deviation + deviation / 2
  const quantities: Record<string, number> = {
    price,
    delta: greeks.delta * dForward,
    gamma: greeks.gamma * dForward * dForward,
    theta_day365: thetaDay,
    theta_year: thetaDay * 365,
    vega: greeks.vega * 100,
    vega_1pct: greeks.vega,
    rho,
    rho_1pct: rho / 100,
    dividend_rho: -greeks.delta * forward * timeYears,
    elasticity: (greeks.delta * dForward * spot) / price,
    d1,
    d2: d1 - deviation,
    implied_vol:
      impliedVolatility(
        option.optionType,
        Number(/input price ([\d.]+)/.exec(textOf(row, 'note'))?.[1] ?? price),
        forward,
        option.strike,
        timeYears,
        option.rate,
      ).iv ?? Number.NaN,
  }
  const quantity = quantities[textOf(row, 'quantity')]
  if (quantity === undefined) throw new Error(`no such quantity: ${textOf(row, 'quantity')}`)
  return quantity
}

describe.skipIf(table === undefined)('published option values', () => {
  const rows = table === undefined ? [] : readTable(table)

  it('are all there', () => {
    expect(rows).toHaveLength(338)
  })

  it.each(rows.map((row) => [`${textOf(row, 'id')} ${textOf(row, 'quantity')}`, row] as const))(
    'row %s is met within its tolerance',
    (_, row) => {
      const error = Math.abs(quantityOf(row) - numberOf(row, 'expected'))
      expect(error).toBeLessThanOrEqual(numberOf(row, 'tolerance'))
    },
  )

  it('are met to 1e-12 of their forty-digit form', () => {
    for (const row of rows) {
      const truth = numberOf(row, 'formula_check_40digit')
      const error = Math.abs(quantityOf(row) - truth)
      expect(error, textOf(row, 'id')).toBeLessThan(1e-12 * Math.max(1, Math.abs(truth)))
    }
  })
})

describe('the units of the Greeks', () => {
  const args = ['CE', 26_000, 26_100, 7 / 365, 0.065, 0.12] as const
  const greeks = black76Greeks(...args)
  const priceWith = (change: Partial<Record<'forward' | 'time' | 'rate' | 'vol', number>>) =>
    black76Price(
      'CE',
      26_000 + (change.forward ?? 0),
      26_100,
      7 / 365 + (change.time ?? 0),
      0.065 + (change.rate ?? 0),
      0.12 + (change.vol ?? 0),
    )

  it('delta is rupees per 1.00 of the forward, gamma its change per point', () => {
    expect(greeks.delta).toBeCloseTo(
      (priceWith({ forward: 1 }) - priceWith({ forward: -1 })) / 2,
      6,
    )
    const bend = priceWith({ forward: 1 }) - 2 * priceWith({}) + priceWith({ forward: -1 })
    expect(greeks.gamma).toBeCloseTo(bend, 7)
  })

  it('vega is rupees per vol point, rho per point of the rate, theta per calendar day', () => {
    expect(greeks.vega).toBeCloseTo((priceWith({ vol: 1e-4 }) - priceWith({ vol: -1e-4 })) * 50, 5)
    expect(greeks.rho).toBeCloseTo((priceWith({ rate: 1e-4 }) - priceWith({ rate: -1e-4 })) * 50, 7)
    const hour = 1 / 8760
    const decay = (priceWith({ time: -hour / 2 }) - priceWith({ time: hour / 2 })) * 24
    expect(greeks.theta).toBeCloseTo(decay, 3)
    expect(greeks.theta).toBeLessThan(0)
  })
})
