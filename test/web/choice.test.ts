import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Choice, formatChoice, parseChoice } from '../../web/choice.ts'

const choices: fc.Arbitrary<Choice> = fc.record({
  symbol: fc.constantFrom(null, 'NIFTY50', 'SENSEX', 'M&M'),
  expiry: fc.constantFrom(null, '2026-11-23'),
  strikes: fc.constantFrom(10 as const, 20 as const, null),
})

describe('the choice in the address', () => {
  it('survives being written and read', () => {
    fc.assert(
      fc.property(choices, (choice) => {
        expect(parseChoice(formatChoice(choice))).toEqual(choice)
      }),
    )
  })

  it('is empty where everything is as the page opens', () => {
    expect(formatChoice({ symbol: null, expiry: null, strikes: 10 })).toBe('')
  })

  it('takes what it cannot read as not chosen', () => {
    expect(parseChoice('?symbol=%20&expiry=soon&strikes=7')).toEqual({
      symbol: null,
      expiry: null,
      strikes: 10,
    })
  })
})
