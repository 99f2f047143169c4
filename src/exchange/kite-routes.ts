/**
 * Kite Connect's REST API, as far as market data goes: instruments, history, quotes, profile, login
 * and session. There is none for orders, positions or funds.
 */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Log } from '../kit/log.ts'
import { formatInstruments } from '../kite/instruments.ts'
import { KITE_LTP_KEYS_MAX, KITE_QUOTE_KEYS_MAX } from '../limits.ts'
import type { AccountIdentity, Accounts, SessionFault } from './accounts.ts'
import type { Faults } from './faults.ts'
import {
  badInput,
  failure,
  KiteRefusal,
  notLoggedIn,
  success,
  tooManyRequests,
} from './kite-answer.ts'
import { wallTime } from './kite-history.ts'
import type { KiteSource, Query, QuoteKind } from './kite-source.ts'
import type { MarketClock } from './market-clock.ts'
import { RateLimits, type RequestKind } from './rate-limits.ts'

export interface KiteRoutesOptions {
  readonly accounts: Accounts
  readonly faults: Faults
  readonly source: KiteSource
  readonly marketClock: Pick<MarketClock, 'nowMs'>
  readonly log: Log
  /** Where the login sends the browser; without it the page shows the request token. */
  readonly redirectUrl: string | undefined
}

const EXCHANGES = ['NSE', 'BSE', 'NFO', 'BFO', 'MCX']
const compress = promisify(gzip)

/** Registers the routes, for a scope of their own. */
export function kiteRoutes(options: KiteRoutesOptions) {
  const routes = new KiteRoutes(options)
  return (app: FastifyInstance, _: unknown, done: () => void): void => {
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string' },
      (_request, body, parsed) =>
        parsed(null, Object.fromEntries(new URLSearchParams(String(body)))),
    )
    app.setErrorHandler((error: Error, _request, reply) => answerError(error, reply, options.log))
    app.setNotFoundHandler((_request, reply) => {
      void reply.code(404).send(failure('GeneralException', 'Route not found'))
    })
    app.addHook('onRequest', async (request) => routes.applyFaults(request))
    app.get('/instruments', (request, reply) => routes.instruments(request, reply))
    app.get('/instruments/:exchange', (request, reply) => routes.instruments(request, reply))
    app.get('/instruments/historical/:token/:interval', (request, reply) =>
      routes.history(request, reply),
    )
    app.get('/quote', (request) => routes.quotes(request, KITE_QUOTE_KEYS_MAX, 'quote'))
    app.get('/quote/ohlc', (request) => routes.quotes(request, KITE_LTP_KEYS_MAX, 'ohlc'))
    app.get('/quote/ltp', (request) => routes.quotes(request, KITE_LTP_KEYS_MAX, 'ltp'))
    app.get('/user/profile', (request) => routes.profile(request))
    app.post('/session/token', (request) => routes.openSession(request))
    app.delete('/session/token', (request) => routes.closeSession(request))
    app.get('/connect/login', (request, reply) => routes.login(request, reply))
    done()
  }
}

class KiteRoutes {
  private readonly options: KiteRoutesOptions
  private readonly limits = new RateLimits()

  constructor(options: KiteRoutesOptions) {
    this.options = options
  }

  applyFaults(request: FastifyRequest): void {
    const { accounts, faults } = this.options
    const account = accounts.find(apiKeyOf(request))?.name
    if (faults.holds('http_429', account)) throw tooManyRequests()
    if (faults.holds('http_500', account)) {
      throw new KiteRefusal(500, 'GeneralException', 'Something went wrong')
    }
  }

