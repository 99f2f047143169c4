import { connect } from 'node:net'
import { Value } from 'typebox/value'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { ErrorBody } from '../../../src/contract/api/error.ts'
import { Health } from '../../../src/contract/api/health.ts'
import { Instruments, type InstrumentView } from '../../../src/contract/api/instruments.ts'
import {
  SubscribeAnswer,
  SubscribePlan,
  type Subscription,
  Subscriptions,
  UnsubscribeAnswer,
} from '../../../src/contract/api/subscriptions.ts'
import { TickerStatus } from '../../../src/contract/api/ticker-status.ts'
import { frameOf, NIFTY, option, sensexOption } from '../support/contracts.ts'
import { type Running, releaseAll, request, runTicker } from '../support/start-test-ticker.ts'

const CALL = option(26_000, 'CE')
const PUT = option(26_000, 'PE')
const SENSEX = sensexOption(80_000, 'CE')
const WITHIN = { timeout: 60_000, interval: 5 }

let running: Running

beforeAll(async () => {
  running = await runTicker({ config: { instrumentsPerAccount: 60 }, isUnasked: true })
})

afterAll(releaseAll)

beforeEach(async () => {
  const { subscriptions } = running.ticker
  const tokens = subscriptions.list({}).rows.map((row) => row.instrument_token)
  await subscriptions.unsubscribe(tokens, 'api', true)
})

describe('POST /subscriptions', () => {
  it('creates with 201, and says 200 when it is there already, however often and by how many', async () => {
    const first = await post({ instrument_token: CALL.token })
    expect(first.status).toBe(201)
    expect(first.body).toMatchObject({
      subscriptions: [
        {
          instrument_token: CALL.token,
          tradingsymbol: CALL.tradingsymbol,
          exchange: 'NFO',
          segment: 'NFO-OPT',
          symbol: 'NIFTY50',
          expiry: '2026-12-01',
          strike: 26_000,
          option_type: 'CE',
          mode: 'full',
          account: 'main',
          connection: 1,
          requested_by: ['api'],
          first_tick_at: null,
        },
      ],
      errors: [],
    })
    const both = await Promise.all([
      post({ tradingsymbol: CALL.tradingsymbol }),
      post({ tradingsymbol: CALL.tradingsymbol, exchange: 'NFO' }, { 'x-requested-by': 'view' }),
    ])
    expect(both.map(({ status }) => status)).toEqual([200, 200])
    expect((await list('?status=active')).map((row) => row.requested_by)).toEqual([['api', 'view']])
  })

  it('takes many at once, keeps what can be done, and names each fault', async () => {
    const { status, body } = await post({
      mode: 'QUOTE',
      instruments: [
        { instrument_token: CALL.token },
        { tradingsymbol: PUT.tradingsymbol, mode: 'Ltp' },
        { instrument_token: CALL.token, requested_mode: 'full' },
        { instrument_token: 99 },
        { tradingsymbol: 'NIFTY26D0126000XX' },
      ],
    })
    expect(status).toBe(201)
    const answer = body as SubscribeAnswer
    expect(answer.subscriptions.map(({ tradingsymbol, mode }) => [tradingsymbol, mode])).toEqual([
      [CALL.tradingsymbol, 'full'],
      [PUT.tradingsymbol, 'ltp'],
    ])
    expect(answer.errors.map(({ instrument, code }) => [instrument, code])).toEqual([
      [99, 'unknown_instrument'],
      ['NIFTY26D0126000XX', 'unknown_instrument'],
    ])
    expect(Value.Check(SubscribeAnswer, body)).toBe(true)
  })

  it('where nothing could be done answers an error', async () => {
    expectError(await post({ instrument_token: 99 }), 404, 'unknown_instrument')
    const many = await post({ instruments: [{ instrument_token: 98 }, { instrument_token: 99 }] })
    expectError(many, 404, 'unknown_instrument')
  })

  it('stops at the limit of the account and says so', async () => {
    const instruments = Array.from({ length: 61 }, (_, i) => option(24_500 + 50 * i, 'PE'))
    const { status, body } = await post({
      instruments: instruments.map(({ token }) => ({ instrument_token: token })),
    })
    expect(status).toBe(201)
    expect((body as SubscribeAnswer).subscriptions).toHaveLength(60)
    expect((body as SubscribeAnswer).errors).toEqual([
      {
        instrument: instruments[60]?.tradingsymbol,
        code: 'capacity_exceeded',
        message: expect.stringContaining('60 of 60 instruments are taken (main 60/60)'),
      },
    ])
    expect((await list('?status=failed')).map((row) => row.tradingsymbol)).toEqual([
      instruments[60]?.tradingsymbol,
    ])
    expectError(await post({ instrument_token: instruments[60]?.token }), 409, 'capacity_exceeded')
    await request(running, 'DELETE', `/subscriptions/${instruments[0]?.token}`)
    // What was refused finds the room that has come free, and says so.
    await vi.waitFor(async () => {
      expect((await one(instruments[60]?.token ?? 0)).status).toBe('active')
    }, WITHIN)
    expect(await list('?status=failed')).toEqual([])
  })

  it('lowers a mode only for who holds it alone', async () => {
    await post({ instrument_token: CALL.token })
    await post({ instrument_token: CALL.token, mode: 'ltp' }, { 'x-requested-by': 'view' })
    expect((await one(CALL.token)).mode).toBe('full')
    await request(running, 'DELETE', `/subscriptions/${CALL.token}`)
    await post({ instrument_token: CALL.token, mode: 'ltp' }, { 'x-requested-by': 'view' })
    expect((await one(CALL.token)).mode).toBe('ltp')
  })

  it('with dry_run answers the plan and changes nothing', async () => {
    await post({ instrument_token: CALL.token })
    const { status, body } = await request(running, 'POST', '/subscriptions?dry_run=true', {
      instruments: [
        { instrument_token: CALL.token },
        { instrument_token: PUT.token },
        { instrument_token: 99 },
      ],
    })
    expect(status).toBe(200)
    expect(body).toEqual({
      dry_run: true,
      plan: [
        {
          account: 'main',
          connection: 1,
          instruments_now: 1,
          instruments_after: 2,
          added: [PUT.tradingsymbol],
        },
      ],
      existing: 1,
      errors: [
        { instrument: 99, code: 'unknown_instrument', message: expect.stringContaining('99') },
      ],
    })
    expect(Value.Check(SubscribePlan, body)).toBe(true)
    expect(await list('?status=active')).toHaveLength(1)
  })

  it('with wait=first_tick answers when it is live', async () => {
    const waiting = request(running, 'POST', '/subscriptions?wait=first_tick&timeout_ms=5000', {
      instruments: [{ instrument_token: CALL.token }, { instrument_token: PUT.token }],
    })
    const { broker } = running
    await vi.waitFor(() => expect(broker.peer.modes.get(PUT.token)).toBe('full'), WITHIN)
    broker.peer.send(frameOf([CALL.token]))
    broker.peer.send(frameOf([PUT.token]))
    const { status, body } = await waiting
    expect(status).toBe(201)
    const rows = (body as SubscribeAnswer).subscriptions
    expect(rows.map((row) => row.status)).toEqual(['active', 'active'])
    for (const row of rows) {
      expect(row.first_tick_at).toMatch(/\+05:30$/)
      expect(row.last_tick_at).toMatch(/\+05:30$/)
    }
  })

  it('with wait=first_tick says why there is none', async () => {
    const { body } = await request(
      running,
      'POST',
      '/subscriptions?wait=first_tick&timeout_ms=30',
      {
        instrument_token: CALL.token,
      },
    )
    expect((body as SubscribeAnswer).subscriptions).toHaveLength(1)
    expect((body as SubscribeAnswer).errors).toEqual([
      {
        instrument: CALL.tradingsymbol,
        code: 'timeout',
        message: 'no tick within 30 ms: the broker has sent none yet',
        no_tick_reason: 'awaited',
      },
    ])
  })
})

