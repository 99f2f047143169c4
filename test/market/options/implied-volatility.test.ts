import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { black76Greeks, black76Price } from '../../../src/market/options/black76.ts'
import {
  DEFAULT_TICK_SIZE,
  impliedVolatility,
  isSolved,
  solveIvAndGreeks,
  unknownIvAndGreeks,
} from '../../../src/market/options/implied-volatility.ts'
import {
  impliedDeviation,
  normalisedBlack,
  normalisedVega,
} from '../../../src/market/options/normalised-black.ts'
import { referenceData } from '../../reference-data.ts'
import { type ExactValues, exactValues } from './exact-black.ts'
import { numberOf, readTable, textOf } from './reference-table.ts'
import { tickRoundedOptions } from './sample-options.ts'

const edgeCases = referenceData('analytics/iv_edge_cases.csv')

/** The table's names where ours differ; `ok_extreme` asks for a flag, which is low confidence here. */
const OUR_NAMES: Readonly<Record<string, string>> = {
  no_underlying: 'no_forward',
  ok_extreme: 'low_confidence',
}

describe.skipIf(edgeCases === undefined)('a price on or outside the no-arbitrage bounds', () => {
  const rows = edgeCases === undefined ? [] : readTable(edgeCases)

  it.each(
    rows.map((row) => [`${textOf(row, 'id')} (${textOf(row, 'expected_status')})`, row] as const),
  )('edge case %s has its status', (_, row) => {
    const expected = textOf(row, 'expected_status')
    const { status, iv } = impliedVolatility(
      textOf(row, 'type') === 'c' ? 'CE' : 'PE',
      numberOf(row, 'price'),
      numberOf(row, 'F'),
      numberOf(row, 'K'),
      numberOf(row, 'T_years'),
      numberOf(row, 'r'),
    )
    expect(status).toBe(OUR_NAMES[expected] ?? expected)
    if (isSolved(status)) expect(iv).toBeGreaterThan(0)
    else expect(iv).toBeNull()
  })

  it('are thirteen', () => {
    expect(rows).toHaveLength(13)
  })
})

describe('no implied volatility', () => {
  const statusOf = (price: number | null, forward: number | null = 26_000, timeYears = 0.01) =>
    impliedVolatility('CE', price, forward, 25_000, timeYears, 0).status

  it('says which of price, forward and time is missing', () => {
    expect(statusOf(null)).toBe('no_price')
    expect(statusOf(1_050, null)).toBe('no_forward')
    expect(statusOf(1_050, Number.NaN)).toBe('no_forward')
    expect(statusOf(1_050, 26_000, 0)).toBe('expired')
  })

  it('tells intrinsic value from less than intrinsic value, whatever the rounding', () => {
    const forward = 26_012.3
    const intrinsic = forward - 25_000
    expect(impliedVolatility('CE', intrinsic, forward, 25_000, 0.01, 0).status).toBe('at_intrinsic')
    expect(statusOf(999.95)).toBe('below_intrinsic')
    expect(statusOf(1_000.05)).not.toBe('below_intrinsic')
  })

  it('flags a number that half a tick would move by more than a vol point', () => {
    const deepInTheMoney = impliedVolatility('CE', 6_000.05, 26_000, 20_000, 7 / 365, 0)
    expect(deepInTheMoney.status).toBe('low_confidence')
    expect(impliedVolatility('CE', 1_000.01, 26_000, 25_000, 0.02, 0).status).toBe('low_confidence')
    expect(impliedVolatility('CE', 60, 26_000, 26_200, 0.02, 0).status).toBe('ok')
  })

  it('is a programming error without a strike or a rate', () => {
    expect(() => impliedVolatility('CE', 10, 26_000, 26_000, 0.01, Number.NaN)).toThrow(RangeError)
    expect(() => impliedVolatility('CE', 10, 26_000, 0, 0.01, 0)).toThrow(RangeError)
  })

  it('leaves the room for the answer as it was', () => {
    const room = unknownIvAndGreeks()
    expect(solveIvAndGreeks('PE', 0, 26_000, 25_000, 0.01, 0, 0.05, room)).toBe('zero_price')
    expect(room).toEqual(unknownIvAndGreeks())
  })
})

