import { afterEach, describe, expect, it } from 'vitest'
import { Turns } from '../../../src/backend/subscriptions/turns.ts'
import {
  TooManyViewsError,
  ViewSubscriber,
} from '../../../src/backend/subscriptions/view-subscriber.ts'
import type { MonitorView } from '../../../src/contract/api/monitor-view.ts'
import {
  VIEW_CALLS_MAX,
  VIEW_LEASE_MS,
  VIEW_LINGER_MS,
  VIEW_LOOK_PERIOD_MS,
  VIEWS_MAX,
} from '../../../src/limits.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import type { Series } from '../../../src/market/instrument-master.ts'
import { msOfIst } from '../../../src/market/ist.ts'
import { silentLog } from '../../silent-log.ts'
import { SteppedClock } from '../api/stepped-clock.ts'
import { MASTER } from './listing.ts'
import { MemoryTickers, strikesOf } from './memory-tickers.ts'

const NEAR = '2026-11-23'
const FAR = '2026-12-01'
/** Index, future, five strikes. */
const WHOLE = 2 + 2 * 5

const running: ViewSubscriber[] = []
afterEach(async () => {
  for (const views of running.splice(0)) await views.stop()
})

class World extends MemoryTickers {
  readonly clock = new SteppedClock(msOfIst('2026-11-20', '10:00'))
  readonly turns = new Turns()
  mine = ['NIFTY50', 'BANKNIFTY', 'FINNIFTY']
  views = this.start()

  start(): ViewSubscriber {
    const views = new ViewSubscriber({
      strikesEachSide: 2,
      tickers: this.tickers,
      chains: { master: MASTER, quote: () => undefined, marketTimeMs: 0 },
      history: {
        newHistory: (_, { length }) => ({ pending: length, etaMs: length * 333, waitsFor: null }),
      },
      isMine: (symbol) => this.mine.includes(symbol),
      calendar: exchangeCalendar(),
      feed: 'simulated',
      riskFreeRate: 0.065,
      turns: this.turns,
      clock: this.clock,
      log: silentLog,
    })
    running.push(views)
    views.start()
    return views
  }

  open(symbol = 'NIFTY50', expiry = NEAR, strikesEachSide?: number): Promise<MonitorView> {
    const series = MASTER.series(symbol, expiry) as Series
    return this.views.open({ series, strikesEachSide })
  }

  /** Time passes, and what it sets going is done. */
  async pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= VIEW_LOOK_PERIOD_MS) {
      this.clock.advance(Math.min(leftMs, VIEW_LOOK_PERIOD_MS))
      await this.turns.idle()
    }
  }

  strikes(expiry = NEAR): number[] {
    return strikesOf([...this.holders.keys()], 'NIFTY50', expiry)
  }
}

describe('what is looked at', () => {
  it('is streamed, told with its history, and not asked for twice', async () => {
    const world = new World()
    const first = await world.open()
    expect(first).toMatchObject({ symbol: 'NIFTY50', expiry: NEAR, atm_strike: 24_500 })
    expect(first).toMatchObject({ wanted: WHOLE, streamed: 0, unplaced: [], problem: null })
    expect(first.added).toHaveLength(WHOLE)
    expect(first.backfill).toEqual({ pending: WHOLE, done: 0, eta_ms: 3_996, waits_for: null })
    expect(first.lease_seconds).toBe(300)
    expect(world.held('view')).toHaveLength(WHOLE)
    const again = await world.open()
    expect(again).toMatchObject({ wanted: WHOLE, streamed: WHOLE, added: [] })
    expect(again.backfill).toMatchObject({ pending: 0, done: WHOLE })
    expect(world.subscribed).toBe(WHOLE)
  })

  it('stays when whoever streamed it lets go', async () => {
    const world = new World()
    await world.open('NIFTY50', NEAR, 1)
    const auto = world.held('view')
    for (const token of auto) world.holders.set(token, new Set(['auto']))
    const { streamed, added } = await world.open()
    expect([streamed, added.length]).toEqual([auto.length, WHOLE - auto.length])
    await world.tickers.unsubscribe(auto, { requestedBy: 'auto' })
    expect(world.held('view')).toHaveLength(WHOLE)
  })

  it('grows as the market moves, and loses nothing while it lives', async () => {
    const world = new World()
    await world.open()
    for (const spot of [24_560, 24_610, 24_660]) {
      world.spots['NIFTY50'] = spot
      await world.pass(VIEW_LEASE_MS - 1)
      await world.open()
    }
    expect(world.strikes()).toEqual([
      24_400, 24_450, 24_500, 24_550, 24_600, 24_650, 24_700, 24_750,
    ])
    for (let passedMs = 0; passedMs < 2 * VIEW_LINGER_MS; passedMs += VIEW_LOOK_PERIOD_MS) {
      await world.pass(VIEW_LOOK_PERIOD_MS)
      await world.open()
    }
    expect(world.strikes()).toHaveLength(8)
  })

  it('is never more than there is room for, and what lacks is named', async () => {
    const world = new World()
    world.room = 4
    const { added, unplaced } = await world.open()
    expect([added.length, unplaced.length]).toEqual([4, WHOLE - 4])
    world.room = 100
    expect(await world.open()).toMatchObject({ added: unplaced, unplaced: [] })
  })

  it('changes one after the other', async () => {
    const world = new World()
    const calls = [world.open(), world.open('NIFTY50', FAR), world.open(), world.open('BANKNIFTY')]
    const opened = await Promise.all(calls)
    expect(opened.map(({ added }) => added.length)).toEqual([WHOLE, WHOLE - 1, 0, WHOLE])
    expect(opened.map(({ atm_strike }) => atm_strike)).toEqual([24_500, 24_550, 24_500, 52_100])
  })

  it('is refused where too much is looked at, or asked for at once', async () => {
    const world = new World()
    for (let each = 0; each < VIEWS_MAX; each++) await world.open('NIFTY50', NEAR, each)
    await expect(world.open('NIFTY50', FAR)).rejects.toThrow(TooManyViewsError)
    expect((await world.open('NIFTY50', NEAR, 3)).added).toEqual([])
    const calls = Array.from({ length: VIEW_CALLS_MAX + 1 }, () => world.open('NIFTY50', NEAR, 3))
    const ends = await Promise.allSettled(calls)
    expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(1)
  })
})

