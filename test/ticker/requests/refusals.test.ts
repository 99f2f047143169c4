/** What a caller is told over HTTP when history cannot be had, and what becomes of the request. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ErrorBody } from '../../../src/contract/api/error.ts'
import { HISTORY_QUEUE_MAX } from '../../../src/limits.ts'
import { MINUTE_MS } from '../../../src/market/ist.ts'
import type { HistoryRequest } from '../../../src/ticker/requests/history.ts'
import { releaseAll, request } from '../support/start-test-ticker.ts'
import { type Market, NIFTY, newLogin, queued, runMarket, span } from './market-under-test.ts'

const WITHIN = { timeout: 60_000, interval: 10 }
const PATIENT_MS = 3_600_000
/** No such instruments, so that each is a request of its own. */
const FIRST_UNKNOWN = 3_000_000

afterEach(releaseAll)

/** Not awaited: they wait in the queue until they are taken back. */
function fillQueue({ ticker, exchange }: Market, count: number): void {
  const toMs = exchange.marketTimeMs() - 10 * MINUTE_MS
  const base = { interval: 'minute', fromMs: toMs - MINUTE_MS, toMs, group: 'filling' } as const
  for (let i = 0; i < count; i++) {
    const asked: HistoryRequest = { ...base, token: FIRST_UNKNOWN + i, timeoutMs: PATIENT_MS }
    ticker.history.history(asked).catch(() => undefined)
  }
}

/** What waits for the broker, and what it was asked. */
function asked(market: Market): number {
  const { running } = market.ticker.status().requests.history
  return queued(market) - running + market.historyCalls.length
}

async function useNewLogin(market: Market): Promise<void> {
  const [account] = market.exchange.accounts
  if (account === undefined) throw new Error('an exchange without accounts')
  const body = { access_token: await newLogin(market, account) }
  const put = await request(market, 'PUT', `/accounts/${account.name}/access_token`, body)
  expect(put.status).toBe(200)
}

describe('a caller of /history', () => {
  it('is told 429 and when to come back where the queue is full', async () => {
    const market = await runMarket(1)
    fillQueue(market, HISTORY_QUEUE_MAX)
    let headers = new Headers()
    await vi.waitFor(async () => {
      // For those that have left meanwhile.
      fillQueue(market, 20)
      const answer = await market.get(span(market, 5))
      headers = answer.headers
      expect(answer).toMatchObject({
        status: 429,
        body: {
          error: {
            code: 'rate_limited',
            message: expect.stringMatching(/requests wait already/),
          },
        },
      })
    }, WITHIN)
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    market.ticker.history.cancel('filling')
    expect((await market.get(span(market, 5))).status).toBe(200)
  })

  it('who hangs up takes the request back, and the broker is not asked', async () => {
    const market = await runMarket(1)
    fillQueue(market, 10)
    const before = asked(market)
    const hangUp = new AbortController()
    const call = fetch(`${market.ticker.url}${span(market, 5)}&timeout_ms=60000`, {
      signal: hangUp.signal,
    })
    await vi.waitFor(() => expect(asked(market)).toBe(before + 1), WITHIN)
    hangUp.abort()
    await expect(call).rejects.toThrow()
    await vi.waitFor(() => expect(asked(market)).toBe(before), WITHIN)
    market.ticker.history.cancel('filling')
    await vi.waitFor(() => expect(queued(market)).toBe(0), WITHIN)
    expect(market.historyCalls.filter(({ token }) => token === NIFTY)).toEqual([])
  })

  it('is told 503 and the account whose login has ended, and is served again after a new one', async () => {
    const market = await runMarket(1)
    const [account] = market.exchange.accounts
    await market.fault('token_expired', { duration_ms: 600_000 })
    const asked = async () => {
      const { status, headers, body } = await market.get(span(market, 5))
      return { status, retryAfter: headers.get('retry-after'), error: (body as ErrorBody).error }
    }
    await vi.waitFor(async () => {
      const { status, retryAfter, error } = await asked()
      expect({ status, error }).toMatchObject({
        status: 503,
        error: {
          code: 'unavailable',
          message: expect.stringContaining(`${account?.name} (down: `),
          details: {
            accounts: [{ account: account?.name, reason: expect.stringMatching(/token/) }],
          },
        },
      })
      expect(Number(retryAfter)).toBeGreaterThanOrEqual(1)
    }, WITHIN)
    await fetch(`${market.exchange.url}/control/faults`, { method: 'DELETE' })
    await useNewLogin(market)
    await vi.waitFor(async () => expect((await asked()).status).toBe(200), WITHIN)
  })

  it('is served at once with a new token, where the old one was refused while its socket was open', async () => {
    const market = await runMarket(1)
    market.refusedTokens.add(market.exchange.accounts[0]?.accessToken ?? '')
    for (const calls of [1, 1]) {
      const { status, body } = await market.get(span(market, 5))
      expect([status, market.historyCalls.length]).toEqual([503, calls])
      expect((body as ErrorBody).error.message).toContain('does not accept its access token')
    }
    expect(market.ticker.status().accounts).toMatchObject([{ state: 'up' }])
    await useNewLogin(market)
    expect((await market.get(span(market, 5))).status).toBe(200)
  })

  it('is told 503 at once where every account is down, and so is whoever waits', async () => {
    const market = await runMarket(1, 3)
    fillQueue(market, 30)
    const waiting = market.get(`${span(market, 5)}&timeout_ms=600000`)
    await vi.waitFor(() => expect(queued(market)).toBeGreaterThan(10), WITHIN)
    await market.fault('token_expired', { duration_ms: 600_000 })
    const { status, headers, body } = await waiting
    expect({ status, body }).toMatchObject({
      status: 503,
      body: { error: { code: 'unavailable', details: { accounts: [{}, {}, {}] } } },
    })
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    // What was on its way is answered by the broker first.
    await vi.waitFor(() => expect(queued(market)).toBe(0), WITHIN)
  })
})
