/** The ticker with the simulated exchange as its broker, and what the broker was asked. */
import { expect, vi } from 'vitest'
import { type Exchange, type ExchangeAccount, startExchange } from '../../../src/exchange/serve.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { KiteError } from '../../../src/kite/kite-error.ts'
import { KiteRest } from '../../../src/kite/rest.ts'
import { formatIst, MINUTE_MS } from '../../../src/market/ist.ts'
import { type BrokerFactory, kiteBroker } from '../../../src/ticker/broker.ts'
import { silentLog } from '../../silent-log.ts'
import {
  ACCOUNT,
  onRelease,
  type Running,
  request,
  runTicker,
  temporaryFolder,
} from '../support/start-test-ticker.ts'

export const NIFTY = 256265

export interface Market extends Running {
  readonly exchange: Exchange
  /** What the broker was asked for, in order. */
  readonly historyCalls: { readonly account: string; readonly token: number }[]
  readonly quoteCalls: number[]
  /** Access tokens that are refused for history alone; sockets take them. */
  readonly refusedTokens: Set<string>
  get(path: string): Promise<{ status: number; body: unknown; headers: Headers }>
  fault(fault: string, more?: object): Promise<unknown>
}

export async function runMarket(speed: number, accounts = 1): Promise<Market> {
  const exchange = await startExchange({
    host: '127.0.0.1',
    port: 0,
    seed: 7,
    speed,
    ticksPerSecond: 100,
    stateDir: `${temporaryFolder()}/exchange`,
    clock: systemClock,
    log: silentLog,
  })
  onRelease(() => exchange.stop())
  const historyCalls: Market['historyCalls'] = []
  const quoteCalls: number[] = []
  const refusedTokens = new Set<string>()
  const names = new Map(exchange.accounts.map(({ apiKey, name }) => [apiKey, name]))
  const real = kiteBroker({
    webSocketRoot: exchange.url.replace('http', 'ws'),
    restRoot: exchange.url,
    clock: systemClock,
  })
  const counting: BrokerFactory = (access) => {
    const { rest, ...others } = real(access)
    const account = names.get(access.apiKey) ?? ''
    return {
      ...others,
      rest: {
        instrumentsCsv: (...args) => rest.instrumentsCsv(...args),
        ltp: (...args) => rest.ltp(...args),
        profile: (...args) => rest.profile(...args),
        quotes: (keys, signal) => {
          quoteCalls.push(keys.length)
          return rest.quotes(keys, signal)
        },
        history: (query) => {
          historyCalls.push({ account, token: query.token })
          if (refusedTokens.has(access.accessToken() ?? '')) {
            return Promise.reject(new KiteError('token_expired', 'the token has ended'))
          }
          return rest.history(query)
        },
      },
    }
  }
  const running = await runTicker({
    config: {
      accounts: exchange.accounts.slice(0, accounts).map((account) => ({ ...ACCOUNT, ...account })),
      marketSpeed: speed,
      startMarketTimeMs: exchange.marketTimeMs(),
    },
    deps: { broker: counting },
  })
  const states = () => running.ticker.status().accounts.map(({ state }) => state)
  await vi.waitFor(() => expect(states()).toEqual(states().map(() => 'up')), { timeout: 10_000 })
  return {
    ...running,
    exchange,
    historyCalls,
    quoteCalls,
    refusedTokens,
    get: (path) => request(running, 'GET', path),
    fault: (fault, more = {}) =>
      fetch(`${exchange.url}/control/faults`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ fault, ...more }),
      }),
  }
}

/** The path of `minutes` one-minute candles that ended a while ago. */
export function span(market: Market, minutes: number, token = NIFTY): string {
  const toMs = Math.floor(market.exchange.marketTimeMs() / MINUTE_MS) * MINUTE_MS - 10 * MINUTE_MS
  const from = encodeURIComponent(formatIst(toMs - (minutes - 1) * MINUTE_MS))
  return `/history/${token}?from=${from}&to=${Math.floor(toMs / 1_000)}`
}

export function queued(market: Market): number {
  const { queued: counts, running } = market.ticker.status().requests.history
  return Object.values(counts).reduce((sum, count) => sum + count, running)
}

/** A login of the account at the exchange, as a person does it in the browser. */
export async function newLogin({ exchange }: Market, account: ExchangeAccount): Promise<string> {
  const { apiKey, apiSecret } = account
  const login = await fetch(`${exchange.url}/connect/login?v=3&api_key=${apiKey}`)
  const [, requestToken = ''] = /id="request_token">(\w+)/.exec(await login.text()) ?? []
  const access = { root: exchange.url, apiKey, accessToken: () => undefined, clock: systemClock }
  return (await new KiteRest(access).createSession(requestToken, apiSecret)).accessToken
}
