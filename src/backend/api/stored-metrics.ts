/** `GET /fo/expiry-metrics`: the stored minutes of a series, rolled up to a timeframe. */
import type { ExpiryMetrics, ExpiryMetricsQuery } from '../../contract/api/expiry-metrics.ts'
import { API_METRICS_MINUTES } from '../../limits.ts'
import type { BackendReads } from '../ports.ts'
import { metricsPoints } from './metrics-points.ts'
import type { ReadGate } from './read-gate.ts'
import { type MarketView, requireSymbol, storedSeries } from './series-lookup.ts'
import { requireRange, tooMany } from './time-range.ts'

export async function metricsOverTime(
  from: { readonly market: MarketView; readonly reads: BackendReads; readonly gate: ReadGate },
  query: ExpiryMetricsQuery,
): Promise<ExpiryMetrics> {
  const { market, reads, gate } = from
  const { calendar, chains } = market
  const symbol = requireSymbol(chains.master, query.symbol)
  const { expiry, segment } = storedSeries(market, symbol, query.expiry)
  const { timeframe, fromMs, toMs } = requireRange(market, segment, query)
  const rows = await gate.read(() =>
    reads.expiryMetrics(symbol, expiry, fromMs, toMs, API_METRICS_MINUTES + 1),
  )
  if (rows.length > API_METRICS_MINUTES) throw tooMany(API_METRICS_MINUTES, 'minutes')
  return { symbol, expiry, timeframe, points: metricsPoints(rows, timeframe, segment, calendar) }
}
