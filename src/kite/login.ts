/**
 * The broker's login: the user opens the login link, the broker sends the browser back with a
 * request token (one use, a few minutes), and that is exchanged for the day's access token with a
 * checksum that proves the API secret. The login itself is the user's; nothing here automates it.
 */
import { createHash } from 'node:crypto'

const KITE_LOGIN_ROOT = 'https://kite.zerodha.com'

/** Where the user logs in. `redirectParams` come back with the request token. */
export function kiteLoginUrl(
  apiKey: string,
  redirectParams: Readonly<Record<string, string>> = {},
  root: string = KITE_LOGIN_ROOT,
): string {
  const url = new URL('/connect/login', root)
  url.searchParams.set('v', '3')
  url.searchParams.set('api_key', apiKey)
  const params = new URLSearchParams(redirectParams).toString()
  if (params !== '') url.searchParams.set('redirect_params', params)
  return url.toString()
}

/** SHA-256 in hex, as `/session/token` demands it; the exchange checks with the same function. */
export function sessionChecksum(apiKey: string, requestToken: string, apiSecret: string): string {
  return createHash('sha256')
    .update(apiKey + requestToken + apiSecret)
    .digest('hex')
}
