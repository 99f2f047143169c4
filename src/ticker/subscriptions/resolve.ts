/** What a request names, looked up in the instrument master; each instrument stands or falls alone. */
import type { ErrorCode } from '../../contract/api/error.ts'
import type { InstrumentRequest, SubscribeRequest } from '../../contract/api/subscriptions.ts'
import { requestedMode } from '../../contract/api/subscriptions.ts'
import { TICKER_SUGGESTIONS_MAX } from '../../limits.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import type { TickMode } from '../../market/tick.ts'
import type { Priority } from '../connection/wire-plan.ts'
import { suggestName } from '../instruments/suggest-name.ts'

export interface ResolvedRequest {
  readonly instrument: Instrument
  readonly mode: TickMode
  readonly priority: Priority
}

export interface RefusedRequest {
  /** As it was asked for. */
  readonly instrument: string | number
  readonly code: ErrorCode
  readonly message: string
}

export interface Resolution {
  readonly resolved: readonly ResolvedRequest[]
  readonly refused: readonly RefusedRequest[]
}

export interface ResolveContext {
  readonly master: InstrumentMaster
  /** Whether the contract trades no more. */
  readonly hasEnded: (instrument: Instrument) => boolean
}

export function resolveRequest(request: SubscribeRequest, context: ResolveContext): Resolution {
  const items = 'instruments' in request ? request.instruments : [request]
  const resolved: ResolvedRequest[] = []
  /** By what was asked for, so that naming it twice is no second fault. */
  const refused = new Map<string | number, RefusedRequest>()
  for (const item of items) {
    const found = find(item, context.master, refused.size < TICKER_SUGGESTIONS_MAX)
    if ('code' in found) refused.set(found.instrument, found)
    else if (context.hasEnded(found)) refused.set(asked(item), ended(item, found))
    else resolved.push({ instrument: found, ...optionsOf(item, request) })
  }
  return { resolved, refused: [...refused.values()] }
}

/** An instrument's own options win over those of the whole request. */
function optionsOf(item: InstrumentRequest, request: SubscribeRequest) {
  const mode = requestedMode(
    item.mode === undefined && item.requested_mode === undefined ? request : item,
  )
  return { mode: mode ?? 'full', priority: item.priority ?? request.priority ?? 'normal' }
}

/** @param isSuggesting whether an unknown name is answered with the nearest known one */
function find(
  item: InstrumentRequest,
  master: InstrumentMaster,
  isSuggesting: boolean,
): Instrument | RefusedRequest {
  if ('instrument_token' in item) {
    const token = item.instrument_token
    return master.byToken(token) ?? unknown(token, `there is no instrument with token ${token}`)
  }
  const { tradingsymbol, exchange } = item
  const listed = master.byTradingsymbol(tradingsymbol.toUpperCase())
  const found =
    exchange === undefined ? listed : listed.filter((i) => i.exchange === exchange.toUpperCase())
  const [first, second] = found
  if (first === undefined) {
    const name = [exchange, tradingsymbol].filter(Boolean).join(':')
    const meant = isSuggesting ? meantBy(tradingsymbol.toUpperCase(), listed, master) : ''
    return unknown(tradingsymbol, `there is no instrument ${name}${meant}`)
  }
  if (second === undefined) return first
  const exchanges = found.map((instrument) => instrument.exchange).join(', ')
  const message = `${tradingsymbol} is listed on ${exchanges}; say which exchange`
  return { instrument: tradingsymbol, code: 'bad_request', message }
}

/** The same name on another exchange, else the nearest name. */
function meantBy(name: string, listed: readonly Instrument[], master: InstrumentMaster): string {
  const elsewhere = listed.map(({ exchange }) => `${exchange}:${name}`)
  const meant = elsewhere[0] ?? suggestName(name, master)
  return meant === undefined ? '' : `; did you mean ${meant}?`
}

function asked(item: InstrumentRequest): string | number {
  return 'instrument_token' in item ? item.instrument_token : item.tradingsymbol
}

function unknown(instrument: string | number, message: string): RefusedRequest {
  return { instrument, code: 'unknown_instrument', message }
}

function ended(item: InstrumentRequest, { tradingsymbol, expiry }: Instrument): RefusedRequest {
  const message = `${tradingsymbol} has expired (${expiry}); its history stays readable by name`
  return { instrument: asked(item), code: 'expired', message }
}
