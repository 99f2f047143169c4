/** Keys come back as they were, and their bytes are in the keys' order. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeCloseKey,
  decodeOpenKey,
  decodeQuoteKey,
  encodeCloseKey,
  encodeOpenKey,
  encodeQuoteKey,
} from '../../../src/backend/bars/key-bytes.ts'
import { compareCloseKeys, compareOpenKeys, compareQuoteKeys } from '../../../src/market/bar.ts'

const seconds = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
const counts = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 2 ** 48 - 1 }))
const arrival = { receivedAtMs: counts, epoch: seconds, sequence: counts }
const quoteKey = fc.record({ exchangeTimeS: seconds, ...arrival })
const tradeKey = fc.record({
  ...{ tradeTimeS: seconds, dayVolume: counts, exact: fc.boolean() },
  ...arrival,
})

describe('keys as bytes', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(tradeKey, quoteKey, (trade, quote) => {
        expect(decodeOpenKey(encodeOpenKey(trade))).toEqual(trade)
        expect(decodeCloseKey(encodeCloseKey(trade))).toEqual(trade)
        expect(decodeQuoteKey(encodeQuoteKey(quote))).toEqual(quote)
      }),
    )
  })

  it('are in the order of the quotes', () => {
    fc.assert(
      fc.property(quoteKey, quoteKey, (a, b) => {
        expect(Buffer.compare(encodeQuoteKey(a), encodeQuoteKey(b))).toBe(
          Math.sign(compareQuoteKeys(a, b)),
        )
      }),
    )
  })

  it('are in the order of closing trades', () => {
    fc.assert(
      fc.property(tradeKey, tradeKey, (a, b) => {
        expect(Buffer.compare(encodeCloseKey(a), encodeCloseKey(b))).toBe(
          Math.sign(compareCloseKeys(a, b)),
        )
      }),
    )
  })

  it('are in the order of opening trades, of reports of one trade too', () => {
    fc.assert(
      fc.property(tradeKey, tradeKey, (a, b) => {
        const same = { ...b, exact: a.exact }
        expect(Buffer.compare(encodeOpenKey(a), encodeOpenKey(same))).toBe(
          Math.sign(compareOpenKeys(a, same)),
        )
      }),
    )
  })
})
