/**
 * What a client tells Kite over the WebSocket: JSON text with an action `a` and a value `v`.
 *
 *   {"a":"subscribe","v":[408065]}   {"a":"unsubscribe","v":[408065]}   {"a":"mode","v":["full",[408065]]}
 */
import type { TickMode } from '../market/tick.ts'

export type ClientMessage =
  | { readonly kind: 'subscribe'; readonly tokens: readonly number[] }
  | { readonly kind: 'unsubscribe'; readonly tokens: readonly number[] }
  | { readonly kind: 'mode'; readonly mode: TickMode; readonly tokens: readonly number[] }

export type ClientMessageFaultCode =
  | 'not_json'
  /** JSON, but no object, or with an action that Kite does not have. */
  | 'unknown_action'
  /** Tokens that are no array of unsigned 32-bit numbers; Kite ignores tokens sent as text. */
  | 'bad_tokens'
  | 'bad_mode'

export interface ClientMessageFault {
  readonly kind: 'fault'
  readonly code: ClientMessageFaultCode
  readonly message: string
}

const MODES: readonly unknown[] = ['ltp', 'quote', 'full'] satisfies TickMode[]

export function formatClientMessage(message: ClientMessage): string {
  if (message.kind === 'mode') {
    return JSON.stringify({ a: 'mode', v: [message.mode, message.tokens] })
  }
  return JSON.stringify({ a: message.kind, v: message.tokens })
}

/** Strict: a message is taken as a whole or not at all. Never throws. */
export function parseClientMessage(text: string): ClientMessage | ClientMessageFault {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return fault('not_json', 'the message is not JSON')
  }
  if (typeof parsed !== 'object' || parsed === null) {
    return fault('unknown_action', 'the message is no JSON object')
  }
  const { a: action, v: value } = parsed as { a?: unknown; v?: unknown }
  if (action === 'mode') return parseMode(value)
  if (action !== 'subscribe' && action !== 'unsubscribe') {
    return fault('unknown_action', `no action ${shown(action)}`)
  }
  return isTokens(value) ? { kind: action, tokens: value } : badTokens(value)
}

function parseMode(value: unknown): ClientMessage | ClientMessageFault {
  if (!Array.isArray(value) || value.length !== 2) {
    return fault('bad_mode', 'the value of mode is [mode, tokens]')
  }
  const [mode, tokens] = value as readonly unknown[]
  if (!isMode(mode)) return fault('bad_mode', `no mode ${shown(mode)}`)
  return isTokens(tokens) ? { kind: 'mode', mode, tokens } : badTokens(tokens)
}

function isMode(value: unknown): value is TickMode {
  return MODES.includes(value)
}

function isTokens(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isToken)
}

function isToken(value: unknown): boolean {
  return typeof value === 'number' && value >>> 0 === value && value !== 0
}

function badTokens(value: unknown): ClientMessageFault {
  if (!Array.isArray(value)) return fault('bad_tokens', 'the tokens are no array')
  const at = value.findIndex((token) => !isToken(token))
  return fault('bad_tokens', `token ${at} is no instrument token: ${shown(value[at])}`)
}

function fault(code: ClientMessageFaultCode, message: string): ClientMessageFault {
  return { kind: 'fault', code, message }
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 40)
}
