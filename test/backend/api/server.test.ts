import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ApiError } from '../../../src/backend/api/api-error.ts'
import { OPEN_MS } from '../scenario.ts'
import { ask, LiveMarket, servers } from './live-market.ts'

const start = servers()
const cleanUp: (() => unknown)[] = []
afterEach(async () => {
  for (const task of cleanUp.splice(0)) await task()
})

interface Heard {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A ticker that notes what it hears and answers as told. */
async function fakeTicker(
  answer: { status: number; headers?: Record<string, string>; body: string } | 'never',
): Promise<{ url: string; heard: Heard[] }> {
  const heard: Heard[] = []
  const server: Server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    heard.push({ method: request.method, url: request.url, headers: request.headers, body })
    if (answer === 'never') return
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
    response.end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard }
}

describe('what is passed on to the ticker', () => {
  it('arrives with method, query, body and the caller, and its answer comes back whole', async () => {
    const ticker = await fakeTicker({
      status: 201,
      headers: { 'x-total-count': '4500', 'x-private': 'no' },
      body: '{"subscriptions":[],"errors":[]}',
    })
    const api = await start(new LiveMarket(), OPEN_MS, {
      tickers: [{ url: ticker.url, timeoutMs: 5_000 }],
    })
    const answer = await ask(api.url, '/subscriptions?dry_run=true', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-requested-by': 'view' },
      body: '{"instrument_token":256265,"mode":"FULL"}',
    })
    expect(answer.status).toBe(201)
    expect(answer.body).toEqual({ subscriptions: [], errors: [] })
    expect(answer.headers.get('x-total-count')).toBe('4500')
    expect(answer.headers.get('x-private')).toBeNull()
    const call = ticker.heard.find(({ url }) => url?.startsWith('/subscriptions'))
    expect(call).toMatchObject({
      method: 'POST',
      url: '/subscriptions?dry_run=true',
      body: '{"instrument_token":256265,"mode":"FULL"}',
    })
    expect(call?.headers['x-requested-by']).toBe('view')
  })

  it.each([
    ['GET', '/subscriptions?status=active&symbol=NIFTY%2050'],
    ['GET', '/subscriptions?limit=none&unknown=1'],
    ['GET', '/subscriptions/256265'],
    ['DELETE', '/subscriptions/256265?force=true'],
    ['DELETE', '/subscriptions?instrument_token=1,2'],
    ['DELETE', '/subscriptions?instrument_token=all'],
    ['GET', '/instruments?q=NIFTY&limit=5'],
    ['GET', '/accounts'],
  ])('%s %s goes through, errors too', async (method, path) => {
    const body = '{"error":{"code":"not_found","message":"No.","details":null}}'
    const ticker = await fakeTicker({ status: 404, body })
    const api = await start(new LiveMarket(), OPEN_MS, {
      tickers: [{ url: ticker.url, timeoutMs: 5_000 }],
    })
    const answer = await ask(api.url, path, { method })
    expect(answer.status).toBe(404)
    expect(answer.body).toEqual(JSON.parse(body))
    expect(ticker.heard.map(({ method: m, url }) => `${m} ${url}`)).toContain(`${method} ${path}`)
  })

  it('is refused clearly while the ticker is away, slow, or not configured', async () => {
    const slow = await fakeTicker('never')
    const away = await start(new LiveMarket(), OPEN_MS, {
      tickers: [{ url: 'http://127.0.0.1:9', timeoutMs: 5_000 }],
    })
    const late = await start(new LiveMarket(), OPEN_MS, {
      tickers: [{ url: slow.url, timeoutMs: 50 }],
    })
    const none = await start(new LiveMarket(), OPEN_MS)
    const answers = [
      [await away.get('/subscriptions'), 503, 'unavailable', /does not answer/],
      [await late.get('/subscriptions'), 504, 'timeout', /0\.05 s/],
      [await none.get('/subscriptions'), 503, 'unavailable', /TICKER_SERVICE_URL/],
    ] as const
    for (const [answer, status, code, message] of answers) {
      expect(answer.status).toBe(status)
      expect(answer.body.error.code).toBe(code)
      expect(answer.body.error.message).toMatch(message)
    }
  })

  it('shows in the status what the ticker says of itself', async () => {
    const ticker = await fakeTicker({
      status: 200,
      body: JSON.stringify({
        ticker_id: 't1',
        accounts: [{ state: 'up' }, { state: 'down' }],
        totals: { subscriptions_active: 42, ticks_per_second: 120.5 },
      }),
    })
    const api = await start(new LiveMarket(), OPEN_MS, {
      tickers: [{ url: ticker.url, timeoutMs: 5_000 }],
    })
    expect((await api.get('/status')).body.tickers).toEqual([
      expect.objectContaining({
        url: ticker.url,
        ticker_id: 't1',
        status: 'up',
        accounts_up: 1,
        accounts_total: 2,
        instruments_active: 42,
        ticks_per_second: 120.5,
      }),
    ])
  })
})

