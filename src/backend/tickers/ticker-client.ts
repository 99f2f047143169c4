/**
 * What the backend itself asks of the tickers, over one or several `TICKER_SERVICE_URL`s.
 *
 * An instrument is streamed by one ticker, which is asked for it first; what concerns none of them in
 * particular goes to the first that can do it. Every call rejects with `TickerError`, or with the
 * signal's reason where the caller gave up.
 */
import { Type } from 'typebox'
import { History, type RequestPriority } from '../../contract/api/history.ts'
import { type Quote, Quotes } from '../../contract/api/quotes.ts'
import {
  type InstrumentRequest,
  requestedByHeader,
  SubscribeAnswer,
  SubscribePlan,
  type SubscribeRequest,
  Subscription,
  type SubscriptionsQuery,
  UnsubscribeAnswer,
} from '../../contract/api/subscriptions.ts'
import type { Clock } from '../../kit/clock.ts'
import { runInSlices } from '../../kit/slices.ts'
import {
  SUBSCRIPTION_SLICE_MS,
  TICKER_ANSWER_MARGIN_MS,
  TICKER_QUOTES_PER_CALL,
  TICKER_REQUEST_WAIT_MAX_MS,
  TICKER_TOKENS_PER_CALL,
} from '../../limits.ts'
import { parseApiTime } from '../../market/ist.ts'
import {
  callTicker,
  ownHeaders,
  type TickerAccess,
  type TickerCall,
  type TickerResponse,
} from './call-ticker.ts'
import { type HistoryAnswer, historyOf } from './history-answer.ts'
import { mergeUnsubscribed } from './merge-unsubscribed.ts'
import {
  type AskSubscribe,
  finalErrors,
  groupsOf,
  notPlaced,
  notPlanned,
  type Placed,
  placeInstruments,
  plansByTicker,
  refusedInstruments,
} from './place-instruments.ts'
import { answerReader, listReader, refusalOf, unreadable } from './ticker-answer.ts'
import { TickerError } from './ticker-error.ts'

export type SubscriptionRow = Subscription
export type ListQuery = Pick<SubscriptionsQuery, 'status'>

/** What one ticker said, or why it did not. */
export interface TickerRows {
  readonly url: string
  readonly rows: readonly SubscriptionRow[]
  /** Undefined where it answered. */
  readonly error: TickerError | undefined
}

/** How the tickers stand, together. */
export interface TickersStanding {
  /** New instruments that they still take. */
  readonly roomForNew: number
  /** The newest that one of them knows, epoch ms; undefined where none knows any. */
  readonly marketTimeMs: number | undefined
  /** Histories that their accounts may ask the broker for in a second, all together. */
  readonly historiesPerSecond: number
}

/** How a request waits for its turn at the broker. */
export interface WaitOptions {
  readonly priority: RequestPriority
  /** Place within the class, the smallest first, such as the distance from ATM. */
  readonly order?: number
  /** The longest wait, ms; the setting's where it is left out. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface QuotesAnswer {
  readonly quotes: readonly Quote[]
  /** Tokens that the broker does not know. */
  readonly unknown: readonly number[]
}

/** Who holds the subscription. */
export interface HolderOptions {
  readonly requestedBy: string
  readonly signal?: AbortSignal
}

/** What `subscribe` would do at one ticker. */
export type TickerPlan = SubscribePlan & { readonly url: string }

/** The part of a ticker's status that is read here; a ticker of another version may say more or less. */
const TickerStanding = Type.Object({
  market_time: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  placement: Type.Object({ room_for_new: Type.Integer() }),
  accounts: Type.Optional(
    Type.Array(
      Type.Object({
        state: Type.String(),
        history: Type.Object({ rate_per_second: Type.Number() }),
      }),
    ),
  ),
})

const readStanding = answerReader(TickerStanding)
const readSubscriptions = listReader(Subscription)
const readHistory = answerReader(History)
const readQuotes = answerReader(Quotes)
const readSubscribed = answerReader(SubscribeAnswer)
const readPlan = answerReader(SubscribePlan)
const readUnsubscribed = answerReader(UnsubscribeAnswer)

