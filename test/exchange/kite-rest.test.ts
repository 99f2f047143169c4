import { request } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { parseInstruments } from '../../src/kite/instruments.ts'
import { KiteRest } from '../../src/kite/rest.ts'
import { msOfIst } from '../../src/market/ist.ts'
import { DrivenClock, NOON_MS } from './driven-clock.ts'
import { type ExchangeUnderTest, json, startTestExchange } from './exchange-under-test.ts'

const HEADER =
  'instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange'
const FUTURE = 'NFO:NIFTY26DECFUT'

describe('GET /instruments', () => {
  it('is CSV of exactly the type that the official client compares, without a last newline', async () => {
    const exchange = await startTestExchange()
    const answer = await fetch(`${exchange.url}/instruments`)
    expect(answer.headers.get('content-type')).toBe('text/csv')
    const csv = await answer.text()
    expect(csv.startsWith(`${HEADER}\n`)).toBe(true)
    expect(csv.endsWith('\n')).toBe(false)
    expect(csv).toContain('\n256265,1001,NIFTY 50,NIFTY 50,0.0,,0.0,0.0,0,EQ,INDICES,NSE\n')
    expect(csv).toMatch(
      /\n\d+,\d+,NIFTY26NOVFUT,NIFTY,0\.0,2026-11-23,0\.0,0\.1,65,FUT,NFO-FUT,NFO\n/,
    )
    const dump = parseInstruments(csv)
    expect(dump.ok && dump.malformedCount).toBe(0)
  })

  it('is gzipped where that is accepted, and can be had by exchange', async () => {
    const exchange = await startTestExchange()
    const zipped = await raw(`${exchange.url}/instruments/BFO`, { 'accept-encoding': 'gzip' })
    expect(zipped.headers['content-encoding']).toBe('gzip')
    expect(zipped.headers['content-type']).toBe('text/csv')
    const text = gunzipSync(zipped.body).toString()
    const plain = await raw(`${exchange.url}/instruments/BFO`, {})
    expect(plain.headers['content-encoding']).toBeUndefined()
    expect(plain.body.toString()).toBe(text)
    expect(
      text
        .split('\n')
        .slice(1)
        .every((row) => row.endsWith(',BFO')),
    ).toBe(true)
    expect((await fetch(`${exchange.url}/instruments/NYSE`)).status).toBe(400)
  })
})

