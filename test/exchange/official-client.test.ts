import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/kit/clock.ts'
import { shiftedClock } from './driven-clock.ts'
import { type ExchangeUnderTest, startTestExchange } from './exchange-under-test.ts'
import { connected } from './raw-client.ts'

const SCRIPT = fileURLToPath(new URL('official-client.mjs', import.meta.url))
const NIFTY = 256265
const KEY = 'NFO:NIFTY26DECFUT'
/** The market runs fast, so that its request rates do not slow the test down. */
const SPEED = 20

const run = promisify(execFile)

describe('the official client', () => {
  it('reads instruments, history and quotes, and logs in and out', async () => {
    const exchange = await startReal()
    const { token, optionKey, optionToken } = await contracts(exchange)
    const seen = await official(exchange, {
      run: 'rest',
      key: KEY,
      tokens: [token],
      requestToken: await requestToken(exchange),
      from: '2026-11-23 11:00:00',
      to: '2026-11-23 11:09:00',
      paceMs: 1_200 / SPEED,
    })
    expect(seen.profile.user_id).toBe('SM0001')
    expect(seen.all).toBeGreaterThan(5_000)
    expect(seen.nfo.count).toBeGreaterThan(3_000)
    expect(seen.nfo.first).toMatchObject({
      tradingsymbol: 'NIFTY26NOVFUT',
      name: 'NIFTY',
      strike: 0,
      tick_size: 0.1,
      lot_size: 65,
      instrument_type: 'FUT',
      segment: 'NFO-FUT',
      exchange: 'NFO',
      expiry: '2026-11-23T00:00:00.000Z',
    })
    expect(seen.nfo.last.strike).toBeGreaterThan(0)
    expect(seen.candles).toHaveLength(10)
    expect(seen.candles[0].date).toBe('2026-11-23T05:30:00.000Z')
    expect(seen.candles.at(-1).date).toBe('2026-11-23T05:39:00.000Z')
    for (const { open, high, low, close, volume, oi } of seen.candles) {
      expect(low <= open && low <= close && high >= open && high >= close).toBe(true)
      expect(volume % 65).toBe(0)
      expect(oi).toBeGreaterThan(0)
    }
    expect(Object.keys(seen.quote)).toEqual([KEY, 'NSE:NIFTY 50'])
    expect(seen.quote[KEY].depth.buy).toHaveLength(5)
    expect(seen.quote[KEY].oi).toBeGreaterThan(0)
    expect(new Date(seen.quote[KEY].last_trade_time).getTime()).toBeGreaterThan(0)
    expect(seen.quote['NSE:NIFTY 50'].last_price).toBeGreaterThan(10_000)
    expect(seen.ohlc[KEY].ohlc.close).toBeGreaterThan(10_000)
    expect(seen.ltp['NSE:INDIA VIX'].last_price).toBeGreaterThan(5)
    expect(seen.badSession).toMatchObject({
      error_type: 'TokenException',
      message: 'Token is invalid or has expired.',
    })
    expect(seen.badChecksum.message).toBe('Invalid `checksum`.')
    expect(seen.session).toMatchObject({ user_id: 'SM0001', api_key: exchange.account.apiKey })
    expect(seen.sessionProfile).toBe('SM0001')
    expect(seen.usedTwice.error_type).toBe('TokenException')
    expect(seen.invalidated).toBe(true)
    expect(seen.afterLogout).toMatchObject({ status: 'error', error_type: 'TokenException' })
    expect(seen.hookCalls).toBe(4)
    expect(optionToken).toBeGreaterThan(0)
    expect(optionKey).toMatch(/^NFO:NIFTY26D01/)
  })

  it('streams in the three modes and unsubscribes', async () => {
    const exchange = await startReal()
    const { token, optionToken } = await contracts(exchange)
    const tokens = [NIFTY, token, optionToken]
    const seen = await official(exchange, { run: 'stream', tokens, waitMs: 500 })
    for (const each of tokens) {
      expect(Object.keys(seen.modes[each]).sort()).toEqual(['full', 'ltp', 'quote'])
    }
    const full = seen.last[`${optionToken} full`]
    expect(full).toMatchObject({ tradable: true, mode: 'full', instrument_token: optionToken })
    expect(full.depth.buy).toHaveLength(5)
    expect(full.depth.buy[0].price).toBeLessThan(full.depth.sell[0].price)
    expect(full.oi).toBeGreaterThan(0)
    expect(full.ohlc.low <= full.last_price && full.last_price <= full.ohlc.high).toBe(true)
    const tradedMs = new Date(full.last_trade_time).getTime()
    expect(tradedMs).toBeLessThanOrEqual(exchange.marketTimeMs())
    expect(tradedMs).toBeGreaterThan(exchange.marketTimeMs() - 3_600_000)
    const index = seen.last[`${NIFTY} full`]
    expect(index.tradable).toBe(false)
    expect(index.change).toBeCloseTo(
      ((index.last_price - index.ohlc.close) * 100) / index.ohlc.close,
      9,
    )
    expect(index.ohlc.low <= index.last_price && index.last_price <= index.ohlc.high).toBe(true)
    expect(seen.afterUnsubscribe).toBe(0)
    expect(seen.connected).toBe(true)
  })

  it('is refused with 403 for a wrong token, and with 429 as the fourth of a key', async () => {
    const exchange = await startReal()
    const wrong = await official(exchange, { run: 'refused', accessToken: 'wrong' })
    expect(wrong).toContain('403')
    const { url, account } = exchange
    for (let i = 0; i < 3; i++) await connected(url, account)
    expect(await official(exchange, { run: 'refused' })).toContain('429')
  })
})

function startReal(): Promise<ExchangeUnderTest> {
  return startTestExchange({ clock: shiftedClock(systemClock), speed: SPEED })
}

async function official(exchange: ExchangeUnderTest, order: Record<string, unknown>) {
  const { url, account } = exchange
  const { stdout } = await run(
    process.execPath,
    [SCRIPT, JSON.stringify({ url, ...account, ...order })],
    { env: { ...process.env, TZ: 'Asia/Kolkata' }, timeout: 20_000 },
  )
  return JSON.parse(stdout)
}

async function contracts({ url }: ExchangeUnderTest) {
  const csv = await (await fetch(`${url}/instruments/NFO`)).text()
  const rows = csv.split('\n').map((row) => row.split(','))
  const future = rows.find((row) => row[2] === 'NIFTY26DECFUT')
  const option = rows.filter((row) => row[3] === 'NIFTY' && row[5] === '2026-12-01')[110]
  return {
    token: Number(future?.[0]),
    optionToken: Number(option?.[0]),
    optionKey: `NFO:${option?.[2]}`,
  }
}

async function requestToken({ url, account }: ExchangeUnderTest): Promise<string> {
  const page = await (await fetch(`${url}/connect/login?v=3&api_key=${account.apiKey}`)).text()
  return /<code id="request_token">(\w+)</.exec(page)?.[1] ?? ''
}
