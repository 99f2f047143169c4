/**
 * One message of `{prefix}:events` as an event, or why it is none. Pure; whatever the text is, it never
 * throws: anybody can publish. Lenient where a person writes by hand: a token may be text, `event_id`
 * and `metadata` may be missing, and what is odd in `metadata` is left out.
 */
import type { InstrumentMetadata, LifecycleNews } from '../../contract/events.ts'
import { LIFECYCLE_EVENT_MAX_CHARS } from '../../limits.ts'

/** What an event says of its instrument, as far as it does. */
export type EventMetadata = Partial<InstrumentMetadata>

export type KnownEventType = LifecycleNews['event_type'] | 'subscription_deleted'

export interface ReceivedEvent {
  /** Undefined where the publisher gave none. */
  readonly eventId: string | undefined
  readonly type: KnownEventType
  /** Undefined where the event is about no instrument. */
  readonly token: number | undefined
  /** Undefined where the publisher gave none. */
  readonly metadata: EventMetadata | undefined
}

export interface EventFault {
  readonly reason:
    | 'too_long'
    | 'not_json'
    /** Not an object, or without a type. */
    | 'wrong_shape'
    | 'unknown_type'
    /** An event about an instrument that names none. */
    | 'no_token'
  /** Of an unknown type or a missing token; cut. */
  readonly type?: string
}

export type ReadEvent =
  | { readonly ok: true; readonly event: ReceivedEvent }
  | { readonly ok: false; readonly fault: EventFault }

const ABOUT_INSTRUMENTS = [
  'subscription_created',
  'subscription_removed',
  'subscription_deleted',
  'subscription_live',
]
const KNOWN_TYPES: ReadonlySet<string> = new Set<KnownEventType>([
  'subscription_created',
  'subscription_removed',
  'subscription_deleted',
  'subscription_live',
  'feed_gap_opened',
  'feed_gap_closed',
  'account_down',
  'account_up',
  'instruments_refreshed',
])
const TOKEN_MAX = 0xffff_ffff
/** Longer names are nobody's. */
const NAME_CHARS = 64
const DATE = /^\d{4}-\d{2}-\d{2}$/

export function readEvent(text: string): ReadEvent {
  if (text.length > LIFECYCLE_EVENT_MAX_CHARS) return refused({ reason: 'too_long' })
  const message = parse(text)
  if (message === undefined) return refused({ reason: 'not_json' })
  return isObject(message) ? read(message) : refused({ reason: 'wrong_shape' })
}

function read(message: Fields): ReadEvent {
  const { event_type: type, event_id: eventId, instrument_token: given, metadata } = message
  if (typeof type !== 'string' || type === '') return refused({ reason: 'wrong_shape' })
  if (!isKnown(type)) return refused({ reason: 'unknown_type', type: type.slice(0, NAME_CHARS) })
  const token = tokenOf(given)
  if (token === undefined && ABOUT_INSTRUMENTS.includes(type)) {
    return refused({ reason: 'no_token', type })
  }
  const event: ReceivedEvent = {
    eventId: nameOf(eventId),
    type,
    token,
    metadata: isObject(metadata) ? metadataOf(metadata) : undefined,
  }
  return { ok: true, event }
}

type Fields = Readonly<Record<string, unknown>>

function refused(fault: EventFault): ReadEvent {
  return { ok: false, fault }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isKnown(type: string): type is KnownEventType {
  return KNOWN_TYPES.has(type)
}

function tokenOf(given: unknown): number | undefined {
  const isNumeric = typeof given === 'string' && /^\s*\d{1,10}\s*$/.test(given)
  const token = isNumeric ? Number(given) : given
  const isToken = typeof token === 'number' && Number.isInteger(token)
  return isToken && token >= 1 && token <= TOKEN_MAX ? token : undefined
}

function metadataOf(metadata: Fields): EventMetadata {
  const { strike, expiry, option_type: optionType, mode } = metadata
  const found = {
    tradingsymbol: nameOf(metadata['tradingsymbol']),
    segment: nameOf(metadata['segment']),
    exchange: nameOf(metadata['exchange']),
    symbol: nameOf(metadata['symbol']),
    account: nameOf(metadata['account']),
    expiry: typeof expiry === 'string' && DATE.test(expiry) ? expiry : undefined,
    strike: typeof strike === 'number' && strike > 0 ? strike : undefined,
    option_type: optionType === 'CE' || optionType === 'PE' ? optionType : undefined,
    mode: mode === 'ltp' || mode === 'quote' || mode === 'full' ? mode : undefined,
  }
  const known = Object.entries(found).filter(([, value]) => value !== undefined)
  return Object.fromEntries(known) as EventMetadata
}

function nameOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= NAME_CHARS ? value : undefined
}