describe('GET /instruments/historical', () => {
  it('includes the candle of the minute `to`, in the times of the broker, oi on demand', async () => {
    const exchange = await startTestExchange()
    const rows = await candles(exchange, 'minute', '2026-11-23+10:00:00', '2026-11-23+10:45:00')
    expect(rows[0]?.[0]).toBe('2026-11-23T10:00:00+0530')
    expect(rows.at(-1)?.[0]).toBe('2026-11-23T10:45:00+0530')
    expect(rows[0]).toHaveLength(6)
    exchange.clock.advance(1_000)
    const more = '&oi=1'
    const held = await candles(
      exchange,
      'minute',
      '2026-11-23+10:00:00',
      '2026-11-23+10:45:00',
      more,
    )
    expect(held[0]).toHaveLength(7)
    expect(held.map((row) => row.slice(0, 6))).toEqual(rows)
  })

  it('rolls longer intervals from minutes, counted from 09:15, whole at both ends', async () => {
    const exchange = await startTestExchange({ speed: 600 })
    const from = '2026-11-23+09:20:00'
    const to = '2026-11-23+11:00:00'
    const minutes = await candles(exchange, 'minute', '2026-11-23+09:30:00', '2026-11-23+09:44:00')
    exchange.clock.advance(10)
    const quarter = await candles(exchange, '15minute', from, to)
    expect(quarter.map(([time]) => String(time).slice(11, 16))).toEqual([
      '09:30',
      '09:45',
      '10:00',
      '10:15',
      '10:30',
      '10:45',
      '11:00',
    ])
    expect(quarter[0]?.slice(1)).toEqual([
      minutes[0]?.[1],
      Math.max(...minutes.map((row) => Number(row[2]))),
      Math.min(...minutes.map((row) => Number(row[3]))),
      minutes.at(-1)?.[4],
      minutes.reduce((sum, row) => sum + Number(row[5]), 0),
    ])
    exchange.clock.advance(10)
    const hours = await candles(exchange, '60minute', '2026-11-23+00:00:00', to)
    expect(hours.slice(0, 3).map(([time]) => String(time).slice(11, 16))).toEqual([
      '00:00',
      '00:15',
      '01:15',
    ])
    exchange.clock.advance(10)
    const days = await candles(exchange, 'day', '2026-11-20', '2026-11-23', '&oi=1')
    expect(days.map(([time]) => time)).toEqual([
      '2026-11-20T00:00:00+0530',
      '2026-11-21T00:00:00+0530',
      '2026-11-22T00:00:00+0530',
      '2026-11-23T00:00:00+0530',
    ])
  })

  it('gives the running candle as far as it has come, and none of the future', async () => {
    const clock = new DrivenClock(NOON_MS + 30_000)
    const exchange = await startTestExchange({ clock })
    const rows = await candles(exchange, 'minute', '2026-11-23+11:59:00', '2026-11-23+12:30:00')
    expect(rows.map(([time]) => String(time).slice(11, 16))).toEqual(['11:59', '12:00'])
  })

  it('joins the front futures to continuous day candles', async () => {
    const exchange = await startTestExchange()
    const rows = await candles(exchange, 'day', '2026-10-15', '2026-11-23', '&continuous=1')
    expect(rows.length).toBe(40)
    const limited = await history(exchange, 'minute', '2026-11-23', '2026-11-23', '&continuous=1')
    expect(limited.status).toBe(400)
  })

  it('gives sixty days of minutes in one answer', async () => {
    const exchange = await startTestExchange()
    const rows = await candles(exchange, 'minute', '2026-09-24+12:00:00', '2026-11-23+12:00:00')
    expect(rows.length).toBeGreaterThan(50_000)
  })

  it('refuses what the broker refuses, as an InputException', async () => {
    const exchange = await startTestExchange({ speed: 600 })
    const day = '2026-11-23'
    const cases: [string, string, string, RegExp][] = [
      ['minute', '2026-09-01', day, /interval exceeds max limit: 60 days/],
      ['2minute', day, day, /invalid interval/],
      ['minute', 'yesterday', day, /invalid from date/],
      ['minute', day, '1795413600', /invalid to date/],
      ['minute', day, '2026-11-22', /after/],
    ]
    for (const [interval, from, to, message] of cases) {
      const answer = await history(exchange, interval, from, to)
      expect(answer.status).toBe(400)
      const body = await json(answer)
      expect(body).toMatchObject({ status: 'error', error_type: 'InputException', data: null })
      expect(body.message).toMatch(message)
      exchange.clock.advance(10)
    }
    const path = `/instruments/historical/1234/minute?from=${day}&to=${day}`
    expect(await json(exchange.get(path))).toMatchObject({ message: 'invalid token' })
  })

  it('is answered three times a second of market time, then with 429', async () => {
    const exchange = await startTestExchange()
    const ask = async () => (await history(exchange, 'minute', '2026-11-23', '2026-11-23')).status
    expect([await ask(), await ask(), await ask(), await ask()]).toEqual([200, 200, 200, 429])
    exchange.clock.advance(334)
    expect([await ask(), await ask()]).toEqual([200, 429])
    const other = exchange.accounts[1]
    expect((await exchange.get('/user/profile', other)).status).toBe(200)
  })
})

describe('GET /quote', () => {
  it('answers known keys, by name or token, and is asked once a second', async () => {
    const exchange = await startTestExchange()
    const keys = [FUTURE, '256265', 'NFO:NOTHING']
    const query = keys.map((key) => `i=${encodeURIComponent(key)}`).join('&')
    const { data } = await json(exchange.get(`/quote?${query}`))
    expect(Object.keys(data).sort()).toEqual(['256265', FUTURE].sort())
    const future = data[FUTURE]
    expect(future).toMatchObject({
      timestamp: '2026-11-23 12:00:00',
      last_trade_time: expect.stringMatching(/^2026-11-23 11:5\d:\d\d$|^2026-11-23 12:00:00$/),
      depth: { buy: expect.any(Array), sell: expect.any(Array) },
    })
    expect(future.depth.buy[0].price).toBeLessThan(future.depth.sell[0].price)
    expect(future.lower_circuit_limit).toBeLessThan(future.last_price)
    expect(data['256265'].depth).toBeUndefined()
    const tooSoon = await exchange.get(`/quote/ltp?i=${FUTURE}`)
    expect(tooSoon.status).toBe(429)
    exchange.clock.advance(1_000)
    const ltp = await json(exchange.get(`/quote/ltp?i=${FUTURE}`))
    expect(Object.keys(ltp.data[FUTURE])).toEqual(['instrument_token', 'last_price'])
    exchange.clock.advance(1_000)
    const many = Array.from({ length: 501 }, (_, i) => `i=NFO:X${i}`).join('&')
    expect((await exchange.get(`/quote?${many}`)).status).toBe(400)
  })
})

