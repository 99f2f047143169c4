import { readFileSync } from 'node:fs'
import type { TSchema } from 'typebox'
import Value from 'typebox/value'
import { describe, expect, it } from 'vitest'
import { CalendarStatus } from '../../../src/contract/api/calendar.ts'
import { ErrorBody, errorBody } from '../../../src/contract/api/error.ts'
import {
  ClientMessage,
  DROP_REASONS,
  HealthMessage,
  ServerMessage,
  STREAM_CHANNELS,
} from '../../../src/contract/api/stream.ts'
import {
  ChainStrike,
  Completeness,
  StreamChain,
  StreamChainHeader,
  StreamLeg,
  StrikeDistribution,
  StrikeDistributionQuery,
} from '../../../src/contract/api/strike-distribution.ts'
import {
  requestedMode,
  SUBSCRIBE_MAX_INSTRUMENTS,
  SubscribeRequest,
} from '../../../src/contract/api/subscriptions.ts'
import { ChannelTick } from '../../../src/contract/channels.ts'
import { chainAt, SERIES, type Series } from '../../web/synthetic-market.ts'

const CHAIN = chainAt(SERIES[0] as Series, 1, 0)

function withAges(chain: StreamChain): unknown {
  const aged = (leg: StreamLeg | null) => (leg === null ? null : { ...leg, age_ms: 40 })
  const strikes = chain.strikes.map(({ call, put, ...row }) => ({
    ...row,
    call: aged(call),
    put: aged(put),
  }))
  return { ...chain, age_ms: 310, strikes }
}

describe('a chain', () => {
  it('is the same on the stream and over REST, but for the ages', () => {
    expect(Value.Check(StreamChain, CHAIN)).toBe(true)
    expect(Value.Check(StrikeDistribution, CHAIN)).toBe(false)
    expect(Value.Check(StrikeDistribution, withAges(CHAIN))).toBe(true)
  })

  it('may know nothing of a contract but its name', () => {
    const leg: Record<string, unknown> = {}
    for (const field of Object.keys(StreamLeg.properties)) leg[field] = null
    leg['tradingsymbol'] = 'NIFTY26NOV26000CE'
    leg['instrument_token'] = 12_345_602
    expect(Value.Check(StreamLeg, leg)).toBe(true)
    expect(Value.Check(StreamLeg, { ...leg, oi: '0' })).toBe(false)
  })

  it('has every field that the API promises', () => {
    const promised =
      'tradingsymbol instrument_token ltp prev_close change change_percent open high low bid ask bid_quantity ask_quantity volume oi oi_prev_close oi_change iv iv_raw iv_reason delta gamma theta vega buildup last_trade_at age_ms source complete'
    const strike = CHAIN.strikes[0] as StreamChain['strikes'][number]
    for (const field of promised.split(' ')) {
      const call: Record<string, unknown> = { ...strike.call, age_ms: 40 }
      delete call[field]
      expect(Value.Check(ChainStrike, { ...strike, call, put: null }), field).toBe(false)
    }
  })

  it('says the unit or meaning of each of its figures', () => {
    for (const schema of [StreamLeg, StreamChainHeader, Completeness]) {
      const silent = Object.entries(schema.properties as Record<string, TSchema>)
        .filter(([field]) => field !== 'completeness')
        .filter(([, property]) => !('description' in property))
      expect(silent.map(([field]) => field)).toEqual([])
    }
  })
})

