import { request as httpRequest } from 'node:http'
import fc from 'fast-check'
import { Value } from 'typebox/value'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ErrorBody } from '../../../src/contract/api/error.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import { msOfIst } from '../../../src/market/ist.ts'
import { startBroker } from '../support/broker-server.ts'
import { option, sensexOption, smallMaster } from '../support/contracts.ts'
import {
  onRelease,
  type Running,
  releaseAll,
  request,
  runTicker,
} from '../support/start-test-ticker.ts'
import { WRONG_REQUESTS } from './requests.ts'

const WITHIN = { timeout: 60_000, interval: 10 }
const HELD = option(26_000, 'CE')
/** Expires two days after it. */
const SENSEX = sensexOption(80_000, 'CE')

let running: Running

beforeAll(async () => {
  // The broker is silent here, and a mute socket would be opened anew.
  running = await runTicker({ config: { muteAfterMs: 600_000 } })
  await request(running, 'POST', '/subscriptions', { instrument_token: HELD.token })
  await vi.waitFor(() => {
    const { rows } = running.ticker.subscriptions.list({ status: 'active' })
    expect(running.broker.carried().size).toBe(rows.length)
    expect(rows.length).toBe(state().still.length)
    expect(rows.length).toBeGreaterThan(40)
  }, WITHIN)
})

afterAll(releaseAll)

/** Everything that a refused request must leave as it was. */
function state() {
  const { ticker, events } = running
  const { rows } = ticker.subscriptions.list({})
  const still = rows.map(({ instrument_token, mode, requested_by, requested_at }) => {
    return { instrument_token, mode, requested_by, requested_at }
  })
  // What the socket does by itself meanwhile is no matter of the request.
  const told = events.filter(({ event_type }) => event_type.startsWith('subscription_'))
  return { still, told: told.length, listed: ticker.master.size }
}

describe('a wrong request is refused with the field and the fix, and changes nothing', () => {
  it.each(WRONG_REQUESTS)('$method $path $field (case %#)', async (wrong) => {
    const before = state()
    const { method, path, body, headers } = wrong
    const answer = await request(running, method, path, body, headers)
    expectRefusal(answer)
    const { error } = answer.body as ErrorBody
    expect([answer.status, error.code]).toEqual([wrong.status, wrong.code])
    expect(error.message).toMatch(wrong.says)
    if (wrong.field !== undefined && wrong.field !== '') {
      expect(error.details?.['field']).toBe(wrong.field)
    }
    expect(state()).toEqual(before)
  })

  it('whatever JSON it is', async () => {
    const words = fc.constantFrom('instruments', 'instrument_token', 'tradingsymbol', 'mode', 'x')
    const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.dictionary(words, fc.jsonValue()))
    await fc.assert(
      fc.asyncProperty(value, async (body) => {
        const before = state()
        const answer = await request(running, 'POST', '/subscriptions', JSON.stringify(body))
        expectRefusal(answer)
        expect(answer.status).toBeGreaterThanOrEqual(400)
        expect(answer.status).toBeLessThan(500)
        expect(state()).toEqual(before)
      }),
      { numRuns: 200 },
    )
  })

  it('whatever query it has', async () => {
    const paths = fc.constantFrom('/subscriptions', '/instruments', '/status', '/subscriptions/7')
    await fc.assert(
      fc.asyncProperty(
        paths,
        fc.string({ minLength: 1 }),
        fc.string(),
        async (path, name, text) => {
          fc.pre(!['q', 'symbol', 'account', 'segment'].includes(name))
          const query = new URLSearchParams([[`_${name}`, text]])
          const answer = await request(running, 'GET', `${path}?${query}`)
          expectRefusal(answer)
          expect(answer.status).toBe(400)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('HEAD answers as GET does, without a body', async () => {
    for (const path of ['/subscriptions', '/status', '/instruments']) {
      const answer = await fetch(`${running.ticker.url}${path}`, { method: 'HEAD' })
      expect([path, answer.status, await answer.text()]).toEqual([path, 200, ''])
    }
  })
})

describe('a page of another site that points its name here', () => {
  it.each([
    ['evil.example', 403],
    ['evil.example:8080', 403],
    ['127.0.0.1.evil.example', 403],
    ['localhost.evil.example', 403],
    ['10.0.0.1', 403],
    ['localhost', 200],
    ['LOCALHOST:9999', 200],
    ['127.0.0.1:8080', 200],
    ['[::1]:8080', 200],
  ])('calling it %s gets %i', async (host, status) => {
    const answer = await asHost(host)
    expect(answer.status).toBe(status)
    if (status !== 403) return
    const body = JSON.parse(answer.text)
    expect(Value.Check(ErrorBody, body)).toBe(true)
    expect(body.error).toMatchObject({ code: 'forbidden', details: { field: 'host', value: host } })
    expect(body.error.message).toMatch(/call it as 127\.0\.0\.1 or localhost/)
  })
})

describe('an expired contract', () => {
  it('is refused as expired, alone and among others', async () => {
    const broker = await startBroker(smallMaster())
    onRelease(() => broker.stop())
    const after = await runTicker({
      broker,
      config: { calendarMode: 'exchange', startMarketTimeMs: msOfIst('2026-12-01', '15:41') },
      deps: { calendar: exchangeCalendar() },
    })
    const alone = await request(after, 'POST', '/subscriptions', {
      tradingsymbol: HELD.tradingsymbol,
    })
    expect([alone.status, (alone.body as ErrorBody).error.code]).toEqual([410, 'expired'])
    expect((alone.body as ErrorBody).error.message).toMatch(/has expired \(2026-12-01\)/)
    const among = await request(after, 'POST', '/subscriptions', {
      instruments: [{ tradingsymbol: SENSEX.tradingsymbol }, { instrument_token: HELD.token }],
    })
    expect(among).toMatchObject({
      status: 201,
      body: {
        subscriptions: [{ tradingsymbol: SENSEX.tradingsymbol }],
        errors: [{ code: 'expired' }],
      },
    })
  })
})

function asHost(host: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const url = `${running.ticker.url}/health`
    const sent = httpRequest(url, { headers: { host } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    sent.on('error', reject).end()
  })
}

function expectRefusal({ body }: { readonly body: unknown }): void {
  expect([...Value.Errors(ErrorBody, body)]).toEqual([])
  expect(Object.keys(body as object)).toEqual(['error'])
  expect(JSON.stringify(body)).not.toMatch(/node_modules|\.[tj]s:\d|at .*\(/)
}
