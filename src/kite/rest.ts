/**
 * The calls of Kite's REST API that a reader of market data needs. There is none for orders,
 * positions or funds, on purpose.
 *
 * Rate limits are not kept here: the owner of the account has one budget for all callers.
 * Every call rejects with a `KiteError` only, or a RangeError where the caller asks for too much.
 */
import type { Clock } from '../kit/clock.ts'
import { KITE_DUMP_TIMEOUT_MS, KITE_LTP_KEYS_MAX, KITE_QUOTE_KEYS_MAX } from '../limits.ts'
import { formatIst } from '../market/ist.ts'
import type { Timeframe } from '../market/timeframe.ts'
import { KiteError } from './kite-error.ts'
import { sessionChecksum } from './login.ts'
import {
  type KiteCandle,
  type KiteLtp,
  type KiteOhlc,
  type KiteProfile,
  type KiteQuote,
  type KiteSession,
  parseCandles,
  parseLtps,
  parseOhlcs,
  parseProfile,
  parseQuotes,
  parseSession,
} from './rest-answers.ts'
import { KiteTransport } from './rest-transport.ts'

export type CandleInterval =
  | 'minute'
  | '3minute'
  | '5minute'
  | '10minute'
  | '15minute'
  | '30minute'
  | '60minute'
  | 'day'

/** The broker's intervals in our words. */
export const TIMEFRAME_OF: Readonly<Record<CandleInterval, Timeframe>> = {
  minute: '1m',
  '3minute': '3m',
  '5minute': '5m',
  '10minute': '10m',
  '15minute': '15m',
  '30minute': '30m',
  '60minute': '1h',
  day: '1d',
}

/** The longest span, in days, that the broker answers in one history request. */
export const HISTORY_SPAN_DAYS: Readonly<Record<CandleInterval, number>> = {
  minute: 60,
  '3minute': 100,
  '5minute': 100,
  '10minute': 100,
  '15minute': 200,
  '30minute': 200,
  '60minute': 400,
  day: 2_000,
}

export interface KiteRestOptions {
  /** `https://api.kite.trade`, or the root of a simulated exchange. */
  readonly root: string
  readonly apiKey: string
  /** Asked at every call; undefined before the login. */
  readonly accessToken: () => string | undefined
  readonly clock: Clock
}

export interface HistoryQuery {
  readonly token: number
  readonly interval: CandleInterval
  /** Epoch ms; candles that open from here on. Cut to the second. */
  readonly fromMs: number
  /** Epoch ms, inclusive: the candle that opens at this minute is in the answer. */
  readonly toMs: number
  /** Joins the days of expired futures; the broker has it for `day` alone. */
  readonly continuous?: boolean
  readonly signal?: AbortSignal
}

export class KiteRest {
  private readonly apiKey: string
  private readonly accessToken: () => string | undefined
  private readonly transport: KiteTransport

  constructor(options: KiteRestOptions) {
    this.apiKey = options.apiKey
    this.accessToken = options.accessToken
    this.transport = new KiteTransport(options)
  }

  /** The instrument dump of one exchange, or of all, as CSV text; see `instruments.ts`. */
  instrumentsCsv(exchange?: string, signal?: AbortSignal): Promise<string> {
    const path = exchange === undefined ? '' : `/${encodeURIComponent(exchange)}`
    return this.transport.text({
      method: 'GET',
      path: `/instruments${path}`,
      timeoutMs: KITE_DUMP_TIMEOUT_MS,
      signal,
    })
  }

  /** Candles with open interest, oldest first. */
  async history(query: HistoryQuery): Promise<KiteCandle[]> {
    const params = new URLSearchParams({
      from: wallTime(query.fromMs),
      to: wallTime(query.toMs),
      continuous: query.continuous === true ? '1' : '0',
      oi: '1',
    })
    const path = `/instruments/historical/${query.token}/${query.interval}`
    const call = { method: 'GET', path, query: params, signal: query.signal } as const
    return parseCandles(await this.transport.data(call))
  }

  /** Up to 500 keys (`NFO:NIFTY26NOVFUT`); what the broker does not know is absent. */
  async quotes(keys: readonly string[], signal?: AbortSignal): Promise<Map<string, KiteQuote>> {
    return parseQuotes(await this.byKeys('/quote', keys, KITE_QUOTE_KEYS_MAX, signal))
  }

  /** Up to 1,000 keys. */
  async ohlc(keys: readonly string[], signal?: AbortSignal): Promise<Map<string, KiteOhlc>> {
    return parseOhlcs(await this.byKeys('/quote/ohlc', keys, KITE_LTP_KEYS_MAX, signal))
  }

  /** Up to 1,000 keys. */
  async ltp(keys: readonly string[], signal?: AbortSignal): Promise<Map<string, KiteLtp>> {
    return parseLtps(await this.byKeys('/quote/ltp', keys, KITE_LTP_KEYS_MAX, signal))
  }

  /** Whose token it is; the cheapest proof that a token lives. */
  async profile(signal?: AbortSignal): Promise<KiteProfile> {
    return parseProfile(await this.transport.data({ method: 'GET', path: '/user/profile', signal }))
  }

  /**
   * Exchanges a request token for the day's access token.
   *
   * @throws KiteError `token_expired` where the request token is used up or the secret is wrong
   */
  async createSession(
    requestToken: string,
    apiSecret: string,
    signal?: AbortSignal,
  ): Promise<KiteSession> {
    const form = new URLSearchParams({
      api_key: this.apiKey,
      request_token: requestToken,
      checksum: sessionChecksum(this.apiKey, requestToken, apiSecret),
    })
    const secrets = [requestToken, apiSecret]
    const call = { method: 'POST', path: '/session/token', form, secrets, signal } as const
    return parseSession(await this.transport.data(call))
  }

  /** Ends the access token at the broker. Without one there is nothing to end. */
  async invalidateSession(signal?: AbortSignal): Promise<void> {
    const accessToken = this.accessToken()
    if (accessToken === undefined) return
    const query = new URLSearchParams({ api_key: this.apiKey, access_token: accessToken })
    const ended = await this.transport.data({
      method: 'DELETE',
      path: '/session/token',
      query,
      signal,
    })
    if (ended !== true) throw new KiteError('bad_answer', 'the session was not ended')
  }

  private async byKeys(
    path: string,
    keys: readonly string[],
    max: number,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (keys.length > max) throw new RangeError(`${path}: ${keys.length} keys, at most ${max}`)
    if (keys.length === 0) return {}
    const query = new URLSearchParams(keys.map((key): [string, string] => ['i', key]))
    return await this.transport.data({ method: 'GET', path, query, signal })
  }
}

/** `yyyy-mm-dd hh:mm:ss` in IST, as the broker wants it. */
function wallTime(ms: number): string {
  return formatIst(ms).slice(0, 19).replace('T', ' ')
}
