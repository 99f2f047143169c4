/** Chains for tests: legs with defaults, chains priced by Black-76, and the published examples. */
import { readFileSync } from 'node:fs'
import { black76Price } from '../../../src/market/options/black76.ts'
import type { LegInput, StrikeInput } from '../../../src/market/options/strike.ts'
import { referenceData } from '../../reference-data.ts'

/** A leg that traded at `lastPrice` in the minute and has no quotes. */
export function traded(lastPrice: number, more: Partial<LegInput> = {}): LegInput {
  return {
    lastPrice,
    tradedInMinute: true,
    bid: null,
    ask: null,
    volume: null,
    oi: null,
    ...more,
  }
}

/** A leg that is quoted but did not trade in the minute. */
export function quoted(bid: number, ask: number, more: Partial<LegInput> = {}): LegInput {
  return traded(0, { lastPrice: null, tradedInMinute: false, bid, ask, ...more })
}

/** A leg of which only its open interest is known. */
export function held(oi: number): LegInput {
  return { lastPrice: null, tradedInMinute: false, bid: null, ask: null, volume: null, oi }
}

export interface Market {
  readonly forward: number
  readonly timeYears: number
  readonly rate: number
  readonly volatility: (strike: number) => number
}

/** A chain whose every leg traded at its exact Black-76 price. */
export function pricedChain(strikes: readonly number[], market: Market): StrikeInput[] {
  return strikes.map((strike) => {
    const { forward, timeYears, rate } = market
    const args = [forward, strike, timeYears, rate, market.volatility(strike)] as const
    return {
      strike,
      call: traded(black76Price('CE', ...args), { oi: 650, volume: 1_300 }),
      put: traded(black76Price('PE', ...args), { oi: 325, volume: 975 }),
    }
  })
}

/** Strikes from `low` to `high`. */
export function ladder(low: number, high: number, step: number): number[] {
  return Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => low + i * step)
}

interface PublishedExamples {
  readonly max_pain: readonly {
    readonly multiplier: number
    readonly strikes: readonly number[]
    readonly put_oi: readonly number[]
    readonly call_oi: readonly number[]
    readonly payout: readonly number[]
    readonly max_pain: number
  }[]
  readonly synthetic_future: readonly {
    readonly spot: number
    readonly step: number
    readonly spot_atm: number
    readonly ce: number
    readonly pe: number
    readonly synthetic: number
    readonly synthetic_atm: number
  }[]
  readonly oi_units: readonly {
    readonly contracts: number
    readonly lot: number
    readonly units: number
  }[]
  readonly gex: readonly {
    readonly spot: number
    readonly mult: number
    readonly legs: readonly {
      readonly type: 'c' | 'p'
      readonly gamma: number
      readonly oi: number
      readonly gex: number
    }[]
    readonly net: number
  }[]
  readonly risk_reversal_butterfly: readonly {
    readonly atm?: number
    readonly put25: number
    readonly call25: number
    readonly rr_call_minus_put: number
    readonly bf?: number
  }[]
}

/** Worked examples from elsewhere; undefined where the reference data is absent. */
export function publishedExamples(): PublishedExamples | undefined {
  const file = referenceData('analytics/metrics_fixtures.json')
  return file === undefined ? undefined : JSON.parse(readFileSync(file, 'utf8'))
}
