import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  applyDelta,
  diffChain,
  HEADER_FIELDS,
  LEG_FIELDS,
} from '../../../src/contract/api/chain-delta.ts'
import type { ChainDelta } from '../../../src/contract/api/stream.ts'
import {
  type StreamChain,
  StreamChainHeader,
  StreamLeg,
  type StreamStrike,
} from '../../../src/contract/api/strike-distribution.ts'

const figure = fc.option(fc.integer({ min: 1, max: 9 }), { nil: null })

const legs: fc.Arbitrary<StreamLeg | null> = fc.option(
  fc.record({
    tradingsymbol: fc.constantFrom('NIFTY26N2426000CE', 'NIFTY26N2426000PE'),
    instrument_token: fc.integer({ min: 1, max: 3 }),
    ltp: figure,
    prev_close: figure,
    change: figure,
    change_percent: figure,
    open: figure,
    high: figure,
    low: figure,
    bid: figure,
    ask: figure,
    bid_quantity: figure,
    ask_quantity: figure,
    volume: figure,
    oi: figure,
    oi_prev_close: figure,
    oi_change: figure,
    iv: figure,
    iv_raw: figure,
    iv_reason: fc.constantFrom(null, 'stale', 'no_forward'),
    delta: figure,
    gamma: figure,
    theta: figure,
    vega: figure,
    buildup: fc.constantFrom(null, 'neutral' as const),
    last_trade_at: fc.constantFrom(null, '2026-11-23T10:15:02.000+05:30'),
    source: fc.constantFrom(null, 'live' as const, 'snapshot' as const),
    complete: fc.constantFrom(null, true, false),
  }),
  { nil: null },
)

const strikes: fc.Arbitrary<StreamStrike[]> = fc
  .uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 12 })
  .map((list) => list.sort((a, b) => a - b))
  .chain((list) =>
    fc.tuple(
      ...list.map((step) =>
        fc.record({
          strike: fc.constant(25_000 + 50 * step),
          moneyness: fc.constantFrom(null, 'ATM', 'OTM1'),
          call: legs,
          put: legs,
        }),
      ),
    ),
  )

const chains: fc.Arbitrary<StreamChain> = fc.record({
  symbol: fc.constant('NIFTY50'),
  expiry: fc.constantFrom('2026-11-23', '2026-12-01'),
  bucket_time: fc.constantFrom(null, '2026-11-23T10:15:00.000+05:30'),
  as_of: fc.constantFrom(null, '2026-11-23T10:15:02.000+05:30'),
  feed: fc.constant('simulated' as const),
  spot: figure,
  spot_stale: fc.boolean(),
  future: figure,
  forward: figure,
  forward_source: fc.constantFrom(null, 'parity'),
  india_vix: figure,
  atm_strike: figure,
  pcr_oi: figure,
  pcr_volume: figure,
  max_pain: figure,
  max_pain_high: figure,
  atm_iv: figure,
  straddle: figure,
  expected_move: figure,
  total_call_oi: figure,
  total_put_oi: figure,
  total_call_volume: figure,
  total_put_volume: figure,
  lot_size: figure,
  days_to_expiry: fc.nat(3),
  minutes_to_expiry: fc.nat(3),
  completeness: fc.record({
    strikes_listed: figure,
    strikes_streamed: figure,
    strikes_present: figure,
    complete: fc.boolean(),
  }),
  strikes,
})

function overTheWire(delta: ChainDelta): ChainDelta {
  return JSON.parse(JSON.stringify(delta)) as ChainDelta
}

function chain(): StreamChain {
  return fc.sample(
    chains.filter((sample) => sample.strikes.length > 2 && sample.strikes.every((row) => row.call)),
    { numRuns: 1, seed: 7 },
  )[0] as StreamChain
}

describe('the difference of two chains', () => {
  it('applied to the first gives the second, also after a trip over the wire', () => {
    fc.assert(
      fc.property(chains, chains, (before, after) => {
        const delta = diffChain(before, after)
        const result = delta === undefined ? before : applyDelta(before, overTheWire(delta))
        expect(result).toEqual(after)
      }),
      { numRuns: 300 },
    )
  })

  it('is nothing between equal chains, whether or not they share objects', () => {
    fc.assert(
      fc.property(chains, (before) => {
        expect(diffChain(before, before)).toBeUndefined()
        expect(diffChain(before, structuredClone(before))).toBeUndefined()
      }),
      { numRuns: 50 },
    )
  })

  it('carries only the fields that changed', () => {
    const before = chain()
    const after = structuredClone(before)
    const leg = after.strikes[1]?.call as StreamLeg
    leg.ltp = 101.5
    leg.oi = null
    after.pcr_oi = 0.916
    expect(diffChain(before, after)).toEqual({
      header: { pcr_oi: 0.916 },
      strikes: [{ strike: after.strikes[1]?.strike, call: { ltp: 101.5, oi: null } }],
    })
  })

  it('keeps the objects of strikes and legs that did not change', () => {
    const before = chain()
    const after = structuredClone(before)
    ;(after.strikes[1]?.call as StreamLeg).ltp = 101.5
    const result = applyDelta(before, diffChain(before, after) as ChainDelta)
    expect(result.strikes[0]).toBe(before.strikes[0])
    expect(result.strikes[1]).not.toBe(before.strikes[1])
    expect(result.strikes[1]?.put).toBe(before.strikes[1]?.put)
  })

  it('answers the same chain for a delta that holds nothing', () => {
    const before = chain()
    expect(applyDelta(before, {})).toBe(before)
  })

  it('looks at every field of the schemas', () => {
    expect([...LEG_FIELDS].sort()).toEqual(Object.keys(StreamLeg.properties).sort())
    expect([...HEADER_FIELDS, 'completeness'].sort()).toEqual(
      Object.keys(StreamChainHeader.properties).sort(),
    )
  })
})
