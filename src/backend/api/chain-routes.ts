/** Expiries, chains (latest from memory, earlier ones from the store), metrics over time, marks. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Expiries, ExpiriesQuery } from '../../contract/api/expiries.ts'
import { ExpiryMetrics, ExpiryMetricsQuery } from '../../contract/api/expiry-metrics.ts'
import { Marks, MarksQuery } from '../../contract/api/marks.ts'
import {
  StrikeDistribution,
  StrikeDistributionQuery,
} from '../../contract/api/strike-distribution.ts'
import { daysToExpiry } from '../../market/expiry.ts'
import type { BackendReads } from '../ports.ts'
import { ApiError } from './api-error.ts'
import type { ChainViews } from './chain-views.ts'
import { latestMarks } from './marks.ts'
import type { ReadGate } from './read-gate.ts'
import {
  type MarketView,
  marketNowMs,
  requireSeries,
  requireSymbol,
  requireTime,
  seriesToCome,
} from './series-lookup.ts'
import { storedChain } from './stored-chain.ts'
import { metricsOverTime } from './stored-metrics.ts'

export interface ChainRouteSources {
  readonly market: MarketView
  readonly views: ChainViews
  readonly reads: BackendReads
  readonly gate: ReadGate
}

const tags = ['F&O']

export function chainRoutes(from: ChainRouteSources): FastifyPluginAsyncTypebox {
  const { market, views } = from
  return async (app) => {
    app.get(
      '/fo/expiries',
      {
        schema: {
          tags,
          summary: 'Expiries of an underlying that are still to come',
          querystring: ExpiriesQuery,
          response: { 200: Expiries },
        },
      },
      async ({ query }) => expiries(market, query.symbol),
    )
    app.get(
      '/fo/strike-distribution',
      {
        schema: {
          tags,
          summary: 'One whole chain with its metrics, now or as of a time',
          querystring: StrikeDistributionQuery,
          response: { 200: StrikeDistribution },
        },
      },
      async ({ query }, reply) => {
        const symbol = requireSymbol(market.chains.master, query.symbol)
        const eachSide = query.strikes ?? null
        if (query.at !== undefined) {
          const atMs = requireTime('at', query.at)
          return storedChain(from, { symbol, expiry: query.expiry, atMs, eachSide })
        }
        const { expiry } = requireSeries(market, symbol, query.expiry)
        const json = views.json(symbol, expiry, eachSide)
        if (json === undefined) throw gone(symbol, expiry)
        // Serialised already; the type of the answer is that of its schema.
        reply.type('application/json; charset=utf-8')
        return json as unknown as StrikeDistribution
      },
    )
    app.get(
      '/fo/expiry-metrics',
      {
        schema: {
          tags,
          summary: 'PCR, max pain, ATM IV, straddle, skew, GEX and totals over time',
          querystring: ExpiryMetricsQuery,
          response: { 200: ExpiryMetrics },
        },
      },
      async ({ query }) => metricsOverTime(from, query),
    )
    app.get(
      '/marks/latest',
      {
        schema: {
          tags,
          summary: 'The last known price of instruments',
          querystring: MarksQuery,
          response: { 200: Marks },
        },
      },
      async ({ query }) => latestMarks(market, query.symbols),
    )
  }
}

function expiries(market: MarketView, asked: string): Expiries {
  const symbol = requireSymbol(market.chains.master, asked)
  const nowMs = marketNowMs(market)
  return {
    symbol,
    expiries: seriesToCome(market, symbol).map(({ expiry, kind, lotSize }) => ({
      expiry,
      days_to_expiry: daysToExpiry(expiry, nowMs),
      kind,
      lot_size: lotSize,
    })),
  }
}

/** Between the look-up and the chain the list of instruments was replaced. */
function gone(symbol: string, expiry: string): ApiError {
  return new ApiError(404, 'unknown_expiry', `${symbol} ${expiry} is no longer listed.`)
}
