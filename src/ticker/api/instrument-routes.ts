/** `/instruments`: search in today's instrument master. */
import { ErrorBody } from '../../contract/api/error.ts'
import {
  INSTRUMENTS_DEFAULT_LIMIT,
  Instruments,
  InstrumentsQuery,
  type InstrumentView,
} from '../../contract/api/instruments.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { ApiError } from './api-error.ts'
import { checkExpiry } from './expiry-query.ts'
import type { Server } from './server.ts'

export function instrumentRoutes(app: Server, master: () => InstrumentMaster): void {
  app.route({
    method: 'GET',
    url: '/instruments',
    schema: {
      tags: ['instruments'],
      summary: 'Instruments that match all conditions, the best match first.',
      querystring: InstrumentsQuery,
      response: { 200: Instruments, '4xx': ErrorBody, '5xx': ErrorBody },
    },
    handler: async ({ query }) => {
      if (query.expiry !== undefined) checkExpiry(query.expiry)
      if (master().size === 0) {
        throw new ApiError('unavailable', 'The instrument master is not loaded yet; try again.')
      }
      const limit = query.limit ?? INSTRUMENTS_DEFAULT_LIMIT
      return master()
        .search({ ...query, limit })
        .map(toView)
    },
  })
}

function toView(instrument: Instrument): InstrumentView {
  return {
    instrument_token: instrument.token,
    exchange: instrument.exchange,
    tradingsymbol: instrument.tradingsymbol,
    name: instrument.name,
    symbol: instrument.symbol,
    segment: instrument.segment,
    kind: instrument.kind,
    option_type: instrument.optionType,
    expiry: instrument.expiry,
    strike: instrument.strike,
    lot_size: instrument.lotSize,
    tick_size: instrument.tickSize,
  }
}
