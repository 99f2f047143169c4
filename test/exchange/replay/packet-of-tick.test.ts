import { describe, expect, it } from 'vitest'
import { packetOfTick } from '../../../src/exchange/replay/packet-of-tick.ts'
import { decodePacket } from '../../../src/kite/packet.ts'
import type { JournalledTick, Tick, TickMode } from '../../../src/market/tick.ts'
import { FUTURE, NIFTY, OPEN_MS, packet } from '../../backend/scenario.ts'

/** All that the journal keeps of a packet but its arrival. */
const KEPT = [
  'token',
  'mode',
  'isIndex',
  'lastPrice',
  'lastQuantity',
  'averagePrice',
  'dayVolume',
  'dayOpen',
  'dayHigh',
  'dayLow',
  'previousClose',
  'lastTradeTimeS',
  'exchangeTimeS',
  'openInterest',
  'bidPrice',
  'bidQuantity',
  'askPrice',
  'askQuantity',
] as const satisfies readonly (keyof Tick)[]

function kept(tick: Tick | undefined) {
  return Object.fromEntries(KEPT.map((field) => [field, tick?.[field]]))
}

/** As it comes back from the bytes of its packet in a mode. */
function roundTrip(tick: JournalledTick, mode: TickMode) {
  return decodePacket(Buffer.from(packetOfTick(tick, mode)))
}

describe('a journalled tick as a packet', () => {
  it.each([
    ['a future', packet(FUTURE, OPEN_MS, 24_510, { dayVolume: 65, openInterest: 6_500 })],
    ['an index', packet(NIFTY, OPEN_MS, 24_500)],
    [
      'a contract that never traded, with an empty book',
      packet(FUTURE, OPEN_MS, 0, {
        lastTradeTimeS: undefined,
        dayVolume: 0,
        bidPrice: undefined,
        bidQuantity: undefined,
        askPrice: undefined,
        askQuantity: undefined,
      }),
    ],
  ])('says of %s all that the journal kept', (_, tick) => {
    expect(kept(roundTrip(tick, 'full'))).toEqual(kept(tick))
  })

  it('carries no more than the mode asked for, and no more than was journalled', () => {
    const full = packet(FUTURE, OPEN_MS, 24_510)
    expect(roundTrip(full, 'ltp')?.mode).toBe('ltp')
    expect(roundTrip(full, 'quote')?.mode).toBe('quote')
    expect(roundTrip({ ...full, mode: 'quote' }, 'full')?.mode).toBe('quote')
    expect(roundTrip({ ...packet(NIFTY, OPEN_MS, 1), mode: 'ltp' }, 'full')?.mode).toBe('ltp')
  })
})
