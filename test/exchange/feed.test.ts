import { describe, expect, it } from 'vitest'
import { minuteCandles } from '../../src/exchange/market/candles.ts'
import { Market } from '../../src/exchange/market/market.ts'
import type { KiteTick } from '../../src/kite/packet.ts'
import { msOfIst } from '../../src/market/ist.ts'
import { until } from '../until.ts'
import { DrivenClock, NOON_MS } from './driven-clock.ts'
import { json, startTestExchange } from './exchange-under-test.ts'
import { connect, connected } from './raw-client.ts'

const NIFTY = 256265
const VIX = 264969
const MINUTE_MS = 60_000

describe('a subscription', () => {
  it('is in quote mode until told otherwise, and is sent its state at once', async () => {
    const { exchange, client, tokens } = await start()
    client.subscribe(tokens)
    await until(() => client.ticks.length === tokens.length)
    expect(client.ticks.map(({ token }) => token)).toEqual(tokens)
    expect(client.ticks.every(({ mode }) => mode === 'quote')).toBe(true)
    client.say({ a: 'mode', v: ['full', tokens] })
    await until(() => client.ticks.length === 2 * tokens.length)
    const [first] = client.ticks.slice(tokens.length)
    expect(first?.mode).toBe('full')
    expect(first?.exchangeTimeS).toBe(Math.floor(exchange.marketTimeMs() / 1_000))
  })

  it('begins with a mode message alone, too', async () => {
    const { client, tokens } = await start()
    client.say({ a: 'mode', v: ['ltp', tokens] })
    await until(() => client.ticks.length === tokens.length)
    expect(client.ticks.every(({ mode }) => mode === 'ltp')).toBe(true)
  })

  it('sends packets of exactly the lengths of their kinds', async () => {
    const { client, tokens } = await start()
    const lengths: number[][] = []
    for (const mode of ['ltp', 'quote', 'full']) {
      const before = client.frames.length
      client.say({ a: 'mode', v: [mode, tokens] })
      await until(() => client.frames.length > before)
      lengths.push(packetLengths(client.frames[before]))
    }
    expect(lengths).toEqual([
      [8, 8, 8],
      [28, 44, 44],
      [32, 184, 184],
    ])
  })

  it('ends with unsubscribe', async () => {
    const { exchange, client, tokens } = await start()
    client.subscribe(tokens, 'full')
    await until(() => client.ticks.length === 2 * tokens.length)
    client.say({ a: 'unsubscribe', v: tokens.slice(1) })
    await client.settle()
    const before = client.ticks.length
    exchange.clock.advance(5_000)
    await client.settle()
    const after = client.ticks.slice(before)
    expect(after.length).toBeGreaterThan(3)
    expect(new Set(after.map(({ token }) => token))).toEqual(new Set([NIFTY]))
  })

  it('is refused beyond 3,000 instruments, with an error text, and the connection stays', async () => {
    const { client, tokens } = await start()
    const unknown = Array.from({ length: 2_998 }, (_, i) => 1_000_000_000 + i * 256)
    client.subscribe([...unknown, ...tokens])
    await until(() => client.texts.length === 1)
    expect(JSON.parse(client.texts[0] ?? '')).toEqual({
      type: 'error',
      data: "Can't subscribe to more than 3000 instruments.",
    })
    await until(() => client.ticks.length === 2)
    client.say({ a: 'unsubscribe', v: unknown.slice(0, 10) })
    client.subscribe(tokens)
    await until(() => client.ticks.length === 5)
    expect(client.texts).toHaveLength(1)
    expect(client.isOpen).toBe(true)
  })

  it('of an unknown token is accepted and stays silent; nonsense is answered with an error', async () => {
    const { client } = await start()
    client.subscribe([4_242 * 256 + 2], 'full')
    client.say('nonsense')
    client.subscribe(['256265' as unknown as number])
    await client.settle()
    expect(client.ticks).toEqual([])
    expect(client.texts.map((text) => JSON.parse(text).type)).toEqual(['error', 'error'])
    expect(client.isOpen).toBe(true)
  })
})

describe('a connection', () => {
  it('hears one byte at least every 2.5 seconds when nothing else happens', async () => {
    const { exchange, client } = await start()
    exchange.clock.advance(10_000)
    await client.settle()
    expect(client.heartbeats).toBeGreaterThanOrEqual(4)
    expect(client.frames).toEqual([])
  })

  it('needs a valid session, and is one of three of its key', async () => {
    const exchange = await startTestExchange()
    const { url, account } = exchange
    expect(await connect(url, { ...account, accessToken: 'wrong' })).toBe(403)
    expect(await connect(url, { ...account, apiKey: 'wrong' })).toBe(403)
    const clients = [
      await connected(url, account),
      await connected(url, account, '&uid=17&unknown=1'),
      await connected(url, account),
    ]
    expect(await connect(url, account)).toBe(429)
    clients[0]?.close()
    await until(async () => typeof (await connect(url, account)) !== 'number')
    const other = exchange.accounts[1]
    expect(other).toBeDefined()
    if (other !== undefined) expect(typeof (await connect(url, other))).not.toBe('number')
  })
})

