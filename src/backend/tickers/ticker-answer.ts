/** A ticker's answer as what it should be, or as the error that it is. */
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import type { TickerResponse } from './call-ticker.ts'
import { TickerError, type TickerErrorCode, type TickerErrorDetails } from './ticker-error.ts'

/** Reads answers of one shape. Throws `TickerError` where it is a refusal, or another shape. */
export function answerReader<Schema extends TSchema>(
  schema: Schema,
): (url: string, response: TickerResponse) => Static<Schema> {
  const shape = Compile(schema)
  return (url, response) => {
    const value = contentOf(url, response)
    if (!shape.Check(value)) throw unreadable(url, 'it is not what was agreed')
    return value as Static<Schema>
  }
}

/** Reads lists of thousands of rows of one shape, a row a step (`kit/slices`). Throws as `answerReader`'s. */
export function listReader<Schema extends TSchema>(
  row: Schema,
): (url: string, response: TickerResponse) => Generator<void, Static<Schema>[], void> {
  const shape = Compile(row)
  return function* (url, response) {
    const rows = contentOf(url, response)
    if (!Array.isArray(rows)) throw unreadable(url, 'it is not what was agreed')
    for (const each of rows) {
      if (!shape.Check(each)) throw unreadable(url, 'it is not what was agreed')
      yield
    }
    return rows as Static<Schema>[]
  }
}

function contentOf(url: string, response: TickerResponse): unknown {
  if (response.status < 200 || response.status > 299) throw refusalOf(url, response)
  return jsonOf(response)
}

export function unreadable(url: string, why: string): TickerError {
  return new TickerError(
    'unreadable',
    `The answer of the ticker at ${url} cannot be used: ${why}.`,
    {
      url,
    },
  )
}

/** What the body's `error.details` holds; null where there is none. */
export function refusalDetails(response: TickerResponse): unknown {
  return field(field(jsonOf(response), 'error'), 'details') ?? null
}

export function refusalOf(url: string, response: TickerResponse): TickerError {
  const { status } = response
  const error = field(jsonOf(response), 'error')
  const said = field(error, 'message')
  const reason = field(error, 'code')
  const message = typeof said === 'string' ? said : `The ticker at ${url} answers HTTP ${status}.`
  const retryAfterMs = retryAfterOf(response, field(error, 'details'))
  const details: TickerErrorDetails = {
    url,
    status,
    ...(typeof reason === 'string' ? { reason } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
  return new TickerError(codeOf(status), message, details)
}

function codeOf(status: number): TickerErrorCode {
  if (status === 429) return 'rate_limited'
  if (status >= 500) return 'unavailable'
  return status >= 400 ? 'refused' : 'unreadable'
}

/** The body tells milliseconds, the header whole seconds. */
function retryAfterOf({ headers }: TickerResponse, details: unknown): number | undefined {
  const ms = field(details, 'retry_after_ms')
  if (typeof ms === 'number' && ms >= 0) return ms
  const seconds = headers.get('retry-after')
  return seconds !== null && /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : undefined
}

/** Undefined where it is no JSON. */
export function jsonOf({ body }: TickerResponse): unknown {
  try {
    return JSON.parse(body.toString()) as unknown
  } catch {
    return undefined
  }
}

export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
