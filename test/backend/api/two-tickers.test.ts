/** The backend in front of two real tickers, each with a broker of its own: both answer as one. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { SubscribeAnswer } from '../../../src/contract/api/subscriptions.ts'
import { frameOf, option } from '../../ticker/support/contracts.ts'
import {
  ACCOUNT,
  type Running,
  releaseAll,
  runTicker,
} from '../../ticker/support/start-test-ticker.ts'
import { OPEN_MS } from '../scenario.ts'
import { type Answer, ask, LiveMarket, servers } from './live-market.ts'

const startApi = servers()
const JSON_BODY = { 'content-type': 'application/json' }
/** Streamed by the second ticker before anything is asked here. */
const FAR = option(26_000, 'CE')
const [A, B, C, D] = [25_000, 25_050, 25_100, 25_150].map((strike) => option(strike, 'PE')) as [
  ReturnType<typeof option>,
  ReturnType<typeof option>,
  ReturnType<typeof option>,
  ReturnType<typeof option>,
]
const WITHIN = { timeout: 10_000 }

let one: Running
let two: Running
let url: string

beforeEach(async () => {
  one = await runTicker({
    isUnasked: true,
    config: { ...named('first'), instrumentsPerAccount: 2 },
  })
  two = await runTicker({
    isUnasked: true,
    config: { ...named('second'), instrumentsPerAccount: 3 },
  })
  const tickers = [one, two].map(({ ticker }) => ({ url: ticker.url, timeoutMs: 10_000 }))
  url = (await startApi(new LiveMarket(), OPEN_MS, { tickers })).url
  await post(two.ticker.url, '/subscriptions', { instrument_token: FAR.token })
  await vi.waitFor(async () => expect(await streamed(two)).toEqual([FAR.token]), WITHIN)
})
afterEach(releaseAll)

function named(name: string) {
  return { accounts: [{ ...ACCOUNT, name }] }
}

function post(
  at: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const init = { method: 'POST', headers: { ...JSON_BODY, ...headers }, body: JSON.stringify(body) }
  return ask(at, path, init)
}

async function rows(at: string, query = ''): Promise<SubscribeAnswer['subscriptions']> {
  return (await ask(at, `/subscriptions${query}`)).body
}

/** What a ticker holds, in whatever state, without what has ended. */
async function held({ ticker }: Running): Promise<number[]> {
  const all = await rows(ticker.url)
  return tokensOf(all.filter(({ status }) => status !== 'removed'))
}

async function streamed({ ticker }: Running): Promise<number[]> {
  return tokensOf(await rows(ticker.url, '?status=active'))
}

function tokensOf(all: SubscribeAnswer['subscriptions']): number[] {
  return all.map(({ instrument_token: token }) => token).sort((a, b) => a - b)
}

function sorted(...instruments: readonly { readonly token: number }[]): number[] {
  return instruments.map(({ token }) => token).sort((a, b) => a - b)
}

it('subscribes by token or name at the ticker that streams it already', async () => {
  const { tradingsymbol, exchange } = FAR
  const requests = [
    { instrument_token: FAR.token },
    { tradingsymbol },
    { tradingsymbol: tradingsymbol.toLowerCase(), exchange: exchange.toLowerCase() },
    { instruments: [{ tradingsymbol, exchange }, { instrument_token: FAR.token }] },
  ]
  for (const request of requests) {
    const { status, body } = await post(url, '/subscriptions', request, { 'x-requested-by': 'me' })
    expect([status, tokensOf(body.subscriptions), body.errors]).toEqual([200, [FAR.token], []])
    expect(body.subscriptions[0].requested_by).toEqual(['api', 'me'])
  }
  expect(await held(one)).toEqual([])
})

