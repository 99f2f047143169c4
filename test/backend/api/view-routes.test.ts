import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { type ViewRouteSources, viewRoutes } from '../../../src/backend/api/view-routes.ts'
import { TooManyViewsError, type View } from '../../../src/backend/subscriptions/view-subscriber.ts'
import { TickerError } from '../../../src/backend/tickers/ticker-error.ts'
import { MonitorView } from '../../../src/contract/api/monitor-view.ts'
import { EXPIRY, OPEN_MS } from '../scenario.ts'
import { ask, calendar, clockFrom, LiveMarket, NEXT_EXPIRY, servers } from './live-market.ts'

const start = servers()

const ANSWER: MonitorView = {
  symbol: 'NIFTY50',
  expiry: EXPIRY,
  forward: 24_510.25,
  atm_strike: 24_500,
  wanted: 4,
  streamed: 2,
  added: ['NIFTY26N2324500CE'],
  unplaced: ['NIFTY26N2324500PE'],
  plan: [],
  errors: [],
  problem: null,
  lease_seconds: 300,
  backfill: { pending: 1, done: 2, eta_ms: 333, waits_for: null },
}

async function withViews(over: Partial<ViewRouteSources> = {}) {
  const market = new LiveMarket()
  const seen: View[] = []
  const views: ViewRouteSources['views'] = {
    open: async (view) => {
      seen.push(view)
      return ANSWER
    },
  }
  const setting = { calendar, calendarMode: 'exchange', feed: 'kite' } as const
  const view = { ...setting, chains: market.chains, clock: clockFrom(OPEN_MS) }
  const api = await start(market, OPEN_MS, {
    addRoutes: (app) =>
      void app.register(viewRoutes({ market: view, views, isMine: () => true, ...over })),
  })
  const post = (body: unknown) =>
    ask(api.url, '/monitor/view', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  return { api, post, seen }
}

describe('POST /monitor/view', () => {
  it('takes any spelling, and the nearest expiry where none is named', async () => {
    const { post, seen } = await withViews()
    const { status, body } = await post({ symbol: 'nifty', expiry: null })
    expect([status, Compile(MonitorView).Errors(body)]).toEqual([200, []])
    await post({ symbol: 'NIFTY 50', expiry: NEXT_EXPIRY, strikes_each_side: 7 })
    await post({ symbol: 'NIFTY50', strikes_each_side: 'all' })
    const asked = seen.map(({ series, strikesEachSide }) => [series.expiry, strikesEachSide])
    expect(asked).toEqual([
      [EXPIRY, undefined],
      [NEXT_EXPIRY, 7],
      [EXPIRY, 'all'],
    ])
  })

  it.each<[unknown, number, string, string, RegExp]>([
    [{}, 400, 'bad_request', 'symbol', /missing/],
    [{ symbol: 'XYZ' }, 404, 'unknown_symbol', 'symbol', /"XYZ"/],
    [{ symbol: 'NIFTY', expiry: '2026-11-24' }, 404, 'unknown_expiry', 'expiry', /2026-11-24/],
    [{ symbol: 'NIFTY', expiry: 'soon' }, 400, 'bad_request', 'expiry', /YYYY-MM-DD/],
    [{ symbol: 'NIFTY', expiry: '2026-02-31' }, 400, 'bad_request', 'expiry', /no date/],
    [{ symbol: 'INDIAVIX' }, 404, 'unknown_expiry', 'expiry', /no expiry/],
    [{ symbol: 'NIFTY', strikes_each_side: -1 }, 400, 'bad_request', 'strikes_each_side', /0 to/],
    [{ symbol: 'NIFTY', strikes_each_side: 101 }, 400, 'bad_request', 'strikes_each_side', /100/],
    [{ symbol: 'NIFTY', strikes_each_side: 'ten' }, 400, 'bad_request', 'strikes_each_side', /all/],
    [{ symbol: 'NIFTY', strikes: 5 }, 400, 'bad_request', 'strikes', /strikes_each_side/],
  ])('refuses %j and asks nothing of the ticker', async (body, status, code, field, message) => {
    const { post, seen } = await withViews()
    const answer = await post(body)
    expect([answer.status, answer.body.error.code]).toEqual([status, code])
    expect(answer.body.error.details.field).toBe(field)
    expect(answer.body.error.message).toMatch(message)
    expect(seen).toEqual([])
  })

  it.each<[string, Partial<ViewRouteSources>, number, RegExp]>([
    ['there is no ticker to ask', { views: undefined }, 503, /cannot|can be subscribed/],
    ['a ticker does not answer', failing(away()), 503, /nobody there/],
    ['too much is looked at', failing(new TooManyViewsError('100 views')), 503, /100 views/],
    ['another backend serves it', { isMine: () => false }, 409, /NIFTY50 .* another backend/],
  ])('says that %s', async (_what, over, status, message) => {
    const { post } = await withViews(over)
    const answer = await post({ symbol: 'NIFTY' })
    expect(answer.status).toBe(status)
    expect(answer.body.error.message).toMatch(message)
  })

  it('stands at /docs', async () => {
    const { api } = await withViews()
    const { body } = await api.get('/docs/json')
    const { post } = body.paths['/monitor/view']
    const { required } = post.requestBody.content['application/json'].schema
    expect(required).toEqual(['symbol'])
    expect(Object.keys(post.responses)).toEqual(['200', '4XX', '5XX'])
  })
})

function failing(error: Error): Partial<ViewRouteSources> {
  return { views: { open: () => Promise.reject(error) } }
}

function away(): TickerError {
  return new TickerError('unreachable', 'nobody there', { url: 't' })
}
