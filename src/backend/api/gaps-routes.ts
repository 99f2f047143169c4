/** `GET /gaps`: the ledger of what the feed is known to have missed, and what became of it. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { GAPS_DEFAULT, type Gap, Gaps, GapsQuery } from '../../contract/api/gaps.ts'
import { API_LOOKBACK_DAYS } from '../../limits.ts'
import { DAY_MS, formatIst } from '../../market/ist.ts'
import { instantOf } from '../chain/present-chain.ts'
import type { BackendReads, GapEntry } from '../ports.ts'
import { badField } from './api-error.ts'
import type { ReadGate } from './read-gate.ts'
import { type MarketView, marketNowMs, requireTime } from './series-lookup.ts'

export interface GapRouteSources {
  readonly market: MarketView
  readonly reads: BackendReads
  readonly gate: ReadGate
}

export function gapsRoutes({ market, reads, gate }: GapRouteSources): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/gaps',
      {
        schema: {
          tags: ['ledgers'],
          summary: 'Gaps of the feed, newest first',
          querystring: GapsQuery,
          response: { 200: Gaps },
        },
      },
      async ({ query }) => {
        const nowMs = marketNowMs(market)
        const toMs = query.to === undefined ? nowMs + DAY_MS : requireTime('to', query.to)
        const fromMs =
          query.from === undefined
            ? Math.min(nowMs, toMs) - API_LOOKBACK_DAYS * DAY_MS
            : requireTime('from', query.from)
        if (fromMs >= toMs) {
          const said = `"from" (${formatIst(fromMs)}) is not before "to" (${formatIst(toMs)}).`
          throw badField('from', said)
        }
        const gaps = await gate.read(() =>
          reads.gaps({
            fromMs: Math.max(0, fromMs),
            toMs: Math.max(1, toMs),
            status: query.status,
            tradingsymbol: query.tradingsymbol,
            limit: query.limit ?? GAPS_DEFAULT,
          }),
        )
        return { gaps: gaps.map(gapOf) }
      },
    )
  }
}

function gapOf(entry: GapEntry): Gap {
  return {
    id: entry.id,
    ticker: entry.producer,
    account: entry.account,
    connection: entry.connection,
    reason: entry.reason,
    status: entry.status,
    from: formatIst(entry.fromMs),
    to: instantOf(entry.toMs),
    instruments: entry.instruments,
    tradingsymbols: [...entry.tradingsymbols],
    rows: entry.rows,
    error: entry.error,
    opened_at: formatIst(entry.openedAtMs),
    closed_at: instantOf(entry.closedAtMs),
    repaired_at: instantOf(entry.repairedAtMs),
  }
}
