import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ReadEvent, readEvent } from '../../../src/backend/lifecycle/parse-event.ts'
import { LIFECYCLE_EVENT_MAX_CHARS } from '../../../src/limits.ts'

const BY_HAND =
  '{"event_type":"subscription_created","instrument_token":256265,"metadata":{"tradingsymbol":"NIFTY 50","segment":"INDICES"},"timestamp":1730462400}'

const FULL = {
  event_id: '1795405200-17',
  event_type: 'subscription_removed',
  instrument_token: 12_345_602,
  metadata: {
    tradingsymbol: 'NIFTY26NOV26000CE',
    segment: 'NFO-OPT',
    exchange: 'NFO',
    symbol: 'NIFTY50',
    expiry: '2026-11-23',
    strike: 26_000,
    option_type: 'CE',
    mode: 'full',
    account: 'main',
    reason: 'request',
  },
  timestamp: 1_795_405_200,
}

function reasonOf(read: ReadEvent): string | undefined {
  return read.ok ? undefined : read.fault.reason
}

describe('an event', () => {
  it('as a person publishes it, long ago, is taken', () => {
    expect(readEvent(BY_HAND)).toEqual({
      ok: true,
      event: {
        eventId: undefined,
        type: 'subscription_created',
        token: 256_265,
        metadata: { tradingsymbol: 'NIFTY 50', segment: 'INDICES' },
      },
    })
  })

  it('of the ticker keeps all that it says of the instrument', () => {
    const { reason: _reason, ...metadata } = FULL.metadata
    expect(readEvent(JSON.stringify(FULL))).toEqual({
      ok: true,
      event: {
        eventId: '1795405200-17',
        type: 'subscription_removed',
        token: 12_345_602,
        metadata,
      },
    })
  })

  it.each([
    ['a token as text', { instrument_token: ' 256265 ' }, { token: 256_265 }],
    ['no metadata', { metadata: undefined }, { metadata: undefined }],
    ['metadata that is a text', { metadata: 'NIFTY 50' }, { metadata: undefined }],
    ['metadata that is a list', { metadata: [1, 2] }, { metadata: undefined }],
    ['no id', { event_id: undefined }, { eventId: undefined }],
    ['an id that is a number', { event_id: 17 }, { eventId: undefined }],
    ['a time that is none', { timestamp: 'yesterday' }, { token: 12_345_602 }],
    ['a time of next century', { timestamp: 5e12 }, { token: 12_345_602 }],
    [
      'odd metadata',
      {
        metadata: {
          tradingsymbol: 'x'.repeat(65),
          exchange: 7,
          symbol: '',
          segment: 'INDICES',
          expiry: '27 Nov',
          strike: '26000',
          option_type: 'XX',
          mode: 'FULL',
          account: null,
        },
      },
      { metadata: { segment: 'INDICES' } },
    ],
  ])('with %s is taken without it', (_what, over, expected) => {
    const read = readEvent(JSON.stringify({ ...FULL, ...over }))
    expect(read).toMatchObject({ ok: true, event: expected })
  })

  it.each([
    'subscription_created',
    'subscription_removed',
    'subscription_deleted',
    'subscription_live',
  ])('%s without a usable token is none', (event_type) => {
    for (const token of [undefined, null, 0, -1, 1.5, 2 ** 32, '', 'abc', '1e3', true, {}, [1]]) {
      const read = readEvent(JSON.stringify({ event_type, instrument_token: token }))
      expect(read, String(token)).toEqual({
        ok: false,
        fault: { reason: 'no_token', type: event_type },
      })
    }
  })

  it.each([
    'feed_gap_opened',
    'feed_gap_closed',
    'account_down',
    'account_up',
    'instruments_refreshed',
  ])('%s needs no token', (event_type) => {
    const read = readEvent(JSON.stringify({ event_type, instrument_token: null, metadata: {} }))
    expect(read).toMatchObject({ ok: true, event: { type: event_type, token: undefined } })
  })

  it.each([
    ['', 'not_json'],
    ['hello', 'not_json'],
    [BY_HAND.slice(0, -1), 'not_json'],
    ['null', 'wrong_shape'],
    ['17', 'wrong_shape'],
    ['"subscription_created"', 'wrong_shape'],
    ['[]', 'wrong_shape'],
    ['{}', 'wrong_shape'],
    ['{"event_type":""}', 'wrong_shape'],
    ['{"event_type":7}', 'wrong_shape'],
    ['{"event_type":"order_placed","instrument_token":1}', 'unknown_type'],
    ['{"event_type":"constructor","instrument_token":1}', 'unknown_type'],
    ['{"event_type":"__proto__","instrument_token":1}', 'unknown_type'],
    ['{"event_type":"SUBSCRIPTION_CREATED","instrument_token":1}', 'unknown_type'],
    [`{"event_type":"${'x'.repeat(LIFECYCLE_EVENT_MAX_CHARS)}"}`, 'too_long'],
    [' '.repeat(LIFECYCLE_EVENT_MAX_CHARS + 1), 'too_long'],
  ])('%.40j is none: %s', (text, reason) => {
    expect(reasonOf(readEvent(text))).toBe(reason)
  })

  it('cuts the name of a type that nobody knows', () => {
    const read = readEvent(JSON.stringify({ event_type: 'x'.repeat(5_000) }))
    expect(read.ok ? '' : read.fault.type).toHaveLength(64)
  })
})

describe('whatever is published', () => {
  it('is read without a throw, as an event with a real token or as a fault', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), oddEvents(), damaged()), (text) => {
        const read = readEvent(text)
        if (!read.ok) return read.fault.reason.length > 0
        const { token, type } = read.event
        const isToken = token === undefined || (Number.isInteger(token) && token > 0)
        return isToken && /^(subscription|feed_gap|account|instruments)_/.test(type)
      }),
      { numRuns: 2_000 },
    )
  })

  it('changes nothing in what objects inherit', () => {
    readEvent('{"event_type":"subscription_created","instrument_token":1,"__proto__":{"x":1}}')
    readEvent(
      '{"event_type":"subscription_created","instrument_token":1,"metadata":{"__proto__":{"x":1}}}',
    )
    expect(Reflect.get({}, 'x')).toBeUndefined()
  })
})

/** Events of which any field may be anything. */
function oddEvents(): fc.Arbitrary<string> {
  const type = fc.constantFrom('subscription_created', 'subscription_removed', 'account_up', 'x')
  return fc
    .record(
      {
        event_type: fc.oneof(type, fc.jsonValue()),
        event_id: fc.jsonValue(),
        instrument_token: fc.oneof(fc.integer(), fc.double(), fc.string(), fc.jsonValue()),
        metadata: fc.oneof(
          fc.record({ tradingsymbol: fc.jsonValue(), strike: fc.jsonValue() }),
          fc.jsonValue(),
        ),
        timestamp: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    .map((event) => JSON.stringify(event))
}

/** A good event with a few of its characters replaced or cut off. */
function damaged(): fc.Arbitrary<string> {
  const text = JSON.stringify(FULL)
  return fc
    .tuple(fc.nat(text.length), fc.nat(20), fc.string({ maxLength: 3 }))
    .map(([at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut))
}
