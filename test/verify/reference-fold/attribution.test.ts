import { describe, expect, it } from 'vitest'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import {
  attribute,
  type NotFoldedReason,
  type Packet,
} from '../../../src/verify/reference-fold/attribution.ts'
import { at, FUTURE, INDEX, type PacketScript, packet } from './written-log.ts'

const COVERED_FROM = '09:20:30.400'

function attributed(
  instrument: Instrument,
  script: PacketScript,
  coveredFrom = COVERED_FROM,
): Packet | NotFoldedReason {
  const tick = packet(instrument, script)
  const stretches = [{ fromMs: at(coveredFrom), toMs: Infinity, mode: 'full' as const }]
  const facts = { instrument, partition: 0, stretches }
  return attribute({ tick, epoch: 1, sequence: 1 }, facts, exchangeCalendar())
}

function folded(instrument: Instrument, script: PacketScript): Packet {
  const packet = attributed(instrument, script)
  if (typeof packet === 'string') throw new Error(`not folded: ${packet}`)
  return packet
}

describe('the quote of a packet', () => {
  it('is of its exchange time, else of market time', () => {
    const script = { price: 1, exchange: '10:00:59', market: '10:01:03' }
    expect(folded(FUTURE, script).quoteMinuteMs).toBe(at('10:00'))
    const quote = { price: 1, mode: 'quote', market: '10:01:03' } as const
    expect(folded(FUTURE, quote).quoteMinuteMs).toBe(at('10:01'))
  })

  it('is of market time where the exchange time is more than 5 s ahead', () => {
    const ahead = (market: string) => folded(FUTURE, { price: 1, exchange: '10:01:04', market })
    expect(ahead('10:00:59').quoteMinuteMs).toBe(at('10:01'))
    expect(ahead('10:00:58.999').quoteMinuteMs).toBe(at('10:00'))
  })

  it.each<[NotFoldedReason, PacketScript]>([
    ['no_session', { price: 1, exchange: '10:00', date: '2026-11-21' }],
    ['outside_session', { price: 1, exchange: '09:14:59' }],
    ['outside_session', { price: 1, exchange: '15:40:00' }],
  ])('is not folded: %s', (reason, script) => {
    expect(attributed(FUTURE, script)).toBe(reason)
  })

  it('is not folded of another date, nor without coverage in that session', () => {
    const yesterday = packet(FUTURE, { price: 1, exchange: '15:39:59', date: '2026-11-19' })
    const late = { ...yesterday, marketTimeMs: at('09:16') }
    const facts = {
      instrument: FUTURE,
      partition: 0,
      stretches: [{ fromMs: at('09:15'), toMs: Infinity, mode: 'full' as const }],
    }
    const attributeTick = (tick: typeof yesterday) =>
      attribute({ tick, epoch: 1, sequence: 1 }, facts, exchangeCalendar())
    expect(attributeTick(late)).toBe('other_date')
    expect(attributeTick(yesterday)).toBe('not_covered')
  })

  it('is not folded after the contract has expired', () => {
    const expired = { ...FUTURE, expiry: '2026-11-19' }
    expect(attributed(expired, { price: 1, exchange: '10:00' })).toBe('no_session')
  })
})

describe('the trade of a packet', () => {
  it('is of its own minute, whatever the quote is of', () => {
    const script = { price: 1, exchange: '10:01:02', trade: '10:00:59' }
    expect(folded(FUTURE, script)).toMatchObject({
      quoteMinuteMs: at('10:01'),
      tradeMinuteMs: at('10:00'),
      isTradeOfSameSession: true,
    })
  })

  it('is at most 5 s ahead of market time', () => {
    const script = { price: 1, exchange: '10:00:50', market: '10:00:50', trade: '10:30:00' }
    expect(folded(FUTURE, script).trade?.second).toBe(at('10:00:55') / 1000)
  })

  it('is of an unknown earlier time where a full packet does not say', () => {
    expect(folded(FUTURE, { price: 1, exchange: '10:00', volume: 65 })).toMatchObject({
      tradeMinuteMs: null,
      trade: { second: 0, price: 1, isExact: false },
    })
  })

  it('is none where there is no price', () => {
    expect(folded(FUTURE, { price: 0, mode: 'ltp' }).trade).toBeNull()
    expect(folded(FUTURE, { price: 0, exchange: '10:00', trade: '10:00' }).trade).toBeNull()
  })

  it('is the quote itself of an index and of a short packet', () => {
    expect(folded(INDEX, { price: 1, exchange: '10:00:07' }).trade).toMatchObject({
      second: at('10:00:07') / 1000,
      isExact: false,
    })
    const short = { price: 1, mode: 'ltp', market: '10:00:07.500' } as const
    expect(folded(FUTURE, short).tradeMinuteMs).toBe(at('10:00'))
  })

  it('counts from the second on in which coverage began', () => {
    const minuteOf = (trade: string) =>
      folded(FUTURE, { price: 1, exchange: '09:21', trade }).tradeMinuteMs
    expect(minuteOf('09:20:30')).toBe(at('09:20'))
    expect(minuteOf('09:20:29')).toBeNull()
  })

  it('does not count of the day before', () => {
    const script = { price: 1, exchange: '09:30', trade: '15:00', tradeDate: '2026-11-19' }
    expect(folded(FUTURE, script)).toMatchObject({ tradeMinuteMs: null, trade: { price: 1 } })
  })
})
