import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ClientMessage,
  formatClientMessage,
  parseClientMessage,
} from '../../src/kite/client-message.ts'
import { formatTextMessage, parseTextMessage } from '../../src/kite/text-message.ts'
import { referenceData } from '../reference-data.ts'

const postback = referenceData('kiteconnect-mocks/postback.json')

describe('a client message', () => {
  it.each<[string, ClientMessage]>([
    ['{"a":"subscribe","v":[408065,884737]}', { kind: 'subscribe', tokens: [408065, 884737] }],
    ['{"a":"unsubscribe","v":[408065]}', { kind: 'unsubscribe', tokens: [408065] }],
    ['{"a":"mode","v":["full",[408065]]}', { kind: 'mode', mode: 'full', tokens: [408065] }],
  ])('is written and read as the broker documents it: %s', (text, message) => {
    expect(formatClientMessage(message)).toBe(text)
    expect(parseClientMessage(text)).toEqual(message)
  })

  it.each([
    ['subscribe', 'not_json'],
    ['', 'not_json'],
    ['null', 'unknown_action'],
    ['[]', 'unknown_action'],
    ['{"a":"order","v":[1]}', 'unknown_action'],
    ['{"a":"subscribe"}', 'bad_tokens'],
    ['{"a":"subscribe","v":408065}', 'bad_tokens'],
    ['{"a":"subscribe","v":["408065"]}', 'bad_tokens'],
    ['{"a":"subscribe","v":[408065,-1]}', 'bad_tokens'],
    ['{"a":"subscribe","v":[0]}', 'bad_tokens'],
    ['{"a":"subscribe","v":[1.5]}', 'bad_tokens'],
    ['{"a":"unsubscribe","v":[4294967296]}', 'bad_tokens'],
    ['{"a":"mode","v":["depth",[1]]}', 'bad_mode'],
    ['{"a":"mode","v":["full"]}', 'bad_mode'],
    ['{"a":"mode","v":{"full":[1]}}', 'bad_mode'],
    ['{"a":"mode","v":["full",["1"]]}', 'bad_tokens'],
  ])('%s is refused as %s', (text, code) => {
    expect(parseClientMessage(text)).toMatchObject({ kind: 'fault', code })
  })

  it('names the token that is at fault', () => {
    const fault = parseClientMessage('{"a":"subscribe","v":[1,2,"3"]}')
    expect(fault).toMatchObject({ message: 'token 2 is no instrument token: "3"' })
  })

  it('comes back as it was, whatever the tokens', () => {
    const tokens = fc.array(fc.integer({ min: 1, max: 0xffff_ffff }))
    const messages = fc.oneof(
      fc.record({ kind: fc.constantFrom('subscribe', 'unsubscribe'), tokens }),
      fc.record({
        kind: fc.constant('mode'),
        mode: fc.constantFrom('ltp', 'quote', 'full'),
        tokens,
      }),
    ) as fc.Arbitrary<ClientMessage>
    fc.assert(
      fc.property(messages, (message) => {
        expect(parseClientMessage(formatClientMessage(message))).toEqual(message)
      }),
    )
  })

  it('of any JSON or any text at all is a fault and never a throw', () => {
    const anything = fc.oneof(fc.json(), fc.string())
    fc.assert(
      fc.property(anything, (text) => {
        expect(parseClientMessage(text)).toMatchObject({ kind: 'fault' })
      }),
    )
  })
})

describe('a text message of the broker', () => {
  it('brings errors and notices as they are', () => {
    const refusal = "Can't subscribe to more than 3000 instruments."
    expect(parseTextMessage(formatTextMessage('error', refusal))).toEqual({
      kind: 'error',
      message: refusal,
    })
    expect(parseTextMessage('{"type":"message","data":"Maintenance at 4"}')).toEqual({
      kind: 'message',
      message: 'Maintenance at 4',
    })
  })

  it.skipIf(postback === undefined)('brings an order with its data untouched', () => {
    const data: unknown = JSON.parse(readFileSync(postback ?? '', 'utf8'))
    expect(parseTextMessage(JSON.stringify({ type: 'order', data }))).toEqual({
      kind: 'order',
      data,
    })
  })

  it.each([
    ['hello', 'not_json'],
    ['', 'not_json'],
    ['"error"', 'unknown_type'],
    ['null', 'unknown_type'],
    ['{"type":"instruments_meta","data":{}}', 'unknown_type'],
    ['{"type":"error","data":{"code":1}}', 'bad_data'],
    ['{"type":"message"}', 'bad_data'],
  ])('%s is a fault: %s', (text, code) => {
    expect(parseTextMessage(text)).toMatchObject({ kind: 'fault', code })
  })

  it('of great length is shown in part only', () => {
    const fault = parseTextMessage('x'.repeat(100_000))
    expect(fault.kind === 'fault' && fault.message.length).toBeLessThan(300)
  })
})