describe('the server', () => {
  it('serves the built page with a strict policy, and says when there is none', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fostream-page-'))
    cleanUp.push(() => rmSync(folder, { recursive: true }))
    mkdirSync(join(folder, 'assets'))
    writeFileSync(join(folder, 'index.html'), '<!doctype html><title>Monitor</title>')
    writeFileSync(join(folder, 'assets', 'index-1a2b.js'), 'void 0')
    const api = await start(new LiveMarket(), OPEN_MS, { pageFolder: folder })
    const page = await api.get('/')
    expect(page.status).toBe(200)
    expect(page.body).toContain('Monitor')
    expect(page.headers.get('cache-control')).toBe('no-cache')
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'self'")
    expect(policy).not.toContain('upgrade-insecure-requests')
    expect(page.headers.get('x-content-type-options')).toBe('nosniff')
    const script = await api.get('/assets/index-1a2b.js')
    expect(script.headers.get('cache-control')).toContain('immutable')
    expect((await api.get('/assets/none.js')).body.error.code).toBe('not_found')
    expect((await api.get('/fo/none')).body.error.code).toBe('not_found')

    const without = await start(new LiveMarket(), OPEN_MS, { pageFolder: join(folder, 'absent') })
    const word = await without.get('/')
    expect(word.status).toBe(200)
    expect(word.body).toContain('not built')
  })

  it('describes its calls as OpenAPI', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    const { status, body } = await api.get('/docs/json')
    expect(status).toBe(200)
    expect(body.openapi).toBe('3.1.0')
    expect(Object.keys(body.paths).sort()).toEqual([
      '/accounts',
      '/bars',
      '/fo/expiries',
      '/fo/expiry-metrics',
      '/fo/futures',
      '/fo/moneyness-series',
      '/fo/strike-distribution',
      '/gaps',
      '/health',
      '/instruments',
      '/marks/latest',
      '/metrics',
      '/ready',
      '/status',
      '/subscriptions',
      '/subscriptions/{token}',
    ])
    const { parameters } = body.paths['/fo/strike-distribution'].get
    expect(parameters.map((p: { name: string }) => p.name)).toEqual([
      'symbol',
      'expiry',
      'at',
      'strikes',
    ])
    const page = await api.get('/docs/')
    expect(page.status).toBe(200)
    expect(page.body).toContain('swagger')
  })

  it('lets pages of other origins in only where they are named', async () => {
    const api = await start(new LiveMarket(), OPEN_MS, { corsOrigins: ['https://desk.example'] })
    const allow = async (origin: string) => {
      const { headers } = await ask(api.url, '/fo/expiries?symbol=NIFTY', { headers: { origin } })
      return headers.get('access-control-allow-origin')
    }
    expect(await allow('https://desk.example')).toBe('https://desk.example')
    expect(await allow('https://evil.example')).toBeNull()
    const preflight = await ask(api.url, '/subscriptions', {
      method: 'OPTIONS',
      headers: { origin: 'https://desk.example', 'access-control-request-method': 'POST' },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toContain('x-requested-by')
    const refused = await ask(api.url, '/subscriptions', {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    })
    expect(refused.headers.get('access-control-allow-origin')).toBeNull()
  })

  it('lets every request pass its guard first', async () => {
    const api = await start(new LiveMarket(), OPEN_MS, {
      authenticate: async ({ headers }) => {
        if (headers['x-api-key'] !== 'k') throw new ApiError(401, 'unauthorized', 'No key.')
      },
    })
    const refused = await api.get('/fo/expiries?symbol=NIFTY')
    expect(refused.status).toBe(401)
    expect(refused.body.error.code).toBe('unauthorized')
    expect((await api.get('/docs/json')).status).toBe(401)
    const allowed = await ask(api.url, '/fo/expiries?symbol=NIFTY', {
      headers: { 'x-api-key': 'k' },
    })
    expect(allowed.status).toBe(200)
  })

  it('names the setting when its port is taken', async () => {
    const first = await start(new LiveMarket(), OPEN_MS)
    await expect(start(new LiveMarket(), OPEN_MS, { port: first.port })).rejects.toMatchObject({
      code: 'port_in_use',
      setting: 'BACKEND_PORT',
      message: expect.stringContaining(`Port ${first.port}`),
    })
  })

  it('frees its port when it stops, though connections are open', async () => {
    const first = await start(new LiveMarket(), OPEN_MS)
    await first.get('/fo/expiries?symbol=NIFTY')
    await first.stop()
    const second = await start(new LiveMarket(), OPEN_MS, { port: first.port })
    expect(second.port).toBe(first.port)
  })
})
