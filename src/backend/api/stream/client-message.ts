/** What a client of the stream says, read and checked; what is wrong is said as REST says it. */
import type { ErrorDetail } from '../../../contract/api/error.ts'
import { requestCheck } from '../../../contract/api/request-check.ts'
import {
  type ClientMessage,
  Resnapshot,
  STREAM_CHANNELS,
  SubscribeBackfill,
  SubscribeChain,
  SubscribeHealth,
  Unsubscribe,
} from '../../../contract/api/stream.ts'
import { badField } from '../api-error.ts'

export type ReadMessage =
  | { readonly ok: true; readonly message: ClientMessage }
  | { readonly ok: false; readonly id: string | null; readonly error: ErrorDetail }

export function readClientMessage(text: string): ReadMessage {
  const given = parse(text)
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return refused(null, badField('', 'A message is one JSON object.').body.error)
  }
  const said = given as Readonly<Record<string, unknown>>
  const id = typeof said['id'] === 'string' ? said['id'].slice(0, 64) : null
  const check = checkOf(said)
  if ('field' in check) {
    const { field, known } = check
    const message = `"${field}" must be one of ${known.join(', ')}.`
    return refused(id, badField(field, message, { known }).body.error)
  }
  const checked = check(said)
  if (checked.ok) return { ok: true, message: said as ClientMessage }
  const { message, details } = checked.fault
  return refused(id, { code: 'bad_request', message, details })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refused(id: string | null, error: ErrorDetail): ReadMessage {
  return { ok: false, id, error }
}

function checkOf({ op, channel }: Readonly<Record<string, unknown>>) {
  if (op === 'unsubscribe') return UNSUBSCRIBE
  if (op === 'resnapshot') return RESNAPSHOT
  if (op !== 'subscribe') return { field: 'op', known: OPERATIONS }
  if (channel === 'chain') return SUBSCRIBE_CHAIN
  if (channel === 'health') return SUBSCRIBE_HEALTH
  if (channel === 'backfill') return SUBSCRIBE_BACKFILL
  return { field: 'channel', known: STREAM_CHANNELS }
}

const OPERATIONS = ['subscribe', 'unsubscribe', 'resnapshot']
const SUBSCRIBE_CHAIN = requestCheck(SubscribeChain, 'json')
const SUBSCRIBE_HEALTH = requestCheck(SubscribeHealth, 'json')
const SUBSCRIBE_BACKFILL = requestCheck(SubscribeBackfill, 'json')
const UNSUBSCRIBE = requestCheck(Unsubscribe, 'json')
const RESNAPSHOT = requestCheck(Resnapshot, 'json')
