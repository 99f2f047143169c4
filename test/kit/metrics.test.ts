import { describe, expect, it } from 'vitest'
import { Metrics } from '../../src/kit/metrics.ts'
import { METRIC_LABEL_VALUES_MAX } from '../../src/limits.ts'

async function lines(metrics: Metrics, name: string): Promise<string[]> {
  const text = await metrics.text()
  return text.split('\n').filter((line) => line.startsWith(name))
}

function emptyMetrics(): Metrics {
  return new Metrics({ processDefaults: false })
}

describe('the metrics page', () => {
  it('shows a counter as it stands at every reading', async () => {
    const metrics = emptyMetrics()
    const lost = metrics.counter('fostream_lost_ticks_total', 'Ticks lost.')
    expect(await lines(metrics, 'fostream')).toEqual(['fostream_lost_ticks_total 0'])
    lost.value += 3
    await metrics.text()
    expect(await lines(metrics, 'fostream')).toEqual(['fostream_lost_ticks_total 3'])
  })

  it('shows a counter per stage', async () => {
    const metrics = emptyMetrics()
    const ticks = metrics.counters('fostream_ticks_total', 'Ticks by stage.', 'stage')
    ticks('received').value += 5
    ticks('journaled').value += 4
    ticks('received').value += 1
    expect(await lines(metrics, 'fostream')).toEqual([
      'fostream_ticks_total{stage="received"} 6',
      'fostream_ticks_total{stage="journaled"} 4',
    ])
  })

  it('counts reasons beyond the cap as other', async () => {
    const metrics = emptyMetrics()
    const failed = metrics.counters('fostream_events_failed_total', 'Failures.', 'reason')
    for (let number = 0; number < METRIC_LABEL_VALUES_MAX + 50; number += 1) {
      failed(`reason ${number}`).value += 1
    }
    const shown = await lines(metrics, 'fostream')
    expect(shown).toHaveLength(METRIC_LABEL_VALUES_MAX + 1)
    expect(shown.at(-1)).toBe('fostream_events_failed_total{reason="other"} 50')
  })

  it('reads a gauge when it is asked, and leaves out what is not known', async () => {
    const metrics = emptyMetrics()
    let isUp: number | undefined
    metrics.gauge('fostream_redis_up', 'Redis answers.', () => isUp)
    expect(await lines(metrics, 'fostream')).toEqual([])
    isUp = 1
    expect(await lines(metrics, 'fostream')).toEqual(['fostream_redis_up 1'])
    isUp = undefined
    expect(await lines(metrics, 'fostream')).toEqual([])
  })

  it('forgets a label that is no longer there', async () => {
    const metrics = emptyMetrics()
    const perAccount = new Map([['desk', 2]])
    metrics.gauges('fostream_connections', 'Sockets.', 'account', () => perAccount)
    expect(await lines(metrics, 'fostream')).toEqual(['fostream_connections{account="desk"} 2'])
    perAccount.delete('desk')
    expect(await lines(metrics, 'fostream')).toEqual([])
  })

  it('shows durations in seconds, in cumulative buckets', async () => {
    const metrics = emptyMetrics()
    const hops = metrics.histograms('fostream_hop_seconds', 'Time by hop.', 'hop')
    hops('commit').record(1)
    hops('commit').record(3)
    hops('commit').record(60_000)
    const shown = await lines(metrics, 'fostream_hop_seconds')
    expect(shown).toContain('fostream_hop_seconds_bucket{le="0.000512",hop="commit"} 0')
    expect(shown).toContain('fostream_hop_seconds_bucket{le="0.001024",hop="commit"} 1')
    expect(shown).toContain('fostream_hop_seconds_bucket{le="0.004096",hop="commit"} 2')
    expect(shown).toContain('fostream_hop_seconds_bucket{le="+Inf",hop="commit"} 3')
    expect(shown).toContain('fostream_hop_seconds_sum{hop="commit"} 60.004')
    expect(shown).toContain('fostream_hop_seconds_count{hop="commit"} 3')
  })

  it('shows a histogram without labels from the start', async () => {
    const metrics = emptyMetrics()
    metrics.histogram('fostream_backfill_duration_seconds', 'Backfills.').record(2_000)
    const shown = await lines(metrics, 'fostream_backfill_duration_seconds')
    expect(shown).toContain('fostream_backfill_duration_seconds_sum 2')
    expect(shown).toContain('fostream_backfill_duration_seconds_count 1')
  })

  it('holds the process figures where they are wanted', async () => {
    const metrics = new Metrics({ processDefaults: true })
    expect(await lines(metrics, 'process_resident_memory_bytes')).toHaveLength(1)
    expect(metrics.contentType).toContain('text/plain')
  })
})
