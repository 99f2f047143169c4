/** The backend that runs, as commands of the terminal ask it. */
import type { Config } from '../config.ts'
import type { ErrorBody } from '../contract/api/error.ts'
import { API_REQUEST_TIMEOUT_MS } from '../limits.ts'

/** What the backend refuses, in its words. */
export class Refusal extends Error {
  readonly code: string
  /** What there is instead of what was asked for, where it says so. */
  readonly known: readonly string[]

  constructor({ error }: ErrorBody) {
    super(error.message)
    this.code = error.code
    const known = error.details?.['known']
    this.known = Array.isArray(known) ? known.map(String) : []
  }
}

export class RunningBackend {
  readonly url: string
  /** Of every request. */
  readonly headers: Readonly<Record<string, string>>

  constructor({ bindHost, backend }: Config) {
    const host = bindHost.includes(':') ? `[${bindHost}]` : bindHost
    this.url = `http://${host}:${backend.port}`
    const key = backend.tickerApiKey
    this.headers = key === undefined ? {} : { 'x-api-key': key }
  }

  /** Rejects with `Refusal`, or as `fetch` does where nobody answers. */
  async ask<Answer>(path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${this.url}/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...this.headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(API_REQUEST_TIMEOUT_MS),
    })
    const answer: unknown = await response.json()
    if (!response.ok) throw new Refusal(answer as ErrorBody)
    return answer as Answer
  }
}

/** As `fetch` says that there is no answer. */
export function isNobodyThere(error: unknown): boolean {
  return error instanceof TypeError || error instanceof DOMException
}
