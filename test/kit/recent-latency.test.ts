import { describe, expect, it } from 'vitest'
import { RecentLatency } from '../../src/kit/recent-latency.ts'

describe('the latency of the last minute', () => {
  function latencyAt() {
    const clock = { nowMs: 123_456, elapsedMs: () => clock.nowMs }
    return { clock, latency: new RecentLatency(clock) }
  }

  it('tells of nothing while nothing was measured', () => {
    const { latency } = latencyAt()
    expect(latency.recent()).toEqual({ count: 0, p50Ms: null, p99Ms: null, maxMs: null })
  })

  it('forgets what is a minute old, and keeps it in the figures since the start', () => {
    const { clock, latency } = latencyAt()
    latency.record(900)
    clock.nowMs += 30_000
    latency.record(4, 3)
    expect(latency.recent()).toMatchObject({ count: 4, maxMs: 900 })
    clock.nowMs += 30_001
    expect(latency.recent()).toMatchObject({ count: 3, maxMs: 4 })
    clock.nowMs += 30_000
    expect(latency.recent()).toMatchObject({ count: 0, maxMs: null })
    expect(latency.summary()).toMatchObject({ count: 4, maxMs: 900 })
  })

  it('knows at least fifty seconds, wherever in a slice it is asked', () => {
    for (let offsetMs = 0; offsetMs < 10_000; offsetMs += 777) {
      const { clock, latency } = latencyAt()
      clock.nowMs = 1_000_000 + offsetMs
      latency.record(7)
      clock.nowMs += 50_000
      expect(latency.recent().count).toBe(1)
    }
  })

  it('counts what comes after a long pause in a slice that was used before', () => {
    const { clock, latency } = latencyAt()
    latency.record(500)
    clock.nowMs += 60_000
    latency.record(3)
    expect(latency.recent()).toMatchObject({ count: 1, maxMs: 3 })
  })
})
