/**
 * What the broker sends the browser back with: `?request_token=…&status=success`, and the `state` that
 * the login link carried. Another state means that this login was not begun here.
 */
export type Callback =
  | { readonly kind: 'granted'; readonly requestToken: string }
  /** The user cancelled, or the broker does not let the user in. */
  | { readonly kind: 'denied'; readonly status: string }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'incomplete' }

export const LOGIN_CALLBACK_PATH = '/kite/callback'

const REQUEST_TOKEN = /^\w{8,128}$/
const STATUS_SHOWN_CHARS = 40

/** The redirect URL to register in the Kite app. */
export function loginCallbackUrl(port: number): string {
  return `http://127.0.0.1:${port}${LOGIN_CALLBACK_PATH}`
}

export function readCallback(query: URLSearchParams, state: string): Callback {
  if (query.get('state') !== state) return { kind: 'foreign' }
  const status = query.get('status') ?? ''
  const requestToken = query.get('request_token') ?? ''
  if (status !== 'success' && status !== '') {
    return { kind: 'denied', status: status.replace(/[^\w ]/g, '').slice(0, STATUS_SHOWN_CHARS) }
  }
  if (!REQUEST_TOKEN.test(requestToken)) return { kind: 'incomplete' }
  return { kind: 'granted', requestToken }
}

/** What a user pastes: the whole address that the browser was sent to, or the request token alone. */
export function readPasted(text: string, state: string): Callback {
  const pasted = text.trim()
  if (REQUEST_TOKEN.test(pasted)) return { kind: 'granted', requestToken: pasted }
  if (!URL.canParse(pasted)) return { kind: 'incomplete' }
  return readCallback(new URL(pasted).searchParams, state)
}
