import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { KiteError, parseRetryAfter } from '../../src/kite/kite-error.ts'
import { kiteLoginUrl, sessionChecksum } from '../../src/kite/login.ts'
import { KiteRest } from '../../src/kite/rest.ts'
import {
  KITE_LTP_KEYS_MAX,
  KITE_QUOTE_KEYS_MAX,
  KITE_REST_TIMEOUT_MS,
  KITE_RETRY_AFTER_MAX_MS,
} from '../../src/limits.ts'
import { referenceData } from '../reference-data.ts'
import { ManualClock } from './manual-clock.ts'

const TOKEN = 'aB+/secret=token'
const NINE_FIFTEEN = Date.parse('2019-12-04T09:15:00+05:30')
const mocks = referenceData('kiteconnect-mocks')

describe.skipIf(mocks === undefined)('the answers that the broker publishes', () => {
  it('history: times are IST, prices rupees, open interest where it is', async () => {
    const broker = await startBroker(() => json(mock('historical_oi.json')))
    const query = { token: 5633, interval: 'minute', fromMs: NINE_FIFTEEN, toMs: NINE_FIFTEEN }
    const candles = await broker.rest.history({ ...query, interval: 'minute' })
    expect(candles).toHaveLength(6)
    expect(candles[0]).toEqual({
      timeMs: NINE_FIFTEEN,
      open: 12009.9,
      high: 12019.35,
      low: 12001.25,
      close: 12001.5,
      volume: 163275,
      openInterest: 13667775,
    })
    expect(candles[5]?.timeMs).toBe(NINE_FIFTEEN + 5 * 60_000)
  })

  it('history without open interest leaves it unknown', async () => {
    const broker = await startBroker(() => json(mock('historical_minute.json')))
    const query = { token: 1, interval: 'minute', fromMs: 0, toMs: 0 } as const
    const candles = await broker.rest.history(query)
    expect(candles[0]).toMatchObject({ open: 1704.5, volume: 2499, openInterest: undefined })
  })

  it('quote: a side without levels has no price', async () => {
    const broker = await startBroker(() => json(mock('quote.json')))
    const quotes = await broker.rest.quotes(['NSE:INFY'])
    expect(quotes.get('NSE:INFY')).toEqual({
      token: 408065,
      lastPrice: 1412.95,
      dayOpen: 1396,
      dayHigh: 1421.75,
      dayLow: 1395.55,
      previousClose: 1389.65,
      exchangeTimeMs: Date.parse('2021-06-08T15:45:56+05:30'),
      lastTradeTimeMs: Date.parse('2021-06-08T15:45:52+05:30'),
      lastQuantity: 5,
      averagePrice: 1412.47,
      dayVolume: 7360198,
      totalBuyQuantity: 0,
      totalSellQuantity: 5191,
      openInterest: 0,
      oiDayHigh: 0,
      oiDayLow: 0,
      bidPrice: undefined,
      bidQuantity: undefined,
      askPrice: 1412.95,
      askQuantity: 5191,
    })
  })

  it('ohlc, ltp and profile', async () => {
    const broker = await startBroker((request) => json(mock(answerFor(request.url ?? ''))))
    expect([...(await broker.rest.ohlc(['NSE:INFY']))]).toEqual([
      [
        'NSE:INFY',
        {
          token: 408065,
          lastPrice: 1075,
          dayOpen: 1085.8,
          dayHigh: 1085.9,
          dayLow: 1070.9,
          previousClose: 1075.8,
        },
      ],
    ])
    const ltp = await broker.rest.ltp(['NSE:INFY', 'NSE:GONE'])
    expect([...ltp]).toEqual([['NSE:INFY', { token: 408065, lastPrice: 1074.35 }]])
    expect(await broker.rest.profile()).toMatchObject({ userId: 'AB1234', broker: 'ZERODHA' })
  })

  it('session and logout', async () => {
    const broker = await startBroker((request) => {
      const file = request.method === 'POST' ? 'generate_session.json' : 'session_logout.json'
      return json(mock(file))
    })
    expect(await broker.rest.createSession('request', 'secret')).toEqual({
      userId: 'XX0000',
      userName: 'Kite Connect',
      accessToken: 'XXXXXX',
      publicToken: 'XXXXXXXX',
      loginTimeMs: Date.parse('2021-01-01T16:15:14+05:30'),
    })
    await broker.rest.invalidateSession()
    expect(broker.requests.map((request) => request.method)).toEqual(['POST', 'DELETE'])
    const ended = new URL(broker.requests[1]?.url ?? '', 'http://localhost')
    expect(ended.pathname).toBe('/session/token')
    expect(ended.searchParams.get('access_token')).toBe(TOKEN)
  })
})

