/** Tickers that fail in the middle, refuse, or answer what was not agreed, behind the backend. */
import { expect, it } from 'vitest'
import { row } from '../lifecycle/subscription-rows.ts'
import { OPEN_MS } from '../scenario.ts'
import { type Reply, type ScriptedTicker, scriptedTickers } from '../tickers/scripted-ticker.ts'
import { ask, LiveMarket, servers } from './live-market.ts'

const startTicker = scriptedTickers()
const startApi = servers()

async function apiOf(...tickers: readonly ScriptedTicker[]): Promise<string> {
  const accesses = tickers.map(({ url }) => ({ url, timeoutMs: 2_000, apiKey: 'our own' }))
  return (await startApi(new LiveMarket(), OPEN_MS, { tickers: accesses })).url
}

function post(url: string, path: string, body: unknown, headers: Record<string, string> = {}) {
  return ask(url, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

function list(...rows: readonly unknown[]): Reply {
  return { body: rows, headers: { 'x-total-count': String(rows.length) } }
}

function refusal(status: number, code: string, details: unknown = null): Reply {
  return { status, body: { error: { code, message: `It is ${code}.`, details } } }
}

/** Streams these, and subscribes whatever it is asked for. */
function streaming(...tokens: readonly number[]): ScriptedTicker['answer'] {
  return ({ method, query, body }) => {
    if (method === 'GET') {
      return query['status'] === 'active' ? list(...tokens.map((token) => row(token))) : list()
    }
    const { instruments } = body as { instruments: { instrument_token: number }[] }
    const subscriptions = instruments.map(({ instrument_token: token }) => row(token))
    return { status: 201, body: { subscriptions, errors: [] } }
  }
}

const BOTH = { instruments: [{ instrument_token: 1 }, { instrument_token: 2 }], mode: 'ltp' }

it('the caller speaks to each ticker with its own key and name', async () => {
  const one = await startTicker(streaming())
  const two = await startTicker(streaming(2))
  const headers = { 'x-api-key': 'caller', authorization: 'Basic eA==', 'x-requested-by': 'desk' }
  const answer = await post(await apiOf(one, two), '/subscriptions', BOTH, headers)
  expect(answer.status).toBe(201)
  const asked = [...one.asked, ...two.asked].filter(({ path }) => path === '/subscriptions')
  expect(asked).toHaveLength(6)
  for (const each of asked) expect(each.headers).toMatchObject(headers)
  const bodies = [one, two].map(({ asked }) => asked.find(({ method }) => method === 'POST')?.body)
  expect(bodies).toEqual([
    { instruments: [{ instrument_token: 1, mode: 'ltp' }] },
    { instruments: [{ instrument_token: 2, mode: 'ltp' }] },
  ])
})

it('what one of them subscribed stands when another one fails in the middle', async () => {
  const one = await startTicker(streaming(1))
  const shows = streaming(2)
  const two = await startTicker((asked) => (asked.method === 'POST' ? 'broken' : shows(asked)))
  const url = await apiOf(one, two)
  const { status, body } = await post(url, '/subscriptions', BOTH)
  expect(status).toBe(201)
  expect(body.subscriptions).toMatchObject([{ instrument_token: 1 }])
  expect(body.errors).toMatchObject([{ instrument: 2, code: 'unavailable' }])
  expect(body.errors[0].message).toContain(two.url)
  const alone = await post(url, '/subscriptions', { instrument_token: 2 })
  expect([alone.status, alone.body.error.details.ticker]).toEqual([503, two.url])
})

it('what has no room at the first is let go of there, by token and by name', async () => {
  const full = [row(1), row(2)]
  const errors = full.map(({ tradingsymbol: instrument }) => ({
    instrument,
    code: 'capacity_exceeded',
    message: 'No room.',
  }))
  const one = await startTicker(({ method, query }) => {
    if (method === 'DELETE') return { body: { removed: [1, 2], kept: [] } }
    if (method === 'POST') return refusal(409, 'capacity_exceeded', { errors })
    const waits = { status: 'failed', account: null, connection: null } as const
    const failed = [1, 2, 3].map((token) => row(token, waits))
    return query['status'] === 'failed' ? list(...failed) : list()
  })
  const two = await startTicker(({ method }) =>
    method === 'GET' ? list() : { body: { subscriptions: full, errors: [] } },
  )
  const { tradingsymbol, exchange } = row(2)
  const { status, body } = await post(await apiOf(one, two), '/subscriptions', {
    instruments: [{ instrument_token: 1 }, { tradingsymbol, exchange }],
  })
  expect([status, body]).toEqual([200, { subscriptions: full, errors: [] }])
  const released = one.asked.filter(({ method }) => method === 'DELETE')
  expect(released.map(({ query }) => query)).toEqual([{ instrument_token: '1,2' }])
  expect(two.asked.some(({ method }) => method === 'DELETE')).toBe(false)
})

it('what the first may come to stream is asked of no other', async () => {
  const error = { instrument: row(1).tradingsymbol, code: 'capacity_exceeded', message: 'Full.' }
  const one = await startTicker(({ method, query }) => {
    if (method === 'DELETE') return 'broken'
    if (method === 'POST') return refusal(409, 'capacity_exceeded', { errors: [error] })
    return query['status'] === 'failed' ? list(row(1, { status: 'failed' })) : list()
  })
  const two = await startTicker(streaming())
  const answer = await post(await apiOf(one, two), '/subscriptions', { instrument_token: 1 })
  expect([answer.status, answer.body.error.details.ticker]).toEqual([503, one.url])
  expect(two.asked.some(({ method }) => method === 'POST')).toBe(false)
})

it('all wait for first ticks at once, after all have subscribed', async () => {
  const order: string[] = []
  const noting = (name: string, token: number): ScriptedTicker['answer'] => {
    const answer = streaming(token)
    return (asked) => {
      if (asked.method === 'POST') order.push(`${name} ${asked.query['timeout_ms'] ?? 'at once'}`)
      // It exists by then.
      return asked.query['wait'] === undefined
        ? answer(asked)
        : { ...Object(answer(asked)), status: 200 }
    }
  }
  const one = await startTicker(noting('one', 1))
  const two = await startTicker(noting('two', 2))
  const path = '/subscriptions?wait=first_tick&timeout_ms=500'
  const { status, body } = await post(await apiOf(one, two), path, BOTH)
  expect([status, body.subscriptions.length, body.errors]).toEqual([201, 2, []])
  expect(order.slice(0, 2)).toEqual(['one at once', 'two at once'])
  expect(order.slice(2).sort()).toEqual(['one 500', 'two 500'])
})

it('rows stay where a ticker does not wait', async () => {
  const answer = streaming(1)
  const one = await startTicker((asked) =>
    asked.query['wait'] === undefined ? answer(asked) : refusal(503, 'unavailable'),
  )
  const two = await startTicker(streaming())
  const path = '/subscriptions?wait=first_tick'
  const { status, body } = await post(await apiOf(one, two), path, { instrument_token: 1 })
  expect([status, body.subscriptions.length]).toEqual([201, 1])
  expect(body.errors).toMatchObject([{ instrument: row(1).tradingsymbol, code: 'unavailable' }])
})

it.each<[string, Reply, number, string]>([
  ['refuses the key', refusal(401, 'unauthorized'), 401, 'unauthorized'],
  ['is not ready', refusal(503, 'unavailable'), 503, 'unavailable'],
  ['is something else', { status: 302, body: '' }, 503, 'unavailable'],
  ['says no number of rows', { body: [] }, 503, 'unavailable'],
  ['sends no list', { body: {}, headers: { 'x-total-count': '1' } }, 503, 'unavailable'],
  ['says nothing', 'never', 504, 'timeout'],
])('a ticker that %s is named', async (_what, reply, status, code) => {
  const one = await startTicker(streaming(1))
  const two = await startTicker(() => reply)
  const { status: found, body } = await ask(await apiOf(one, two), '/subscriptions')
  expect([found, body.error.code, body.error.details.ticker]).toEqual([status, code, two.url])
})

it('a list is joined byte by byte, without what is empty', async () => {
  const text = '[{"instrument_token": 1,  "x":"é"}]'
  const one = await startTicker(() => list())
  const two = await startTicker(() => ({ body: text, headers: { 'x-total-count': '1' } }))
  const three = await startTicker(() => ({ body: text, headers: { 'x-total-count': '1' } }))
  const response = await fetch(`${await apiOf(one, two, three)}/subscriptions`)
  expect(await response.text()).toBe(`[${text.slice(1, -1)},${text.slice(1, -1)}]`)
  expect(response.headers.get('x-total-count')).toBe('2')
  expect(response.headers.get('content-type')).toContain('application/json')
})

it('what one lets go of and another one goes on streaming is kept', async () => {
  const one = await startTicker(() => ({ body: { removed: [1, 2], kept: [] } }))
  const kept = [{ instrument_token: 1, held_by: ['view'] }]
  const two = await startTicker(() => ({ body: { removed: [], kept } }))
  const url = await apiOf(one, two)
  const answer = await ask(url, '/subscriptions?instrument_token=1,2&force=true', {
    method: 'DELETE',
  })
  expect(answer.body).toEqual({ removed: [2], kept })
  for (const { asked } of [one, two]) {
    const [removal] = asked.filter(({ method }) => method === 'DELETE')
    expect(removal?.query).toEqual({ instrument_token: '1,2', force: 'true' })
  }
})

it('one that waits for a socket goes before one that has ended', async () => {
  const one = await startTicker(() => ({ body: row(1, { status: 'removed' }) }))
  const two = await startTicker(() => ({ body: row(1, { status: 'pending' }) }))
  const { body } = await ask(await apiOf(one, two), '/subscriptions/1')
  expect(body.status).toBe('pending')
})
