/** `GET /fo/futures`: the futures of an underlying with their basis, from memory. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type FutureQuote, Futures, FuturesQuery } from '../../contract/api/futures.ts'
import { daysToExpiry, hasExpired, yearsToExpiry } from '../../market/expiry.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import { openInterestChange } from '../../market/options/open-interest.ts'
import { instantOf, isSpotStale, priceChange, rounded } from '../chain/present-chain.ts'
import { isStale } from './marks.ts'
import { type MarketView, marketNowMs, requireSymbol } from './series-lookup.ts'

export function futuresRoutes(market: MarketView): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/fo/futures',
      {
        schema: {
          tags: ['F&O'],
          summary: 'Futures of an underlying with their basis',
          querystring: FuturesQuery,
          response: { 200: Futures },
        },
      },
      async ({ query }) => futuresOf(market, query.symbol),
    )
  }
}

function futuresOf(market: MarketView, asked: string): Futures {
  const { chains, calendar, feed, calendarMode } = market
  const symbol = requireSymbol(chains.master, asked, chains.master.derivativeSymbols)
  const nowMs = marketNowMs(market)
  const index = chains.spot(symbol)
  const spot = index?.lastPrice ?? null
  return {
    symbol,
    feed,
    spot,
    spot_stale: isSpotStale(index, nowMs, calendarMode),
    futures: chains.master.futures(symbol).flatMap((future) => {
      const { expiry, segment } = future
      if (expiry === null || hasExpired(expiry, nowMs, calendar, segment)) return []
      return [futureQuote(market, future, expiry, spot, nowMs)]
    }),
  }
}

function futureQuote(
  market: MarketView,
  future: Instrument,
  expiry: string,
  spot: number | null,
  nowMs: number,
): FutureQuote {
  const { chains, calendar, clock } = market
  const quote = chains.quote(instrumentKey(future.exchange, future.tradingsymbol))
  const ltp = quote?.lastPrice ?? null
  const oi = quote?.openInterest ?? null
  const oiBefore = quote?.bars.previousOiAt(quote.quotedMs) ?? null
  const receivedAtMs = quote?.receivedAtMs ?? null
  const years = yearsToExpiry(expiry, nowMs, calendar, future.segment)
  return {
    tradingsymbol: future.tradingsymbol,
    instrument_token: future.token,
    expiry,
    days_to_expiry: daysToExpiry(expiry, nowMs),
    lot_size: future.lotSize,
    ltp,
    ...priceChange(ltp, quote?.previousClose ?? null),
    open: quote?.dayOpen ?? null,
    high: quote?.dayHigh ?? null,
    low: quote?.dayLow ?? null,
    bid: quote?.bid ?? null,
    ask: quote?.ask ?? null,
    volume: quote?.volume ?? null,
    oi,
    oi_prev_close: oiBefore,
    oi_change: openInterestChange(oi, oiBefore),
    ...basisOf(ltp, spot, years),
    exchange_time: instantOf(quote?.quotedMs ?? null),
    age_ms: receivedAtMs === null ? null : Math.max(0, clock.nowMs() - receivedAtMs),
    stale: isStale(market, future, quote, nowMs),
  }
}

/** The day's last minutes to expiry say nothing of a yearly rate. */
const SHORTEST_YEARS = 1 / 365

function basisOf(ltp: number | null, spot: number | null, years: number) {
  if (ltp === null || spot === null || spot <= 0 || ltp <= 0) {
    return { basis: null, basis_percent: null, annual_basis: null }
  }
  const basis = ltp - spot
  return {
    basis: rounded(basis, 1e4),
    basis_percent: rounded((100 * basis) / spot, 1e4),
    annual_basis: years < SHORTEST_YEARS ? null : rounded(Math.log(ltp / spot) / years, 1e6),
  }
}
