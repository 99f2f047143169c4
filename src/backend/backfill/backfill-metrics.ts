/** What backfill counts, under the names that dashboards rely on. */
import type { LatencyHistogram } from '../../kit/latency-histogram.ts'
import type { Count, Metrics } from '../../kit/metrics.ts'

export interface BackfillMetrics {
  /** Jobs made, by kind. */
  readonly triggered: (kind: string) => Count
  readonly completed: Count
  /** Looks that did not succeed, by reason; most are tried again. */
  readonly failed: (reason: string) => Count
  /** From the making of a job to its end. */
  readonly duration: LatencyHistogram
  readonly rows: Count
}

export function backfillMetrics(metrics: Metrics): BackfillMetrics {
  return {
    triggered: metrics.counters(
      'fostream_backfills_triggered_total',
      'Backfill jobs made, by kind',
      'kind',
    ),
    completed: metrics.counter('fostream_backfills_completed_total', 'Backfill jobs done'),
    failed: metrics.counters(
      'fostream_backfills_failed_total',
      'Histories that could not be had, by reason; most are tried again',
      'reason',
    ),
    duration: metrics.histogram(
      'fostream_backfill_duration_seconds',
      'From the making of a backfill job to its end',
    ),
    rows: metrics.counter('fostream_backfill_rows_total', 'Minutes written by backfill'),
  }
}
