/** Stored minutes of a series as points of a timeframe: each figure is the last one known in its bar. */
import type { ExpiryMetricsPoint } from '../../contract/api/expiry-metrics.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { formatIst } from '../../market/ist.ts'
import { byBucket, type Timeframe } from '../../market/timeframe.ts'
import type { ExpiryMetricsRow } from '../ports.ts'

/** @param rows ascending by minute */
export function metricsPoints(
  rows: readonly ExpiryMetricsRow[],
  timeframe: Timeframe,
  segment: string,
  calendar: MarketCalendar,
): ExpiryMetricsPoint[] {
  const points: ExpiryMetricsPoint[] = []
  const minuteOf = ({ minuteMs }: ExpiryMetricsRow) => minuteMs
  for (const { bucket, items } of byBucket(rows, minuteOf, timeframe, segment, calendar)) {
    const [first, ...rest] = items
    const point = pointOf(first, bucket.startMs)
    for (const row of rest) takeKnown(point, pointOf(row, bucket.startMs))
    points.push(point)
  }
  return points
}

function takeKnown(point: ExpiryMetricsPoint, later: ExpiryMetricsPoint): void {
  const known = Object.entries(later).filter(([, value]) => value !== null)
  Object.assign(point, Object.fromEntries(known))
}

function pointOf(row: ExpiryMetricsRow, timeMs: number): ExpiryMetricsPoint {
  return {
    time: formatIst(timeMs),
    spot: row.spot,
    future: row.future,
    forward: row.forward,
    forward_source: row.forwardSource,
    atm_strike: row.atmStrike,
    atm_iv: row.atmIv,
    straddle: row.straddle,
    expected_move: row.expectedMove,
    rr25: row.rr25,
    bf25: row.bf25,
    gex: inCrore(row.gex),
    total_call_oi: row.totalCallOi,
    total_put_oi: row.totalPutOi,
    total_call_volume: row.totalCallVolume,
    total_put_volume: row.totalPutVolume,
    pcr_oi: row.pcrOi,
    pcr_volume: row.pcrVolume,
    max_pain: row.maxPain,
    max_pain_high: row.maxPainHigh,
    strikes_listed: row.strikesListed,
    strikes_streamed: row.strikesStreamed,
    strikes_present: row.strikesPresent,
  }
}

/** Stored in rupees. */
function inCrore(rupees: number | null): number | null {
  return rupees === null ? null : rupees / 1e7
}