describe('the live feed', () => {
  it('shows every trade: folded by minute it is the history, to the last unit', async () => {
    const exchange = await startTestExchange({ speed: 60 })
    const client = await connected(exchange.url, exchange.account)
    const tokens = [NIFTY, VIX, ...contractTokens(NOON_MS)]
    client.subscribe(tokens, 'full')
    await until(() => client.ticks.length === 2 * tokens.length)
    // Four market minutes: the first is cut, two are whole.
    exchange.clock.advance(4_000)
    await client.settle()
    const market = new Market('42')
    let candles = 0
    for (const token of tokens) {
      const contract = market.listing(NOON_MS).byToken.get(token)
      if (contract === undefined) throw new Error(`no contract ${token}`)
      const fromMs = NOON_MS + MINUTE_MS
      const toMs = fromMs + 2 * MINUTE_MS
      const history = [
        ...minuteCandles(market.tape(contract), fromMs, toMs - 1, exchange.marketTimeMs()),
      ].flat()
      const ticks = client.ticks.filter((tick) => tick.token === token)
      expect(fold(ticks, fromMs, toMs)).toEqual(history)
      candles += history.length
    }
    expect(candles).toBeGreaterThanOrEqual(8)
  })

  it('is the same, byte for byte, for the same seed', async () => {
    const streams: string[] = []
    for (let i = 0; i < 2; i++) {
      const { exchange, client, tokens } = await start()
      client.subscribe(tokens, 'full')
      await until(() => client.ticks.length === 2 * tokens.length)
      exchange.clock.advance(20_000)
      await client.settle()
      streams.push(Buffer.concat(client.frames).toString('hex'))
    }
    expect(streams[0]?.length).toBeGreaterThan(10_000)
    expect(streams[1]).toBe(streams[0])
  })

  it('tells ltp subscribers of another price only, full ones of the book as well', async () => {
    const exchange = await startTestExchange()
    const { url, account, clock } = exchange
    const [option = 0] = contractTokens(NOON_MS)
    const full = await connected(url, account)
    const quote = await connected(url, account)
    const ltp = await connected(url, account)
    full.subscribe([option], 'full')
    quote.subscribe([option], 'quote')
    ltp.subscribe([option], 'ltp')
    for (const client of [full, quote, ltp]) await client.settle()
    clock.advance(30_000)
    for (const client of [full, quote, ltp]) await client.settle()
    expect(full.ticks.length).toBeGreaterThan(quote.ticks.length)
    expect(quote.ticks.length).toBeGreaterThan(ltp.ticks.length)
    const prices = ltp.ticks.slice(2).map(({ lastPrice }) => lastPrice)
    expect(prices.every((price, i) => i === 0 || price !== prices[i - 1])).toBe(true)
    const trades = full.ticks
      .slice(2)
      .filter((tick, i, all) => tick.dayVolume === all[i - 1]?.dayVolume)
    expect(trades.length).toBeGreaterThan(0)
  })

  it('keeps a set rate over all subscriptions, and gives the pace back', async () => {
    const { exchange, client, tokens } = await start()
    client.subscribe(tokens, 'full')
    await until(() => client.ticks.length === 2 * tokens.length)
    const answer = await exchange.control('/rate', { ticks_per_second: 1_234 })
    expect(await json(answer)).toEqual({ ticks_per_second: 1_234 })
    const before = client.ticks.length
    exchange.clock.advance(3_000)
    await client.settle()
    const sent = client.ticks.length - before
    expect(Math.abs(sent - 3 * 1_234)).toBeLessThanOrEqual(1)
    const each = tokens.map((token) => client.ticks.filter((tick) => tick.token === token).length)
    expect(Math.max(...each) - Math.min(...each)).toBeLessThanOrEqual(2)
    await exchange.control('/rate', { ticks_per_second: null })
    exchange.clock.advance(3_000)
    await client.settle()
    expect(client.ticks.length - before - sent).toBeLessThan(30)
  })

  it('lets an expired contract fall silent and knows the next day', async () => {
    const clock = new DrivenClock(msOfIst('2026-11-23', '15:39'))
    const exchange = await startTestExchange({ clock, speed: 600 })
    const client = await connected(exchange.url, exchange.account)
    const expiring = new Market('42').listing(clock.nowMs()).byName.get('NFO:NIFTY26NOVFUT')
    const token = expiring?.instrument.token ?? 0
    const listed = new Market('42').listing(msOfIst('2026-11-24', '00:00'))
    const fresh = [...listed.byName.values()].find(
      ({ instrument, firstDay }) => instrument.kind === 'future' && firstDay > 20_780,
    )
    const freshToken = fresh?.instrument.token ?? 0
    client.subscribe([token, freshToken, NIFTY], 'full')
    await until(() => client.ticks.length === 4)
    clock.advance(800)
    await client.settle()
    const last = client.ticks.filter((tick) => tick.token === token).at(-1)
    const closeS = msOfIst('2026-11-23', '15:40') / 1_000
    expect(last?.exchangeTimeS).toBeLessThan(closeS)
    expect(last?.exchangeTimeS).toBeGreaterThan(closeS - 10)
    clock.advance(60_000)
    await client.settle()
    expect(client.ticks.filter((tick) => tick.token === token).at(-1)).toBe(last)
    expect(client.ticks.filter((tick) => tick.token === freshToken).length).toBeGreaterThan(5)
    const index = client.ticks.filter((tick) => tick.token === NIFTY).at(-1)
    expect(index?.exchangeTimeS).toBeGreaterThan(msOfIst('2026-11-24', '00:00') / 1_000)
  })
})

