/** `/quotes`: many instruments as they are now. */
import { ErrorBody } from '../../contract/api/error.ts'
import {
  type QuotesQuery as Query,
  type Quote,
  Quotes,
  QuotesQuery,
} from '../../contract/api/quotes.ts'
import type { KiteQuote } from '../../kite/rest-answers.ts'
import { QUOTES_INSTRUMENTS_MAX } from '../../limits.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import type { HistoryService } from '../requests/history-service.ts'
import { maybeIst } from '../status-view.ts'
import { ApiError } from './api-error.ts'
import { answering } from './request-answers.ts'
import type { Server } from './server.ts'

/** What was asked for, as the broker is asked. */
interface Asked {
  readonly text: string
  /** `NFO:NIFTY26DECFUT`, or the token where it is not listed. */
  readonly key: string
  readonly instrument: Instrument | undefined
}

export function quoteRoutes(
  app: Server,
  service: HistoryService,
  master: () => InstrumentMaster,
): void {
  app.route({
    method: 'GET',
    url: '/quotes',
    schema: {
      tags: ['quotes'],
      summary: 'Last price, book, volume and open interest of up to 4,500 instruments.',
      querystring: QuotesQuery,
      response: { 200: Quotes, '4xx': ErrorBody, '5xx': ErrorBody },
    },
    handler: async ({ query }, reply) => {
      const asked = askedOf(query, master())
      const request = {
        keys: asked.map(({ key }) => key),
        priority: query.priority,
        order: query.order,
        timeoutMs: query.timeout_ms,
      }
      const found = await answering(reply, (signal) => service.quotes(request, signal))
      return {
        quotes: asked.flatMap((one) => viewOf(one, found.get(one.key))),
        errors: asked.filter(({ key }) => !found.has(key)).map(unknown),
      }
    },
  })
}

/** Tokens, then names; what is asked for twice is one. */
function askedOf({ tokens, instruments }: Query, master: InstrumentMaster): Asked[] {
  const all = [
    ...parts(tokens).map((text) => byToken(text, master)),
    ...parts(instruments).map((text) => byName(text, master)),
  ]
  const asked = [...new Map(all.map((one) => [one.key, one])).values()]
  const field = tokens === undefined ? 'instruments' : 'tokens'
  if (asked.length === 0) throw bad('tokens', '"tokens" or "instruments" is missing.')
  if (asked.length <= QUOTES_INSTRUMENTS_MAX) return asked
  throw bad(field, `"${field}" asks for ${asked.length}, at most ${QUOTES_INSTRUMENTS_MAX}.`)
}

function parts(list: string | undefined): string[] {
  return list === undefined ? [] : list.split(',').map((part) => part.trim())
}

const LARGEST_TOKEN = 0xffff_ffff

function byToken(text: string, master: InstrumentMaster): Asked {
  const token = /^\d{1,10}$/.test(text) ? Number(text) : 0
  if (token < 1 || token > LARGEST_TOKEN) {
    throw bad('tokens', `"tokens" holds "${text.slice(0, 40)}", which is no instrument_token.`)
  }
  const instrument = master.byToken(token)
  const key = instrument === undefined ? String(token) : keyOf(instrument)
  return { text, key, instrument }
}

const NAME = /^[A-Z]{2,5}:[A-Z0-9&][A-Z0-9&. _-]{0,39}$/

function byName(text: string, master: InstrumentMaster): Asked {
  if (!NAME.test(text)) {
    const message = `"instruments" holds "${text.slice(0, 40)}", which is no EXCHANGE:TRADINGSYMBOL.`
    throw bad('instruments', message)
  }
  const at = text.indexOf(':')
  const instrument = master.byKey(text.slice(0, at), text.slice(at + 1))
  return { text, key: text, instrument }
}

function keyOf({ exchange, tradingsymbol }: Instrument): string {
  return instrumentKey(exchange, tradingsymbol)
}

function bad(field: string, message: string): ApiError {
  return new ApiError('bad_request', message, { field })
}

function unknown({ text }: Asked) {
  return {
    instrument: text,
    code: 'unknown_instrument',
    message: 'The broker does not know it.',
  }
}

function viewOf({ instrument }: Asked, quote: KiteQuote | undefined): Quote[] {
  if (quote === undefined) return []
  return [
    {
      instrument_token: quote.token,
      exchange: instrument?.exchange ?? null,
      tradingsymbol: instrument?.tradingsymbol ?? null,
      ltp: quote.lastPrice,
      bid: quote.bidPrice ?? null,
      ask: quote.askPrice ?? null,
      bid_quantity: quote.bidQuantity ?? null,
      ask_quantity: quote.askQuantity ?? null,
      volume: quote.dayVolume ?? null,
      oi: quote.openInterest ?? null,
      open: quote.dayOpen,
      high: quote.dayHigh,
      low: quote.dayLow,
      prev_close: quote.previousClose,
      last_trade_time: maybeIst(quote.lastTradeTimeMs),
      exchange_time: maybeIst(quote.exchangeTimeMs),
    },
  ]
}