describe('the session', () => {
  it('is needed', async () => {
    const exchange = await startTestExchange()
    for (const path of ['/user/profile', '/quote?i=X', '/instruments/historical/1/minute']) {
      const answer = await fetch(`${exchange.url}${path}`)
      expect(answer.status).toBe(403)
      expect(await json(answer)).toMatchObject({ status: 'error', error_type: 'TokenException' })
    }
  })

  it('comes from a login that redirects to the app, and ends at 6 AM', async () => {
    const clock = new DrivenClock(msOfIst('2026-11-23', '20:00'))
    const exchange = await startTestExchange({ clock, redirectUrl: 'http://127.0.0.1:1/back?a=1' })
    const { apiKey, apiSecret } = exchange.account
    const login = await fetch(
      `${exchange.url}/connect/login?v=3&api_key=${apiKey}&redirect_params=x%3D7`,
      { redirect: 'manual' },
    )
    expect(login.status).toBe(302)
    const target = new URL(login.headers.get('location') ?? '')
    expect(target.searchParams.get('a')).toBe('1')
    expect(target.searchParams.get('x')).toBe('7')
    expect(target.searchParams.get('status')).toBe('success')
    const requestToken = target.searchParams.get('request_token') ?? ''
    let accessToken: string | undefined
    const rest = new KiteRest({
      root: exchange.url,
      apiKey,
      accessToken: () => accessToken,
      clock,
    })
    const session = await rest.createSession(requestToken, apiSecret)
    accessToken = session.accessToken
    expect(session.loginTimeMs).toBe(clock.nowMs())
    const profile = () =>
      exchange.get('/user/profile', { ...exchange.account, accessToken: session.accessToken })
    expect((await profile()).status).toBe(200)
    clock.advance(msOfIst('2026-11-24', '06:00') - clock.nowMs() - 1)
    expect((await profile()).status).toBe(200)
    clock.advance(1)
    expect((await profile()).status).toBe(403)
    expect((await exchange.get('/user/profile')).status).toBe(200)
  })

  it('knows no order, position or fund', async () => {
    const exchange = await startTestExchange()
    for (const path of ['/orders', '/portfolio/positions', '/user/margins', '/gtt/triggers']) {
      const answer = await exchange.get(path)
      expect(answer.status).toBe(404)
      expect((await json(answer)).status).toBe('error')
    }
  })
})

async function candles(
  exchange: ExchangeUnderTest,
  interval: string,
  from: string,
  to: string,
  more = '',
): Promise<(string | number)[][]> {
  const answer = await history(exchange, interval, from, to, more)
  expect(answer.status).toBe(200)
  return (await json(answer)).data.candles
}

let futureToken: string | undefined

async function history(
  exchange: ExchangeUnderTest,
  interval: string,
  from: string,
  to: string,
  more = '',
): Promise<Response> {
  futureToken ??= await tokenOf(exchange, FUTURE.slice(4))
  return exchange.get(
    `/instruments/historical/${futureToken}/${interval}?from=${from}&to=${to}${more}`,
  )
}

async function tokenOf({ url }: ExchangeUnderTest, tradingsymbol: string): Promise<string> {
  const csv = await (await fetch(`${url}/instruments/NFO`)).text()
  const row = csv.split('\n').find((each) => each.includes(`,${tradingsymbol},`))
  return row?.split(',')[0] ?? ''
}

function raw(url: string, headers: Record<string, string>) {
  return new Promise<{ headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
    const sent = request(url, { headers }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => resolve({ headers: answer.headers, body: Buffer.concat(chunks) }))
    })
    sent.on('error', reject)
    sent.end()
  })
}
