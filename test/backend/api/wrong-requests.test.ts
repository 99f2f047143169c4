import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../../src/contract/api/error.ts'
import { EXPIRY, OPEN_MS } from '../scenario.ts'
import { ask, emptyReads, LiveMarket, NEXT_EXPIRY, servers } from './live-market.ts'

const start = servers()

const CHAIN = '/fo/strike-distribution'
const SERIES = '/fo/moneyness-series?symbol=NIFTY&indicator=iv'
const BARS = '/bars?tradingsymbol=NIFTY'

/** Path, status, code, the field that is named, and a word of the message. */
const WRONG: readonly (readonly [string, number, string, string | undefined, RegExp])[] = [
  [CHAIN, 400, 'bad_request', 'symbol', /missing/],
  [`${CHAIN}?symbol=`, 400, 'bad_request', 'symbol', /cannot be/],
  [`${CHAIN}?symbol=XYZ`, 404, 'unknown_symbol', 'symbol', /XYZ/],
  [`${CHAIN}?symbol=NIFTY&symbol=SENSEX`, 400, 'bad_request', 'symbol', /2 times/],
  [`${CHAIN}?symbol=NIFTY&expiry=not-a-date`, 400, 'bad_request', 'expiry', /YYYY-MM-DD/],
  [`${CHAIN}?symbol=NIFTY&expiry=2026-02-31`, 400, 'bad_request', 'expiry', /no date/],
  [`${CHAIN}?symbol=NIFTY&expiry=2026-11-24`, 404, 'unknown_expiry', 'expiry', /2026-11-24/],
  [`${CHAIN}?symbol=INDIAVIX`, 404, 'unknown_expiry', 'expiry', /no expiry.*so it has no chain/],
  [`${CHAIN}?symbol=NIFTY&strikes=-1`, 400, 'bad_request', 'strikes', /1 to 500/],
  [`${CHAIN}?symbol=NIFTY&strikes=0`, 400, 'bad_request', 'strikes', /1 to 500/],
  [`${CHAIN}?symbol=NIFTY&strikes=501`, 400, 'bad_request', 'strikes', /1 to 500/],
  [`${CHAIN}?symbol=NIFTY&strikes=1.5`, 400, 'bad_request', 'strikes', /whole number/],
  [`${CHAIN}?symbol=NIFTY&strikes=ten`, 400, 'bad_request', 'strikes', /whole number/],
  [`${CHAIN}?symbol=NIFTY&strikes=`, 400, 'bad_request', 'strikes', /whole number/],
  [`${CHAIN}?symbol=NIFTY&strikes=0x10`, 400, 'bad_request', 'strikes', /whole number/],
  [`${CHAIN}?symbol=NIFTY&at=banana`, 400, 'bad_request', 'at', /epoch seconds/],
  [`${CHAIN}?symbol=NIFTY&at=2026-13-01T00:00:00`, 400, 'bad_request', 'at', /neither/],
  [`${CHAIN}?symbol=NIFTY&at=${OPEN_MS}`, 400, 'bad_request', 'at', /epoch seconds/],
  [`${CHAIN}?symbol=NIFTY&at=2026-11-20T10:00:00`, 404, 'not_covered', 'at', /Nothing is stored/],
  [`${CHAIN}?symbol=NIFTY&strike=5`, 400, 'bad_request', 'strike', /did you mean "strikes"\?$/],
  [`${CHAIN}?symbol=NIFTY&__proto__=1`, 400, 'bad_request', '__proto__', /no parameter/],
  [`${CHAIN}?symbol=${'N'.repeat(5_000)}`, 400, 'bad_request', 'symbol', /cannot be/],
  [
    `${CHAIN}?symbol=${encodeURIComponent("NIFTY'; DROP TABLE x")}`,
    404,
    'unknown_symbol',
    'symbol',
    /DROP/,
  ],
  ['/fo/expiries', 400, 'bad_request', 'symbol', /missing/],
  ['/fo/expiries?symbol=NIFTY&expiry=x', 400, 'bad_request', 'expiry', /no parameter/],
  ['/fo/expiry-metrics?symbol=NIFTY&timeframe=2m', 400, 'bad_request', 'timeframe', /1m, 3m, 5m/],
  ['/fo/expiry-metrics?symbol=NIFTY&from=yesterday', 400, 'bad_request', 'from', /epoch/],
  [
    '/fo/expiry-metrics?symbol=NIFTY&from=2026-11-21&to=2026-11-20',
    400,
    'bad_request',
    'from',
    /not before/,
  ],
  ['/fo/moneyness-series?symbol=NIFTY', 400, 'bad_request', 'indicator', /missing/],
  ['/fo/moneyness-series?indicator=iv', 400, 'bad_request', 'symbol', /missing/],
  ['/fo/moneyness-series?symbol=X&indicator=iv', 404, 'unknown_symbol', 'symbol', /"X"/],
  ['/fo/moneyness-series?symbol=NIFTY&indicator=rho', 400, 'bad_request', 'indicator', /premium/],
  [`${SERIES}&side=CALL`, 400, 'bad_request', 'side', /CE, PE, both/],
  [`${SERIES}&buckets=ATM,OTM21`, 400, 'bad_request', 'buckets', /"OTM21"/],
  [`${SERIES}&buckets=OTM0`, 400, 'bad_request', 'buckets', /OTM1 to OTM20/],
  [`${SERIES}&buckets=`, 400, 'bad_request', 'buckets', /hold ""/],
  [`${SERIES}&buckets=atm;DROP`, 400, 'bad_request', 'buckets', /DROP/],
  [`${SERIES}&buckets=${'ATM,'.repeat(50)}ATM`, 400, 'bad_request', 'buckets', /1 to 41/],
  [`${SERIES}&expiry=2026-02-31`, 400, 'bad_request', 'expiry', /no date/],
  [`${SERIES}&expiry=${EXPIRY}&expiry=soon`, 400, 'bad_request', 'expiry', /"soon"/],
  [`${SERIES}&expiry=${`${EXPIRY},`.repeat(12)}${EXPIRY}`, 400, 'bad_request', 'expiry', /1 to 12/],
  [`${SERIES}&timeframe=1w`, 400, 'bad_request', 'timeframe', /1m, 3m/],
  [`${SERIES}&from=2026-11-21&to=2026-11-20`, 400, 'bad_request', 'from', /not before/],
  [`${SERIES}&from=9999-12-30&to=9999-12-31`, 400, 'bad_request', 'from', /yet to come/],
  ['/bars', 400, 'bad_request', 'tradingsymbol', /missing/],
  ['/bars?tradingsymbol=', 400, 'bad_request', 'tradingsymbol', /cannot be/],
  [
    `/bars?tradingsymbol=${encodeURIComponent("x' OR '1'='1")}`,
    404,
    'unknown_instrument',
    'tradingsymbol',
    /OR/,
  ],
  [`/bars?tradingsymbol=${'N'.repeat(65)}`, 400, 'bad_request', 'tradingsymbol', /1 to 64/],
  [`${BARS}&timeframe=2h`, 400, 'bad_request', 'timeframe', /1m, 3m/],
  [`${BARS}&from=${OPEN_MS}`, 400, 'bad_request', 'from', /epoch seconds/],
  [`${BARS}&from=99999999999`, 400, 'bad_request', 'from', /not before/],
  [`${BARS}&exchange=MOON`, 404, 'unknown_instrument', 'tradingsymbol', /NIFTY/],
  ['/fo/futures', 400, 'bad_request', 'symbol', /missing/],
  ['/fo/futures?symbol=NIFTY&expiry=x', 400, 'bad_request', 'expiry', /no parameter/],
  ['/gaps?status=lost', 400, 'bad_request', 'status', /unrepairable/],
  ['/gaps?limit=0', 400, 'bad_request', 'limit', /1 to 1000/],
  ['/gaps?limit=1e9', 400, 'bad_request', 'limit', /1 to 1000/],
  ['/gaps?from=2026-11-20&to=2026-11-20', 400, 'bad_request', 'from', /not before/],
  ['/marks/latest?symbols=NIFTY,,SENSEX', 400, 'bad_request', 'symbols', /empty/],
  ['/status?verbose=1', 400, 'bad_request', 'verbose', /no parameter/],
  ['/health?x', 400, 'bad_request', 'x', /no parameter/],
  ['/nothing/here', 404, 'not_found', undefined, /nothing at/],
  ['/fo', 404, 'not_found', undefined, /nothing at/],
  ['/%zz', 400, 'bad_request', undefined, /URL/],
  ['/..%2f..%2fetc%2fpasswd', 404, 'not_found', undefined, /nothing at/],
  ['/stream', 426, 'bad_request', undefined, /WebSocket/],
]

