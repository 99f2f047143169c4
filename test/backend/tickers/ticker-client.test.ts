import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { TickerClient } from '../../../src/backend/tickers/ticker-client.ts'
import { TickerError } from '../../../src/backend/tickers/ticker-error.ts'
import type { Quote } from '../../../src/contract/api/quotes.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { row } from '../lifecycle/subscription-rows.ts'
import { type Reply, type ScriptedTicker, scriptedTickers } from './scripted-ticker.ts'

const start = scriptedTickers()
const OPEN = Date.parse('2026-11-23T09:15:00+05:30')
const MINUTE = 60_000

function clientOf(tickers: readonly { readonly url: string }[], timeoutMs = 5_000): TickerClient {
  const accesses = tickers.map(({ url }) => ({ url, timeoutMs, apiKey: 'the-key' }))
  return new TickerClient(accesses, systemClock)
}

/** A port where nobody answers. */
async function absent(): Promise<{ url: string }> {
  const ticker = await start(() => 'never')
  await ticker.stop()
  return { url: ticker.url }
}

/** `over` replaces parts by their place. */
function candle(minute: number, over: Readonly<Record<number, unknown>> = {}): unknown[] {
  const time = new Date(OPEN + minute * MINUTE + 330 * MINUTE).toISOString().slice(0, 19)
  const whole = [`${time}+05:30`, 100.5, 101, 100, 100.75, 650, 6_500]
  return whole.map((value, at) => (at in over ? over[at] : value))
}

function history(candles: readonly unknown[], over: Readonly<Record<string, unknown>> = {}): Reply {
  const body = { instrument_token: 7, interval: 'minute', candles, ...over }
  return { body: { final_until: '2026-11-23T09:20:00+05:30', ...body } }
}

function refusal(status: number, code: string, details: unknown = null): Reply {
  return { status, body: { error: { code, message: `It is ${code}.`, details } } }
}

async function errorOf(promise: Promise<unknown>): Promise<TickerError> {
  const error = await promise.then(() => undefined).catch((caught: unknown) => caught)
  if (error instanceof TickerError) return error
  throw new Error(`not a TickerError: ${String(error)}`)
}

describe('the subscriptions', () => {
  it('are asked of every ticker, each instrument is told once', async () => {
    const one = await start(() => ({ body: [row(1), row(2)] }))
    const two = await start(() => ({ body: [row(2), row(3)] }))
    const rows = await clientOf([one, two]).listSubscriptions({ status: 'active' })
    expect(rows.map(({ instrument_token: token }) => token).sort()).toEqual([1, 2, 3])
    for (const { asked } of [one, two]) {
      expect(asked).toMatchObject([{ path: '/subscriptions', query: { status: 'active' } }])
      expect(asked[0]?.headers['x-api-key']).toBe('the-key')
    }
  })

  it('are those of the tickers that answer, and by ticker it is said which did not', async () => {
    const one = await start(() => ({ body: [row(1)] }))
    const away = await absent()
    const client = clientOf([away, one])
    const rows = await client.listSubscriptions({ status: 'active' })
    expect(rows.map(({ instrument_token: token }) => token)).toEqual([1])
    const [first, second] = await client.subscriptionsByTicker({ status: 'active' })
    expect(first).toMatchObject({ url: away.url, rows: [], error: { code: 'unreachable' } })
    expect(second?.error).toBeUndefined()
  })

  it('are an error where no ticker answers, or none is configured', async () => {
    const away = await absent()
    const error = await errorOf(clientOf([away]).listSubscriptions({ status: 'active' }))
    expect(error).toMatchObject({ code: 'unreachable', retryable: true, url: away.url })
    const none = await errorOf(clientOf([]).listSubscriptions({ status: 'active' }))
    expect(none.message).toContain('TICKER_SERVICE_URL')
  })

  it.each<[string, Reply, string]>([
    ['hangs up in the middle', 'broken', 'unreachable'],
    ['sends no JSON', { body: '<html>' }, 'unreadable'],
    ['sends half a list', { body: '[{"instrument_token":1,' }, 'unreadable'],
    ['sends rows without what was agreed', { body: [{ instrument_token: 1 }] }, 'unreadable'],
    ['sends an object', { body: { rows: [] } }, 'unreadable'],
    ['sends people elsewhere', { status: 302, headers: { location: '/' }, body: '' }, 'unreadable'],
    ['refuses the key', refusal(401, 'unauthorized'), 'refused'],
    ['fails', refusal(500, 'internal'), 'unavailable'],
    ['stops', refusal(503, 'unavailable'), 'unavailable'],
  ])('of a ticker that %s are an error that says so', async (_what, reply, code) => {
    const ticker = await start(() => reply)
    const error = await errorOf(clientOf([ticker]).listSubscriptions({ status: 'active' }))
    expect(error.code).toBe(code)
  })

  it('are given up after the time that is set, and when the caller gives up', async () => {
    const ticker = await start(() => 'never')
    const late = await errorOf(clientOf([ticker], 50).listSubscriptions({ status: 'active' }))
    expect(late).toMatchObject({ code: 'unreachable', reason: 'timeout' })
    const giveUp = new AbortController()
    const asking = clientOf([ticker]).listSubscriptions({ status: 'active' }, giveUp.signal)
    giveUp.abort(new Error('the program stops'))
    await expect(asking).rejects.toThrow('the program stops')
    const before = clientOf([ticker]).listSubscriptions({ status: 'active' }, giveUp.signal)
    await expect(before).rejects.toThrow('the program stops')
  })
})

