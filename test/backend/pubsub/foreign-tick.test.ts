import { describe, expect, it } from 'vitest'
import { readTick } from '../../../src/backend/pubsub/foreign-tick.ts'
import { foreignIndex, foreignOption } from './foreign-ticks.ts'

function text(message: object): string {
  return JSON.stringify(message)
}

describe('a message of another publisher', () => {
  it('is an option’s packet, prices in the wire’s minor unit', () => {
    const read = readTick('options', text(foreignOption({ ltp: 101.35, oi: 6_500 })))
    expect(read).toMatchObject({
      instrument: { kind: 'option', symbol: 'NIFTY50', strike: 24_500, optionType: 'CE' },
      tick: { mode: 'full', lastPrice: 10_135, openInterest: 6_500 },
    })
  })

  it('counts its price for the time of the packet where the publisher knows no trade time', () => {
    const { last_trade_time_ms: _, ...untimed } = foreignOption({})
    expect(readTick('options', text(untimed))).toMatchObject({ tick: { mode: 'quote' } })
    expect(readTick('options', text(foreignOption({ last_trade_time_ms: null })))).toMatchObject({
      tick: { mode: 'full', lastTradeTimeS: undefined },
    })
  })

  it('of an index has neither volume nor open interest', () => {
    expect(readTick('underlying', text(foreignIndex({})))).toMatchObject({
      instrument: { kind: 'index' },
      tick: { isIndex: true, dayVolume: undefined, openInterest: undefined },
    })
  })

  it.each([
    ['not_json', '{"instrument_token":'],
    ['not_json', ''],
    ['too_long', `"${'x'.repeat(20_000)}"`],
    ['wrong_shape', 'null'],
    ['wrong_shape', '[]'],
    ['wrong_shape', '{}'],
    ['wrong_shape', text(foreignOption({ ltp: '101.35' as unknown as number }))],
    ['wrong_shape', text(foreignOption({ volume: 1.5 }))],
    ['wrong_shape', text({ ...foreignOption({}), oi: undefined })],
    ['impossible', text(foreignOption({ ltp: -1 }))],
    ['impossible', text(foreignOption({ oi: 2 ** 32 }))],
    ['impossible', text(foreignOption({ instrument_token: 0 }))],
    ['impossible', text(foreignOption({ tradingsymbol: '' }))],
    ['impossible', text(foreignOption({ strike: null }))],
    ['impossible', text(foreignOption({ exchange_time_ms: 1e15 }))],
  ])('is refused as %s: %s', (reason, message) => {
    expect(readTick('options', message)).toBe(reason)
  })
})