describe('a request', () => {
  it('carries version and authorization, history its times in IST', async () => {
    const broker = await startBroker(() => json('{"status":"success","data":{"candles":[]}}'))
    await broker.rest.history({
      token: 256265,
      interval: '5minute',
      fromMs: NINE_FIFTEEN,
      toMs: NINE_FIFTEEN + 59_999,
      continuous: true,
    })
    const [request] = broker.requests
    const url = new URL(request?.url ?? '', 'http://localhost')
    expect(url.pathname).toBe('/instruments/historical/256265/5minute')
    expect(Object.fromEntries(url.searchParams)).toEqual({
      from: '2019-12-04 09:15:00',
      to: '2019-12-04 09:15:59',
      continuous: '1',
      oi: '1',
    })
    expect(request?.headers['x-kite-version']).toBe('3')
    expect(request?.headers.authorization).toBe(`token key:${TOKEN}`)
  })

  it('before the login carries no authorization', async () => {
    const broker = await startBroker(() => ({ body: 'instrument_token\n1' }), { accessToken: null })
    await broker.rest.instrumentsCsv()
    expect(broker.requests[0]?.headers.authorization).toBeUndefined()
    await broker.rest.invalidateSession()
    expect(broker.requests).toHaveLength(1)
  })

  it('repeats the key for each instrument and refuses more than the broker takes', async () => {
    const broker = await startBroker(() => json('{"status":"success","data":{}}'))
    await broker.rest.quotes(['NFO:A&B', 'NSE:NIFTY 50'])
    const url = new URL(broker.requests[0]?.url ?? '', 'http://localhost')
    expect(url.searchParams.getAll('i')).toEqual(['NFO:A&B', 'NSE:NIFTY 50'])
    const keys = (length: number) => Array.from({ length }, (_, i) => `NFO:${i}`)
    await expect(broker.rest.quotes(keys(KITE_QUOTE_KEYS_MAX + 1))).rejects.toThrow(RangeError)
    await expect(broker.rest.ltp(keys(KITE_LTP_KEYS_MAX + 1))).rejects.toThrow(RangeError)
    expect((await broker.rest.ohlc([])).size).toBe(0)
    expect(broker.requests).toHaveLength(1)
  })

  it('for a session is form-encoded with the checksum of key, request token and secret', async () => {
    const answer = '{"status":"success","data":{"user_id":"U","access_token":"new"}}'
    const broker = await startBroker(() => json(answer))
    const session = await broker.rest.createSession('req', 'sec')
    expect(session).toMatchObject({ accessToken: 'new', loginTimeMs: undefined })
    expect(broker.bodies[0]).toBe(
      `api_key=key&request_token=req&checksum=${sessionChecksum('key', 'req', 'sec')}`,
    )
    expect(broker.requests[0]?.headers['content-type']).toContain('x-www-form-urlencoded')
  })

  it('checksum is SHA-256 of the three, one after another', () => {
    // printf 'keyreqsec' | sha256sum
    expect(sessionChecksum('key', 'req', 'sec')).toBe(CHECKSUM)
  })
})

describe('the instrument dump', () => {
  const csv = 'instrument_token,name\n1,É'

  it.each([
    ['plain', { body: csv }],
    ['compressed on the way', { body: gzipSync(csv), headers: { 'content-encoding': 'gzip' } }],
    ['a gzip file', { body: gzipSync(csv), headers: { 'content-type': 'application/gzip' } }],
  ])('comes as text where it is %s', async (_, answer) => {
    const broker = await startBroker(() => answer)
    expect(await broker.rest.instrumentsCsv('NFO')).toBe(csv)
    expect(broker.requests[0]?.url).toBe('/instruments/NFO')
  })

  it('that is a broken gzip file is a bad answer', async () => {
    const broker = await startBroker(() => ({ body: gzipSync(csv).subarray(0, 20) }))
    expect(await failureOf(broker.rest.instrumentsCsv())).toMatchObject({ code: 'bad_answer' })
  })
})

