/** A running ticker gets new access tokens; the simulated exchange says which ones work. */
import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { AccountView } from '../../../src/contract/api/accounts.ts'
import { type Exchange, startExchange } from '../../../src/exchange/serve.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { replaceSecretFile } from '../../../src/kit/replace-file.ts'
import { KiteRest } from '../../../src/kite/rest.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import { formatIst, msOfIst } from '../../../src/market/ist.ts'
import { kiteBroker } from '../../../src/ticker/broker.ts'
import { tokenFilePath } from '../../../src/ticker/tokens/token-file.ts'
import { formatTokenText } from '../../../src/ticker/tokens/token-text.ts'
import { openTokens } from '../../../src/ticker/tokens/tokens.ts'
import { silentLog } from '../../silent-log.ts'
import { keptLog } from '../support/silent-log.ts'
import {
  ACCOUNT,
  onRelease,
  type Running,
  releaseAll,
  request,
  runTicker,
  temporaryFolder,
} from '../support/start-test-ticker.ts'
import { TestClock } from '../support/test-clock.ts'

const WITHIN = { timeout: 60_000, interval: 50 }
const EXAMPLE = 'a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4'

afterEach(releaseAll)

async function runExchange(): Promise<Exchange> {
  const exchange = await startExchange({
    host: '127.0.0.1',
    port: 0,
    seed: 7,
    speed: 1,
    ticksPerSecond: 200,
    stateDir: temporaryFolder(),
    clock: systemClock,
    log: silentLog,
  })
  onRelease(() => exchange.stop())
  return exchange
}

/** As with the real broker: tokens end, and the settings may have none. */
function runOn(exchange: Exchange, account: object = {}, dataDir = temporaryFolder()) {
  const [first] = exchange.accounts
  const accounts = [{ ...ACCOUNT, ...first, accessToken: undefined, ...account }]
  return runTicker({
    dataDir,
    config: { feed: 'kite', accounts, startMarketTimeMs: exchange.marketTimeMs() },
    deps: {
      broker: kiteBroker({
        webSocketRoot: exchange.url.replace('http', 'ws'),
        restRoot: exchange.url,
        loginRoot: exchange.url,
        clock: systemClock,
      }),
    },
  })
}

/** What the user does in the browser, and the exchange of the request token. */
async function newToken({ url, accounts: [account] }: Exchange): Promise<string> {
  if (account === undefined) throw new Error('no account')
  const { apiKey, apiSecret } = account
  const page = await (await fetch(`${url}/connect/login?v=3&api_key=${apiKey}`)).text()
  const [, requestToken = ''] = /id="request_token">(\w+)/.exec(page) ?? []
  const rest = new KiteRest({ root: url, apiKey, accessToken: () => undefined, clock: systemClock })
  return (await rest.createSession(requestToken, apiSecret)).accessToken
}

async function accountOf(running: Running): Promise<AccountView> {
  const { body } = await request(running, 'GET', '/accounts')
  const [account] = body as AccountView[]
  if (account === undefined) throw new Error('no account')
  return account
}

function streams({ ticker }: Running) {
  const before = ticker.status().totals.received
  return vi.waitFor(() => expect(ticker.status().totals.received).toBeGreaterThan(before), WITHIN)
}

const put = (running: Running, body: unknown, name = 'sim1') =>
  request(running, 'PUT', `/accounts/${name}/access_token`, body)

describe('a ticker without a token', () => {
  it('says where to log in, and streams as soon as a login has been kept', async () => {
    const exchange = await runExchange()
    const running = await runOn(exchange)
    expect(await accountOf(running)).toMatchObject({ state: 'no_token', token: null })
    expect((await accountOf(running)).login_url).toContain(`${exchange.url}/connect/login`)
    const text = formatTokenText(await newToken(exchange), Date.now())
    await replaceSecretFile(tokenFilePath(running.dataDir, 'sim1'), text)
    await streams(running)
    expect(await accountOf(running)).toMatchObject({
      state: 'up',
      reason: null,
      token: {
        source: 'login',
        is_expired: false,
        expires_at: expect.stringContaining('T06:00:00'),
      },
    })
  })

  it('takes the token of a watched file, in whole', async () => {
    const exchange = await runExchange()
    const path = join(temporaryFolder(), 'desk.token')
    const running = await runOn(exchange, { accessTokenFile: path })
    const token = await newToken(exchange)
    writeFileSync(path, token.slice(0, 12), { mode: 0o600 })
    writeFileSync(path, `${token}\n`)
    await streams(running)
    expect((await accountOf(running)).token).toMatchObject({ source: 'file', is_expired: false })
  })

  it('takes one over the API, and has it after a restart', async () => {
    const exchange = await runExchange()
    const running = await runOn(exchange)
    const token = await newToken(exchange)
    const answer = await put(running, { access_token: token })
    expect(answer).toMatchObject({ status: 200, body: { name: 'sim1', token: { source: 'api' } } })
    expect(JSON.stringify(answer.body)).not.toContain(token)
    await streams(running)
    expect(statSync(tokenFilePath(running.dataDir, 'sim1')).mode & 0o777).toBe(0o600)
    await running.ticker.stop('restart')
    const again = await runOn(exchange, {}, running.dataDir)
    await streams(again)
    expect((await accountOf(again)).token).toMatchObject({ source: 'login' })
  })
})

