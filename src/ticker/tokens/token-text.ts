/**
 * An access token as it stands in a file: the token alone, or JSON with `access_token` and perhaps
 * `login_time`, bare or inside the `data` of the broker's answer.
 */
import { formatIst, parseApiTime } from '../../market/ist.ts'

export interface TokenText {
  readonly accessToken: string
  /** Epoch ms; undefined where the file does not say. */
  readonly loginTimeMs: number | undefined
}

/** What can travel in a header and a URL; Kite's have 32 letters and digits. */
const TOKEN = /^[\w.~+/=-]{8,256}$/

export function isAccessToken(text: string): boolean {
  return TOKEN.test(text)
}

/** Undefined where there is no token in it, or only a part of the JSON. */
export function parseTokenText(text: string): TokenText | undefined {
  const trimmed = text.trim()
  if (!trimmed.startsWith('{')) {
    return isAccessToken(trimmed) ? { accessToken: trimmed, loginTimeMs: undefined } : undefined
  }
  const fields = parseObject(trimmed)
  const { access_token, login_time } = objectOf(fields?.['data']) ?? fields ?? {}
  if (typeof access_token !== 'string' || !isAccessToken(access_token)) return undefined
  return { accessToken: access_token, loginTimeMs: timeOf(login_time) }
}

/** The JSON that `parseTokenText` reads. */
export function formatTokenText(accessToken: string, loginTimeMs: number): string {
  const fields = { access_token: accessToken, login_time: formatIst(loginTimeMs) }
  return `${JSON.stringify(fields)}\n`
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return objectOf(JSON.parse(text))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  return value as Readonly<Record<string, unknown>>
}

function timeOf(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined
  const time = parseApiTime(value)
  return time.ok ? time.ms : undefined
}