describe('a failure', () => {
  it.each([
    [403, 'TokenException', { code: 'token_expired', retryable: false }],
    [403, 'PermissionException', { code: 'forbidden', retryable: false }],
    [400, 'InputException', { code: 'bad_request', retryable: false }],
    [404, 'GeneralException', { code: 'not_found', retryable: false }],
    [429, 'NetworkException', { code: 'too_many_requests', retryable: true }],
    [500, 'GeneralException', { code: 'server_error', retryable: true }],
    [503, 'NetworkException', { code: 'server_error', retryable: true }],
    [504, 'DataException', { code: 'server_error', retryable: true }],
  ])('HTTP %i with %s is typed', async (status, errorType, expected) => {
    const body = JSON.stringify({ status: 'error', message: 'No.', error_type: errorType })
    const broker = await startBroker(() => ({ ...json(body), status }))
    const error = await failureOf(broker.rest.profile())
    expect(error).toMatchObject({ ...expected, errorType, httpStatus: status })
    expect(error.message).toContain('No.')
  })

  it.each([
    [429, { code: 'too_many_requests', retryAfterMs: 3_000 }],
    [502, { code: 'server_error', retryAfterMs: 3_000 }],
    [403, { code: 'forbidden' }],
    [301, { code: 'bad_answer' }],
  ])('HTTP %i with a page instead of JSON is typed too', async (status, expected) => {
    const headers = { 'retry-after': '3', location: '/elsewhere' }
    const broker = await startBroker(() => ({ body: '<html>', status, headers }))
    expect(await failureOf(broker.rest.profile())).toMatchObject(expected)
    expect(broker.requests).toHaveLength(1)
  })

  it.each([
    ['a page', '<html>'],
    ['nothing', ''],
    ['JSON without a status', '{"data":{}}'],
    ['no object', 'null'],
    ['a profile without a user', '{"status":"success","data":{"exchanges":[]}}'],
  ])('%s in place of an answer is a bad answer', async (_, body) => {
    const broker = await startBroker(() => json(body))
    const error = await failureOf(broker.rest.profile())
    expect(error).toMatchObject({ code: 'bad_answer', retryable: true })
  })

  it.each([
    ['a candle that is none', [['2019-12-04T09:15:00+0530', 1, 2]]],
    ['a time that is none', [['yesterday', 1, 2, 3, 4, 5]]],
    ['a price as text', [['2019-12-04T09:15:00+0530', '1', 2, 3, 4, 5]]],
    ['no rows', 'none'],
  ])('history with %s is a bad answer', async (_, candles) => {
    const body = JSON.stringify({ status: 'success', data: { candles } })
    const broker = await startBroker(() => json(body))
    const query = { token: 1, interval: 'day', fromMs: 0, toMs: 0 } as const
    expect(await failureOf(broker.rest.history(query))).toMatchObject({ code: 'bad_answer' })
  })

  it('reported with HTTP 200 is a failure all the same', async () => {
    const body = '{"status":"error","message":"Invalid session","error_type":"TokenException"}'
    const broker = await startBroker(() => json(body))
    expect(await failureOf(broker.rest.profile())).toMatchObject({ code: 'token_expired' })
  })

  it('of the network is typed', async () => {
    const dropping = await startBroker(() => undefined)
    dropping.onRequest = (_, response) => response.destroy()
    expect(await failureOf(dropping.rest.profile())).toMatchObject({ code: 'network' })
    await dropping.stop()
    const error = await failureOf(dropping.rest.profile())
    expect(error).toMatchObject({ code: 'network', retryable: true })
  })

  it('to answer in time is a timeout, by the clock, also in the middle of an answer', async () => {
    const broker = await startBroker(() => undefined)
    const silent = failureOf(broker.rest.profile())
    await vi.waitFor(() => expect(broker.requests).toHaveLength(1), { timeout: 60_000 })
    broker.clock.advance(KITE_REST_TIMEOUT_MS)
    expect(await silent).toMatchObject({ code: 'timeout', retryable: true })

    broker.onRequest = (_, response) => response.writeHead(200).write('{"status":')
    const halting = failureOf(broker.rest.profile())
    await vi.waitFor(() => expect(broker.requests).toHaveLength(2), { timeout: 60_000 })
    broker.clock.advance(KITE_REST_TIMEOUT_MS)
    expect(await halting).toMatchObject({ code: 'timeout' })
    expect(broker.clock.pendingTimers).toBe(0)
  })

  it('by the signal of the caller is named so', async () => {
    const broker = await startBroker(() => undefined)
    const before = failureOf(broker.rest.profile(AbortSignal.abort()))
    expect(await before).toMatchObject({ code: 'aborted', retryable: false })
    const controller = new AbortController()
    const during = failureOf(broker.rest.profile(controller.signal))
    await vi.waitFor(() => expect(broker.requests).toHaveLength(1), { timeout: 60_000 })
    controller.abort()
    expect(await during).toMatchObject({ code: 'aborted' })
    expect(broker.clock.pendingTimers).toBe(0)
  })

  it('shows neither token nor secret, even where the broker repeats them', async () => {
    const answer = (message: string) => ({ ...json(JSON.stringify({ message })), status: 400 })
    const broker = await startBroker(() => answer(`${TOKEN} of ${encodeURIComponent(TOKEN)}`))
    const login = await startBroker(() => answer('my-secret and req-token'))
    const illegal = await startBroker(() => json('{}'), { accessToken: 'secret\nbreak' })
    const errors = [
      await failureOf(broker.rest.profile()),
      await failureOf(broker.rest.invalidateSession()),
      await failureOf(login.rest.createSession('req-token', 'my-secret')),
      await failureOf(illegal.rest.profile()),
    ]
    for (const error of errors) {
      const everything = `${inspect(error, { depth: 9, showHidden: true })}${JSON.stringify(error)}`
      expect(everything).not.toMatch(/secret|req-token|break|aB\+|aB%2B/)
      expect(error.message).toContain('[redacted]')
    }
  })
})

