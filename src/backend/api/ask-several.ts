/**
 * One call to each of several tickers as the caller, and what it means when one of them refuses or
 * does not answer: an error that names it, since an answer without its part would look whole.
 */
import { ERROR_CODES } from '../../contract/api/error.ts'
import type { TickerAccess, TickerResponse } from '../tickers/call-ticker.ts'
import { field, jsonOf, refusalDetails, refusalOf } from '../tickers/ticker-answer.ts'
import { TickerError } from '../tickers/ticker-error.ts'
import { ApiError, unavailable } from './api-error.ts'
import { askAsCaller, type PassedOn, type TickerAnswer } from './pass-on.ts'

/** What a ticker said, or why it said nothing. */
export type Heard =
  | { readonly url: string; readonly response: TickerResponse }
  | { readonly url: string; readonly fault: ApiError }

/** Of all of them at once, in their order. */
export function hearAll(tickers: readonly TickerAccess[], call: PassedOn): Promise<Heard[]> {
  return Promise.all(tickers.map((access) => hear(access, call)))
}

export async function hear(access: TickerAccess, call: PassedOn): Promise<Heard> {
  const { url } = access
  try {
    return { url, response: await askAsCaller(access, call) }
  } catch (cause) {
    return { url, fault: faultOf(cause) }
  }
}

/** @throws ApiError where it answers nothing, or refuses */
export async function askOne(access: TickerAccess, call: PassedOn): Promise<TickerResponse> {
  return accepted(await hear(access, call))
}

/** @throws ApiError where it is a refusal, or nothing */
export function accepted(heard: Heard): TickerResponse {
  if ('fault' in heard) throw heard.fault
  const { url, response } = heard
  if (response.status >= 200 && response.status <= 299) return response
  throw refused(url, response)
}

/** A ticker's refusal as ours: the same status, code and words. A wrong request is no ticker's fault. */
export function refused(url: string, response: TickerResponse): ApiError {
  const said = field(field(jsonOf(response), 'error'), 'code')
  const code = ERROR_CODES.find((each) => each === said)
  const { message, retryAfterMs } = refusalOf(url, response)
  if (code === undefined) return unavailable(message, { ticker: url })
  const details = {
    ...asDetails(refusalDetails(response)),
    ...(response.status === 400 ? {} : { ticker: url }),
    ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }),
  }
  return new ApiError(response.status, code, message, details)
}

/** @throws what is no ticker's fault */
export function faultOf(cause: unknown): ApiError {
  if (!(cause instanceof TickerError)) throw cause
  const { reason, message, url } = cause
  if (reason !== 'timeout') return unavailable(message, { ticker: url })
  return new ApiError(504, 'timeout', message, { ticker: url })
}

/** @throws ApiError where it cannot be read as what was agreed */
export function reading<Value>(read: () => Value): Value {
  try {
    return read()
  } catch (cause) {
    throw faultOf(cause)
  }
}

export function jsonAnswer(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): TickerAnswer {
  const body = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body,
  }
}

function asDetails(details: unknown): object {
  return typeof details === 'object' && details !== null ? details : {}
}
