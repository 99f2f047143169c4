/**
 * Secrets stay where they belong: over a run with every failure at hand, no log line at the finest
 * level, no answer, no event and no error text has a token, a secret or a request token in it.
 */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { startExchange } from '../../../src/exchange/serve.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { createLog } from '../../../src/kit/log.ts'
import { KiteRest } from '../../../src/kite/rest.ts'
import { kiteBroker } from '../../../src/ticker/broker.ts'
import { logIn } from '../../../src/ticker/login/log-in.ts'
import { silentLog } from '../../silent-log.ts'
import {
  ACCOUNT,
  onRelease,
  type Running,
  releaseAll,
  request,
  runTicker,
  temporaryFolder,
} from '../support/start-test-ticker.ts'

const WITHIN = { timeout: 60_000, interval: 50 }
const SECRET = 'apisecretapisecretapisecretapise'
const WRONG = 'wrongwrongwrongwrongwrongwrongwr'
const ECHOED = 'echoedechoedechoedechoedechoedec'
const REQUEST = 'requestrequestrequestrequestrequ'

afterEach(releaseAll)

/** A broker at its worst: whatever it was told stands in what it answers. */
async function startEcho(): Promise<string> {
  const server: Server = createServer((asked, response) => {
    const message = `no: ${asked.url} ${asked.headers.authorization}`
    const body = JSON.stringify({ status: 'error', error_type: 'TokenException', message })
    response.writeHead(403, { 'content-type': 'application/json' }).end(body)
  })
  server.on('upgrade', (asked, socket) => socket.end(`NOT HTTP ${asked.url}\r\n\r\n`))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onRelease(() => new Promise((resolve) => server.close(resolve)))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function fileLog(folder: string) {
  const log = createLog({
    role: 'ticker',
    folder,
    level: 'trace',
    terminal: undefined,
    nowMs: () => Date.now(),
  })
  onRelease(() => log.close())
  return log
}

async function runAt(root: string, accessToken: string, folder: string): Promise<Running> {
  return runTicker({
    dataDir: folder,
    config: { feed: 'kite', accounts: [{ ...ACCOUNT, apiKey: 'desk-key', accessToken }] },
    deps: {
      log: fileLog(folder),
      broker: kiteBroker({
        webSocketRoot: root.replace('http', 'ws'),
        restRoot: root,
        loginRoot: root,
        clock: systemClock,
      }),
    },
  })
}

const PATHS = [
  '/status',
  '/accounts',
  '/metrics',
  '/health',
  '/ready',
  '/subscriptions',
  '/docs/json',
]

/** Everything that a program or a person can read of a ticker. */
async function readable(running: Running, folder: string): Promise<string> {
  const answers = await Promise.all(PATHS.map((path) => request(running, 'GET', path)))
  const texts = answers.map(({ body }) => (typeof body === 'string' ? body : JSON.stringify(body)))
  const log = readFileSync(join(folder, 'ticker.log'), 'utf8')
  expect(log.length).toBeGreaterThan(200)
  return [...texts, JSON.stringify(running.events), log].join('\n')
}

function expectNone(text: string, secrets: readonly string[]): void {
  for (const secret of secrets) {
    const at = text.indexOf(secret)
    expect(at < 0 ? '' : text.slice(Math.max(0, at - 200), at), 'before a secret').toBe('')
  }
}

it('with a broker that repeats what it is told', async () => {
  const folder = temporaryFolder()
  const running = await runAt(await startEcho(), ECHOED, folder)
  const answers: unknown[] = []
  for (const body of [{ access_token: WRONG }, `{"access_token":"${WRONG}"`, { token: WRONG }]) {
    answers.push((await request(running, 'PUT', '/accounts/main/access_token', body)).body)
  }
  answers.push((await request(running, 'PUT', `/accounts/x/y?access_token=${WRONG}`, {})).body)
  await vi.waitFor(() => {
    const log = readFileSync(join(folder, 'ticker.log'), 'utf8')
    expect(log).toContain('refused by the broker, not taken')
    expect(log).toMatch(/HTTP 403/)
  }, WITHIN)
  expectNone(`${await readable(running, folder)}${JSON.stringify(answers)}`, [ECHOED, WRONG])
})

it('with an exchange that refuses, cuts off and goes away', async () => {
  const folder = temporaryFolder()
  const exchange = await startExchange({
    host: '127.0.0.1',
    port: 0,
    seed: 7,
    speed: 1,
    ticksPerSecond: 200,
    stateDir: join(folder, 'exchange'),
    clock: systemClock,
    log: silentLog,
  })
  onRelease(() => exchange.stop())
  const [account] = exchange.accounts
  if (account === undefined) throw new Error('no account')
  const { accessToken, apiKey, apiSecret } = account
  const running = await runTicker({
    dataDir: folder,
    config: { feed: 'kite', accounts: [{ ...ACCOUNT, apiKey, accessToken }] },
    deps: {
      log: fileLog(folder),
      broker: kiteBroker({
        webSocketRoot: exchange.url.replace('http', 'ws'),
        restRoot: exchange.url,
        clock: systemClock,
      }),
    },
  })
  const fault = (name: string) =>
    fetch(`${exchange.url}/control/faults`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ fault: name }),
    })
  const accounts = () => running.ticker.status().accounts.map(({ state }) => state)
  await vi.waitFor(() => expect(running.ticker.status().totals.received).toBeGreaterThan(0), WITHIN)
  await request(running, 'PUT', '/accounts/main/access_token', { access_token: WRONG })
  await fault('token_expired')
  await fault('disconnect')
  await vi.waitFor(() => expect(accounts()).toEqual(['down']), WITHIN)
  await exchange.stop()
  // Cannot be tried any more, so it is taken as it is, and refused by nobody.
  await request(running, 'PUT', '/accounts/main/access_token', { access_token: ECHOED })
  await vi.waitFor(() => {
    expect(readFileSync(join(folder, 'ticker.log'), 'utf8')).toContain('ECONNREFUSED')
  }, WITHIN)
  expectNone(await readable(running, folder), [accessToken, apiSecret, WRONG, ECHOED])
})

it('in the errors of the login and of the calls', async () => {
  const root = await startEcho()
  const rest = new KiteRest({
    root,
    apiKey: 'desk-key',
    accessToken: () => ECHOED,
    clock: systemClock,
  })
  const account = {
    name: 'main',
    apiKey: 'desk-key',
    apiSecret: SECRET,
    accessTokenFile: undefined,
  }
  const failures = await Promise.allSettled([
    rest.profile(),
    rest.ltp(['NSE:NIFTY 50']),
    rest.invalidateSession(),
    rest.createSession(REQUEST, SECRET),
    logIn({
      account,
      restRoot: root,
      loginRoot: root,
      dataDir: temporaryFolder(),
      port: 0,
      readLine: () => Promise.resolve(REQUEST),
      state: 'state',
      clock: systemClock,
      say: (text) => expectNone(text, [SECRET]),
      signal: new AbortController().signal,
    }),
  ])
  expect(failures.map(({ status }) => status)).toEqual(Array(5).fill('rejected'))
  for (const failure of failures) {
    if (failure.status !== 'rejected') continue
    const { message, stack, cause } = failure.reason as Error
    const text = `${message}${stack}${String(cause)}${JSON.stringify(failure.reason)}`
    expectNone(text, [SECRET, ECHOED, REQUEST])
  }
})