async function start() {
  const exchange = await startTestExchange()
  const client = await connected(exchange.url, exchange.account)
  return { exchange, client, tokens: [NIFTY, ...contractTokens(NOON_MS).slice(0, 2)] }
}

/** A liquid option, a future, a quiet option, a commodity. */
function contractTokens(timeMs: number): number[] {
  const market = new Market('42')
  const { byName, contracts } = market.listing(timeMs)
  const nifty = contracts[0]
  if (nifty === undefined) throw new Error('nothing is listed')
  const spot = market.snapshot(nifty, timeMs).lastPrice / 100
  const options = contracts.filter(
    ({ instrument }) => instrument.symbol === 'NIFTY50' && instrument.expiry === '2026-12-01',
  )
  const near = options.find(({ instrument }) => (instrument.strike ?? 0) > spot)
  const far = options.at(-1)
  const future = byName.get('NFO:NIFTY26DECFUT')
  const gold = byName.get('MCX:GOLD26DECFUT')
  return [near, future, far, gold].map((contract) => contract?.instrument.token ?? 0)
}

function packetLengths(frame: Buffer | undefined): number[] {
  const lengths: number[] = []
  if (frame === undefined) return lengths
  for (let at = 2; at < frame.byteLength; at += 2 + frame.readUInt16BE(at)) {
    lengths.push(frame.readUInt16BE(at))
  }
  return lengths
}

/** The fold of a listener: trades by the minute of their time, the rest by the exchange's. */
function fold(ticks: readonly KiteTick[], fromMs: number, toMs: number) {
  const bars = new Map<number, ReturnType<typeof barOf>>()
  let volumeBefore = 0
  let tradeBefore: string | undefined
  for (const tick of ticks) {
    const tradeS = (tick.isIndex ? tick.exchangeTimeS : tick.lastTradeTimeS) ?? 0
    const minuteMs = Math.floor(tradeS / 60) * MINUTE_MS
    const trade = `${tradeS} ${tick.dayVolume}`
    if (trade !== tradeBefore) {
      const bar = bars.get(minuteMs)
      const next = barOf(minuteMs, tick, bar)
      next.volume = (bar?.volume ?? 0) + (tick.dayVolume ?? 0) - volumeBefore
      bars.set(minuteMs, next)
      volumeBefore = tick.dayVolume ?? 0
      tradeBefore = trade
    }
    const seen = bars.get(Math.floor((tick.exchangeTimeS ?? 0) / 60) * MINUTE_MS)
    if (seen !== undefined) seen.openInterest = tick.openInterest ?? 0
  }
  return [...bars.values()].filter(({ timeMs }) => timeMs >= fromMs && timeMs < toMs)
}

function barOf(timeMs: number, tick: KiteTick, bar?: { open: number; high: number; low: number }) {
  return {
    timeMs,
    open: bar?.open ?? tick.lastPrice,
    high: Math.max(bar?.high ?? 0, tick.lastPrice),
    low: Math.min(bar?.low ?? Number.POSITIVE_INFINITY, tick.lastPrice),
    close: tick.lastPrice,
    volume: 0,
    openInterest: tick.openInterest ?? 0,
  }
}