describe('a ticker whose token dies', () => {
  it('goes on with a new one, without a restart', async () => {
    const exchange = await runExchange()
    const running = await runOn(exchange, { accessToken: await newToken(exchange) })
    await streams(running)
    await fetch(`${exchange.url}/control/faults`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ fault: 'token_expired', duration_ms: 600_000 }),
    })
    await fetch(`${exchange.url}/control/faults`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ fault: 'disconnect' }),
    })
    await vi.waitFor(async () => expect((await accountOf(running)).state).toBe('down'), WITHIN)
    expect((await put(running, { access_token: await newToken(exchange) })).status).toBe(200)
    await streams(running)
    expect((await accountOf(running)).state).toBe('up')
    const types = running.events.map(({ event_type }) => event_type)
    expect(types).toContain('account_down')
    expect(types).toContain('account_up')
  })

  it('keeps the one that works where a wrong one is offered', async () => {
    const exchange = await runExchange()
    const token = await newToken(exchange)
    const path = join(temporaryFolder(), 'desk.token')
    const running = await runOn(exchange, { accessToken: token, accessTokenFile: path })
    await streams(running)
    const refused = await put(running, { access_token: EXAMPLE })
    expect(refused).toMatchObject({ status: 400, body: { error: { code: 'bad_request' } } })
    writeFileSync(path, EXAMPLE, { mode: 0o600 })
    await vi.waitFor(() => {
      const told = running.log.lines.filter(({ message }) => message.includes('not taken'))
      expect(told.map(({ fields }) => fields['source'])).toEqual(['api', 'file'])
    }, WITHIN)
    await streams(running)
    expect((await accountOf(running)).token).toMatchObject({ source: 'settings' })
  })

  it('does not go back to an older one', async () => {
    const exchange = await runExchange()
    const path = join(temporaryFolder(), 'desk.token')
    const running = await runOn(exchange, { accessTokenFile: path })
    await put(running, { access_token: await newToken(exchange) })
    writeFileSync(path, await newToken(exchange), { mode: 0o600 })
    const before = Date.now() / 1000 - 3_600 * 48
    utimesSync(path, before, before)
    const verdicts = () =>
      running.log.lines
        .filter(({ message }) => message === 'Access token left aside')
        .map(({ fields }) => fields['verdict'])
    await vi.waitFor(() => expect(verdicts()).toEqual(['ended']), WITHIN)
    expect((await accountOf(running)).token).toMatchObject({ source: 'api' })
  })
})

describe('a wrong request', () => {
  it.each([
    ['no object', 'text'],
    ['no JSON', `{"access_token":"${EXAMPLE}`],
    ['a misspelt field', { acces_token: EXAMPLE }],
    ['more than the token', { access_token: EXAMPLE, user: 'x' }],
    ['a list', [EXAMPLE]],
    ['no text', { access_token: 7 }],
    ['no token', { access_token: `${EXAMPLE} ${EXAMPLE}` }],
  ])('is refused and repeats no token: %s', async (_what, body) => {
    const running = await runTicker()
    const answer = await put(running, body, 'main')
    expect(answer.status).toBe(400)
    expect(JSON.stringify(answer.body)).not.toContain(EXAMPLE)
  })

  it('for an account that nobody knows names those that there are', async () => {
    const answer = await put(await runTicker(), { access_token: EXAMPLE }, 'nobody')
    expect(answer).toMatchObject({ status: 404, body: { error: { details: { known: ['main'] } } } })
  })
})

it('an account shows no more of its key than its beginning', async () => {
  const running = await runOn(await runExchange())
  const { api_key } = await accountOf(running)
  expect(api_key).toMatch(/^\w{4}…$/)
})