  /** The dump; the real one, too, is given to anyone. */
  async instruments(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    this.limit(apiKeyOf(request), 'other')
    const { exchange } = request.params as { exchange?: string }
    if (exchange !== undefined && !EXCHANGES.includes(exchange)) throw badInput('invalid exchange')
    const csv = this.dump(exchange)
    // Exactly this type: the official client compares it, and Fastify would add a charset to text.
    reply.header('content-type', 'text/csv')
    reply.header('vary', 'accept-encoding')
    if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? ''))
      return reply.send(Buffer.from(csv))
    reply.header('content-encoding', 'gzip')
    return reply.send(await compress(csv))
  }

  async history(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const account = this.authenticate(request)
    this.limit(account.apiKey, 'historical')
    const { token, interval } = request.params as { token: string; interval: string }
    const query = request.query as Query
    const rows = await this.options.source.history(Number(token), interval, query)
    reply.header('content-type', 'application/json')
    return reply.send(`{"status":"success","data":{"candles":[${rows.join(',')}]}}`)
  }

  async quotes(request: FastifyRequest, most: number, kind: QuoteKind) {
    const account = this.authenticate(request)
    this.limit(account.apiKey, 'quote')
    const keys = keysOf(request.query as Query)
    if (keys.length === 0) throw badInput('no instruments were given')
    if (keys.length > most) throw badInput(`no more than ${most} instruments may be asked for`)
    return success(await this.options.source.quotes(keys, kind))
  }

  profile(request: FastifyRequest) {
    const account = this.authenticate(request)
    this.limit(account.apiKey, 'other')
    return success({ ...userOf(account), avatar_url: null, meta: { demat_consent: 'physical' } })
  }

  openSession(request: FastifyRequest) {
    const form = (request.body ?? {}) as Query
    const apiKey = textOf(form['api_key'])
    this.limit(apiKey, 'other')
    const { accounts, marketClock } = this.options
    const answer = accounts.exchange(
      apiKey,
      textOf(form['request_token']),
      textOf(form['checksum']),
    )
    const account = accounts.find(apiKey)
    if (isFault(answer) || account === undefined) {
      throw new KiteRefusal(
        403,
        'TokenException',
        SESSION_FAULTS[isFault(answer) ? answer : 'unknown_api_key'],
      )
    }
    return success({
      ...userOf(account),
      avatar_url: null,
      api_key: apiKey,
      access_token: answer,
      public_token: answer.slice(0, 16),
      enctoken: '',
      refresh_token: '',
      silo: '',
      login_time: wallTime(marketClock.nowMs()),
      meta: { demat_consent: 'physical' },
    })
  }

  closeSession(request: FastifyRequest) {
    const query = request.query as Query
    const apiKey = textOf(query['api_key'])
    const accessToken = textOf(query['access_token'])
    this.limit(apiKey, 'other')
    const { accounts } = this.options
    if (accounts.authenticate(apiKey, accessToken) === undefined) throw notLoggedIn()
    accounts.revoke(apiKey, accessToken)
    return success(true)
  }

  /** For local use: whoever opens the page is logged in. */
  login(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const query = request.query as Query
    const { accounts, redirectUrl } = this.options
    const account = accounts.find(textOf(query['api_key']))
    if (account === undefined) throw badInput('Invalid `api_key`.')
    const requestToken = accounts.grant(account.apiKey)
    if (redirectUrl === undefined) {
      reply.header('content-type', 'text/html; charset=utf-8')
      return reply.send(loginPage(account.name, requestToken))
    }
    const target = new URL(redirectUrl)
    const { searchParams } = target
    searchParams.set('action', 'login')
    searchParams.set('type', 'login')
    searchParams.set('status', 'success')
    searchParams.set('request_token', requestToken)
    for (const [name, value] of new URLSearchParams(textOf(query['redirect_params']))) {
      searchParams.append(name, value)
    }
    return reply.redirect(target.href)
  }

  private dump(exchange: string | undefined): string {
    const all = this.options.source.listed()
    if (exchange === undefined) return formatInstruments(all)
    return formatInstruments(all.filter((instrument) => instrument.exchange === exchange))
  }

  private authenticate(request: FastifyRequest): AccountIdentity {
    const [apiKey, accessToken] = credentialsOf(request)
    const account = this.options.accounts.authenticate(apiKey, accessToken)
    if (account === undefined) throw notLoggedIn()
    return account
  }

  private limit(apiKey: string, kind: RequestKind): void {
    if (!this.limits.take(apiKey, kind, this.options.marketClock.nowMs())) throw tooManyRequests()
  }
}

const SESSION_FAULTS: Readonly<Record<SessionFault, string>> = {
  unknown_api_key: 'Invalid `api_key`.',
  bad_request_token: 'Token is invalid or has expired.',
  bad_checksum: 'Invalid `checksum`.',
}

function isFault(answer: string): answer is SessionFault {
  return Object.hasOwn(SESSION_FAULTS, answer)
}

function answerError(error: Error, reply: FastifyReply, log: Log): void {
  if (error instanceof KiteRefusal) {
    if (error.status === 429) reply.header('retry-after', '1')
    void reply.code(error.status).send(failure(error.errorType, error.message))
    return
  }
  const { statusCode } = error as { statusCode?: number }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    void reply.code(statusCode).send(failure('InputException', error.message))
    return
  }
  log.error({ err: error }, 'Request failed')
  void reply.code(500).send(failure('GeneralException', 'Something went wrong'))
}

/** `Authorization: token api_key:access_token` */
function credentialsOf(request: FastifyRequest): [apiKey: string, accessToken: string] {
  const match = /^token ([^:]*):(.*)$/i.exec(request.headers.authorization ?? '')
  return [match?.[1] ?? '', match?.[2] ?? '']
}

function apiKeyOf(request: FastifyRequest): string {
  const [apiKey] = credentialsOf(request)
  return apiKey !== '' ? apiKey : textOf((request.query as Query)['api_key'])
}

function keysOf(query: Query): string[] {
  const keys = query['i']
  if (Array.isArray(keys)) return keys.map(textOf)
  return typeof keys === 'string' && keys !== '' ? [keys] : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function userOf({ name, userId }: AccountIdentity) {
  return {
    user_id: userId,
    user_type: 'individual',
    email: `${name}@exchange.invalid`,
    user_name: `Simulated user ${name}`,
    user_shortname: name,
    broker: 'ZERODHA',
    exchanges: EXCHANGES,
    products: [],
    order_types: [],
  }
}

function loginPage(name: string, requestToken: string): string {
  return `<!doctype html><html lang="en"><title>Simulated exchange</title>
<h1>Simulated exchange</h1>
<p>Logged in as ${name}. The request token, good for one use within five minutes:</p>
<p><code id="request_token">${requestToken}</code></p></html>`
}