describe('a request', () => {
  it('names one instrument by token or by name, or many', () => {
    for (const body of [
      { instrument_token: 256_265 },
      { tradingsymbol: 'NIFTY26NOV26000CE', mode: 'FULL' },
      { tradingsymbol: 'RELIANCE', exchange: 'NSE', requested_mode: 'ltp' },
      { instruments: [{ instrument_token: 1 }, { tradingsymbol: 'A' }], priority: 'high' },
    ]) {
      expect(Value.Check(SubscribeRequest, body), JSON.stringify(body)).toBe(true)
    }
  })

  it('is refused where a key is misspelt, a mode unknown or a list too long', () => {
    const many = Array.from({ length: SUBSCRIBE_MAX_INSTRUMENTS + 1 }, (_, index) => ({
      instrument_token: index + 1,
    }))
    for (const body of [
      {},
      { instrument_token: '256265' },
      { instrument_token: 1, tradingsymbol: 'A' },
      { instrument_token: 1, mod: 'full' },
      { instrument_token: 1, mode: 'depth' },
      { instruments: [] },
      { instruments: many },
    ]) {
      expect(Value.Check(SubscribeRequest, body), JSON.stringify(body).slice(0, 60)).toBe(false)
    }
  })

  it('asks for a mode in any case, under either name, else for full', () => {
    expect(requestedMode({ mode: 'Quote' })).toBe('quote')
    expect(requestedMode({ requested_mode: 'LTP' })).toBe('ltp')
    expect(requestedMode({})).toBe('full')
    expect(requestedMode({ mode: 'depth' })).toBeUndefined()
  })

  it('takes a time as ISO text or epoch seconds, and no other text', () => {
    const query = (at: string) => Value.Check(StrikeDistributionQuery, { symbol: 'NIFTY', at })
    expect(['2026-11-23T10:15:00+05:30', '1795405200', '2026-11-23'].map(query)).toEqual([
      true,
      true,
      true,
    ])
    expect(['yesterday', '', '1795405200000'].map(query)).toEqual([false, false, false])
  })
})

describe('an error', () => {
  it('always has a code, a message and details', () => {
    expect(errorBody('bad_request', 'No such field.')).toEqual({
      error: { code: 'bad_request', message: 'No such field.', details: null },
    })
    const body = errorBody('capacity_exceeded', 'No room.', { capacity: 1_500 })
    expect(Value.Check(ErrorBody, body)).toBe(true)
    expect(Value.Check(ErrorBody, { error: { code: 'oops', message: '', details: null } })).toBe(
      false,
    )
  })
})

describe('the stream', () => {
  it('takes its four messages and refuses everything else', () => {
    const taken = [
      { op: 'subscribe', channel: 'chain', symbol: 'NIFTY50' },
      {
        op: 'subscribe',
        id: 'c1',
        channel: 'chain',
        symbol: 'N',
        expiry: '2026-11-23',
        strikes: 10,
      },
      { op: 'subscribe', channel: 'health' },
      { op: 'unsubscribe', id: 'c1' },
      { op: 'resnapshot', id: 'c1' },
    ]
    const refused = [
      { op: 'subscribe', channel: 'orders' },
      { op: 'subscribe', channel: 'chain' },
      { op: 'subscribe', channel: 'chain', symbol: 'NIFTY50', strike: 10 },
      { op: 'subscribe', channel: 'chain', symbol: 'NIFTY50', strikes: 0 },
      { op: 'unsubscribe' },
      { op: 'resnapshot', id: '' },
      'subscribe',
      null,
    ]
    expect(taken.filter((message) => !Value.Check(ClientMessage, message))).toEqual([])
    expect(refused.filter((message) => Value.Check(ClientMessage, message))).toEqual([])
  })

  it('sends a snapshot with its epoch and sequence', () => {
    const message = { op: 'snapshot', id: 'c1', channel: 'chain', age_ms: null, chain: CHAIN }
    expect(Value.Check(ServerMessage, { ...message, stream_epoch: 'e', sequence: 1 })).toBe(true)
    expect(Value.Check(ServerMessage, { ...message, stream_epoch: 'e' })).toBe(false)
  })
})

describe('the AsyncAPI document', () => {
  const text = readFileSync(new URL('../../../docs/asyncapi.yaml', import.meta.url), 'utf8')
  const missing = (words: readonly string[]) =>
    words.filter((word) => !new RegExp(`\\b${word}\\b`).test(text))

  it('names every field that the schemas name', () => {
    for (const schema of [
      StreamLeg,
      StreamChainHeader,
      Completeness,
      HealthMessage,
      CalendarStatus,
      ChannelTick,
    ]) {
      for (const field of Object.keys(schema.properties)) {
        expect(text.includes(`\n        ${field}: {`), field).toBe(true)
      }
    }
  })

  it('names every message, channel, drop reason and event type', () => {
    const messages = [
      'subscribe',
      'unsubscribe',
      'resnapshot',
      'snapshot',
      'delta',
      'error',
      'dropped',
    ]
    const events =
      'subscription_created subscription_removed subscription_deleted subscription_live feed_gap_opened feed_gap_closed account_down account_up instruments_refreshed'
    expect(
      missing([...messages, ...STREAM_CHANNELS, ...DROP_REASONS, ...events.split(' ')]),
    ).toEqual([])
  })
})
