/** `GET /fo/expiry-metrics`: the stored minutes of a series, rolled up to a timeframe. */
import type { ExpiryMetrics, ExpiryMetricsQuery } from '../../contract/api/expiry-metrics.ts'
import { API_METRICS_MINUTES } from '../../limits.ts'
import { formatIst, istDate, startOfDateMs } from '../../market/ist.ts'
import { underlyingOf } from '../../market/underlying.ts'
import type { BackendReads } from '../ports.ts'
import { ApiError, badField } from './api-error.ts'
import { metricsPoints } from './metrics-points.ts'
import type { ReadGate } from './read-gate.ts'
import {
  type MarketView,
  marketNowMs,
  requireDate,
  requireSeries,
  requireSymbol,
  requireTime,
} from './series-lookup.ts'

export async function metricsOverTime(
  from: { readonly market: MarketView; readonly reads: BackendReads; readonly gate: ReadGate },
  query: ExpiryMetricsQuery,
): Promise<ExpiryMetrics> {
  const { market, reads, gate } = from
  const { calendar, chains } = market
  const symbol = requireSymbol(chains.master, query.symbol)
  const { expiry, segment } = seriesOf(market, symbol, query.expiry)
  const nowMs = marketNowMs(market)
  // The minute that is open now belongs to the answer.
  const toMs = query.to === undefined ? nowMs + 1 : requireTime('to', query.to)
  const fromMs =
    query.from === undefined
      ? sessionOpenMs(market, segment, Math.min(nowMs, toMs))
      : requireTime('from', query.from)
  if (fromMs >= toMs) {
    throw badField('from', `"from" (${formatIst(fromMs)}) is not before "to" (${formatIst(toMs)}).`)
  }
  const rows = await gate.read(() =>
    reads.expiryMetrics(symbol, expiry, fromMs, toMs, API_METRICS_MINUTES + 1),
  )
  if (rows.length > API_METRICS_MINUTES) throw tooMany()
  const timeframe = query.timeframe ?? '1m'
  return { symbol, expiry, timeframe, points: metricsPoints(rows, timeframe, segment, calendar) }
}

/** A series that has expired is not listed any more and is read all the same. */
function seriesOf(market: MarketView, symbol: string, expiry: string | undefined) {
  if (expiry === undefined) return requireSeries(market, symbol, undefined)
  requireDate('expiry', expiry)
  const listed = market.chains.master.expiries(symbol)[0]?.segment
  const segment = listed ?? `${underlyingOf(symbol)?.derivativesExchange ?? 'NFO'}-OPT`
  return { expiry, segment }
}

/** The open of the session that runs, or of the last one. */
function sessionOpenMs({ calendar }: MarketView, segment: string, atMs: number): number {
  const today = istDate(atMs)
  const session = calendar.session(segment, today)
  if (session !== undefined && session.openMs <= atMs) return session.openMs
  const before = calendar.previousTradingDay(today, segment)
  return calendar.session(segment, before)?.openMs ?? startOfDateMs(before)
}

function tooMany(): ApiError {
  const message = `More than ${API_METRICS_MINUTES} minutes are stored in this time; ask for less.`
  return new ApiError(400, 'too_large', message, { field: 'from', limit: API_METRICS_MINUTES })
}
