import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Flags } from '../../../src/backend/flags/flags.ts'
import { AutoSubscriber } from '../../../src/backend/subscriptions/auto-subscriber.ts'
import { Turns } from '../../../src/backend/subscriptions/turns.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import { msOfIst } from '../../../src/market/ist.ts'
import { silentLog } from '../../silent-log.ts'
import { MASTER, SPOTS } from './listing.ts'
import { MemoryTickers, strikesOf } from './memory-tickers.ts'

const WITHIN = { timeout: 60_000, interval: 5 }
const running: AutoSubscriber[] = []
afterEach(async () => {
  for (const auto of running.splice(0)) await auto.stop()
})

/** Tickers in memory, and the switch. */
class World extends MemoryTickers {
  isOn = true
  #looks = 0
  readonly listeners = new Set<Parameters<Flags['onChange']>[0]>()

  /** So many more times it has been time to look. */
  async looked(times = 20): Promise<void> {
    const enough = this.#looks + times
    await vi.waitFor(() => expect(this.#looks).toBeGreaterThanOrEqual(enough), WITHIN)
  }

  switch(on: boolean): void {
    this.isOn = on
    for (const listener of this.listeners) listener('smart_subscription_enabled', on)
  }

  start(): AutoSubscriber {
    const tick = 5
    const auto = new AutoSubscriber({
      settings: { underlyings: ['NIFTY50', 'BANKNIFTY'], expiries: 2, strikesEachSide: 2 },
      flags: {
        isOn: () => this.isOn,
        list: () => [],
        onChange: (listener) => {
          this.listeners.add(listener)
          return () => this.listeners.delete(listener)
        },
      },
      tickers: this.tickers,
      chains: { master: MASTER, quote: () => undefined, marketTimeMs: 0 },
      calendar: exchangeCalendar(),
      feed: 'simulated',
      riskFreeRate: 0.065,
      // Everything that it waits for comes a thousand times sooner.
      clock: {
        ...systemClock,
        elapsedMs: () => systemClock.elapsedMs() * 1_000,
        every: (_, task) =>
          systemClock.every(tick, () => {
            this.#looks++
            task()
          }),
        after: (_, task) => systemClock.after(tick, task),
      },
      random: () => 0.5,
      turns: new Turns(),
      log: silentLog,
    })
    running.push(auto)
    auto.start()
    return auto
  }
}

/** INDIA VIX, two indices, two futures each, five strikes of two expiries each. */
const WHOLE = 1 + 2 + 4 + 2 * 2 * 10

describe('what is streamed by itself', () => {
  it('is there at once, once, with prices asked of the broker', async () => {
    const world = new World()
    world.start()
    await vi.waitFor(() => expect(world.held()).toHaveLength(WHOLE), WITHIN)
    await world.looked()
    expect(world.subscribed).toBe(WHOLE)
    expect(strikesOf(world.held(), 'NIFTY50', '2026-11-23')).toEqual([
      24_400, 24_450, 24_500, 24_550, 24_600,
    ])
  })

  it('waits for a ticker that is away, and is not asked for twice', async () => {
    const world = new World()
    world.isAway = true
    world.start()
    await world.looked()
    expect(world.subscribed).toBe(0)
    world.isAway = false
    await vi.waitFor(() => expect(world.held()).toHaveLength(WHOLE), WITHIN)
    expect(world.subscribed).toBe(WHOLE)
  })

  it('follows the market, and lets go after the close of what nobody else holds', async () => {
    const world = new World()
    world.start()
    await vi.waitFor(() => expect(world.held()).toHaveLength(WHOLE), WITHIN)
    const [viewed] = world.held().filter((token) => MASTER.byToken(token)?.strike === 24_400)
    world.holders.get(viewed ?? 0)?.add('view')
    world.spots['NIFTY50'] = 24_760
    world.nowMs += 5 * 60_000
    const nifty = () => strikesOf(world.held(), 'NIFTY50', '2026-11-23')
    await vi.waitFor(() => expect(nifty()).toContain(24_850), WITHIN)
    expect(nifty()).toContain(24_400)
    world.nowMs = msOfIst('2026-11-20', '16:01')
    await vi.waitFor(
      () => expect(nifty()).toEqual([24_650, 24_700, 24_750, 24_800, 24_850]),
      WITHIN,
    )
    expect(world.held('view')).toEqual([viewed])
  })

  it('stays as it is where a spot is missing or 0', async () => {
    const world = new World()
    world.spots['NIFTY50'] = 0
    delete world.spots['BANKNIFTY']
    const auto = world.start()
    await vi.waitFor(() => expect(world.held()).toHaveLength(7), WITHIN)
    const { underlyings } = await auto.preview()
    expect(underlyings.map(({ state, spot }) => [state, spot])).toEqual([
      ['no_price', null],
      ['no_price', null],
    ])
    world.spots = { ...SPOTS }
    await vi.waitFor(() => expect(world.held()).toHaveLength(WHOLE), WITHIN)
  })

  it('is never more than there is room for, and what lacks is named', async () => {
    const world = new World()
    world.room = 20
    const auto = world.start()
    await vi.waitFor(() => expect(world.held()).toHaveLength(20), WITHIN)
    const { unplaced, add, room_for_new } = await auto.preview()
    expect([unplaced.length, add.length, room_for_new]).toEqual([WHOLE - 20, 0, 0])
    world.room = 30
    await vi.waitFor(() => expect(world.held()).toHaveLength(30), WITHIN)
  })

  it('is switched live: off changes nothing more, shows what it would do, and on goes on', async () => {
    const world = new World()
    world.isOn = false
    const auto = world.start()
    const shown = await auto.preview()
    expect([shown.enabled, shown.dry_run, shown.add.length]).toEqual([false, true, WHOLE])
    expect(world.subscribed).toBe(0)
    world.switch(true)
    await vi.waitFor(() => expect(world.held()).toHaveLength(WHOLE), WITHIN)
    world.switch(false)
    world.spots['NIFTY50'] = 26_000
    world.nowMs = msOfIst('2026-11-20', '17:00')
    await world.looked()
    expect(world.held()).toHaveLength(WHOLE)
    const applied = await auto.apply()
    expect([applied.dry_run, applied.add.length > 0, applied.drop.length > 0]).toEqual([
      false,
      true,
      true,
    ])
    expect(strikesOf(world.held(), 'NIFTY50', '2026-11-23')).toContain(26_000)
  })
})
