/**
 * Which contract a lifecycle event is about: the one that the instrument master has under the event's
 * name or token; else what the name says by the grammar of symbols, with the event's expiry.
 */

import type { Instrument, InstrumentKind } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { parseTradingsymbol } from '../../market/symbol.ts'
import { symbolOfName } from '../../market/underlying.ts'
import type { EventMetadata } from '../lifecycle/parse-event.ts'

/** Undefined where neither knows it. */
export function findInstrument(
  token: number,
  metadata: EventMetadata | undefined,
  master: InstrumentMaster,
): Instrument | undefined {
  const { tradingsymbol, exchange } = metadata ?? {}
  if (tradingsymbol === undefined) return master.byToken(token)
  const named =
    exchange === undefined
      ? master.byTradingsymbol(tradingsymbol)[0]
      : master.byKey(exchange, tradingsymbol)
  return named ?? fromName(token, { ...metadata, tradingsymbol }, master)
}

/** Segments whose history is kept. */
export function isBackfilled({ segment }: Pick<Instrument, 'segment'>): boolean {
  return SEGMENTS.has(segment)
}

const SEGMENTS: ReadonlySet<string> = new Set([
  'INDICES',
  'NFO-FUT',
  'BFO-FUT',
  'MCX-FUT',
  'NFO-OPT',
  'BFO-OPT',
])

function fromName(
  token: number,
  metadata: EventMetadata & { readonly tradingsymbol: string },
  master: InstrumentMaster,
): Instrument | undefined {
  const { tradingsymbol, exchange, segment, expiry } = metadata
  const contract = parseTradingsymbol(tradingsymbol, master.names)
  if (contract === undefined || exchange === undefined || segment === undefined) return undefined
  if (expiry === undefined || expiry === null) return undefined
  const kind: InstrumentKind = contract.kind === 'FUT' ? 'future' : 'option'
  return {
    token,
    exchange,
    tradingsymbol,
    name: contract.name,
    symbol: symbolOfName(contract.name),
    segment,
    kind,
    optionType: contract.kind === 'FUT' ? null : contract.kind,
    expiry,
    strike: contract.strike,
    lotSize: 0,
    tickSize: 0,
  }
}
