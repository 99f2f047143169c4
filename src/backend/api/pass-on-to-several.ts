/**
 * What the backend passes on where there are several tickers: each streams a part, so what one ticker
 * would answer is put together from what all of them say.
 */
import { Accounts } from '../../contract/api/accounts.ts'
import { UnsubscribeAnswer } from '../../contract/api/subscriptions.ts'
import type { TickerAccess, TickerResponse } from '../tickers/call-ticker.ts'
import { mergeUnsubscribed } from '../tickers/merge-unsubscribed.ts'
import { answerReader, field, jsonOf, unreadable } from '../tickers/ticker-answer.ts'
import { ApiError } from './api-error.ts'
import {
  accepted,
  askOne,
  faultOf,
  type Heard,
  hear,
  hearAll,
  jsonAnswer,
  reading,
  refused,
} from './ask-several.ts'
import { answerOf, type PassedOn, type TickerAnswer } from './pass-on.ts'

type Tickers = readonly TickerAccess[]

export interface PageQuery {
  readonly limit?: number
  readonly offset?: number
}

const readUnsubscribed = answerReader(UnsubscribeAnswer)
const readAccounts = answerReader(Accounts)

/**
 * The lists of all tickers one behind the other, as if they were one. Their rows are joined as bytes:
 * reading and writing thousands of them would keep ticks waiting.
 *
 * @throws ApiError where one of them does not answer
 */
export async function listAtSeveral(
  tickers: Tickers,
  call: PassedOn,
  { limit, offset = 0 }: PageQuery,
): Promise<TickerAnswer> {
  const rows: Buffer[] = []
  let total = 0
  let skip = offset
  let room = limit ?? Number.POSITIVE_INFINITY
  for (const access of tickers) {
    // With no room left it is asked for its count alone.
    const page = { offset: skip, limit: Math.max(1, room) }
    const response = await askOne(access, { ...call, pathAndQuery: pathOf(call, page) })
    const matching = totalOf(access.url, response)
    if (room > 0) rows.push(...rowsOf(access.url, response))
    total += matching
    room -= Math.min(room, Math.max(0, matching - skip))
    skip = Math.max(0, skip - matching)
  }
  const body = Buffer.concat([Buffer.from('['), ...withCommas(rows), Buffer.from(']')])
  return jsonAnswer(200, body, { 'x-total-count': String(total) })
}

/**
 * The row of the ticker that streams it, or is about to; else of one that once did.
 *
 * @throws ApiError where a ticker that may stream it does not answer
 */
export async function oneOfSeveral(tickers: Tickers, call: PassedOn): Promise<TickerAnswer> {
  const all = await hearAll(tickers, call)
  const rows = all
    .flatMap((each) => ('response' in each && each.response.status === 200 ? [each.response] : []))
    .map((response) => ({ response, rank: rankOf(response) }))
    .toSorted((a, b) => a.rank - b.rank)
  const [best] = rows
  if (best === undefined || best.rank > RANK.pending) {
    const fault = all.flatMap(faultBeside404)[0]
    if (fault !== undefined) throw fault
  }
  return best === undefined ? firstAnswer(all) : answerOf(best.response)
}

/**
 * Lets go at every ticker; 404 only where none of them ever had any of it.
 *
 * @throws ApiError where one does not answer; what the others have done stands in its details
 */
export async function removeAtSeveral(tickers: Tickers, call: PassedOn): Promise<TickerAnswer> {
  const all = await hearAll(tickers, call)
  const faults = all.flatMap(faultBeside404)
  const answers: UnsubscribeAnswer[] = []
  for (const each of all) {
    if (!('response' in each) || each.response.status !== 200) continue
    try {
      answers.push(readUnsubscribed(each.url, each.response))
    } catch (cause) {
      faults.push(faultOf(cause))
    }
  }
  const done = mergeUnsubscribed(answers)
  const [fault] = faults
  if (fault !== undefined) {
    const isRefused = answers.length === 0
    throw isRefused ? fault : withDetails(fault, { ...done })
  }
  return answers.length === 0 ? firstAnswer(all) : jsonAnswer(200, done)
}

/** @throws ApiError where one of them does not answer */
export async function accountsOfSeveral(tickers: Tickers, call: PassedOn): Promise<TickerAnswer> {
  const all = await hearAll(tickers, call)
  const accounts = all.flatMap((heard) => {
    const response = accepted(heard)
    const own = reading(() => readAccounts(heard.url, response))
    return own.map((account) => ({ ...account, ticker: heard.url }))
  })
  return jsonAnswer(200, accounts)
}

/**
 * Of the first one that can: all know the same instruments.
 *
 * @throws ApiError the first one's where none can
 */
export async function firstOfSeveral(tickers: Tickers, call: PassedOn): Promise<TickerAnswer> {
  const faults: ApiError[] = []
  for (const access of tickers) {
    const heard = await hear(access, call)
    if ('response' in heard && heard.response.status < 500) return answerOf(heard.response)
    faults.push('fault' in heard ? heard.fault : refused(heard.url, heard.response))
  }
  throw faults[0] ?? new ApiError(503, 'unavailable', 'No ticker is configured.')
}

// ---------------------------------------------------------------- parts of lists

function pathOf({ pathAndQuery }: PassedOn, page: Required<PageQuery>): string {
  const url = new URL(pathAndQuery, 'http://ticker')
  url.searchParams.delete('limit')
  url.searchParams.delete('offset')
  if (Number.isFinite(page.limit)) url.searchParams.set('limit', String(page.limit))
  if (page.offset > 0) url.searchParams.set('offset', String(page.offset))
  return `${url.pathname}${url.search}`
}

function totalOf(url: string, { headers }: TickerResponse): number {
  const text = headers.get('x-total-count') ?? ''
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw faultOf(unreadable(url, 'it does not say how many rows match'))
}

/** The list without its brackets; nothing where it is empty. */
function rowsOf(url: string, { body }: TickerResponse): Buffer[] {
  const [first, last] = [body.at(0), body.at(-1)].map((byte) => String.fromCharCode(byte ?? 0))
  if (body.length < 2 || first !== '[' || last !== ']') {
    throw faultOf(unreadable(url, 'it is not a list'))
  }
  return body.length === 2 ? [] : [body.subarray(1, -1)]
}

function withCommas(parts: readonly Buffer[]): Buffer[] {
  return parts.flatMap((part, at) => (at === 0 ? [part] : [Buffer.from(','), part]))
}

// ---------------------------------------------------------------- one answer of several

const RANK = { active: 0, pending: 1, failed: 2, removed: 3 } as const

function rankOf(response: TickerResponse): number {
  const status = field(jsonOf(response), 'status')
  const known = Object.entries(RANK).find(([name]) => name === status)
  return known?.[1] ?? Number.POSITIVE_INFINITY
}

/** Not to know an instrument is an answer. */
function faultBeside404(heard: Heard): ApiError[] {
  if ('fault' in heard) return [heard.fault]
  const { url, response } = heard
  return response.status === 200 || response.status === 404 ? [] : [refused(url, response)]
}

function firstAnswer(all: readonly Heard[]): TickerAnswer {
  const [first] = all.flatMap((each) => ('response' in each ? [answerOf(each.response)] : []))
  if (first === undefined) throw new ApiError(503, 'unavailable', 'No ticker is configured.')
  return first
}

function withDetails(fault: ApiError, more: Readonly<Record<string, unknown>>): ApiError {
  const { statusCode, code, message, details } = fault
  return new ApiError(statusCode, code, message, { ...details, ...more })
}