describe('GET /subscriptions', () => {
  it('filters, pages and counts', async () => {
    await post({
      instruments: [CALL, PUT, NIFTY, SENSEX].map(({ token }) => ({ instrument_token: token })),
    })
    const all = await request(running, 'GET', '/subscriptions?status=active')
    expect(Value.Check(Subscriptions, all.body)).toBe(true)
    expect(all.headers.get('x-total-count')).toBe('4')
    expect(await list('?status=active&symbol=nifty 50')).toHaveLength(3)
    expect(await list('?status=active&symbol=SENSEX')).toHaveLength(1)
    expect(await list('?status=active&expiry=2026-12-01')).toHaveLength(2)
    expect(await list('?status=active&account=main')).toHaveLength(4)
    expect(await list('?status=active&account=other')).toEqual([])
    const page = await request(running, 'GET', '/subscriptions?status=active&limit=2&offset=3')
    expect(page.body).toHaveLength(1)
    expect(page.headers.get('x-total-count')).toBe('4')
    expect(await list(`?status=removed&symbol=NIFTY`)).not.toHaveLength(0)
  })

  it('/{token} answers one, active once the broker was told', async () => {
    await post({ instrument_token: CALL.token })
    await vi.waitFor(async () => {
      const row = await one(CALL.token)
      expect(row.status).toBe('active')
      expect(row.activated_at).toMatch(/\+05:30$/)
    }, WITHIN)
    expectError(await request(running, 'GET', '/subscriptions/123456'), 404, 'not_found')
  })
})