describe('Retry-After', () => {
  const now = Date.parse('2026-11-23T04:00:00Z')

  it.each([
    ['5', 5_000],
    ['0', 0],
    ['Mon, 23 Nov 2026 04:00:30 GMT', 30_000],
    ['Mon, 23 Nov 2026 03:00:00 GMT', 0],
    ['999999999', KITE_RETRY_AFTER_MAX_MS],
    ['-3', 0],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
  ])('%s means %s ms', (header, expected) => {
    expect(parseRetryAfter(header, now)).toBe(expected)
  })
})

describe('the login link', () => {
  it('names the app and carries what shall come back', () => {
    expect(kiteLoginUrl('key')).toBe('https://kite.zerodha.com/connect/login?v=3&api_key=key')
    const url = new URL(kiteLoginUrl('key', { account: 'a&b' }, 'http://127.0.0.1:8090'))
    expect(url.origin).toBe('http://127.0.0.1:8090')
    expect(url.searchParams.get('redirect_params')).toBe('account=a%26b')
  })
})

const CHECKSUM = 'e527c3f602010d1c045a863d2857aecf6ed755faf71f4b5984b76441448a2ef2'

interface Answer {
  status?: number
  headers?: Record<string, string>
  body: string | Buffer
}

interface Broker {
  readonly rest: KiteRest
  readonly clock: ManualClock
  readonly requests: IncomingMessage[]
  readonly bodies: string[]
  onRequest: (request: IncomingMessage, response: ServerResponse) => void
  stop(): Promise<void>
}

const releasers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const release of releasers.splice(0)) await release()
})

/** Answers every request; where `answer` gives nothing, it stays silent. */
async function startBroker(
  answer: (request: IncomingMessage) => Answer | undefined,
  options: { accessToken?: string | null } = {},
): Promise<Broker> {
  const clock = new ManualClock()
  const requests: IncomingMessage[] = []
  const bodies: string[] = []
  const server = createServer()
  const { accessToken = TOKEN } = options
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const broker: Broker = {
    rest: new KiteRest({ root, apiKey: 'key', accessToken: () => accessToken ?? undefined, clock }),
    clock,
    requests,
    bodies,
    onRequest(request, response) {
      const { status = 200, headers = {}, body } = answer(request) ?? { status: 0, body: '' }
      if (status !== 0) response.writeHead(status, headers).end(body)
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  server.on('request', async (request, response) => {
    requests.push(request)
    bodies.push(await text(request))
    broker.onRequest(request, response)
  })
  releasers.push(broker.stop)
  return broker
}

function json(body: string): Answer {
  return { headers: { 'content-type': 'application/json' }, body }
}

function mock(file: string): string {
  return readFileSync(`${mocks}/${file}`, 'utf8')
}

function answerFor(url: string): string {
  if (url.startsWith('/quote/ohlc')) return 'ohlc.json'
  return url.startsWith('/quote/ltp') ? 'ltp.json' : 'profile.json'
}

async function failureOf(attempt: Promise<unknown>): Promise<KiteError> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof KiteError) return error
  throw new Error(`expected a KiteError, not ${inspect(error)}`)
}