it('an account that is limited to one socket opens one', async () => {
  const exchange = await runExchange()
  const accessToken = await newToken(exchange)
  const running = await runOn(exchange, { accessToken, maxConnections: 1, maxInstruments: 3_000 })
  await streams(running)
  await vi.waitFor(() => {
    expect(running.ticker.status().totals.subscriptions_active).toBeGreaterThan(40)
  }, WITHIN)
  const ledger = await (await fetch(`${exchange.url}/control/ledger`)).json()
  expect((ledger as { connections: unknown[] }).connections).toHaveLength(1)
  expect(await accountOf(running)).toMatchObject({ max_connections: 1 })
})

describe('over the night', () => {
  /** From 20:00 of a day. */
  async function watch(accessToken: string, from: string) {
    const clock = new TestClock()
    clock.stepWall(msOfIst(from, '20:00') - clock.nowMs())
    const log = keptLog()
    const account = { ...ACCOUNT, accessToken, accessTokenWrittenAtMs: clock.nowMs() }
    const broker = kiteBroker({
      webSocketRoot: 'ws://127.0.0.1:9',
      restRoot: 'http://127.0.0.1:9',
      clock,
    })
    const dataDir = temporaryFolder()
    const calendar = exchangeCalendar()
    const outside = { calendar, broker, clock, log }
    const deps = { accounts: [account], isSimulated: false, dataDir, ...outside }
    const tokens = await openTokens(deps)
    const used = { name: 'main', reason: null, access: { loginUrl: 'http://login' } }
    tokens.start([used] as never)
    onRelease(() => tokens.stop())
    const told: string[] = []
    const until = (date: string, time: string) => {
      while (clock.nowMs() < msOfIst(date, time)) {
        clock.advance(60_000)
        for (const { message, level } of log.lines.splice(0)) {
          if (level !== 'warn') continue
          const [day, time] = formatIst(clock.nowMs()).split('T')
          told.push(`${day} ${time?.slice(0, 5)} ${message}`)
        }
      }
    }
    return { tokens, told, until, used }
  }

  it('the end of a token is said before, at 06:00, and once more at 08:00', async () => {
    const { tokens, told, until, used } = await watch(EXAMPLE, '2026-11-25')
    until('2026-11-26', '05:59')
    expect(tokens.reason(used)).toBeNull()
    expect(tokens.view('main')).toMatchObject({ is_expired: false })
    until('2026-11-27', '07:00')
    expect(told).toEqual([
      '2026-11-26 05:30 Access token ends at 06:00, a new login is due',
      '2026-11-26 06:00 No access token holds, a login is needed',
      '2026-11-26 08:00 Still no access token after 08:00, log in before the market opens',
    ])
    expect(tokens.reason(used)).toContain('ended at 06:00 on 2026-11-26')
    expect(tokens.view('main')).toMatchObject({ is_expired: true, source: 'settings' })
    until('2026-11-27', '09:00')
    expect(told).toHaveLength(4)
  })

  it('nobody is called at 08:00 of a weekend or a holiday, but on the next trading day', async () => {
    const { told, until } = await watch(EXAMPLE, '2026-11-20')
    // A weekend, a Monday, and a Tuesday on which the exchanges are closed.
    until('2026-11-25', '09:00')
    const overdue = 'Still no access token after 08:00, log in before the market opens'
    expect(told).toEqual([
      '2026-11-21 05:30 Access token ends at 06:00, a new login is due',
      '2026-11-21 06:00 No access token holds, a login is needed',
      `2026-11-23 08:00 ${overdue}`,
      `2026-11-25 08:00 ${overdue}`,
    ])
  })

  it('a ticker that starts with yesterday’s token knows that it has ended', async () => {
    const dataDir = temporaryFolder()
    const issuedAtMs = Date.now() - 48 * 3_600_000
    await replaceSecretFile(tokenFilePath(dataDir, 'main'), formatTokenText(EXAMPLE, issuedAtMs))
    const running = await runTicker({
      dataDir,
      config: { feed: 'kite', accounts: [{ ...ACCOUNT, accessToken: undefined }] },
    })
    expect(await accountOf(running)).toMatchObject({
      state: 'no_token',
      reason: expect.stringContaining('ended at 06:00'),
      token: { is_expired: true },
    })
    expect(running.broker.upgrades).toEqual([])
    expect(readFileSync(tokenFilePath(dataDir, 'main'), 'utf8')).toContain(EXAMPLE)
  })
})