describe('a ticker that is ready', () => {
  const health = (status: number): Reply => ({ status, body: { status: '-', checks: [] } })

  it('has a whole list; one that is not, or does not answer, says so', async () => {
    const one = await start(() => health(200))
    const two = await start(() => health(503))
    expect(await clientOf([one]).notReady()).toBeUndefined()
    expect(await clientOf([one, two]).notReady()).toMatchObject({
      code: 'unavailable',
      url: two.url,
    })
    expect(await clientOf([await absent(), one]).notReady()).toMatchObject({ code: 'unreachable' })
    expect(two.asked).toMatchObject([{ method: 'GET', path: '/ready' }])
  })
})

it('one signal may end many calls, and keeps nothing of them', async () => {
  const warnings: string[] = []
  const note = (warning: Error) => warnings.push(warning.message)
  process.on('warning', note)
  const ticker = await start(() => ({ body: [] }))
  const client = clientOf([ticker])
  const { signal } = new AbortController()
  const asking = Array.from({ length: 30 }, () =>
    client.listSubscriptions({ status: 'active' }, signal),
  )
  await Promise.all(asking)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', note)
  expect(warnings).toEqual([])
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

describe('history', () => {
  it('comes as candles of minutes, with how far it is final', async () => {
    const ticker = await start(() => history([candle(0), candle(2, { 6: null })]))
    const answer = await clientOf([ticker]).history(7, OPEN, OPEN + 5 * MINUTE, {
      priority: 'gap',
      order: 3,
      timeoutMs: 1_234,
    })
    expect(answer).toEqual({
      candles: [
        { minuteMs: OPEN, open: 100.5, high: 101, low: 100, close: 100.75, volume: 650, oi: 6_500 },
        {
          minuteMs: OPEN + 2 * MINUTE,
          open: 100.5,
          high: 101,
          low: 100,
          close: 100.75,
          volume: 650,
          oi: null,
        },
      ],
      finalUntilMs: OPEN + 5 * MINUTE,
    })
    expect(ticker.asked).toMatchObject([
      {
        path: '/history/7',
        query: {
          from: String(OPEN / 1000),
          to: String(OPEN / 1000 + 300),
          interval: 'minute',
          oi: '1',
          priority: 'gap',
          order: '3',
          timeout_ms: '1234',
        },
      },
    ])
  })

  it('may be empty', async () => {
    const ticker = await start(() => history([]))
    const { candles } = await ask(clientOf([ticker]))
    expect(candles).toEqual([])
  })

  it.each<[string, unknown[]]>([
    ['twice the same minute', [candle(1), candle(1)]],
    ['minutes that go back', [candle(2), candle(1)]],
    ['a time inside a minute', [candle(1, { 0: '2026-11-23T09:15:30+05:30' })]],
    ['a time that is none', [candle(1, { 0: 'soon' })]],
    ['a price as text', [candle(1, { 1: '100.5' })]],
    ['a negative price', [candle(1, { 3: -1 })]],
    ['half a unit', [candle(1, { 5: 0.5 })]],
    ['open interest as text', [candle(1, { 6: '6500' })]],
    ['half a candle', [candle(1).slice(0, 4)]],
    ['something else', [null]],
  ])('with %s is not taken', async (_what, candles) => {
    const ticker = await start(() => history(candles))
    expect((await errorOf(ask(clientOf([ticker])))).code).toBe('unreadable')
  })

  it('that has to wait says for how long', async () => {
    const inBody = await start(() => refusal(429, 'rate_limited', { retry_after_ms: 340 }))
    expect(await errorOf(ask(clientOf([inBody])))).toMatchObject({
      code: 'rate_limited',
      retryable: true,
      retryAfterMs: 340,
      reason: 'rate_limited',
    })
    const inHeader = await start(() => ({
      ...(refusal(429, 'rate_limited') as object),
      body: {},
      status: 429,
      headers: { 'retry-after': '7' },
    }))
    expect((await errorOf(ask(clientOf([inHeader])))).retryAfterMs).toBe(7_000)
  })

  it('of an instrument that nobody knows is refused for good', async () => {
    const ticker = await start(() => refusal(404, 'unknown_instrument'))
    expect(await errorOf(ask(clientOf([ticker])))).toMatchObject({
      code: 'refused',
      reason: 'unknown_instrument',
      retryable: false,
      status: 404,
    })
    expect(ticker.asked).toHaveLength(1)
  })

  it('is asked first of the ticker that streams the instrument', async () => {
    const one = await start(listing([row(1)]))
    const two = await start(listing([row(7)]))
    const client = clientOf([one, two])
    await client.listSubscriptions({ status: 'active' })
    await ask(client)
    expect(callsOf(one, '/history/7')).toBe(0)
    expect(callsOf(two, '/history/7')).toBe(1)
  })

  it('is asked of the next ticker where one is away or busy', async () => {
    const busy = await start(() => refusal(429, 'rate_limited', { retry_after_ms: 9_000 }))
    const away = await absent()
    const third = await start(() => history([candle(0)]))
    expect((await ask(clientOf([busy, away, third]))).candles).toHaveLength(1)
    // Where none can, the one that says when.
    expect(await errorOf(ask(clientOf([away, busy])))).toMatchObject({ retryAfterMs: 9_000 })
  })

  function ask(client: TickerClient) {
    return client.history(7, OPEN, OPEN + 5 * MINUTE, { priority: 'new_subscription' })
  }

  function listing(rows: ReturnType<typeof row>[]): ScriptedTicker['answer'] {
    return ({ path }) => (path === '/subscriptions' ? { body: rows } : history([candle(0)]))
  }
})

describe('quotes', () => {
  it('of more instruments than the broker takes are asked for in several calls', async () => {
    const answer: ScriptedTicker['answer'] = ({ query }) => {
      const tokens = (query['tokens'] ?? '').split(',').map(Number)
      const errors = tokens
        .filter((token) => token === 13)
        .map((token) => ({ instrument: String(token), code: 'unknown_instrument', message: '-' }))
      return { body: { quotes: tokens.filter((token) => token !== 13).map(quote), errors } }
    }
    const one = await start(answer)
    const two = await start(answer)
    const tokens = Array.from({ length: 1_201 }, (_, i) => i + 1)
    const { quotes, unknown } = await clientOf([one, two]).quotes(tokens, { priority: 'routine' })
    expect(quotes.map(({ instrument_token: token }) => token)).toEqual(
      tokens.filter((token) => token !== 13),
    )
    expect(unknown).toEqual([13])
    const calls = [...one.asked, ...two.asked]
    expect(calls).toHaveLength(3)
    // The tickers take turns: each has a budget of its own.
    expect(Math.abs(one.asked.length - two.asked.length)).toBe(1)
    for (const { query } of calls) {
      expect((query['tokens'] ?? '').split(',').length).toBeLessThanOrEqual(500)
    }
  })

  it('of nothing ask nobody', async () => {
    const ticker = await start(() => 'never')
    const answer = await clientOf([ticker]).quotes([], { priority: 'routine' })
    expect(answer).toEqual({ quotes: [], unknown: [] })
    expect(ticker.asked).toEqual([])
  })
})

describe('subscribing', () => {
  it('is asked in the name of the holder, and what is refused is told with the rest', async () => {
    const errors = [{ instrument: 'NOPE', code: 'unknown_instrument', message: 'No such name.' }]
    const ticker = await start(() => ({ status: 201, body: { subscriptions: [row(1)], errors } }))
    const request = { instruments: [{ instrument_token: 1 }, { tradingsymbol: 'NOPE' }] }
    const answer = await clientOf([ticker]).subscribe(
      { ...request, mode: 'quote' },
      { requestedBy: 'auto' },
    )
    expect(answer).toEqual({ subscriptions: [row(1)], errors })
    expect(ticker.asked).toMatchObject([
      {
        method: 'POST',
        path: '/subscriptions',
        body: {
          instruments: [
            { instrument_token: 1, mode: 'quote' },
            { tradingsymbol: 'NOPE', mode: 'quote' },
          ],
        },
      },
    ])
    expect(ticker.asked[0]?.headers['x-requested-by']).toBe('auto')
  })

  it('of which nothing could be done is an answer too', async () => {
    const errors = [{ instrument: 'A', code: 'capacity_exceeded', message: 'No room.' }]
    const ticker = await start(() => refusal(409, 'capacity_exceeded', { instrument: 'A', errors }))
    const answer = await clientOf([ticker]).subscribe(
      { tradingsymbol: 'A' },
      { requestedBy: 'auto' },
    )
    expect(answer).toEqual({ subscriptions: [], errors })
  })

  it('is an error where the ticker cannot be asked', async () => {
    const away = await absent()
    const client = clientOf([away])
    const asking = client.subscribe({ instrument_token: 1 }, { requestedBy: 'auto' })
    expect((await errorOf(asking)).code).toBe('unreachable')
  })

  it('goes to the ticker that streams it already, else to the first with room', async () => {
    const one = await start(withRoomFor(2, []))
    const two = await start(withRoomFor(9, [9]))
    const client = clientOf([one, two])
    await client.listSubscriptions({ status: 'active' })
    const wanted = [1, 2, 3, 4, 9].map((token) => ({ instrument_token: token }))
    const answer = await client.subscribe({ instruments: wanted }, { requestedBy: 'auto' })
    const tokens = answer.subscriptions.map(({ instrument_token: token }) => token)
    expect(tokens.sort()).toEqual([1, 2, 3, 4, 9])
    expect(answer.errors).toEqual([])
    expect(tokensAskedOf(one)).toEqual([1, 2, 3, 4])
    expect(tokensAskedOf(two)).toEqual([9, 3, 4])
    // Or it would stream them as well once there is room.
    expect(letGoAt(one)).toEqual(['3,4'])
    expect(letGoAt(two)).toEqual([])
  })

  it('tells what no ticker has room for, once', async () => {
    const one = await start(withRoomFor(1, []))
    const two = await start(withRoomFor(1, []))
    const wanted = [1, 2, 3].map((token) => ({ instrument_token: token }))
    const answer = await clientOf([one, two]).subscribe(
      { instruments: wanted },
      { requestedBy: 'auto' },
    )
    expect(answer.subscriptions).toHaveLength(2)
    expect(answer.errors).toMatchObject([{ instrument: row(3).tradingsymbol }])
  })

  it('of more than one call holds goes in several, each ticker in its turn', async () => {
    const one = await start(withRoomFor(4_400, []))
    const two = await start(withRoomFor(2_000, []))
    const wanted = Array.from({ length: 12_000 }, (_, i) => ({ instrument_token: i + 1 }))
    const answer = await clientOf([one, two]).subscribe(
      { instruments: wanted },
      { requestedBy: 'auto' },
    )
    const counts = (ticker: ScriptedTicker) =>
      ticker.asked
        .filter(({ method }) => method === 'POST')
        .map(({ body }) => (body as { instruments: unknown[] }).instruments.length)
    expect(counts(one)).toEqual([4_500, 4_500, 3_000])
    expect(counts(two)).toEqual([200])
    expect(answer.subscriptions).toHaveLength(12_000)
    expect(answer.errors).toEqual([])
    const rest = await clientOf([one]).subscribe({ instruments: wanted }, { requestedBy: 'auto' })
    expect(rest.subscriptions).toHaveLength(11_800)
    expect(rest.errors).toHaveLength(200)
  })

  it('is planned as one where it goes in several calls', async () => {
    const ticker = await start(({ body }) => {
      const { instruments } = body as { instruments: { instrument_token: number }[] }
      const added = instruments.map(({ instrument_token: token }) => row(token).tradingsymbol)
      const slot = { account: 'main', connection: 1, instruments_now: 7, added }
      const plan = [{ ...slot, instruments_after: 7 + added.length }]
      return { body: { dry_run: true, plan, existing: 1, errors: [] } }
    })
    const wanted = Array.from({ length: 5_000 }, (_, i) => ({ instrument_token: i + 1 }))
    const client = clientOf([ticker])
    const [plan, ...others] = await client.plan({ instruments: wanted }, { requestedBy: 'auto' })
    expect(others).toEqual([])
    expect(plan).toMatchObject({ url: ticker.url, existing: 2, errors: [] })
    expect(plan?.plan).toMatchObject([{ instruments_now: 7, instruments_after: 5_007 }])
    expect(plan?.plan[0]?.added).toHaveLength(5_000)
  })

  it('is only planned where that is asked', async () => {
    const added = [row(1).tradingsymbol]
    const slot = { account: 'main', connection: 1, instruments_now: 0, instruments_after: 1, added }
    const plan = { dry_run: true, plan: [slot], existing: 0, errors: [] }
    const ticker = await start(() => ({ body: plan }))
    const answer = await clientOf([ticker]).plan({ instrument_token: 1 }, { requestedBy: 'auto' })
    expect(answer).toEqual([{ url: ticker.url, ...plan }])
    expect(ticker.asked).toMatchObject([{ method: 'POST', query: { dry_run: 'true' } }])
  })

  /** Room for so many new ones, and what it streams already. */
  function withRoomFor(count: number, streamed: readonly number[]): ScriptedTicker['answer'] {
    return ({ method, body }) => {
      if (method === 'GET') return { body: streamed.map((token) => row(token)) }
      if (method === 'DELETE') return { body: { removed: [], kept: [] } }
      const tokens = (body as { instruments: { instrument_token: number }[] }).instruments.map(
        ({ instrument_token: token }) => token,
      )
      const errors = tokens.slice(count).map((token) => ({
        // As the ticker says it: by name, whatever was asked by.
        instrument: row(token).tradingsymbol,
        code: 'capacity_exceeded',
        message: 'No room.',
      }))
      return { body: { subscriptions: tokens.slice(0, count).map((token) => row(token)), errors } }
    }
  }

  function letGoAt({ asked }: ScriptedTicker): (string | undefined)[] {
    const calls = asked.filter(({ method }) => method === 'DELETE')
    return calls.map(({ query }) => query['instrument_token'])
  }

  function tokensAskedOf({ asked }: ScriptedTicker): number[] {
    return asked.flatMap(({ body }) =>
      ((body as { instruments?: { instrument_token: number }[] })?.instruments ?? []).map(
        ({ instrument_token: token }) => token,
      ),
    )
  }
})

describe('letting go', () => {
  it('is asked wherever it may be held, and the answers are joined', async () => {
    const one = await start(() => ({
      body: { removed: [1], kept: [{ instrument_token: 2, held_by: ['view'] }] },
    }))
    const two = await start(() => refusal(404, 'not_found'))
    const answer = await clientOf([one, two]).unsubscribe([1, 2], { requestedBy: 'auto' })
    expect(answer).toEqual({ removed: [1], kept: [{ instrument_token: 2, held_by: ['view'] }] })
    expect(one.asked).toMatchObject([{ method: 'DELETE', query: { instrument_token: '1,2' } }])
    expect(one.asked[0]?.headers['x-requested-by']).toBe('auto')
  })

  it('of very many is asked in several calls', async () => {
    const ticker = await start(() => ({ body: { removed: [], kept: [] } }))
    const tokens = Array.from({ length: 4_500 }, (_, i) => 4_000_000_000 + i)
    await clientOf([ticker]).unsubscribe(tokens, { requestedBy: 'auto' })
    const asked = ticker.asked.flatMap(({ query }) => (query['instrument_token'] ?? '').split(','))
    expect(asked.map(Number).sort()).toEqual(tokens)
  })
})

function quote(token: number): Quote {
  return {
    instrument_token: token,
    exchange: 'NFO',
    tradingsymbol: row(token).tradingsymbol,
    ltp: 100,
    bid: 99.95,
    ask: 100.05,
    bid_quantity: 65,
    ask_quantity: 130,
    volume: 650,
    oi: 6_500,
    open: 100,
    high: 101,
    low: 99,
    prev_close: 98,
    last_trade_time: null,
    exchange_time: '2026-11-23T09:15:00+05:30',
  }
}

function callsOf({ asked }: ScriptedTicker, path: string): number {
  return asked.filter((each) => each.path === path).length
}