describe('DELETE /subscriptions', () => {
  it('takes back the own hold and ends with the last one', async () => {
    await post({ instrument_token: CALL.token })
    await post({ instrument_token: CALL.token }, { 'x-requested-by': 'view' })
    const kept = await request(running, 'DELETE', `/subscriptions/${CALL.token}`)
    expect(kept.body).toEqual({
      removed: [],
      kept: [{ instrument_token: CALL.token, held_by: ['view'] }],
    })
    expect(Value.Check(UnsubscribeAnswer, kept.body)).toBe(true)
    const stranger = await request(running, 'DELETE', `/subscriptions/${CALL.token}`)
    expect(stranger.body).toEqual(kept.body)
    const ended = await request(running, 'DELETE', `/subscriptions/${CALL.token}`, undefined, {
      'x-requested-by': 'view',
    })
    expect(ended.body).toEqual({ removed: [CALL.token], kept: [] })
    expect((await one(CALL.token)).status).toBe('removed')
    const again = await request(running, 'DELETE', `/subscriptions/${CALL.token}`)
    expect([again.status, again.body]).toEqual([200, { removed: [], kept: [] }])
  })

  it('takes several tokens, and everybody’s hold with force', async () => {
    const body = {
      instruments: [{ instrument_token: CALL.token }, { instrument_token: PUT.token }],
    }
    await post(body, { 'x-requested-by': 'auto' })
    const path = `/subscriptions?instrument_token=${CALL.token},${PUT.token},77`
    const kept = await request(running, 'DELETE', path)
    expect((kept.body as UnsubscribeAnswer).kept).toHaveLength(2)
    const removed = await request(running, 'DELETE', `${path}&force=true`)
    expect(removed.body).toEqual({ removed: [CALL.token, PUT.token], kept: [] })
    await vi.waitFor(() => {
      expect(running.broker.carried().has(CALL.token)).toBe(false)
    }, WITHIN)
    expectError(await request(running, 'DELETE', '/subscriptions/77'), 404, 'not_found')
  })
})

describe('GET /instruments', () => {
  it('searches the master', async () => {
    const { status, body } = await request(running, 'GET', '/instruments?q=26000&symbol=NIFTY')
    expect(status).toBe(200)
    expect(Value.Check(Instruments, body)).toBe(true)
    expect((body as InstrumentView[]).map((row) => row.tradingsymbol)).toEqual([
      CALL.tradingsymbol,
      PUT.tradingsymbol,
    ])
    const few = await request(
      running,
      'GET',
      '/instruments?segment=NFO-OPT&expiry=2026-12-01&limit=3',
    )
    expect(few.body).toHaveLength(3)
  })
})

describe('the state', () => {
  it('/status fits its schema', async () => {
    await post({ instrument_token: CALL.token })
    const { status, body } = await request(running, 'GET', '/status')
    expect(status).toBe(200)
    expect([...Value.Errors(TickerStatus, body)]).toEqual([])
    expect(body).toMatchObject({
      service: 'ticker',
      ticker_id: 't1',
      feed: 'simulated',
      calendar: { mode: 'always', session: 'open' },
      accounts: [{ name: 'main', state: 'up', capacity: 60, login_url: null }],
      journal: { state: 'ok' },
      redis: { status: 'not_configured', channel_prefix: 'ticker:nifty' },
    })
  })

  it('/health and /ready say ok', async () => {
    for (const path of ['/health', '/ready']) {
      const { status, body } = await request(running, 'GET', path)
      expect(status).toBe(200)
      expect(Value.Check(Health, body)).toBe(true)
      expect(body).toMatchObject({ status: 'ok' })
    }
  })

  it('/metrics is a Prometheus page', async () => {
    const { body, headers } = await request(running, 'GET', '/metrics')
    expect(headers.get('content-type')).toMatch(/^text\/plain/)
    expect(body).toMatch(/^fostream_ticks_total\{stage="received"\} \d+$/m)
    expect(body).toMatch(/^fostream_subscriptions\{status="active"\} \d+$/m)
    expect(body).toMatch(/^fostream_hop_seconds_count\{hop="journal"\} \d+$/m)
  })
})

describe('bytes', () => {
  it('that are no HTTP are told so', async () => {
    const { port, hostname } = new URL(running.ticker.url)
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => socket.write('GARBAGE\r\n\r\n'))
      let text = ''
      socket.on('data', (bytes) => {
        text += bytes.toString()
      })
      socket.on('close', () => resolve(text))
      socket.on('error', reject)
    })
    const [, body = ''] = answer.split('\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(Value.Check(ErrorBody, JSON.parse(body))).toBe(true)
  })
})

function post(body: unknown, headers: Record<string, string> = {}) {
  return request(running, 'POST', '/subscriptions', body, headers)
}

async function list(query: string): Promise<Subscriptions> {
  const { status, body } = await request(running, 'GET', `/subscriptions${query}`)
  expect(status).toBe(200)
  return body as Subscriptions
}

async function one(token: number): Promise<Subscription> {
  const { status, body } = await request(running, 'GET', `/subscriptions/${token}`)
  expect(status).toBe(200)
  return body as Subscription
}

function expectError(
  { status, body }: { status: number; body: unknown },
  expectedStatus: number,
  code: string,
): void {
  expect({ status, body }).toMatchObject({ status: expectedStatus, body: { error: { code } } })
  expect(Value.Check(ErrorBody, body)).toBe(true)
  expect(JSON.stringify(body)).not.toMatch(/\.ts|node_modules|at .*\(/)
}
