/**
 * Golden messages. The packets of INFY are two that Zerodha captured from its own stream
 * (kiteconnect-mocks, 5 July 2021); the others are encoded as the exchange sends them.
 */
import { readFileSync } from 'node:fs'
import Value from 'typebox/value'
import { describe, expect, it } from 'vitest'
import { ForeignTick } from '../../../src/contract/channels.ts'
import { decodeFrame } from '../../../src/kite/frame.ts'
import { FrameWriter } from '../../../src/kite/frame-writer.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import type { Tick } from '../../../src/market/tick.ts'
import { referenceData } from '../../reference-data.ts'
import { full, indexFull, NIFTY, NIFTY_FUTURE, option, START_S } from '../support/contracts.ts'
import { START_MS } from '../support/test-clock.ts'
import { ChannelsUnderTest, type Listened, tickOf } from './channels-under-test.ts'

const quotePacket = referenceData('kiteconnect-mocks/ticker_quote.packet')
const fullPacket = referenceData('kiteconnect-mocks/ticker_full.packet')
const CALL = option(26_000, 'CE')

const INFY: Instrument = {
  ...NIFTY,
  token: 408_065,
  tradingsymbol: 'INFY',
  name: 'INFOSYS',
  symbol: 'INFY',
  segment: 'NSE',
  kind: 'equity',
  lotSize: 1,
  tickSize: 0.05,
}

const NO_OPTION = { iv: null, delta: null, gamma: null, theta: null, vega: null, iv_reason: null }
const NO_CONTRACT = { expiry: null, strike: null, option_type: null }
const PLACE = { received_at_ms: START_MS, epoch: 1_000, sequence: 1 }

describe.skipIf(quotePacket === undefined || fullPacket === undefined)('a captured packet', () => {
  const named = {
    instrument_token: 408_065,
    tradingsymbol: 'INFY',
    exchange: 'NSE',
    symbol: 'INFY',
    segment: 'NSE',
    ...NO_CONTRACT,
  }
  const day = { open: 1569.15, high: 1575, low: 1561.05, close: 1567.8, prev_close: 1567.8 }

  it('in quote mode has null for what it does not carry', async () => {
    expect(await published(INFY, captured(quotePacket), 'underlying')).toEqual({
      ...named,
      ltp: 1573.15,
      last_quantity: 1,
      average_price: 1570.33,
      volume: 1_175_986,
      oi: null,
      bid: null,
      ask: null,
      ...day,
      ...NO_OPTION,
      last_trade_time_ms: null,
      exchange_time_ms: null,
      ...PLACE,
    })
  })

  it('in full mode has its times, OI and the best of its depth', async () => {
    expect(await published(INFY, captured(fullPacket), 'underlying')).toEqual({
      ...named,
      ltp: 1573.7,
      last_quantity: 7,
      average_price: 1570.37,
      volume: 1_192_471,
      oi: 0,
      bid: 1573.4,
      ask: 1573.7,
      ...day,
      ...NO_OPTION,
      last_trade_time_ms: 1_625_461_887_000,
      exchange_time_ms: 1_625_461_887_000,
      ...PLACE,
    })
  })
})

describe('a packet of', () => {
  const day = { open: 120, high: 130, low: 110, close: 121, prev_close: 121 }
  const traded = {
    ltp: 123.45,
    last_quantity: 65,
    average_price: 123,
    volume: 6_500,
    oi: 130_000,
    bid: 123.4,
    ask: 123.5,
    ...day,
    last_trade_time_ms: START_S * 1000,
    exchange_time_ms: START_S * 1000,
    ...PLACE,
  }

  it('an option without anything else known has no forward, and says so', async () => {
    const sent = await published(
      CALL,
      decoded((w) => w.full(full(CALL.token))),
      'options',
    )
    expect(sent).toEqual({
      instrument_token: CALL.token,
      tradingsymbol: 'NIFTY26D0126000CE',
      exchange: 'NFO',
      symbol: 'NIFTY50',
      segment: 'NFO-OPT',
      expiry: '2026-12-01',
      strike: 26_000,
      option_type: 'CE',
      ...traded,
      ...NO_OPTION,
      iv_reason: 'no_forward',
    })
  })

  it('a future has ltp, volume and OI', async () => {
    const { token } = NIFTY_FUTURE
    expect(
      await published(
        NIFTY_FUTURE,
        decoded((w) => w.full(full(token))),
        'futures',
      ),
    ).toEqual({
      instrument_token: token,
      tradingsymbol: 'NIFTY26DECFUT',
      exchange: 'NFO',
      symbol: 'NIFTY50',
      segment: 'NFO-FUT',
      expiry: '2026-12-29',
      strike: null,
      option_type: null,
      ...traded,
      ...NO_OPTION,
    })
  })

  it('an index has the day’s prices, and volume 0', async () => {
    const tick = decoded((w) => w.indexFull(indexFull(NIFTY.token)))
    expect(await published(NIFTY, tick, 'underlying')).toEqual({
      instrument_token: 256265,
      tradingsymbol: 'NIFTY 50',
      exchange: 'NSE',
      symbol: 'NIFTY50',
      segment: 'INDICES',
      ...NO_CONTRACT,
      ltp: 26_000,
      last_quantity: null,
      average_price: null,
      volume: 0,
      oi: null,
      bid: null,
      ask: null,
      open: 25_900,
      high: 26_100,
      low: 25_800,
      close: 25_850,
      prev_close: 25_850,
      ...NO_OPTION,
      last_trade_time_ms: null,
      exchange_time_ms: START_S * 1000,
      ...PLACE,
    })
  })

  it('an option that never traded has no price, never 0', async () => {
    const tick = tickOf(CALL, { lastPrice: 0, dayOpen: 0, averagePrice: 0, bidPrice: undefined })
    const sent = await published(CALL, tick, 'options')
    expect(sent).toMatchObject({ ltp: null, open: null, average_price: null, bid: null })
  })
})

describe('another publisher', () => {
  it('may leave out its place and the trade’s time, and nothing else', async () => {
    const sent = (await published(CALL, tickOf(CALL), 'options')) as Record<string, unknown>
    const { epoch: _e, sequence: _s, last_trade_time_ms: _t, ...foreign } = sent
    expect(Value.Check(ForeignTick, sent)).toBe(true)
    expect(Value.Check(ForeignTick, foreign)).toBe(true)
    const { ltp: _l, ...incomplete } = foreign
    expect(Value.Check(ForeignTick, incomplete)).toBe(false)
    expect(Value.Check(ForeignTick, { ...foreign, ltp: '123.45' })).toBe(false)
  })
})

async function published(instrument: Instrument, tick: Tick, channel: Listened): Promise<unknown> {
  const test = new ChannelsUnderTest(0, [instrument])
  await test.listen(channel)
  await test.journalled({ ...tick, connection: 1, receivedAtMs: START_MS, marketTimeMs: START_MS })
  test.run()
  return test.published(channel)[0]
}

function captured(path: string | undefined): Tick {
  const packet = Buffer.from(readFileSync(path ?? '', 'utf8').trim(), 'base64')
  return decoded((writer) => writer.packet(packet))
}

function decoded(write: (writer: FrameWriter) => void): Tick {
  const writer = new FrameWriter()
  write(writer)
  const ticks: Tick[] = []
  decodeFrame(writer.take(), {
    onTick: (tick) => ticks.push(tick),
    onFault: ({ code }) => expect(code).toBe('no fault'),
  })
  const [tick] = ticks
  if (tick === undefined) throw new Error('the frame holds no tick')
  return tick
}