it('subscribes the rest at the first with room, which keeps nothing of what the next one took', async () => {
  const wanted = [A, { ...B, byName: true }, C, { ...D, byName: true }]
  const instruments = wanted.map((each) =>
    'byName' in each ? { tradingsymbol: each.tradingsymbol } : { instrument_token: each.token },
  )
  const plan = await post(url, '/subscriptions?dry_run=true', { instruments })
  expect(plan.status).toBe(200)
  expect(plan.body).toMatchObject({ dry_run: true, existing: 0, errors: [] })
  expect(
    plan.body.plan.map(({ account, ticker, added }: Record<string, string[]>) => [
      account,
      ticker,
      added?.length,
    ]),
  ).toEqual([
    ['first', one.ticker.url, 2],
    ['second', two.ticker.url, 2],
  ])
  expect(await held(one)).toEqual([])

  const unknown = { tradingsymbol: 'NOTHING' }
  const { status, body } = await post(url, '/subscriptions', {
    instruments: [...instruments, unknown, { instrument_token: FAR.token }],
  })
  expect(status).toBe(201)
  expect(tokensOf(body.subscriptions)).toEqual(sorted(A, B, C, D, FAR))
  expect(body.errors).toMatchObject([{ instrument: 'NOTHING', code: 'unknown_instrument' }])
  const [first, second] = [await held(one), await held(two)]
  expect([first.length, second.length]).toEqual([2, 3])
  expect([...first, ...second].sort((a, b) => a - b)).toEqual(sorted(A, B, C, D, FAR))
})

it('refuses what neither has room for as one ticker would, and only the last keeps it', async () => {
  const four = [A, B, C, D].map(({ token }) => ({ instrument_token: token }))
  expect((await post(url, '/subscriptions', { instruments: four })).status).toBe(201)
  const before = await held(one)
  const fifth = option(25_200, 'PE')
  const { status, body } = await post(url, '/subscriptions', { instrument_token: fifth.token })
  expect([status, body.error.code]).toEqual([409, 'capacity_exceeded'])
  expect(body.error.details.errors).toMatchObject([{ instrument: fifth.tradingsymbol }])
  expect(await held(one)).toEqual(before)
  const unknown = await post(url, '/subscriptions', { tradingsymbol: 'NOTHING' })
  expect([unknown.status, unknown.body.error.code]).toEqual([404, 'unknown_instrument'])
  const wrong = await post(url, '/subscriptions', { tradingsymbol: 'X', mode: 'all' })
  expect([wrong.status, wrong.body.error.details.field]).toEqual([400, 'mode'])
})

it('waits for first ticks of both', async () => {
  const path = '/subscriptions?wait=first_tick&timeout_ms=8000'
  const instruments = [{ instrument_token: A.token }, { instrument_token: FAR.token }]
  const waiting = post(url, path, { instruments })
  await vi.waitFor(() => expect(one.broker.peer.modes.get(A.token)).toBe('full'), WITHIN)
  one.broker.peer.send(frameOf([A.token]))
  two.broker.peer.send(frameOf([FAR.token]))
  const { status, body } = await waiting
  expect([status, body.errors]).toEqual([201, []])
  expect(body.subscriptions).toHaveLength(2)
  for (const { first_tick_at } of body.subscriptions) expect(first_tick_at).toMatch(/\+05:30$/)
  const late = await post(url, '/subscriptions?wait=first_tick&timeout_ms=30', {
    instruments: [{ instrument_token: B.token }, { instrument_token: FAR.token }],
  })
  expect(late.status).toBe(201)
  expect(late.body.errors).toMatchObject([{ instrument: B.tradingsymbol, code: 'timeout' }])
})

it('lists all, filtered and in pages', async () => {
  const instruments = [A, B, C].map(({ token }) => ({ instrument_token: token }))
  await post(url, '/subscriptions', { instruments })
  const apart = [...(await rows(one.ticker.url)), ...(await rows(two.ticker.url))]
  const all = await ask(url, '/subscriptions')
  expect([all.status, all.headers.get('x-total-count')]).toEqual([200, '5'])
  expect(all.body).toEqual(apart)
  for (const [limit, offset] of [
    [1, 0],
    [2, 1],
    [1, 3],
    [4, 2],
    [2, 9],
    [100, 0],
  ] as const) {
    const page = await ask(url, `/subscriptions?limit=${limit}&offset=${offset}&symbol=NIFTY`)
    expect(page.body, `${limit} from ${offset}`).toEqual(apart.slice(offset, offset + limit))
    expect(page.headers.get('x-total-count')).toBe('5')
  }
  expect((await ask(url, '/subscriptions?offset=3')).body).toEqual(apart.slice(3))
  const second = await ask(url, '/subscriptions?account=second&limit=1')
  expect(second.headers.get('x-total-count')).toBe('2')
  expect(second.body).toMatchObject([{ account: 'second' }])
  expect((await ask(url, '/subscriptions?status=failed')).body).toEqual([])
  const wrong = await ask(url, '/subscriptions?limit=0')
  expect([wrong.status, wrong.body.error.details.field]).toEqual([400, 'limit'])
})

