/**
 * What a row of the subscriptions says of its instrument, for a contract that no dump knows any
 * more: enough to show it and to end it.
 */
import type { Instrument, InstrumentKind } from '../../market/instrument.ts'
import type { StoredSubscription } from '../ports.ts'

export function instrumentOfRow(row: StoredSubscription): Instrument {
  return {
    token: row.instrumentToken,
    exchange: row.exchange,
    tradingsymbol: row.tradingsymbol,
    name: row.symbol,
    symbol: row.symbol,
    segment: row.segment,
    kind: kindOf(row),
    optionType: row.optionType,
    expiry: row.expiry,
    strike: row.strike,
    lotSize: 0,
    tickSize: 0,
  }
}

function kindOf({ segment, optionType, expiry }: StoredSubscription): InstrumentKind {
  if (segment === 'INDICES') return 'index'
  if (optionType !== null) return 'option'
  return expiry === null ? 'equity' : 'future'
}
