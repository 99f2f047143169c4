/**
 * What Kite tells a client as text: `{"type":"order"|"error"|"message","data":…}`. The official
 * JavaScript client swallows errors and messages in silence; here nothing is lost, since an error
 * is the only word one gets when a subscription is refused.
 */
export type TextMessage =
  /** An order's postback; this project reads market data only and passes it by. */
  | { readonly kind: 'order'; readonly data: unknown }
  /** The broker refuses something, such as a token beyond the limit; the connection stays. */
  | { readonly kind: 'error'; readonly message: string }
  /** A notice to the user. */
  | { readonly kind: 'message'; readonly message: string }
  | TextMessageFault

export interface TextMessageFault {
  readonly kind: 'fault'
  readonly code: 'not_json' | 'unknown_type' | 'bad_data'
  readonly message: string
}

const SHOWN_CHARS = 200

/** Never throws. */
export function parseTextMessage(text: string): TextMessage {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return fault('not_json', text)
  }
  if (typeof parsed !== 'object' || parsed === null) return fault('unknown_type', text)
  const { type, data } = parsed as { type?: unknown; data?: unknown }
  if (type === 'order') return { kind: 'order', data }
  if (type !== 'error' && type !== 'message') return fault('unknown_type', text)
  return typeof data === 'string' ? { kind: type, message: data } : fault('bad_data', text)
}

/** `data` is always text: the official Go client panics on anything else. */
export function formatTextMessage(type: 'error' | 'message', data: string): string {
  return JSON.stringify({ type, data })
}

function fault(code: TextMessageFault['code'], text: string): TextMessageFault {
  return { kind: 'fault', code, message: `${code}: ${text.slice(0, SHOWN_CHARS)}` }
}
