/** History and quotes over the ticker's routes, against the simulated exchange and its real limits. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { History } from '../../../src/contract/api/history.ts'
import type { Quotes } from '../../../src/contract/api/quotes.ts'
import { MINUTE_MS } from '../../../src/market/ist.ts'
import { releaseAll } from '../support/start-test-ticker.ts'
import { NIFTY, queued, runMarket, span } from './market-under-test.ts'

const WITHIN = { timeout: 60_000, interval: 10 }

afterEach(releaseAll)

describe('GET /history', () => {
  it('gives the candles of a span, both ends included, and never the running one', async () => {
    const market = await runMarket(1)
    const { status, body } = await market.get(span(market, 30))
    expect(status).toBe(200)
    const { candles } = body as History
    expect(candles).toHaveLength(30)
    expect(candles[0]?.[0]).toMatch(/:00\+05:30$/)
    expect(candles[0]).toHaveLength(7)
    const nowS = Math.floor(market.exchange.marketTimeMs() / 1_000)
    const recent = (await market.get(`/history/${NIFTY}?from=${nowS - 600}&to=${nowS + 60}&oi=0`))
      .body as History
    expect(recent.candles.at(-1)).toHaveLength(6)
    const lastEndMs = Date.parse(recent.candles.at(-1)?.[0] ?? '') + MINUTE_MS
    expect(lastEndMs).toBe(Date.parse(recent.final_until))
    expect(lastEndMs).toBeLessThanOrEqual(market.exchange.marketTimeMs() - 15_000)
  })

  it('asks the broker once for two that want the same', async () => {
    const market = await runMarket(1)
    const path = span(market, 60)
    const [a, b] = await Promise.all([market.get(path), market.get(`${path}&oi=0`)])
    expect([a.status, b.status]).toEqual([200, 200])
    expect(market.historyCalls).toHaveLength(1)
  })

  it('shares what waits between all accounts, is never refused, and answers all of it', async () => {
    const market = await runMarket(3, 2)
    const tokens = market.ticker.master.search({ segment: 'NFO-OPT', limit: 60 })
    const answers = await Promise.all(tokens.map(({ token }) => market.get(span(market, 2, token))))
    expect(answers.map(({ status }) => status)).toEqual(Array(60).fill(200))
    expect(market.historyCalls).toHaveLength(60)
    for (const { name, history } of market.ticker.status().accounts) {
      expect(history).toMatchObject({ refused: 0, configured_per_second: 3 })
      const own = market.historyCalls.filter(({ account }) => account === name)
      expect(own.length).toBeGreaterThan(15)
    }
  }, 240_000)

  it('knows ahead when a turn comes too late, and queues nothing then', async () => {
    const market = await runMarket(1)
    const waiting = Array.from({ length: 15 }, (_, i) => market.get(span(market, 1, 1_000_000 + i)))
    // Some have left by the time that this is looked at.
    await vi.waitFor(() => expect(queued(market)).toBeGreaterThan(8), WITHIN)
    const before = market.ticker.status().requests.history
    expect(before.eta_ms).toBeGreaterThan(1_500)
    const late = await market.get(`${span(market, 5)}&timeout_ms=200`)
    expect(late.status).toBe(429)
    expect(Number(late.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    const answers = await Promise.all(waiting)
    expect(answers.map(({ status }) => status)).toEqual(Array(15).fill(404))
    expect(market.historyCalls).toHaveLength(15)
  })

  it('goes on after a 429 with a lower rate, and hands a failure to another account', async () => {
    const market = await runMarket(10, 2)
    const [first] = market.exchange.accounts
    await market.fault('http_429', { account: first?.name, duration_ms: 300 })
    const some = Array.from({ length: 8 }, (_, i) => market.get(span(market, 2 + 3 * i, NIFTY)))
    expect((await Promise.all(some)).map(({ status }) => status)).toEqual(Array(8).fill(200))
    await market.fault('http_500', { account: first?.name, duration_ms: 60_000 })
    const more = Array.from({ length: 6 }, () => market.get(span(market, 400, NIFTY)))
    expect((await Promise.all(more)).map(({ status }) => status)).toEqual(Array(6).fill(200))
  })

  it('takes back what a caller no longer waits for, by signal and by group', async () => {
    const market = await runMarket(1)
    const { history } = market.ticker
    const toMs = market.exchange.marketTimeMs() - 10 * MINUTE_MS
    const ask = (token: number, signal?: AbortSignal) =>
      history.history(
        { token, interval: 'minute', fromMs: toMs - MINUTE_MS, toMs, group: 'view' },
        signal,
      )
    const hangUp = new AbortController()
    const asked = [1, 2, 3, 4, 5].map((token) => ask(token, token > 3 ? hangUp.signal : undefined))
    const settled = Promise.allSettled(asked)
    hangUp.abort()
    expect(queued(market)).toBe(3)
    history.cancel('view')
    expect(queued(market)).toBeLessThanOrEqual(1)
    for (const { status } of await settled) expect(status).toBe('rejected')
  })

  it('is refused with 503 when the ticker stops with a full queue', async () => {
    const market = await runMarket(1)
    let answered = 0
    const asked = Array.from({ length: 60 }, async (_, i) => {
      const { status } = await market.get(span(market, 1, 2_000_000 + i))
      answered++
      return status
    })
    await vi.waitFor(() => expect(queued(market) + answered).toBe(60), WITHIN)
    const before = answered
    const startMs = performance.now()
    await market.ticker.stop('test')
    expect(performance.now() - startMs).toBeLessThan(5_000)
    const statuses = await Promise.all(asked)
    expect(statuses.filter((status) => status === 503).length).toBeGreaterThan(50 - before)
  })
})

describe('GET /quotes', () => {
  it('splits a long list, and says what the broker does not know', async () => {
    const market = await runMarket(10)
    const listed = market.ticker.master.search({ segment: 'NFO-OPT', limit: 600 })
    const tokens = [...listed.map(({ token }) => token), 99]
    const { status, body } = await market.get(`/quotes?tokens=${tokens.join(',')}`)
    expect(status).toBe(200)
    const { quotes, errors } = body as Quotes
    expect(quotes).toHaveLength(600)
    expect(quotes[0]).toMatchObject({ exchange: 'NFO', ltp: expect.any(Number) })
    expect(errors).toMatchObject([{ instrument: '99', code: 'unknown_instrument' }])
    // One that comes too early for the broker is asked again, so the parts count, not the calls.
    expect(new Set(market.quoteCalls.filter((keys) => keys > 1))).toEqual(new Set([500, 101]))
  })
})

it('refuses what cannot be asked for, names the field, and queues nothing', async () => {
  const market = await runMarket(1)
  const many = Array.from({ length: 5_000 }, (_, i) => i + 1).join(',')
  const nowS = Math.floor(market.exchange.marketTimeMs() / 1_000)
  const cases: [string, string][] = [
    [`/history/${NIFTY}?to=1`, 'from'],
    [`/history/${NIFTY}?from=1`, 'to'],
    [`/history/0?from=1&to=2`, 'token'],
    [`/history/-5?from=1&to=2`, 'token'],
    [`/history/1.5?from=1&to=2`, 'token'],
    [`/history/99999999999?from=1&to=2`, 'token'],
    [`/history/${NIFTY}?from=${nowS - 60}&to=${nowS - 120}`, 'from'],
    [`/history/${NIFTY}?from=${nowS + 600}&to=${nowS + 700}`, 'from'],
    [`/history/${NIFTY}?from=${nowS - 600}&to=${nowS + 200_000}`, 'to'],
    [`/history/${NIFTY}?from=0&to=${nowS}`, 'from'],
    [`/history/${NIFTY}?from=2026-02-30&to=${nowS}`, 'from'],
    [`/history/${NIFTY}?from=1&to=2&interval=2minute`, 'interval'],
    [`/history/${NIFTY}?from=1&to=2&oi=maybe`, 'oi'],
    [`/history/${NIFTY}?from=${nowS - 600}&to=${nowS}&continuous=1`, 'continuous'],
    [`/history/${NIFTY}?from=1&to=2&priority=now`, 'priority'],
    [`/history/${NIFTY}?from=1&to=2&timeout_ms=0`, 'timeout_ms'],
    ['/quotes', 'tokens'],
    [`/quotes?tokens=${many}`, 'tokens'],
    ['/quotes?tokens=1,,2', 'tokens'],
    ['/quotes?tokens=-1', 'tokens'],
    ['/quotes?tokens=1.5', 'tokens'],
    ['/quotes?tokens=99999999999', 'tokens'],
    ['/quotes?instruments=nifty', 'instruments'],
  ]
  for (const [path, field] of cases) {
    const { status, body } = await market.get(path)
    expect({ path: path.slice(0, 60), status, body }).toMatchObject({
      status: 400,
      body: { error: { code: 'bad_request', details: { field } } },
    })
  }
  expect(market.historyCalls).toEqual([])
  expect((await market.get(span(market, 5, 99))).status).toBe(404)
})