describe('what nobody looks at any more', () => {
  it('is let go after lease and linger, not before, and only the hold of views', async () => {
    const world = new World()
    await world.open()
    const [index, future] = world.held('view')
    for (const token of [index, future]) world.holders.get(token ?? 0)?.add('auto')
    await world.pass(VIEW_LEASE_MS + VIEW_LINGER_MS - VIEW_LOOK_PERIOD_MS)
    expect(world.held('view')).toHaveLength(WHOLE)
    await world.pass(2 * VIEW_LOOK_PERIOD_MS)
    expect(world.held('view')).toEqual([])
    expect(world.held('auto')).toEqual([index, future])
    expect(world.holders.size).toBe(2)
  })

  it('stays as far as another view wants it', async () => {
    const world = new World()
    await world.open('NIFTY50', NEAR, 4)
    for (let passedMs = 0; passedMs <= VIEW_LEASE_MS + VIEW_LINGER_MS; passedMs += 60_000) {
      await world.open('NIFTY50', NEAR, 1)
      await world.pass(60_000)
    }
    expect(world.strikes()).toEqual([24_450, 24_500, 24_550])
  })

  it('is held as long as if it had been looked at when a new process found it', async () => {
    const world = new World()
    await world.open()
    await world.pass(VIEW_LEASE_MS + VIEW_LINGER_MS - VIEW_LOOK_PERIOD_MS)
    await world.views.stop()
    world.views = world.start()
    await world.pass(VIEW_LEASE_MS + VIEW_LINGER_MS - VIEW_LOOK_PERIOD_MS)
    expect(world.held('view')).toHaveLength(WHOLE)
    await world.pass(2 * VIEW_LOOK_PERIOD_MS)
    expect(world.held('view')).toEqual([])
  })

  it('has the same time where nobody here asked for it', async () => {
    const world = new World()
    await world.turns.idle()
    await world.tickers.subscribe(
      { instruments: [{ instrument_token: MASTER.index('NIFTY50')?.token ?? 0 }] },
      { requestedBy: 'view' },
    )
    await world.pass(VIEW_LEASE_MS + VIEW_LINGER_MS)
    expect(world.held('view')).toHaveLength(1)
    await world.pass(VIEW_LINGER_MS + 2 * VIEW_LOOK_PERIOD_MS)
    expect(world.held('view')).toEqual([])
  })

  it('is left alone where another backend serves it', async () => {
    const world = new World()
    await world.open()
    await world.open('BANKNIFTY', NEAR)
    world.mine = ['NIFTY50']
    await world.pass(VIEW_LEASE_MS + VIEW_LINGER_MS + 2 * VIEW_LOOK_PERIOD_MS)
    const symbols = world.held('view').map((token) => MASTER.byToken(token)?.symbol)
    expect(new Set(symbols)).toEqual(new Set(['BANKNIFTY']))
  })
})

describe('a ticker that does not answer', () => {
  it('makes the call fail and has nothing let go', async () => {
    const world = new World()
    await world.open()
    world.isAway = true
    await world.pass(VIEW_LEASE_MS + VIEW_LINGER_MS + 3 * VIEW_LOOK_PERIOD_MS)
    await expect(world.open()).rejects.toThrow('nobody there')
    expect(world.held('view')).toHaveLength(WHOLE)
    world.isAway = false
    await world.pass(VIEW_LOOK_PERIOD_MS)
    expect(world.held('view')).toEqual([])
  })
})