it('finds one wherever it is, streamed before ended', async () => {
  const path = `/subscriptions/${FAR.token}`
  expect((await ask(url, path)).body).toMatchObject({ account: 'second', status: 'active' })
  await post(one.ticker.url, '/subscriptions', { instrument_token: FAR.token })
  await ask(one.ticker.url, path, { method: 'DELETE' })
  expect((await ask(one.ticker.url, path)).body.status).toBe('removed')
  expect((await ask(url, path)).body).toMatchObject({ account: 'second', status: 'active' })
  const none = await ask(url, `/subscriptions/${A.token}`)
  expect([none.status, none.body.error.code]).toEqual([404, 'not_found'])
})

it('lets go wherever it is held', async () => {
  await post(url, '/subscriptions', {
    instruments: [A, B].map((i) => ({ instrument_token: i.token })),
  })
  await post(
    two.ticker.url,
    '/subscriptions',
    { instrument_token: FAR.token },
    { 'x-requested-by': 'view' },
  )
  const gone = (path: string) => ask(url, path, { method: 'DELETE' })
  const several = await gone(`/subscriptions?instrument_token=${A.token},${FAR.token}`)
  expect([several.status, several.body]).toEqual([
    200,
    { removed: [A.token], kept: [{ instrument_token: FAR.token, held_by: ['view'] }] },
  ])
  expect((await gone(`/subscriptions/${B.token}`)).body).toEqual({ removed: [B.token], kept: [] })
  const forced = await gone(`/subscriptions/${FAR.token}?force=true`)
  expect(forced.body).toEqual({ removed: [FAR.token], kept: [] })
  expect([...(await held(one)), ...(await held(two))]).toEqual([])
  const never = await gone(`/subscriptions/${D.token}`)
  expect([never.status, never.body.error.code]).toEqual([404, 'not_found'])
})

it('shows the accounts of both, and instruments of the first that answers', async () => {
  const { body } = await ask(url, '/accounts')
  expect(body.map(({ name, ticker }: Record<string, string>) => [name, ticker])).toEqual([
    ['first', one.ticker.url],
    ['second', two.ticker.url],
  ])
  const found = await ask(url, `/instruments?q=${FAR.tradingsymbol}`)
  expect(found.body).toMatchObject([{ instrument_token: FAR.token }])
})

it('with one of them away names it, and leaves nothing out in silence', async () => {
  await post(url, '/subscriptions', { instrument_token: A.token })
  const away = two.ticker.url
  await two.ticker.stop('test')
  const lost = [
    await ask(url, '/subscriptions'),
    await ask(url, '/subscriptions?limit=1'),
    await ask(url, '/accounts'),
    await ask(url, `/subscriptions/${FAR.token}`),
    await post(url, '/subscriptions', { instrument_token: FAR.token }),
    await post(url, '/subscriptions?dry_run=true', { instrument_token: B.token }),
  ]
  for (const { status, body } of lost) {
    expect([status, body.error.code, body.error.details.ticker]).toEqual([503, 'unavailable', away])
    expect(body.error.message).toContain(away)
  }
  expect(await held(one)).toEqual([A.token])
  // What the other one streams is known.
  expect((await ask(url, `/subscriptions/${A.token}`)).body).toMatchObject({ account: 'first' })
  const gone = await ask(url, `/subscriptions/${A.token}`, { method: 'DELETE' })
  expect(gone.status).toBe(503)
  expect(gone.body.error.details).toEqual({ ticker: away, removed: [A.token], kept: [] })
  expect(await held(one)).toEqual([])
})

it('with the first one away asks the second for instruments', async () => {
  await one.ticker.stop('test')
  const found = await ask(url, `/instruments?q=${FAR.tradingsymbol}`)
  expect([found.status, found.body[0].instrument_token]).toEqual([200, FAR.token])
})