describe('implied volatility and Greeks of tick-rounded prices', () => {
  it('are within 1e-13 of the exact values of the same doubles', { timeout: 20_000 }, () => {
    const room = unknownIvAndGreeks()
    const figures = ['iv', 'delta', 'gamma', 'vega', 'rho'] as const
    for (const option of tickRoundedOptions(400, 7)) {
      const { optionType, price, forward, strike, timeYears, rate } = option
      solveIvAndGreeks(optionType, price, forward, strike, timeYears, rate, DEFAULT_TICK_SIZE, room)
      const truth: ExactValues = exactValues(
        optionType === 'CE',
        price,
        forward,
        strike,
        timeYears,
        rate,
      )
      const at = JSON.stringify(option)
      for (const figure of figures) {
        expect(Math.abs(room[figure] / truth[figure] - 1), `${figure} of ${at}`).toBeLessThan(1e-13)
      }
      // Decay and interest nearly cancel deep in the money, so that error is set against the parts.
      const interest = (rate * price) / 365
      expect(Math.abs(room.theta - truth.theta), `theta of ${at}`).toBeLessThan(
        1e-13 * (Math.abs(truth.theta) + interest),
      )
    }
  })

  it('are the Greeks of the formula at that volatility', () => {
    const room = unknownIvAndGreeks()
    solveIvAndGreeks('PE', 98.05, 23_465, 23_400, 6 / 365, 0.065, 0.05, room)
    const greeks = black76Greeks('PE', 23_465, 23_400, 6 / 365, 0.065, room.iv)
    for (const [name, value] of Object.entries(greeks)) {
      expect(room[name as keyof typeof greeks]).toBeCloseTo(value, 12)
    }
  })
})

const someOption = fc.record({
  forward: fc.double({ min: 5_000, max: 90_000, noNaN: true }),
  deviations: fc.double({ min: -5, max: 5, noNaN: true }),
  timeYears: fc.double({ min: 1 / 525_600, max: 2, noNaN: true }),
  rate: fc.double({ min: 0, max: 0.12, noNaN: true }),
  volatility: fc.double({ min: 0.03, max: 3, noNaN: true }),
})

describe('for any option', () => {
  it('call − put = e^{−rT}(F − K)', () => {
    fc.assert(
      fc.property(someOption, ({ forward, deviations, timeYears, rate, volatility }) => {
        const strike = forward * Math.exp(deviations * volatility * Math.sqrt(timeYears))
        const args = [forward, strike, timeYears, rate, volatility] as const
        const difference = black76Price('CE', ...args) - black76Price('PE', ...args)
        const parity = Math.exp(-rate * timeYears) * (forward - strike)
        expect(Math.abs(difference - parity)).toBeLessThan(1e-14 * (forward + strike))
      }),
    )
  })

  it('the volatility that made a price is found again from the out-of-the-money leg', () => {
    fc.assert(
      fc.property(someOption, ({ forward, deviations, timeYears, rate, volatility }) => {
        const deviation = volatility * Math.sqrt(timeYears)
        fc.pre(deviation < 3)
        const strike = forward * Math.exp(deviations * deviation)
        const optionType = strike >= forward ? 'CE' : 'PE'
        const price = black76Price(optionType, forward, strike, timeYears, rate, volatility)
        const { iv } = impliedVolatility(optionType, price, forward, strike, timeYears, rate)
        expect(Math.abs((iv ?? 0) / volatility - 1)).toBeLessThan(1e-12)
      }),
    )
  })

  it('a higher price never has a lower volatility', () => {
    fc.assert(
      fc.property(someOption, ({ forward, deviations, timeYears, rate, volatility }) => {
        const strike = forward * Math.exp(deviations * volatility * Math.sqrt(timeYears))
        const price = black76Price('CE', forward, strike, timeYears, rate, volatility)
        const ivAt = (p: number) => impliedVolatility('CE', p, forward, strike, timeYears, rate).iv
        const [lower, upper] = [ivAt(price), ivAt(price * 1.001)]
        fc.pre(lower !== null && upper !== null)
        expect(upper).toBeGreaterThanOrEqual(lower as number)
      }),
    )
  })
})

describe('the inverse of the normalised price', () => {
  it('meets the price from 1e-9 to 8 in log-moneyness and up to a deviation of 8', () => {
    const logOf = (min: number, max: number) =>
      fc.double({ min: Math.log(min), max: Math.log(max), noNaN: true }).map(Math.exp)
    fc.assert(
      fc.property(logOf(1e-9, 8), logOf(1e-5, 8), (distance, deviation) => {
        const x = -distance
        const value = normalisedBlack(x, deviation)
        fc.pre(value > 1e-290 && value < Math.exp(x / 2) * (1 - 1e-12))
        const found = impliedDeviation(x, value)
        // One rounding of the price moves the root by this much; deep in saturation that is a lot.
        const rounding = (value * 2 ** -53) / normalisedVega(x / deviation, deviation / 2)
        expect(Math.abs(found - deviation)).toBeLessThan(1e-13 * deviation + 4 * rounding)
      }),
      { numRuns: 2_000 },
    )
  })

  it('knows the price at the money exactly', () => {
    expect(impliedDeviation(0, normalisedBlack(0, 0.2))).toBeCloseTo(0.2, 15)
    expect(normalisedBlack(0, 0.2)).toBeCloseTo(0.0796556745540577, 15)
  })
})
