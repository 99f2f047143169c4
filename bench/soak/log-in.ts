/** A login at the simulated exchange, as a person does it in the browser: a new access token. */
import { sessionChecksum } from '../../src/kite/login.ts'

export interface LoginAccount {
  readonly api_key: string
  readonly api_secret: string
}

/** Throws where the exchange does not let it in. */
export async function logIn(exchangeUrl: string, account: LoginAccount): Promise<string> {
  const { api_key, api_secret } = account
  const url = `${exchangeUrl}/connect/login?v=3&api_key=${api_key}`
  // The browser would go on to where the exchange sends it, which is of no interest here.
  const page = await fetch(url, { redirect: 'manual' })
  const answer = `${page.headers.get('location')} ${await page.text()}`
  const requestToken = /request_token(?:=|">)(\w+)/.exec(answer)?.[1]
  if (requestToken === undefined) throw new Error('the login gave no request token')
  const checksum = sessionChecksum(api_key, requestToken, api_secret)
  const response = await fetch(`${exchangeUrl}/session/token`, {
    method: 'POST',
    body: new URLSearchParams({ api_key, request_token: requestToken, checksum }),
  })
  const { data } = (await response.json()) as { data?: { access_token?: string } }
  if (data?.access_token === undefined) throw new Error(`no session: ${response.status}`)
  return data.access_token
}