export class TickerClient {
  readonly #tickers: readonly TickerAccess[]
  /** The ticker that streams an instrument, by its token, as listed last. */
  readonly #homes = new Map<number, TickerAccess>()
  readonly #clock: Clock
  #turn = 0

  constructor(tickers: readonly TickerAccess[], clock: Clock) {
    this.#tickers = tickers
    this.#clock = clock
  }

  /** Of all tickers that answer, each instrument once; rejects where none does. */
  async listSubscriptions(
    query: ListQuery,
    signal?: AbortSignal,
  ): Promise<readonly SubscriptionRow[]> {
    const answers = await this.subscriptionsByTicker(query, signal)
    const [first] = answers
    if (first === undefined) throw noTicker()
    if (first.error !== undefined && answers.every(({ error }) => error !== undefined)) {
      throw first.error
    }
    const rows = new Map(
      answers.flatMap((answer) => answer.rows.map((row) => [row.instrument_token, row] as const)),
    )
    return [...rows.values()]
  }

  /** The same ticker by ticker; rejects only where the caller gave up. */
  async subscriptionsByTicker(
    query: ListQuery,
    signal?: AbortSignal,
  ): Promise<readonly TickerRows[]> {
    const asked = new URLSearchParams(query)
    return Promise.all(
      this.#tickers.map(async (access) => {
        const { url } = access
        try {
          const response = await get(access, `/subscriptions?${asked}`, { signal })
          const steps = readSubscriptions(url, response)
          const rows = await runInSlices(steps, this.#clock, SUBSCRIPTION_SLICE_MS)
          if (query.status === 'active') this.#rememberHomes(access, rows)
          return { url, rows, error: undefined }
        } catch (error) {
          return { url, rows: [], error: tickerErrorOf(error) }
        }
      }),
    )
  }

  /**
   * Why a ticker's list may lack what it is going to stream: it does not answer, or has just begun and
   * takes its subscriptions up. Undefined where all lists are whole from now on.
   */
  async notReady(signal?: AbortSignal): Promise<TickerError | undefined> {
    const faults = await Promise.all(
      this.#tickers.map(async (access) => {
        try {
          const response = await get(access, '/ready', { signal })
          return response.status === 200 ? undefined : refusalOf(access.url, response)
        } catch (error) {
          return tickerErrorOf(error)
        }
      }),
    )
    return faults.find((fault) => fault !== undefined)
  }

  /** Of all tickers together; rejects where one of them does not answer. */
  async standing(signal?: AbortSignal): Promise<TickersStanding> {
    if (this.#tickers.length === 0) throw noTicker()
    const answers = await Promise.all(
      this.#tickers.map(async (access) =>
        readStanding(access.url, await get(access, '/status', { signal })),
      ),
    )
    const times = answers.flatMap(({ market_time: text }) => {
      const time = text === null ? undefined : parseApiTime(text)
      return time?.ok === true ? time.ms : []
    })
    return {
      roomForNew: answers.reduce((sum, { placement }) => sum + placement.room_for_new, 0),
      marketTimeMs: times.length === 0 ? undefined : Math.max(...times),
      historiesPerSecond: answers
        .flatMap(({ accounts = [] }) => accounts)
        .filter(({ state }) => state === 'up')
        .reduce((sum, { history }) => sum + history.rate_per_second, 0),
    }
  }

  /** Minute candles that open in [fromMs, toMs], with open interest. */
  async history(
    token: number,
    fromMs: number,
    toMs: number,
    options: WaitOptions,
  ): Promise<HistoryAnswer> {
    return this.#candles('minute', token, fromMs, toMs, options)
  }

  /** Candles of whole sessions that begin at an IST midnight in [fromMs, toMs], with open interest. */
  async dayCandles(
    token: number,
    fromMs: number,
    toMs: number,
    options: WaitOptions,
  ): Promise<HistoryAnswer> {
    return this.#candles('day', token, fromMs, toMs, options)
  }

  #candles(
    interval: 'minute' | 'day',
    token: number,
    fromMs: number,
    toMs: number,
    options: WaitOptions,
  ): Promise<HistoryAnswer> {
    const span = { from: String(fromMs / 1000), to: String(toMs / 1000) }
    return this.#first(this.#homeFirst(token), async (access) => {
      const query = { ...span, interval, oi: '1' }
      const response = await this.#waiting(access, `/history/${token}`, query, options)
      const answer = historyOf(readHistory(access.url, response))
      if (answer === undefined) throw unreadable(access.url, 'its candles are none')
      return answer
    })
  }

  /** Any number of tokens, in as many calls as the broker needs. */
  async quotes(tokens: readonly number[], options: WaitOptions): Promise<QuotesAnswer> {
    const answers = await Promise.all(
      groupsOf(tokens, TICKER_QUOTES_PER_CALL).map((group) =>
        this.#first(this.#inTurn(), async (access) => {
          const query = { tokens: group.join(',') }
          const response = await this.#waiting(access, '/quotes', query, options)
          return readQuotes(access.url, response)
        }),
      ),
    )
    return {
      quotes: answers.flatMap(({ quotes }) => quotes),
      unknown: answers.flatMap(({ errors }) => errors.map(({ instrument }) => Number(instrument))),
    }
  }

  /**
   * Instruments that a ticker streams already go to it, the others to the first one with room. What is
   * refused stands in the answer's `errors`, also where everything is.
   */
  async subscribe(request: SubscribeRequest, options: HolderOptions): Promise<SubscribeAnswer> {
    const answers = await this.#place(request, async (access, instruments, isLast) => {
      const response = await this.#post(access, '/subscriptions', instruments, options)
      const answer = refusedInstruments(response) ?? readSubscribed(access.url, response)
      const full = notPlaced(instruments, answer)
      if (!isLast) await this.#letGo(access, tokensIn(full), options)
      return { answer, full }
    })
    return {
      subscriptions: answers.flatMap(({ answer }) => answer.subscriptions),
      errors: finalErrors(answers),
    }
  }

  /** What `subscribe` would do, one plan a ticker; changes nothing. */
  async plan(request: SubscribeRequest, options: HolderOptions): Promise<readonly TickerPlan[]> {
    const answers = await this.#place(request, async (access, instruments) => {
      const path = '/subscriptions?dry_run=true'
      const response = await this.#post(access, path, instruments, options)
      const answer = readPlan(access.url, response)
      return { answer, full: notPlanned(instruments, answer) }
    })
    return plansByTicker(answers)
  }

  /** Takes the holder's hold back, wherever the instruments are streamed. */
  async unsubscribe(tokens: readonly number[], options: HolderOptions): Promise<UnsubscribeAnswer> {
    if (this.#tickers.length === 0) throw noTicker()
    const calls = this.#tickers.map((access) => this.#letGo(access, tokens, options))
    return mergeUnsubscribed(await Promise.all(calls))
  }

  async #letGo(
    access: TickerAccess,
    tokens: readonly number[],
    { requestedBy, signal }: HolderOptions,
  ): Promise<UnsubscribeAnswer> {
    const calls = groupsOf(tokens, TICKER_TOKENS_PER_CALL).map(async (group) => {
      const response = await callTicker(access, {
        method: 'DELETE',
        pathAndQuery: `/subscriptions?instrument_token=${group.join(',')}`,
        headers: { ...ownHeaders(access), [requestedByHeader]: requestedBy },
        longestMs: access.timeoutMs,
        signal,
      })
      // None of them was ever subscribed there.
      if (response.status === 404) return { removed: [], kept: [] }
      return readUnsubscribed(access.url, response)
    })
    return mergeUnsubscribed(await Promise.all(calls))
  }

  /** Asks the ticker to wait for the broker's turn, and waits a little longer than it does. */
  #waiting(
    access: TickerAccess,
    path: string,
    query: Readonly<Record<string, string>>,
    { priority, order = 0, timeoutMs = access.timeoutMs, signal }: WaitOptions,
  ): Promise<TickerResponse> {
    const waitMs = Math.ceil(Math.min(timeoutMs, TICKER_REQUEST_WAIT_MAX_MS))
    const asked = new URLSearchParams({
      ...query,
      priority,
      order: String(order),
      timeout_ms: String(waitMs),
    })
    return get(access, `${path}?${asked}`, { signal, longestMs: waitMs + TICKER_ANSWER_MARGIN_MS })
  }

  #place<Answer>(request: SubscribeRequest, ask: AskSubscribe<Answer>): Promise<Placed<Answer>[]> {
    if (this.#tickers.length === 0) throw noTicker()
    return placeInstruments(this.#tickers, (each) => this.#homeOf(each), request, ask)
  }

  #post(
    access: TickerAccess,
    pathAndQuery: string,
    instruments: readonly InstrumentRequest[],
    { requestedBy, signal }: HolderOptions,
  ): Promise<TickerResponse> {
    return callTicker(access, {
      method: 'POST',
      pathAndQuery,
      headers: { ...ownHeaders(access), [requestedByHeader]: requestedBy },
      body: JSON.stringify({ instruments }),
      longestMs: access.timeoutMs,
      signal,
    })
  }

  /** The first of the tickers that does it; where none does, the error that promises most. */
  async #first<Answer>(
    order: readonly TickerAccess[],
    ask: (access: TickerAccess) => Promise<Answer>,
  ): Promise<Answer> {
    const errors: TickerError[] = []
    for (const access of order) {
      try {
        return await ask(access)
      } catch (error) {
        const known = tickerErrorOf(error)
        if (!known.retryable) throw known
        errors.push(known)
      }
    }
    throw errors.toSorted((a, b) => waitOf(a) - waitOf(b))[0] ?? noTicker()
  }

  #homeOf(each: InstrumentRequest): TickerAccess | undefined {
    return 'instrument_token' in each ? this.#homes.get(each.instrument_token) : undefined
  }

  #homeFirst(token: number): readonly TickerAccess[] {
    const home = this.#homes.get(token)
    return home === undefined ? this.#tickers : [home, ...this.#tickers.filter((t) => t !== home)]
  }

  /** Each ticker is the first one in turn. */
  #inTurn(): readonly TickerAccess[] {
    const at = this.#turn++ % Math.max(1, this.#tickers.length)
    return [...this.#tickers.slice(at), ...this.#tickers.slice(0, at)]
  }

  #rememberHomes(access: TickerAccess, rows: readonly SubscriptionRow[]): void {
    for (const [token, home] of this.#homes) if (home === access) this.#homes.delete(token)
    for (const { instrument_token: token } of rows) this.#homes.set(token, access)
  }
}

function get(
  access: TickerAccess,
  pathAndQuery: string,
  { longestMs = access.timeoutMs, signal }: Partial<Pick<TickerCall, 'longestMs' | 'signal'>>,
): Promise<TickerResponse> {
  const headers = ownHeaders(access)
  return callTicker(access, { method: 'GET', pathAndQuery, headers, longestMs, signal })
}

/** Anything else is the caller's own abort, or a programmer's error. */
function tickerErrorOf(error: unknown): TickerError {
  if (error instanceof TickerError) return error
  throw error
}

function tokensIn(instruments: readonly InstrumentRequest[]): number[] {
  return instruments.flatMap((each) => ('instrument_token' in each ? [each.instrument_token] : []))
}

function waitOf({ retryAfterMs }: TickerError): number {
  return retryAfterMs ?? Number.POSITIVE_INFINITY
}

function noTicker(): TickerError {
  const message = 'No ticker is configured; set TICKER_SERVICE_URL.'
  return new TickerError('unreachable', message, { url: '' })
}
