import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MarketClock } from '../../src/exchange/market-clock.ts'
import { silentLog } from '../silent-log.ts'
import { DrivenClock, NOON_MS } from './driven-clock.ts'
import { temporaryFolder } from './exchange-under-test.ts'

describe("the market's clock", () => {
  it('is the wall clock at speed 1', () => {
    const clock = new DrivenClock()
    const market = start(clock, 1, temporaryFolder())
    clock.advance(12_345)
    expect(market.nowMs()).toBe(clock.nowMs())
    market.stop()
    const later = start(clock, 1, temporaryFolder())
    expect(later.nowMs()).toBe(clock.nowMs())
  })

  it('runs as fast as it is told', () => {
    const clock = new DrivenClock()
    const market = start(clock, 60, temporaryFolder())
    clock.advance(10_000)
    expect(market.nowMs()).toBe(NOON_MS + 600_000)
  })

  it('goes on where it was stopped', () => {
    const folder = temporaryFolder()
    const clock = new DrivenClock()
    const market = start(clock, 60, folder)
    clock.advance(10_000)
    market.stop()
    const again = start(clock, 1, folder)
    expect(again.nowMs()).toBe(NOON_MS + 600_000)
    clock.advance(1_000)
    expect(again.nowMs()).toBe(NOON_MS + 601_000)
  })

  it('never goes back, not even when the process is killed', () => {
    const folder = temporaryFolder()
    const clock = new DrivenClock()
    const market = start(clock, 600, folder)
    for (let i = 0; i < 30; i++) {
      clock.advance(777)
      const again = new MarketClock({ clock, speed: 600, stateDir: folder, log: silentLog })
      expect(again.nowMs()).toBeGreaterThanOrEqual(market.nowMs())
      expect(again.nowMs() - market.nowMs()).toBeLessThanOrEqual(2 * 600_000)
    }
  })

  it('is the wall clock again once that has caught up', () => {
    const folder = temporaryFolder()
    const market = start(new DrivenClock(), 60, folder)
    market.stop()
    const clock = new DrivenClock(NOON_MS + 86_400_000)
    expect(start(clock, 1, folder).nowMs()).toBe(clock.nowMs())
  })

  it('does not stumble over a state file that it cannot read', () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'exchange-state.json'), '{"market_time_ms":')
    expect(start(new DrivenClock(), 1, folder).nowMs()).toBe(NOON_MS)
  })
})

function start(clock: DrivenClock, speed: number, stateDir: string): MarketClock {
  const market = new MarketClock({ clock, speed, stateDir, log: silentLog })
  market.start()
  return market
}