function expectRefusal(answer: Awaited<ReturnType<typeof ask>>): void {
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
  expect(Object.keys(answer.body)).toEqual(['error'])
  expect(Object.keys(answer.body.error)).toEqual(['code', 'message', 'details'])
  expect(ERROR_CODES).toContain(answer.body.error.code)
  expect(JSON.stringify(answer.body)).not.toMatch(/node_modules|\.ts:|\.js:| at .+\(/)
}

describe('a wrong request', () => {
  it.each(WRONG)('%s is refused with %i', async (path, status, code, field, message) => {
    const market = new LiveMarket()
    market.tickAll(OPEN_MS, 24_500)
    const api = await start(market, OPEN_MS)
    const answer = await api.get(path)
    expectRefusal(answer)
    expect(answer.status).toBe(status)
    expect(answer.body.error.code).toBe(code)
    expect(answer.body.error.details?.field).toBe(field)
    expect(answer.body.error.message).toMatch(message)
  })

  it('of a time far off is answered all the same', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    const far = '&from=0001-01-01&to=9999-12-31T23:59:59'
    for (const timeframe of ['1m', '1h', '1d']) {
      for (const path of [SERIES, BARS, '/fo/expiry-metrics?symbol=NIFTY']) {
        expect((await api.get(`${path}${far}&timeframe=${timeframe}`)).status).toBe(200)
      }
    }
    expect((await api.get(`/gaps?from=0001-01-01&to=9999-12-31`)).status).toBe(200)
  })

  it('names what is known beside what is not', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    const symbol = await api.get(`${CHAIN}?symbol=XYZ`)
    expect(symbol.body.error.details.known).toEqual(['NIFTY50'])
    const expiry = await api.get(`${CHAIN}?symbol=NIFTY&expiry=2030-01-01`)
    expect(expiry.body.error.details.known).toEqual([EXPIRY, NEXT_EXPIRY])
    const field = await api.get(`${CHAIN}?symbol=NIFTY&colour=red`)
    expect(field.body.error.details.known).toEqual(['symbol', 'expiry', 'at', 'strikes'])
  })

  it('names every wrong field of one request', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    const { body } = await api.get(`${CHAIN}?expiry=x&strikes=-1&foo=1`)
    const { field, also } = body.error.details
    expect([field, ...also].sort()).toEqual(['expiry', 'foo', 'strikes', 'symbol'])
  })

  it('of the wrong method is told the right ones', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await ask(api.url, '/fo/expiries', { method })
      expectRefusal(answer)
      expect(answer.status).toBe(405)
      expect(answer.headers.get('allow')).toBe('GET, HEAD')
    }
    const token = await ask(api.url, '/subscriptions/12', { method: 'PUT' })
    expect(token.headers.get('allow')).toBe('GET, DELETE')
    expect((await ask(api.url, '/nothing', { method: 'POST' })).status).toBe(404)
  })

  it('with a body that is no JSON, not of JSON, too large or poisoned is refused', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    const post = (body: string, type = 'application/json') =>
      ask(api.url, '/subscriptions', { method: 'POST', body, headers: { 'content-type': type } })
    const cases = [
      [await post('{"instrument_token":'), 400, /not JSON/],
      [await post('<xml/>', 'text/xml'), 415, /content-type/],
      [await post('{}', 'text/plain'), 415, /content-type/],
      [await post(`{"tradingsymbol":"${'x'.repeat(3_000_000)}"}`), 413, /too large/],
      [await post('{"__proto__":{"x":1}}'), 400, /not JSON|__proto__|prototype/],
    ] as const
    for (const [answer, status, message] of cases) {
      expectRefusal(answer)
      expect(answer.status).toBe(status)
      expect(answer.body.error.message).toMatch(message)
    }
  })

  it('that is no HTTP is answered and closed', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    const answer = await new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(api.port, '127.0.0.1', () => socket.write('HELO mail\r\n\r\n'))
      socket.on('data', (data) => {
        text += data.toString()
      })
      socket.on('end', () => resolve(text))
      socket.on('error', reject)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('"code":"bad_request"')
  })

  it('hears of a store that fails without its words, and the live chain goes on', async () => {
    const market = new LiveMarket()
    market.tickAll(OPEN_MS, 24_500)
    const reads = emptyReads({
      chainAt: async () => {
        throw new Error('password authentication failed for user "secret"')
      },
    })
    const api = await start(market, OPEN_MS, { reads })
    const { status, body, headers } = await api.get(`${CHAIN}?symbol=NIFTY&expiry=${EXPIRY}&at=1`)
    expect(status).toBe(503)
    expect(headers.get('retry-after')).toBe('1')
    expect(body.error.code).toBe('unavailable')
    expect(JSON.stringify(body)).not.toContain('secret')
    expect((await api.get(`${CHAIN}?symbol=NIFTY`)).status).toBe(200)
  })

  it('is told that the instruments are not there yet while they are not', async () => {
    const api = await start(new LiveMarket([]), OPEN_MS)
    const { status, body } = await api.get(`${CHAIN}?symbol=NIFTY`)
    expect(status).toBe(503)
    expect(body.error.code).toBe('unavailable')
  })
})
